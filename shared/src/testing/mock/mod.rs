//! A Kafka inside the test: librdkafka's mock cluster (feature `mock`).
//!
//! | file | holds |
//! |---|---|
//! | `kafka` | [`MockKafka`] |
//! | `fault` | [`ApiKey`], [`BrokerError`]: which requests fail, and how |

mod fault;
mod kafka;

pub use self::fault::{ApiKey, BrokerError};
pub use self::kafka::{MockError, MockKafka};
