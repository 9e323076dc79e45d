//! For tests of programs that build on this library.
//!
//! | type | stands in for |
//! |---|---|
//! | [`MemoryKafka`] | Kafka, for unit tests: in memory, without a network (features `consumer`, `producer`) |
//! | `MemoryProducer`, `MemoryConsumer` | a producer (feature `producer`), a consumer in a group (feature `consumer`) |
//! | `MockKafka` | brokers, inside the test: real clients talk to them, and requests fail as they are told to (feature `mock`) |
//! | [`DiscoveryService`] | the discovery service, and in it the integration environment of yelp_kafka's users: the cluster `local_cluster`, the region `acceptance_test_region`, the superregion `acceptance_test_superregion`; see [`Served`] |

mod discovery_service;
mod http;
mod memory;
#[cfg(feature = "mock")]
mod mock;
mod served;

pub use discovery_service::DiscoveryService;
#[cfg(feature = "consumer")]
pub use memory::MemoryConsumer;
#[cfg(feature = "producer")]
pub use memory::MemoryProducer;
pub use memory::{MemoryKafka, MemoryMessage};
#[cfg(feature = "mock")]
pub use mock::{ApiKey, BrokerError, MockError, MockKafka};
pub use served::Served;
