//! A consumer group in this process.
//!
//! | module | for |
//! |---|---|
//! | `kafka_consumer_group` | what a program has of it |
//! | `started` | messages, and what is done with them |
//! | `begin` | how it is joined |
//! | `engine` | its thread: what membership says, when what is due |
//! | `starts` | where partitions begin |
//! | `commits` | what is committed |
//! | `state` | what both share |
//! | `callbacks` | what is told of a rebalance |

pub(super) mod begin;
mod callbacks;
mod commits;
mod engine;
mod kafka_consumer_group;
mod started;
mod starts;
mod state;

pub use self::kafka_consumer_group::KafkaConsumerGroup;
pub use self::started::{Messages, StartedConsumerGroup};
