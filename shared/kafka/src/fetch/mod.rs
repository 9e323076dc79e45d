//! Messages from Kafka, a batch at a time and without blocking: librdkafka's batch call on a queue of our own.
//!
//! | module | for |
//! |---|---|
//! | `consumer` | one partition in a process of its own |
//! | `several` | some partitions in one client |
//! | `native`, `handle`, `raw_message`, `log_end` | the unsafe parts of both |
//! | `properties` | how such a client is set up |

mod consumer;
mod handle;
mod log_end;
mod native;
mod properties;
mod raw_message;
mod several;

pub use consumer::{Consumer, Fetched};
pub use handle::{FetchError, Statistics};
pub use properties::{consumer_properties, several_properties};
pub use several::{Several, Taken, Wake};
