//! How producers are made.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::client::Client;
use super::producing::{Producing, refused};
use super::topics::Topics;
use super::{KeyedProducer, Partitioning, ProduceCause, SimpleProducer};
use crate::cluster_config::ClusterConfig;
use crate::metrics::{Dimensions, MetricsResponder, Reporter, Role, default_responder};

/// How long a message may take, where nothing else is said: a new leader is elected within it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// As that of consumers.
const CLIENT_ID: &str = "yelp-kafka";
/// Whether a message is too large is for the topic's brokers to say: librdkafka's own limit is lower than theirs.
const MAX_BYTES: &str = "1000000000";
/// With more than one request on its way, one that a broker refuses while it takes the next (of a topic that is just being made, say)
/// can't be told from one that it has, and would have to be sent again behind those that came after it.
const IN_FLIGHT: &str = "1";
/// What has a method of its own, or is not the caller's to set.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "the cluster's brokers are used"),
    ("metadata.broker.list", "the cluster's brokers are used"),
    ("client.id", "use client_id()"),
    ("acks", "a call always waits for all replicas in sync"),
    ("request.required.acks", "a call always waits for all replicas in sync"),
    ("message.timeout.ms", "use timeout()"),
    ("delivery.timeout.ms", "use timeout()"),
    ("delivery.report.only.error", "a call waits for each message's confirmation"),
    ("produce.offset.report", "a call says where each message stands"),
    ("transactional.id", "these producers have no transactions"),
];

/// Makes a producer of the kind `P`.
#[must_use]
pub struct ProducerBuilder<P> {
    cluster: ClusterConfig,
    client_id: String,
    properties: BTreeMap<String, String>,
    timeout: Duration,
    partitioning: Partitioning,
    report_metrics: bool,
    responder: Option<Arc<dyn MetricsResponder>>,
    of: PhantomData<fn() -> P>,
}

impl<P> ProducerBuilder<P> {
    pub(super) fn new(cluster: &ClusterConfig) -> Self {
        Self {
            cluster: cluster.clone(),
            client_id: CLIENT_ID.to_owned(),
            properties: BTreeMap::new(),
            timeout: TIMEOUT,
            partitioning: Partitioning::default(),
            report_metrics: true,
            responder: None,
            of: PhantomData,
        }
    }

    /// Who the brokers are told is there: quotas go by it, and it is a dimension of metrics. A name that represents the application;
    /// `yelp-kafka` where none is given.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// A property of librdkafka's, such as `security.protocol` or `compression.type`. Differently from librdkafka's own defaults,
    /// `enable.idempotence` is `true`, `linger.ms` 0, `max.in.flight.requests.per.connection` 1 (more help over a slow network alone; a
    /// message may then come behind those that were sent after it, or twice, where a broker refuses a request), `message.max.bytes` as large as possible (the topic's brokers say what is too
    /// large), and `statistics.interval.ms` 10000 where metrics are reported. Errors name a property by its key in the configuration of
    /// `kafkavisor`: `kafka.security.protocol` is `security.protocol` here. Brokers older than 2.8 want the right `IDEMPOTENT_WRITE` on the
    /// cluster for the first of these.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// How long a message may take until it is confirmed, 30 s where nothing is said; librdkafka tries again within it. A call may take longer:
    /// as long again where a topic's partitions have to be asked for, up to 5 s more until librdkafka gives a message up, and 2 s to find
    /// out why.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether it reports metrics, which it does where nothing is said.
    pub fn report_metrics(mut self, report_metrics: bool) -> Self {
        self.report_metrics = report_metrics;
        self
    }

    /// Whom it reports to, instead of [the default](crate::metrics::set_default_responder). Where there is neither it does not report.
    ///
    /// (In the original a producer reports only to a responder that it was given: the default that it looks up is not used.)
    pub fn metrics_responder(mut self, responder: Arc<dyn MetricsResponder>) -> Self {
        self.responder = Some(responder);
        self
    }

    fn dimensions(&self) -> Dimensions {
        let Self { cluster, client_id, .. } = self;
        let dimensions = [
            ("client_id", client_id),
            ("cluster_type", &cluster.cluster_type),
            ("cluster_name", &cluster.name),
        ];
        dimensions.map(|(name, value)| (name.to_owned(), value.clone())).into()
    }

    fn config(&self, reports: bool) -> Result<ClientConfig, ProduceCause> {
        let ours = |name: &str| OURS.iter().find(|(ours, _)| *ours == name);
        if let Some((name, why)) = self.properties.keys().find_map(|name| ours(name)) {
            return Err(ProduceCause::Configuration(format!("the property {name} can't be set here: {why}")));
        }
        self.cluster.check_brokers().map_err(ProduceCause::Configuration)?;
        let mut config = ClientConfig::new();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("max.in.flight.requests.per.connection", IN_FLIGHT)
            .set("message.max.bytes", MAX_BYTES)
            .set("statistics.interval.ms", if reports { "10000" } else { "0" });
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", self.cluster.broker_list.join(","))
            .set("client.id", &self.client_id)
            .set("acks", "all")
            // None at all would mean for ever.
            .set("message.timeout.ms", self.timeout.as_millis().max(1).to_string())
            // What concerns the caller comes back as an error; a broker that is down would fill the log otherwise.
            .set_log_level(RDKafkaLogLevel::Critical);
        Ok(config)
    }

    fn producing(self) -> Result<Producing, ProduceCause> {
        let responder = self.responder.clone().or_else(default_responder).filter(|_| self.report_metrics);
        let config = self.config(responder.is_some())?;
        let no_thread = |error| ProduceCause::Configuration(format!("no thread can be started: {error}"));
        let reporter =
            responder.map(|responder| Reporter::start(Role::Producer, &self.dimensions(), responder));
        let reporter = reporter.transpose().map_err(no_thread)?.map(Arc::new);
        let client = Client::new(&config, reporter.clone()).map_err(refused)?;
        Ok(Producing {
            config,
            brokers: self.cluster.broker_list.join(","),
            properties: self.properties,
            timeout: self.timeout,
            client: RwLock::new(Arc::new(client)),
            topics: Topics::default(),
            reporter,
        })
    }
}

impl ProducerBuilder<SimpleProducer> {
    /// Makes it; asks nobody yet. It fails with [`ProduceCause::Configuration`], where a property is refused.
    pub fn build(self) -> Result<SimpleProducer, ProduceCause> {
        Ok(SimpleProducer { producing: self.producing()? })
    }
}

impl ProducerBuilder<KeyedProducer> {
    /// How keys choose their partitions; as the Java client where nothing is said. A group of programs that comes from yelp_kafka and
    /// needs each key where it was has [`Partitioning::KafkaPython2`].
    pub fn partitioning(mut self, partitioning: Partitioning) -> Self {
        self.partitioning = partitioning;
        self
    }

    /// Makes it; asks nobody yet. It fails with [`ProduceCause::Configuration`], where a property is refused.
    pub fn build(self) -> Result<KeyedProducer, ProduceCause> {
        let partitioning = self.partitioning;
        Ok(KeyedProducer { producing: self.producing()?, partitioning })
    }
}

impl<P> Debug for ProducerBuilder<P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Properties may hold secrets.
        let Self { cluster, client_id, .. } = self;
        f.debug_struct("ProducerBuilder")
            .field("cluster", cluster)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}
