//! The client that asks: reaching Kafka, and topics with their ids. Each request blocks, and is bounded.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Group, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;

use crate::admin::{Described, add_brokers, describe};
use crate::error::KafkaError;
use crate::patience::patiently;
use crate::properties::client_config;
use crate::tokens::{Attached, attach_of};

/// Longest that one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client, in a group's name or in none.
pub struct Clients {
    // Before the client.
    _attached: Option<Attached>,
    pub(crate) client: BaseConsumer,
    /// The brokers to begin with, as they are known last.
    brokers: RwLock<String>,
}

impl Debug for Clients {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Makes it; asks nobody yet.
    pub fn new(properties: &BTreeMap<String, String>, group: &Group) -> Result<Self, KafkaError> {
        Self::of(properties, Some(group))
    }

    /// ... that is in no group, and looks at groups from outside.
    pub fn outside(properties: &BTreeMap<String, String>) -> Result<Self, KafkaError> {
        Self::of(properties, None)
    }

    fn of(properties: &BTreeMap<String, String>, group: Option<&Group>) -> Result<Self, KafkaError> {
        let config = client_config(properties, group);
        let client: BaseConsumer =
            config.create().map_err(|error| KafkaError::Configuration(error.to_string()))?;
        let attached = attach_of(&config, client.client().native_ptr());
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        Ok(Self { _attached: attached, client, brokers: RwLock::new(brokers) })
    }

    /// The brokers to begin with, `host:port,...`: what is made later than this client begins with them too.
    pub fn brokers(&self) -> String {
        self.brokers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on these are the brokers to begin with. They must be of the same cluster. Those that the client knows from Kafka
    /// itself it goes on with.
    pub fn take_brokers(&self, brokers: &[String]) {
        let brokers = brokers.join(",");
        add_brokers(self.client.client().native_ptr(), &brokers);
        *self.brokers.write().unwrap_or_else(PoisonError::into_inner) = brokers;
    }

    /// Waits for a first answer of Kafka.
    pub fn reach(&self, until: Instant) -> Result<(), KafkaError> {
        patiently(until, |left| self.metadata("__consumer_offsets", left)).map(drop)
    }

    /// The cluster's own id; empty where it has none.
    pub fn cluster_id(&self) -> String {
        self.client.client().fetch_cluster_id(TIMEOUT).unwrap_or_default()
    }

    pub(crate) fn metadata(&self, topic: &str, within: Duration) -> Result<Metadata, KafkaError> {
        Ok(self.client.fetch_metadata(Some(topic), within)?)
    }

    /// The topics as they are now: one answer each.
    pub fn describe(
        &self,
        topics: &[Topic],
        within: Duration,
    ) -> BTreeMap<Topic, Result<Described, KafkaError>> {
        let Some(first) = topics.first() else { return BTreeMap::new() };
        let until = now() + within.min(TIMEOUT);
        let described = self.metadata(first.as_str(), within.min(TIMEOUT)).and_then(|metadata| {
            // Who has just answered is there to answer again. None (-1, not known by its id yet): librdkafka asks the controller.
            let broker = metadata.orig_broker_id();
            let left = until.saturating_duration_since(now());
            describe(self.client.client().native_ptr(), broker, topics, left)
        });
        let answer = |topic: &Topic| match &described {
            Ok(described) => described.get(topic).cloned().unwrap_or(Err(KafkaError::TimedOut)),
            Err(error) => Err(error.clone()),
        };
        topics.iter().map(|topic| (topic.clone(), answer(topic))).collect()
    }

    /// Serves what librdkafka wants to tell.
    pub fn serve(&self) {
        let _nothing_is_consumed = self.client.poll(Duration::ZERO);
    }
}
