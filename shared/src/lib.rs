//! The library of Kafkavisor: what the supervisor and its workers share, and what Rust programs build on.
//!
//! | module | for |
//! |---|---|
//! | [`ids`] | the words of the field as types: topic, partition, offset, generation, fencing token |
//! | [`clock`] | the one place where clocks are read |
//! | [`rfc3339`] | times as people write them |
//! | [`text`] | texts from outside: bounded, and without raw control characters |
//! | [`token`] | tokens for OAUTHBEARER |
//! | [`cluster_config`] | a Kafka cluster as discovery and consumer configurations name it |
//! | [`config`] | the configuration file: parsed once, every error at once with line and column |
//! | [`discovery`] | finding clusters, topics and logs (feature `discovery`) |
//! | `consumer` | consumers in this process (feature `consumer`) |
//! | [`consumer_config`] | a consumer's configuration as in yelp_kafka: `KafkaConsumerConfig` |
//! | [`partitioner`] | who owns which partition: kazoo's `SetPartitioner` as a pure state machine |
//! | [`membership`] | who owns what, behind one trait: static lists, the partitioner on a real ZooKeeper (feature `zookeeper`) |
//! | `ensemble` | ZooKeeper as the configuration names it (features `offsets`, `zookeeper`) |
//! | [`offset_storage`] | where a group's offsets are kept, by name |
//! | `offsets` | a group's offsets and lag from outside, in Kafka and in ZooKeeper (feature `offsets`) |
//! | `producer` | producers (feature `producer`) |
//! | [`protocol`] | codecs of the handler protocols, both directions |
//! | [`handler`] | a small typed helper for handlers written in Rust |
//! | `metrics` | figures of producers and groups, and of a program's own (features `consumer`, `producer`; sent to SignalFx: `metrics`) |
//! | [`runtime_directory`] | where instances keep socket, lock and pages |
//! | `multiprocessing` | a consumer group with a process for each partition: `MultiprocessingConsumerGroup` (feature `multiprocessing`) |
//! | `testing` | producers and consumers in memory, a stand-in for the discovery service (feature `testing`), a Kafka inside the test (feature `mock`) |

#[cfg(feature = "offsets")]
mod async_thread;
pub mod cluster_config;
pub mod config;
#[cfg(feature = "consumer")]
pub mod consumer;
pub mod consumer_config;
#[cfg(feature = "discovery")]
pub mod discovery;
#[cfg(any(feature = "offsets", feature = "zookeeper"))]
pub mod ensemble;
pub mod handler;
pub mod membership;
#[cfg(any(feature = "consumer", feature = "metrics", feature = "producer"))]
pub mod metrics;
#[cfg(feature = "multiprocessing")]
pub mod multiprocessing;
pub mod offset_storage;
#[cfg(feature = "offsets")]
pub mod offsets;
pub mod partitioner;
#[cfg(feature = "producer")]
pub mod producer;
pub mod protocol;
pub mod runtime_directory;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(inline)]
pub use kafkavisor_types::{clock, ids, rfc3339, text, token};
