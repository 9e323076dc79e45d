//! A group of consumers, of which any number of processes and threads may be members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::begin::begin;
use super::callbacks::Callbacks;
use super::started::StartedConsumerGroup;
use crate::consumer::reach::Setup;
use crate::consumer::reports::Reports;
use crate::consumer::{ConsumerError, PartitionerError};
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::{Topic, TopicPartition};
use crate::metrics::MetricsResponder;
use crate::partitioner::group_path::TopicsRepr;

/// Consumes its share of some topics' partitions, balanced over all members of the group by way of ZooKeeper, Python's among them.
/// From yelp_kafka: `yelp_kafka.consumer_group.KafkaConsumerGroup`.
///
/// ```no_run
/// use kafkavisor::cluster_config::ClusterConfig;
/// use kafkavisor::consumer::{ConsumerError, KafkaConsumerGroup};
/// use kafkavisor::consumer_config::KafkaConsumerConfig;
///
/// # fn handle(_: &kafkavisor::consumer::Message) {}
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092", "zk1:2181");
/// let group = KafkaConsumerGroup::new(["my_topic"], KafkaConsumerConfig::builder("services.billing", cluster).build()?)?;
/// loop {
///     let consumer = group.start()?;
///     loop {
///         match consumer.next() {
///             Ok(message) => {
///                 handle(&message);
///                 match consumer.task_done(&message) {
///                     // It took so long that the partition is another's, where the message comes again.
///                     Ok(()) | Err(ConsumerError::NotOurs { .. }) => {}
///                     Err(error) if error.is_partitioner() => break,
///                     Err(error) => return Err(error.into()),
///                 }
///             }
///             Err(error) if error.is_retriable() => {}
///             // ZooKeeper is lost: start again.
///             Err(error) if error.is_partitioner() => break,
///             Err(error) => return Err(error.into()),
///         }
///     }
/// }
/// # }
/// ```
///
/// # What is yours when a partition is not
/// Ownership is a lease: where ZooKeeper is not heard of for 0.6 of the session's time, `next`, `task_done` and `commit` fail before
/// anybody else can be given the partition. What you have begun by then is yours: it may be done a second time by whoever has the
/// partition next. Where that must not be, give the message's [fencing token](crate::consumer::Message::fencing_token) to what you write to: it
/// grows from owner to owner, so a database can refuse a late write.
#[derive(Debug, Clone)]
pub struct KafkaConsumerGroup {
    setup: Setup,
    callbacks: Callbacks,
}

impl KafkaConsumerGroup {
    /// A group that consumes these topics; reaches nobody yet. A name that Kafka does not take is an error.
    pub fn new<T: AsRef<str>>(
        topics: impl IntoIterator<Item = T>,
        config: KafkaConsumerConfig,
    ) -> Result<Self, ConsumerError> {
        let topic = |name: T| {
            Topic::new(name.as_ref()).map_err(|error| PartitionerError::Configuration(error.to_string()))
        };
        let topics = topics.into_iter().map(topic).collect::<Result<BTreeSet<_>, _>>()?;
        if topics.is_empty() {
            return Err(PartitionerError::Configuration("no topics: name at least one".to_owned()).into());
        }
        let topics = topics.into_iter().collect();
        let setup = Setup {
            topics,
            config,
            properties: BTreeMap::new(),
            repr: TopicsRepr::Python3,
            reports: Reports::default(),
        };
        Ok(Self { setup, callbacks: Callbacks::default() })
    }

    /// A property of librdkafka's, for security and the like: `security.protocol`, `sasl.username`, ... Errors name one by its key in the
    /// configuration of `kafkavisor`: `kafka.security.protocol` is `security.protocol` here.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.setup.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How members of the group write its topics, whose hash names its folder: Python 3's way by default.
    #[must_use]
    pub fn topics_repr(mut self, repr: TopicsRepr) -> Self {
        self.setup.repr = repr;
        self
    }

    /// Called before partitions are given up, with those. They are nobody else's until the callback has returned and what was handed over
    /// is done and committed, for up to `max_termination_timeout`; with auto-commit off, committing is the program's by then.
    /// It is called on the group's own thread, which commits: it must not wait for a commit. From yelp_kafka: `pre_rebalance_callback`.
    #[doc(alias = "pre_rebalance_callback")]
    #[must_use]
    pub fn before_rebalance(
        mut self,
        callback: impl Fn(&BTreeSet<TopicPartition>) + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.before = Some(Arc::new(callback));
        self
    }

    /// Called once partitions are dealt out, with all that are this member's. From yelp_kafka: `post_rebalance_callback`.
    #[doc(alias = "post_rebalance_callback")]
    #[must_use]
    pub fn after_rebalance(
        mut self,
        callback: impl Fn(&BTreeSet<TopicPartition>) + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.after = Some(Arc::new(callback));
        self
    }

    /// Whether the group reports how long its requests take and how many fail; it does by default. Names:
    /// [`Metric`](crate::metrics::Metric), dimensions: [`KafkaConsumerConfig::metrics_dimensions`].
    #[must_use]
    pub fn report_metrics(mut self, report: bool) -> Self {
        self.setup.reports.off = !report;
        self
    }

    /// Whom it reports to, instead of [the default](crate::metrics::set_default_responder). Where there is neither it does not report.
    #[must_use]
    pub fn metrics_responder(mut self, responder: Arc<dyn MetricsResponder>) -> Self {
        self.setup.reports.responder = Some(responder);
        self
    }

    /// The configuration.
    pub fn config(&self) -> &KafkaConsumerConfig {
        &self.setup.config
    }

    /// Joins the group and waits until partitions are dealt out, `partitioner_cooldown` at least, and where each begins is known and kept:
    /// what is produced from then on comes. The member leaves the group when what
    /// is returned is dropped or [stopped](StartedConsumerGroup::stop). May be called again, after an error too; each one that is
    /// started is a member of its own.
    pub fn start(&self) -> Result<StartedConsumerGroup, ConsumerError> {
        let begun = begin(&self.setup, &self.callbacks)?;
        let started = StartedConsumerGroup::new(begun, &self.setup.config);
        started.failure().map_or(Ok(started), |failure| Err(failure.into()))
    }
}
