//! Sends messages to one partition after the other.

use std::fmt::{self, Debug, Formatter};

use super::producing::{Producing, Sent};
use super::topics::Place;
use super::{Produce, ProduceError, Produced, ProducerBuilder};
use crate::cluster_config::ClusterConfig;

/// Sends messages, waits until they are confirmed, and reports how that went. From yelp_kafka:
/// `yelp_kafka.producer.YelpKafkaSimpleProducer`, on kafka-python's `SimpleProducer`.
///
/// All messages of a call go to one partition, in their order, and the next call's to the next one; which is the first, chance says. As
/// in the original, but for this: a topic may grow meanwhile, each message waits for all replicas in sync (the original: for the leader
/// alone), and what librdkafka tries again on its own comes neither twice nor in another order.
///
/// It may be shared among threads, whose calls go on beside each other. A call blocks its thread and needs no async runtime; within an
/// async program it belongs into `spawn_blocking` or the like.
///
/// ```no_run
/// use kafkavisor::cluster_config::ClusterConfig;
/// use kafkavisor::producer::SimpleProducer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181");
/// let producer = SimpleProducer::builder(&cluster).client_id("my-client-id").build()?;
/// match producer.send_messages("my_topic", ["message1", "message2"]) {
///     Ok(_) => {}
///     // Usually one wants to try a certain number of times.
///     Err(error) if error.is_retriable() => {}
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "YelpKafkaSimpleProducer")]
pub struct SimpleProducer {
    pub(super) producing: Producing,
}

impl SimpleProducer {
    /// Begins to make one for a cluster.
    pub fn builder(cluster: &ClusterConfig) -> ProducerBuilder<Self> {
        ProducerBuilder::new(cluster)
    }

    /// Sends messages to a topic and waits until all of them are confirmed; where each stands, in their order. (The original answers
    /// nothing.)
    ///
    /// They stand in their order, but where a broker refuses a batch for its size, which it does as a whole: what was refused is sent
    /// message by message, behind what was taken. `property("batch.size", ...)` below the topic's `max.message.bytes` keeps batches small.
    /// After an error, send those again that [`failed`](ProduceError::failed), not the whole call.
    ///
    /// Its span is `kafka.produce`, see [the module](super).
    pub fn send_messages<M: AsRef<[u8]>>(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Produced>, ProduceError> {
        let messages: Vec<M> = messages.into_iter().collect();
        let values: Vec<_> = messages.iter().map(|message| Some(message.as_ref())).collect();
        self.producing.send("simple", &Sent { topic, place: Place::Next, key: None, values: &values })
    }
}

impl Produce for SimpleProducer {
    fn send_messages(&self, topic: &str, messages: &[&[u8]]) -> Result<Vec<Produced>, ProduceError> {
        self.send_messages(topic, messages)
    }
}

impl Debug for SimpleProducer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimpleProducer").field("brokers", &self.producing.brokers).finish_non_exhaustive()
    }
}
