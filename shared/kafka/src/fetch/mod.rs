//! Messages from Kafka, a batch at a time and without blocking: librdkafka's batch call on a queue of our own.

mod consumer;
mod log_end;
mod native;
mod properties;

pub use consumer::{Consumer, Fetched};
pub use native::FetchError;
pub use properties::consumer_properties;
