//! Reaching Kafka and ZooKeeper for consumers of a group.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use kafkavisor_group::start::Elsewhere;
use kafkavisor_group::starts::{Places, Starts};
use kafkavisor_group::topics::Topics;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::offsets::{DualOffsets, KafkaOffsets, OffsetStore, ZookeeperOffsets};
use kafkavisor_kafka::properties::client_properties;
use uuid::Uuid;

use super::reports::{Measured, Reports, timed};
use super::{ConsumerError, PartitionerError};
use crate::async_thread::AsyncThread;
use crate::clock::now;
use crate::config::ZookeeperAddress;
use crate::consumer_config::KafkaConsumerConfig;
use crate::ensemble::ensemble;
use crate::ids::Topic;
use crate::membership::{Connection, Identity, Options};
use crate::metrics::Reporter;
use crate::offset_storage::OffsetStorage;
use crate::partitioner::group_path::TopicsRepr;

/// Longest that all of it may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Properties that have a place of their own, or none.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "the cluster's brokers are used"),
    ("metadata.broker.list", "the cluster's brokers are used"),
    ("client.id", "use client_id() of the configuration"),
    ("group.id", "it is the configuration's"),
    ("auto.offset.reset", "use auto_offset_reset() of the configuration"),
    ("enable.auto.commit", "use auto_commit_enable() of the configuration"),
    ("auto.commit.enable", "use auto_commit_enable() of the configuration"),
    ("auto.commit.interval.ms", "use auto_commit_interval() of the configuration"),
    ("enable.auto.offset.store", "a message is done when it is said to be"),
    ("enable.partition.eof", "it is on, and wanted"),
    ("partition.assignment.strategy", "members share partitions through ZooKeeper"),
    ("group.instance.id", "members share partitions through ZooKeeper"),
    ("group.protocol", "members share partitions through ZooKeeper"),
];
const STATISTICS: &str = "statistics.interval.ms";
/// How often librdkafka tells figures, where somebody is told.
const STATISTICS_MS: &str = "10000";
/// As kazoo's default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// What a consumer is set up with.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) topics: Vec<Topic>,
    pub(super) config: KafkaConsumerConfig,
    /// librdkafka's, for security and the like.
    pub(super) properties: BTreeMap<String, String>,
    pub(super) repr: TopicsRepr,
    pub(super) reports: Reports,
}

/// Without the properties' values, among which are secrets.
impl Debug for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { topics, config, properties, repr, reports } = self;
        let mut shown = f.debug_struct("Setup");
        shown.field("topics", topics).field("config", config).field("properties", &properties.keys());
        shown.field("repr", repr).field("reports", reports).finish()
    }
}

/// What was reached.
pub(super) struct Reached {
    pub(super) store: Arc<dyn OffsetStore>,
    pub(super) starts: Starts,
    pub(super) topics: Topics,
    /// Signs commits.
    pub(super) instance: String,
    /// What a client that fetches is made with.
    pub(super) properties: BTreeMap<String, String>,
    /// Where ZooKeeper's clients for offsets live.
    pub(super) _offsets: Option<AsyncThread>,
}

impl Setup {
    fn client_properties(&self) -> BTreeMap<String, String> {
        let mut theirs = self.properties.clone();
        let ours = [
            ("client.id", self.config.client_id().to_owned()),
            ("fetch.message.max.bytes", self.config.fetch_message_max_bytes().to_string()),
            ("fetch.min.bytes", self.config.fetch_min_bytes().to_string()),
        ];
        for (name, value) in ours {
            theirs.entry(name.to_owned()).or_insert(value);
        }
        client_properties(&self.config.cluster().broker_list, &theirs)
    }

    fn zookeeper(&self) -> Result<Option<ZookeeperAddress>, ConsumerError> {
        let address = &self.config.cluster().zookeeper;
        if address.is_empty() {
            return Ok(None);
        }
        let parsed = address.parse().map_err(|error| {
            PartitionerError::Configuration(format!("ZooKeeper's address {address:?}: {error}"))
        })?;
        Ok(Some(parsed))
    }

    /// Reaches Kafka, and the place where the group's offsets are.
    pub(super) fn reach(&self, reporter: Option<&Arc<Reporter>>) -> Result<Reached, ConsumerError> {
        let until = now() + WITHIN;
        let config = &self.config;
        let group = config.group_id();
        config.cluster().check_brokers().map_err(PartitionerError::Configuration)?;
        if let Some((name, instead)) = OURS.iter().find(|(name, _)| self.properties.contains_key(*name)) {
            let why = format!("the property {name} can't be set here: {instead}");
            return Err(PartitionerError::Configuration(why).into());
        }
        let mut properties = self.client_properties();
        let wanted = properties.insert(STATISTICS.to_owned(), "0".to_owned());
        let mut fetching = properties.clone();
        if reporter.is_some() {
            // Of the others nobody takes them, and they would pile up.
            fetching.insert(STATISTICS.to_owned(), wanted.unwrap_or_else(|| STATISTICS_MS.to_owned()));
        }
        let clients = Arc::new(Clients::new(&properties, group)?);
        clients.reach(until).map_err(|error| {
            if let KafkaError::Security(_) | KafkaError::Configuration(_) = error {
                return error.into();
            }
            ConsumerError::KafkaUnavailable { brokers: config.cluster().broker_list.join(","), error }
        })?;
        let topics = Topics::first_look(Arc::clone(&clients), self.topics.clone(), until)
            .map_err(|(_, error)| error)?;
        let zookeeper = self.zookeeper()?;
        let thread = match (&zookeeper, config.offset_storage()) {
            (None, OffsetStorage::Kafka) => None,
            _ => Some(AsyncThread::start("offsets").map_err(no_thread)?),
        };
        let in_zookeeper = |address: &ZookeeperAddress, thread: &AsyncThread| {
            let ensemble = ensemble(address, None, None);
            ZookeeperOffsets::new(thread.handle(), ensemble, &address.chroot, group)
        };
        let in_kafka = Arc::new(KafkaOffsets::new(Arc::clone(&clients), group)?);
        let in_kafka = Measured::in_kafka(in_kafka, reporter);
        let places = match (config.offset_storage(), &zookeeper, &thread) {
            (OffsetStorage::Kafka, Some(address), Some(thread)) => {
                let classic = Arc::new(in_zookeeper(address, thread));
                Places { store: in_kafka, elsewhere: Some((Elsewhere::Zookeeper, classic)) }
            }
            (OffsetStorage::Kafka, ..) => Places { store: in_kafka, elsewhere: None },
            (storage, Some(address), Some(thread)) => {
                let offsets = in_zookeeper(address, thread).signed();
                offsets.reach(until).map_err(|error| unreached(&zookeeper_servers(address), &error))?;
                let offsets = Measured::in_zookeeper(Arc::new(offsets), reporter);
                if storage == OffsetStorage::Dual {
                    Places { store: Arc::new(DualOffsets::new(in_kafka, offsets)), elsewhere: None }
                } else {
                    Places { store: offsets, elsewhere: Some((Elsewhere::Kafka, in_kafka)) }
                }
            }
            (_, None, _) | (_, _, None) => {
                return Err(PartitionerError::Configuration(
                    "offsets in ZooKeeper, the default, need its address: give the cluster one, or set \
                     `offset_storage` to Kafka"
                        .to_owned(),
                )
                .into());
            }
        };
        let instance = Uuid::new_v4().simple().to_string();
        let store = Arc::clone(&places.store);
        let reset = config.auto_offset_reset();
        let starts = Starts { clients, places, instance: instance.clone(), reset, timed: timed(reporter) };
        Ok(Reached { store, starts, topics, instance, properties: fetching, _offsets: thread })
    }

    /// How the group is joined.
    pub(super) fn membership(&self) -> Result<Options, ConsumerError> {
        let address = self.zookeeper()?.ok_or_else(|| {
            PartitionerError::Configuration(
                "a consumer group needs ZooKeeper's address: give the cluster one".to_owned(),
            )
        })?;
        let folder = self.config.group_folder(&self.topics, self.repr);
        Ok(Options {
            ensemble: ensemble(&address, None, None),
            chroot: address.chroot.clone(),
            group_path: folder.path().to_owned(),
            siblings: folder.parent().is_some(),
            session_timeout: SESSION_TIMEOUT,
            cooldown: self.config.partitioner_cooldown(),
            identity: Identity::here(),
        })
    }
}

/// The first session of a membership. To be called on a thread that is in no async runtime.
pub(super) fn connect(thread: &AsyncThread, options: &Options) -> Result<Connection, ConsumerError> {
    let connected = thread.handle().block_on(Connection::establish(options, WITHIN));
    Ok(connected.map_err(|error| unreached(options.ensemble.servers(), &error))?)
}

/// ZooKeeper, and what is wrong there.
pub(super) fn unreached(servers: &str, error: &impl ToString) -> PartitionerError {
    let text = error.to_string();
    // Who it is stands before it.
    let why = text.strip_prefix(&format!("ZooKeeper at {servers} ")).unwrap_or(&text).to_owned();
    PartitionerError::Zookeeper { servers: servers.to_owned(), why }
}

fn zookeeper_servers(address: &ZookeeperAddress) -> String {
    address.servers.join(",")
}

pub(super) fn no_thread(error: std::io::Error) -> ConsumerError {
    KafkaError::Client(format!("failed to start a thread: {error}")).into()
}
