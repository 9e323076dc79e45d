//! A message as a consumer hands it over.

use crate::ids::{FencingToken, Offset, Partition, Topic, TopicPartition};

/// A message that was consumed. From yelp_kafka: `yelp_kafka.consumer.Message` (topic, partition, offset, key, value).
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "KafkaMessage")]
pub struct Message {
    /// The topic that it stands in.
    pub topic: Topic,
    /// The partition of it.
    pub partition: Partition,
    /// Where in that.
    pub offset: Offset,
    /// When it was produced or appended, in milliseconds since 1970; `None` where Kafka does not say.
    pub timestamp: Option<i64>,
    /// Its key; `None` is Kafka's null.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is Kafka's null, a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order; a name may come more than once.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// A number that grows from owner to owner of the partition, for what is written to in its name: see
    /// [`KafkaConsumerGroup`](super::KafkaConsumerGroup). `None` where nobody deals partitions out.
    pub fencing_token: Option<FencingToken>,
    /// Which ownership of the partition it was handed over in: in a later one it is not that consumer's any more.
    pub(crate) turn: u64,
}

impl Message {
    /// Topic and partition in one.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }
}
