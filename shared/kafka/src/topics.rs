//! All topics of a cluster: a client without a group, which asks for metadata and nothing else.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::time::Instant;

use kafkavisor_types::ids::{Partition, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::error::KafkaError;
use crate::patience::patiently;
use crate::properties::client_config;

/// A client that lists topics.
pub struct Listing(BaseConsumer);

impl Debug for Listing {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listing")
    }
}

impl Listing {
    /// Makes it; asks nobody yet.
    pub fn new(properties: &BTreeMap<String, String>) -> Result<Self, KafkaError> {
        let client = client_config(properties, None).create();
        client.map(Self).map_err(|error| KafkaError::Configuration(error.to_string()))
    }

    /// Waits for a first answer of Kafka.
    pub fn reach(&self, until: Instant) -> Result<(), KafkaError> {
        patiently(until, |left| Ok(self.0.fetch_metadata(Some("__consumer_offsets"), left)?)).map(drop)
    }

    /// All topics that this client may see, internal ones included, with the numbers of their partitions.
    pub fn topics(&self, until: Instant) -> Result<BTreeMap<Topic, Vec<Partition>>, KafkaError> {
        let metadata = patiently(until, |left| Ok(self.0.fetch_metadata(None, left)?))?;
        let topics = metadata.topics().iter().filter_map(|topic| {
            let mut partitions: Vec<Partition> =
                topic.partitions().iter().map(|partition| Partition(partition.id())).collect();
            partitions.sort_unstable();
            Some((Topic::new(topic.name()).ok()?, partitions))
        });
        Ok(topics.collect())
    }
}
