//! Sends messages where their key belongs.

use std::fmt::{self, Debug, Formatter};

use super::producing::{Producing, Sent};
use super::topics::Place;
use super::{Partitioning, ProduceError, ProduceKeyed, Produced, ProducerBuilder};
use crate::cluster_config::ClusterConfig;

/// Sends messages under a key, which says in which partition they go. From yelp_kafka:
/// `yelp_kafka.producer.YelpKafkaKeyedProducer`, on kafka-python's `KeyedProducer`.
///
/// It is otherwise as [`SimpleProducer`](super::SimpleProducer). Where the topic grows, a key may move, as with every producer.
///
/// ```no_run
/// use kafkavisor::cluster_config::ClusterConfig;
/// use kafkavisor::producer::{KeyedProducer, Partitioning};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181");
/// let producer = KeyedProducer::builder(&cluster).partitioning(Partitioning::KafkaPython2).build()?;
/// producer.send_messages("my_topic", "my_key", ["message1", "message2"])?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "YelpKafkaKeyedProducer")]
pub struct KeyedProducer {
    pub(super) producing: Producing,
    pub(super) partitioning: Partitioning,
}

impl KeyedProducer {
    /// Begins to make one for a cluster.
    pub fn builder(cluster: &ClusterConfig) -> ProducerBuilder<Self> {
        ProducerBuilder::new(cluster)
    }

    /// Sends messages to a topic under a key and waits until all of them are confirmed; where each stands, in their order.
    ///
    /// They stand in their order, but where a broker refuses a batch for its size, which it does as a whole: what was refused is sent
    /// message by message, behind what was taken. `property("batch.size", ...)` below the topic's `max.message.bytes` keeps batches small.
    /// After an error, send those again that [`failed`](ProduceError::failed), not the whole call.
    ///
    /// Its span is `kafka.produce`, see [the module](super).
    pub fn send_messages<M: AsRef<[u8]>>(
        &self,
        topic: &str,
        key: impl AsRef<[u8]>,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Produced>, ProduceError> {
        let messages: Vec<M> = messages.into_iter().collect();
        let values: Vec<_> = messages.iter().map(|message| Some(message.as_ref())).collect();
        self.send(topic, Some(key.as_ref()), &values)
    }

    /// Sends the message without a value that deletes what a compacted topic has of a key. From kafka-python:
    /// `send_messages(topic, key, None)`.
    pub fn send_tombstone(&self, topic: &str, key: impl AsRef<[u8]>) -> Result<Produced, ProduceError> {
        let sent = self.send(topic, Some(key.as_ref()), &[None])?;
        // One was sent, and it has not failed.
        sent.into_iter().next().ok_or_else(|| ProduceError::new(topic, Vec::new(), Vec::new()))
    }

    fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Produced>, ProduceError> {
        let place = key.map_or(Place::Next, |key| Place::Of(self.partitioning, key));
        self.producing.send("keyed", &Sent { topic, place, key, values })
    }
}

impl ProduceKeyed for KeyedProducer {
    /// Without a key they go to one partition after the other. (kafka-python takes `hash(None)`, which is an address within that process
    /// and says nothing to anybody else.)
    fn send_keyed(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        messages: &[&[u8]],
    ) -> Result<Vec<Produced>, ProduceError> {
        let values: Vec<_> = messages.iter().map(|message| Some(*message)).collect();
        self.send(topic, key, &values)
    }

    fn send_tombstone(&self, topic: &str, key: &[u8]) -> Result<Produced, ProduceError> {
        self.send_tombstone(topic, key)
    }
}

impl Debug for KeyedProducer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedProducer").field("brokers", &self.producing.brokers).finish_non_exhaustive()
    }
}
