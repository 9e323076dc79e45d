//! What a program needs of a producer, so that its tests can give it another one.

use super::ProduceError;
use crate::ids::{Offset, Partition};

/// Where a message stands that Kafka has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "ProduceResponse")]
pub struct Produced {
    /// The partition of the topic.
    pub partition: Partition,
    /// Where in that.
    pub offset: Offset,
}

/// Anything that messages can be sent with: a [`SimpleProducer`](super::SimpleProducer), or
/// [`MemoryProducer`](crate::testing::MemoryProducer) in a unit test.
pub trait Produce {
    /// Sends messages to a topic and waits until all of them are confirmed; where each stands, in their order.
    fn send_messages(&self, topic: &str, messages: &[&[u8]]) -> Result<Vec<Produced>, ProduceError>;
}

/// ... with a key, which says in which partition they go: a [`KeyedProducer`](super::KeyedProducer), or
/// [`MemoryProducer`](crate::testing::MemoryProducer) in a unit test.
pub trait ProduceKeyed {
    /// Sends messages to a topic under a key and waits until all of them are confirmed; where each stands, in their order. Without a
    /// key they go where [`Produce::send_messages`] would send them.
    fn send_keyed(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        messages: &[&[u8]],
    ) -> Result<Vec<Produced>, ProduceError>;

    /// Sends the message without a value that deletes what a compacted topic has of a key.
    fn send_tombstone(&self, topic: &str, key: &[u8]) -> Result<Produced, ProduceError>;
}
