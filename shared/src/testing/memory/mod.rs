//! Kafka in memory, for users' unit tests: no network, no thread, no time.
//!
//! | file | holds |
//! |---|---|
//! | `kafka`, `broker` | [`MemoryKafka`], and what is in it |
//! | `producer` | `MemoryProducer` (feature `producer`) |
//! | `consumer` | `MemoryConsumer` (feature `consumer`) |

mod broker;
#[cfg(feature = "consumer")]
mod consumer;
mod kafka;
#[cfg(feature = "producer")]
mod producer;

#[cfg(feature = "consumer")]
pub use self::consumer::MemoryConsumer;
pub use self::kafka::{MemoryKafka, MemoryMessage};
#[cfg(feature = "producer")]
pub use self::producer::MemoryProducer;
