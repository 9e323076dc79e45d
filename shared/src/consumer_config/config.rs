//! A consumer's configuration: a group, a cluster, and options, each checked when it is built.

use std::collections::BTreeMap;
use std::time::Duration;

use super::builder::Builder;
use super::error::Deprecated;
use super::values::Values;
use crate::cluster_config::ClusterConfig;
use crate::config::{OffsetStorage, Reset};
use crate::ids::{Group, Topic};
use crate::partitioner::group_path::{GroupFolder, TopicsRepr};

/// What begins a group's name by convention.
const CONVENTION: [&str; 2] = ["services.", "batch."];

/// Whether the group is named `services.<name>` or `batch.<name>`, by which yelp_kafka's users find it in their monitoring.
pub fn follows_naming_convention(group: &Group) -> bool {
    let rest = CONVENTION.iter().find_map(|begin| group.as_str().strip_prefix(begin));
    rest.is_some_and(|rest| !rest.is_empty())
}

/// A consumer's configuration, with yelp_kafka's defaults. From yelp_kafka: `yelp_kafka.config.KafkaConsumerConfig`.
///
/// ```
/// use std::time::Duration;
/// use kafkavisor::cluster_config::ClusterConfig;
/// use kafkavisor::config::Reset;
/// use kafkavisor::consumer_config::KafkaConsumerConfig;
///
/// # fn main() -> Result<(), kafkavisor::consumer_config::ConfigurationError> {
/// let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181/kafka");
/// let config = KafkaConsumerConfig::builder("services.billing", cluster)
///     .auto_offset_reset(Reset::Earliest)
///     .auto_commit_interval(Duration::from_secs(60))
///     .build()?;
/// assert_eq!(config.partitioner_cooldown(), Duration::from_secs(30));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaConsumerConfig {
    group_id: Group,
    cluster: ClusterConfig,
    values: Values,
    deprecated: Vec<Deprecated>,
}

impl KafkaConsumerConfig {
    /// Begins with yelp_kafka's defaults. The group's id should represent the application that it belongs to:
    /// see [`follows_naming_convention`].
    pub fn builder(group_id: &str, cluster: ClusterConfig) -> Builder {
        Builder::new(group_id, cluster)
    }

    /// Of what was checked.
    pub(super) fn of(
        group_id: Group,
        cluster: ClusterConfig,
        values: Values,
        deprecated: Vec<Deprecated>,
    ) -> Self {
        Self { group_id, cluster, values, deprecated }
    }

    /// The consumer group.
    pub fn group_id(&self) -> &Group {
        &self.group_id
    }

    /// Where Kafka and ZooKeeper are.
    pub fn cluster(&self) -> &ClusterConfig {
        &self.cluster
    }

    /// The group's folder in ZooKeeper: `/yelp-kafka/<group_id>`, with a hash of the topics below it unless
    /// [`use_group_sha`](Self::use_group_sha) is false.
    pub fn group_folder(&self, topics: &[Topic], repr: TopicsRepr) -> GroupFolder {
        if self.use_group_sha() {
            GroupFolder::hashed(&self.group_id, topics, repr)
        } else {
            GroupFolder::plain(&self.group_id)
        }
    }

    /// Where to begin without an offset, or with one that is outside the log. Default: the log's end.
    pub fn auto_offset_reset(&self) -> Reset {
        self.values.auto_offset_reset
    }

    /// Whether offsets are committed without being asked to. Default: true.
    pub fn auto_commit_enable(&self) -> bool {
        self.values.auto_commit_enable
    }

    /// How often they are committed then. Default: 1 s (yelp_kafka's document says 60 s, its code 1 s).
    pub fn auto_commit_interval(&self) -> Duration {
        self.values.auto_commit_interval
    }

    /// After so many messages they are committed sooner. Default: none (yelp_kafka's document says 100, its code none).
    pub fn auto_commit_interval_messages(&self) -> Option<u64> {
        self.values.auto_commit_interval_messages
    }

    /// How long a consumer waits for a message; `None` is for ever. Default: 100 ms.
    pub fn consumer_timeout(&self) -> Option<Duration> {
        self.values.consumer_timeout
    }

    /// Most bytes fetched of a partition at once. Default: 2 MiB.
    pub fn fetch_message_max_bytes(&self) -> u64 {
        self.values.fetch_message_max_bytes
    }

    /// A fetch is answered when there are so many bytes. Default: 1.
    pub fn fetch_min_bytes(&self) -> u64 {
        self.values.fetch_min_bytes
    }

    /// What the client calls itself; brokers count its quota by that. Default: `yelp-kafka`.
    pub fn client_id(&self) -> &str {
        &self.values.client_id
    }

    /// How long the members must stay the same before partitions are dealt out. Default: 30 s.
    pub fn partitioner_cooldown(&self) -> Duration {
        self.values.partitioner_cooldown
    }

    /// Whether the group's folder in ZooKeeper is named by its topics too. Default: true.
    pub fn use_group_sha(&self) -> bool {
        self.values.use_group_sha
    }

    /// How long a consumer's process may take to end before it is killed. Default: 10 s (as documented; yelp_kafka's code has 0.1 s
    /// by mistake).
    pub fn max_termination_timeout(&self) -> Duration {
        self.values.max_termination_timeout
    }

    /// Where offsets are kept. Default: ZooKeeper.
    pub fn offset_storage(&self) -> OffsetStorage {
        self.values.offset_storage
    }

    /// Who is given metrics, by name. Default: nobody.
    pub fn metrics_reporter(&self) -> Option<&str> {
        self.values.metrics_reporter.as_deref()
    }

    /// What each metric is labelled with: the dimensions that were given, and always `group_id`, `cluster_name` and `cluster_type`.
    pub fn metrics_dimensions(&self) -> BTreeMap<String, String> {
        let mut dimensions = self.values.metrics_dimensions.clone();
        dimensions.extend([
            ("group_id".to_owned(), self.group_id.to_string()),
            ("cluster_name".to_owned(), self.cluster.name.clone()),
            ("cluster_type".to_owned(), self.cluster.cluster_type.clone()),
        ]);
        dimensions
    }

    /// The options that were given under old names; each has been logged as a warning.
    pub fn deprecated(&self) -> &[Deprecated] {
        &self.deprecated
    }

    /// The properties of a client of librdkafka that is configured so. From yelp_kafka: `get_kafka_consumer_config`.
    pub fn kafka_properties(&self) -> BTreeMap<String, String> {
        let reset = match self.auto_offset_reset() {
            Reset::Earliest => "earliest",
            Reset::Latest => "latest",
        };
        [
            ("auto.commit.interval.ms", self.auto_commit_interval().as_millis().to_string()),
            ("auto.offset.reset", reset.to_owned()),
            ("bootstrap.servers", self.cluster.broker_list.join(",")),
            ("client.id", self.client_id().to_owned()),
            ("enable.auto.commit", self.auto_commit_enable().to_string()),
            ("fetch.message.max.bytes", self.fetch_message_max_bytes().to_string()),
            ("fetch.min.bytes", self.fetch_min_bytes().to_string()),
            ("group.id", self.group_id.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
