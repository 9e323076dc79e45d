//! What a program needs of a consumer, so that its tests can give it another one.

use super::{ConsumerError, Message};

/// Anything that messages can be taken from: a started [`KafkaConsumerGroup`](super::KafkaConsumerGroup), or
/// [`MemoryConsumer`](crate::testing::MemoryConsumer) in a unit test.
pub trait Consume {
    /// The next message; [`ConsumerError::Timeout`] when none came in `consumer_timeout`.
    fn next(&mut self) -> Result<Message, ConsumerError>;

    /// The caller is done with this message. A partition's offset is committed up to the first message that nobody is done with.
    fn task_done(&mut self, message: &Message) -> Result<(), ConsumerError>;

    /// Commits what the caller is done with, and waits until that is confirmed.
    fn commit(&mut self) -> Result<(), ConsumerError>;
}
