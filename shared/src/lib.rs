//! The library of Kafkavisor: what the supervisor and its workers share, and what Rust programs build on.
//!
//! | module | for |
//! |---|---|
//! | [`ids`] | the words of the field as types: topic, partition, offset, generation, fencing token |
//! | [`clock`] | the one place where clocks are read |
//! | [`text`] | texts from outside: bounded, and without raw control characters |
//! | [`cluster_config`] | a Kafka cluster as discovery and consumer configurations name it |
//! | [`config`] | the configuration file: parsed once, every error at once with line and column |
//! | [`partitioner`] | who owns which partition: kazoo's `SetPartitioner` as a pure state machine |
//! | [`membership`] | who owns what, behind one trait: static lists, the partitioner on a real ZooKeeper (feature `zookeeper`) |
//! | [`protocol`] | codecs of the handler protocols, both directions |
//! | [`handler`] | a small typed helper for handlers written in Rust |

pub mod cluster_config;
pub mod config;
pub mod handler;
pub mod membership;
pub mod partitioner;
pub mod protocol;

#[doc(inline)]
pub use kafkavisor_types::{clock, ids, text};
