//! Consumers in this process (feature `consumer`): on the membership, lease, starts and commits that the supervisor has.
//!
//! | type | for |
//! |---|---|
//! | [`KafkaConsumerGroup`] | the recommended one: partitions balanced over any number of members |
//! | [`KafkaSimpleConsumer`] | partitions that are told |
//! | [`ConsumerGroup`] | deprecated: a function called for each message |
//! | [`Consume`] | what a program needs of one, so that its tests can give it another |

mod consume;
mod consumer_group;
mod error;
mod group;
mod message;
pub(crate) mod progress;
mod reach;
mod reports;
mod simple;

pub use self::consume::Consume;
#[expect(deprecated, reason = "marked as deprecated, and there")]
pub use self::consumer_group::{ConsumerGroup, ProcessMessageError, RunError};
pub use self::error::{ConsumerError, PartitionerError};
pub use self::group::{KafkaConsumerGroup, Messages, StartedConsumerGroup};
pub use self::message::Message;
pub use self::simple::KafkaSimpleConsumer;
#[doc(inline)]
pub use crate::partitioner::group_path::TopicsRepr;
