//! All topics of a cluster, whoever wants to see them.

use std::collections::BTreeMap;
use std::time::Instant;

use kafkavisor_types::ids::{Partition, Topic};
use rdkafka::consumer::Consumer as _;

use crate::clients::Clients;
use crate::error::KafkaError;

impl Clients {
    /// All topics that this client may see, internal ones included, with the numbers of their partitions.
    pub fn topics(&self, until: Instant) -> Result<BTreeMap<Topic, Vec<Partition>>, KafkaError> {
        let metadata = self.ask(until, |left| Ok(self.live().client.fetch_metadata(None, left)?))?;
        let topics = metadata.topics().iter().filter_map(|topic| {
            let mut partitions: Vec<Partition> =
                topic.partitions().iter().map(|partition| Partition(partition.id())).collect();
            partitions.sort_unstable();
            Some((Topic::new(topic.name()).ok()?, partitions))
        });
        Ok(topics.collect())
    }
}
