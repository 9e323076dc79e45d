//! A Kafka cluster as discovery, topology files and consumer configurations name it.
//!
//! It says what was given and checks nothing: whether brokers and ZooKeeper can be used shows where somebody connects.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

#[cfg(any(feature = "discovery", feature = "offsets", feature = "producer"))]
use crate::config::{host_port, is_host};

/// A Kafka cluster: its type and name, its brokers, and its ZooKeeper.
///
/// Two are equal when type, name and the sorted lists of brokers and of ZooKeeper's servers are, so the order in which
/// servers are listed says nothing; ZooKeeper's chroot, which stands after the last server, belongs to all of them.
/// From yelp_kafka: `yelp_kafka.config.ClusterConfig`.
///
/// ```
/// use kafkavisor::cluster_config::ClusterConfig;
///
/// let text = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181,zk2:2181/kafka");
/// let list = ClusterConfig::new("standard", "uswest2-prod", ["k2:9092", "k1:9092"], "zk2:2181,zk1:2181/kafka");
/// assert_eq!(text, list);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// What the cluster is for: `standard`, `scribe`, ...
    #[serde(rename = "type")]
    pub cluster_type: String,
    /// The cluster's name within its type: `uswest2-prod`.
    pub name: String,
    /// Brokers to begin with, each `host:port`. Read from a list or from a text with commas.
    #[serde(deserialize_with = "broker_list")]
    pub broker_list: Vec<String>,
    /// ZooKeeper's servers with commas between them, and its chroot if there is one: `zk1:2181,zk2:2181/kafka`.
    pub zookeeper: String,
}

impl ClusterConfig {
    /// A cluster whose brokers are given as a list or as a text with commas.
    pub fn new(
        cluster_type: impl Into<String>,
        name: impl Into<String>,
        broker_list: impl Into<BrokerList>,
        zookeeper: impl Into<String>,
    ) -> Self {
        Self {
            cluster_type: cluster_type.into(),
            name: name.into(),
            broker_list: broker_list.into().0,
            zookeeper: zookeeper.into(),
        }
    }

    /// Whether anybody can be reached there; otherwise why not, and what to do.
    #[cfg(any(feature = "discovery", feature = "offsets", feature = "producer"))]
    pub(crate) fn check_brokers(&self) -> Result<(), String> {
        if self.broker_list.iter().all(|broker| broker.trim().is_empty()) {
            return Err(format!("the cluster {:?} has no brokers: name one at least, HOST:PORT", self.name));
        }
        let wrong = |broker: &&String| {
            // As librdkafka takes them: PROTOCOL://HOST:PORT, and without a port 9092.
            let address = broker.rsplit_once("://").map_or(broker.as_str(), |(_, address)| address);
            let address = address.trim();
            !address.is_empty() && !is_host(address) && host_port(address).is_err()
        };
        match self.broker_list.iter().find(wrong) {
            Some(broker) => {
                Err(format!("the broker {:?} of the cluster {:?}: expected HOST:PORT", broker, self.name))
            }
            None => Ok(()),
        }
    }

    /// What two configurations of the same cluster have in common.
    fn identity(&self) -> (&str, &str, Vec<&str>, Vec<&str>, &str) {
        let (servers, chroot) = match self.zookeeper.find('/') {
            Some(at) => self.zookeeper.split_at(at),
            None => (self.zookeeper.as_str(), ""),
        };
        (
            &self.cluster_type,
            &self.name,
            sorted(self.broker_list.iter().map(String::as_str)),
            sorted(servers.split(',')),
            chroot.trim().trim_end_matches('/'),
        )
    }
}

impl PartialEq for ClusterConfig {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for ClusterConfig {}

impl Hash for ClusterConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// The servers in order, without blanks and empty parts.
fn sorted<'a>(servers: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut servers: Vec<&str> = servers.map(str::trim).filter(|server| !server.is_empty()).collect();
    servers.sort_unstable();
    servers
}

/// Brokers, from a list or from a text with commas; blanks around them and empty parts are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerList(Vec<String>);

impl BrokerList {
    fn of<'a>(brokers: impl Iterator<Item = &'a str>) -> Self {
        let brokers = brokers.map(str::trim).filter(|broker| !broker.is_empty());
        Self(brokers.map(str::to_owned).collect())
    }
}

impl From<&str> for BrokerList {
    fn from(text: &str) -> Self {
        Self::of(text.split(','))
    }
}

impl From<String> for BrokerList {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Vec<String>> for BrokerList {
    fn from(list: Vec<String>) -> Self {
        Self::of(list.iter().map(String::as_str))
    }
}

impl<const N: usize> From<[&str; N]> for BrokerList {
    fn from(list: [&str; N]) -> Self {
        Self::of(list.into_iter())
    }
}

fn broker_list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of brokers, or a text with commas between them")]
    enum Given {
        List(Vec<String>),
        Text(String),
    }
    let list = match Given::deserialize(deserializer)? {
        Given::List(list) => BrokerList::from(list),
        Given::Text(text) => BrokerList::from(text),
    };
    Ok(list.0)
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use proptest::prelude::*;

    use super::*;

    fn hash_of(cluster: &ClusterConfig) -> u64 {
        let mut hasher = DefaultHasher::new();
        cluster.hash(&mut hasher);
        hasher.finish()
    }

    fn cluster(brokers: &str, zookeeper: &str) -> ClusterConfig {
        ClusterConfig::new("standard", "uswest2-prod", brokers, zookeeper)
    }

    #[test]
    fn the_order_of_servers_says_nothing() {
        let one = cluster("k1:9092,k2:9092", "zk1:2181,zk2:2181/kafka");
        let other = cluster(" k2:9092, k1:9092,", "zk2:2181, zk1:2181/kafka/");
        assert_eq!(one, other);
        assert_eq!(hash_of(&one), hash_of(&other));
    }

    #[test]
    fn another_type_name_broker_server_or_chroot_is_another_cluster() {
        let one = cluster("k1:9092", "zk1:2181/kafka");
        for other in [
            ClusterConfig { cluster_type: "scribe".to_owned(), ..one.clone() },
            ClusterConfig { name: "uswest1-prod".to_owned(), ..one.clone() },
            cluster("k1:9092,k1:9092", "zk1:2181/kafka"),
            cluster("k2:9092", "zk1:2181/kafka"),
            cluster("k1:9092", "zk2:2181/kafka"),
            cluster("k1:9092", "zk1:2181/other"),
            cluster("k1:9092", "zk1:2181"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn brokers_are_read_from_a_list_and_from_a_text() {
        for brokers in [r#"["k1:9092","k2:9092"]"#, r#""k1:9092, k2:9092,""#] {
            let json = format!(
                r#"{{"type":"standard","name":"uswest2-prod","broker_list":{brokers},"zookeeper":"zk1:2181","more":1}}"#
            );
            let read: ClusterConfig = serde_json::from_str(&json).unwrap();
            assert_eq!(read.broker_list, ["k1:9092", "k2:9092"]);
            assert_eq!(
                serde_json::to_string(&read).unwrap(),
                r#"{"type":"standard","name":"uswest2-prod","broker_list":["k1:9092","k2:9092"],"zookeeper":"zk1:2181"}"#
            );
        }
    }

    #[test]
    fn brokers_of_another_shape_are_an_error_that_says_so() {
        let json = r#"{"type":"standard","name":"n","broker_list":7,"zookeeper":""}"#;
        let error = serde_json::from_str::<ClusterConfig>(json).unwrap_err().to_string();
        assert!(error.contains("expected a list of brokers, or a text"), "{error}");
    }

    proptest! {
        #[test]
        fn equal_ones_hash_alike(brokers in "[ab,: ]{0,8}", zookeeper in "[ab,/ ]{0,8}", swapped in "[ab,/ ]{0,8}") {
            let (one, other) = (cluster(&brokers, &zookeeper), cluster(&brokers, &swapped));
            prop_assert!(one != other || hash_of(&one) == hash_of(&other));
        }
    }
}
