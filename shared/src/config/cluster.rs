//! Where Kafka and ZooKeeper are: `cluster`, by its servers or by discovery. Nothing is looked up here.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{InvalidAddress, ZookeeperAddress, comma_separated, host_port, twice};
use super::discovery::{self, ClusterQuery};
use super::document::Value;
use super::errors::Problems;
use super::reader::{Field, Section, Setting, needed};
use super::security::{self, ZookeeperAuth, ZookeeperTls};
use crate::cluster_config::ClusterConfig;

const KEYS: &[&str] = &[
    "brokers",
    "zookeeper",
    "zookeeper_auth",
    "zookeeper_tls",
    "connect_timeout",
    "type",
    "name",
    "region",
    "superregion",
];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const BROKERS: &str = "a list of HOST:PORT such as [k1:9092, k2:9092]";

/// The Kafka cluster and its ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Where they are, or how that is found.
    pub address: ClusterAddress,
    /// How long discovery, Kafka and ZooKeeper may stay unreachable at start.
    pub connect_timeout: Duration,
    /// Who we are to ZooKeeper; none: nobody.
    pub zookeeper_auth: Option<ZookeeperAuth>,
    /// How ZooKeeper is spoken to over TLS; none: in plain text.
    pub zookeeper_tls: Option<ZookeeperTls>,
}

/// How a cluster is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterAddress {
    /// It is named by its servers.
    Servers(Servers),
    /// It is asked of discovery.
    Discovery(ClusterQuery),
}

/// The servers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// Brokers to begin with, each `host:port`; at least one, none twice.
    pub brokers: Vec<String>,
    /// The ZooKeeper ensemble; always there when it was named and the assignment is by ZooKeeper.
    pub zookeeper: Option<ZookeeperAddress>,
}

impl TryFrom<&ClusterConfig> for Servers {
    type Error = InvalidAddress;

    /// What discovery says, checked as what stands in a file is.
    fn try_from(found: &ClusterConfig) -> Result<Self, InvalidAddress> {
        let mut brokers = Vec::new();
        for broker in found.broker_list.iter().map(|broker| broker.trim()).filter(|broker| !broker.is_empty())
        {
            if !brokers.iter().any(|known| known == broker) {
                brokers.push(host_port(broker)?);
            }
        }
        if brokers.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        let zookeeper = found.zookeeper.trim();
        let zookeeper = (!zookeeper.is_empty()).then(|| zookeeper.parse()).transpose()?;
        Ok(Self { brokers, zookeeper })
    }
}

/// `cluster` as far as the file says.
#[derive(Debug)]
pub(super) struct ClusterDraft {
    pub(super) brokers: Option<Setting<Vec<String>>>,
    pub(super) zookeeper: Option<Setting<ZookeeperAddress>>,
    pub(super) query: Option<Setting<ClusterQuery>>,
    pub(super) connect_timeout: Duration,
    zookeeper_auth: Option<ZookeeperAuth>,
    zookeeper_tls: Option<ZookeeperTls>,
}

/// Who we are to ZooKeeper, and how it is spoken to.
pub(super) fn read_security(
    root: &Section<'_>,
    p: &mut Problems,
) -> (Option<ZookeeperAuth>, Option<ZookeeperTls>) {
    let section = root.section("cluster", KEYS, p);
    (security::read_zookeeper_auth(&section, p), security::read_zookeeper_tls(&section, p))
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> ClusterDraft {
    let section = root.section("cluster", KEYS, p);
    let draft = ClusterDraft {
        brokers: section.get("brokers").map(|field| brokers(field, p)),
        zookeeper: section
            .get("zookeeper")
            .map(|field| field.setting("text such as zk1:2181,zk2:2181/kafka", str::parse, p)),
        query: discovery::query(&section, p),
        connect_timeout: section.duration("connect_timeout", &CONNECT_TIMEOUTS, CONNECT_TIMEOUT, p),
        zookeeper_auth: security::read_zookeeper_auth(&section, p),
        zookeeper_tls: security::read_zookeeper_tls(&section, p),
    };
    if draft.query.is_some() {
        for field in ["brokers", "zookeeper"].iter().filter_map(|key| section.get(key)) {
            let message = format!(
                "`{}` beside `cluster.type`: discovery finds brokers and ZooKeeper; keep one of the two",
                field.path
            );
            p.at(field.key, message);
        }
    }
    draft
}

impl ClusterDraft {
    /// Lets the flags win. Brokers of the command line are another cluster than the one that would be found.
    pub(super) fn overrule(
        &mut self,
        brokers: Option<Setting<Vec<String>>>,
        zookeeper: Option<Setting<ZookeeperAddress>>,
        p: &mut Problems,
    ) {
        if brokers.is_some() {
            self.query = None;
        } else if let (Some(zookeeper), Some(_)) = (&zookeeper, &self.query) {
            p.at(
                zookeeper.place,
                "discovery finds ZooKeeper with its cluster (`cluster.type`): leave out -z, or pass -b too",
            );
        }
        self.brokers = brokers.or(self.brokers.take());
        self.zookeeper = zookeeper.or(self.zookeeper.take());
    }

    pub(super) fn zookeeper_tls(&self) -> Option<&ZookeeperTls> {
        self.zookeeper_tls.as_ref()
    }

    /// The cluster, unless something is missing or wrong.
    pub(super) fn finish(self, p: &mut Problems) -> Option<Cluster> {
        let address = if let Some(query) = self.query {
            ClusterAddress::Discovery(query.value?)
        } else {
            let missing = "no brokers: set `cluster.brokers` in the file or pass -b BROKERS";
            let brokers = needed(self.brokers, missing, p);
            let zookeeper = match self.zookeeper {
                Some(setting) => Some(setting.value?),
                None => None,
            };
            ClusterAddress::Servers(Servers { brokers: brokers?, zookeeper })
        };
        let Self { connect_timeout, zookeeper_auth, zookeeper_tls, .. } = self;
        Some(Cluster { address, connect_timeout, zookeeper_auth, zookeeper_tls })
    }
}

fn brokers(field: &Field<'_>, p: &mut Problems) -> Setting<Vec<String>> {
    let place = field.place();
    if matches!(field.node.value, Value::Text(_)) {
        return field.setting(BROKERS, comma_separated, p);
    }
    Setting { place, value: field.list(BROKERS, p).and_then(|items| broker_list(field, &items, p)) }
}

fn broker_list(field: &Field<'_>, items: &[Field<'_>], p: &mut Problems) -> Option<Vec<String>> {
    if items.is_empty() {
        field.wrong(InvalidAddress::Empty, p);
        return None;
    }
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for item in items {
        if let Some(broker) = item.parsed("HOST:PORT", host_port, p) {
            if seen.insert(broker.clone()) {
                list.push(broker);
            } else {
                item.wrong(twice(&broker), p);
            }
        }
    }
    Some(list)
}
