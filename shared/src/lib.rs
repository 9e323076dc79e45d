//! The library of Kafkavisor: Kafka consumers, alone, in groups balanced through ZooKeeper, or in a process for each partition; producers;
//! discovery; offsets; metrics. The Rust successor of the Python package yelp_kafka.
//!
//! | module | for | feature |
//! |---|---|---|
//! | [`consumer`] | consumers in this process: `KafkaConsumerGroup`, `KafkaSimpleConsumer` | `consumer` |
//! | [`multiprocessing`] | a process for each partition: `MultiprocessingConsumerGroup` | `multiprocessing` |
//! | [`producer`] | producers | `producer` |
//! | [`discovery`] | finding clusters, topics and logs | `discovery` |
//! | [`offsets`] | a group's offsets and lag, from outside | `offsets` |
//! | [`metrics`] | figures of producers and groups, and where they go | `consumer`, `producer`; to SignalFx: `metrics` |
//! | [`testing`] | producers and consumers in memory; a Kafka inside the test; a stand-in for the discovery service | `testing`, `mock` |
//! | [`handler`] | handlers of the command `kafkavisor`, written in Rust | |
//! | [`protocol`] | its handler protocols, both ends | |
//! | [`cluster_config`], [`consumer_config`], [`offset_storage`] | a cluster, a consumer's options, where offsets are kept | |
//! | [`ids`] | the words of the field as types: topic, partition, offset, fencing token | |
//!
//! What is public is listed in `docs/public-surface.txt`.
//!
#![cfg_attr(all(doc, not(doctest)), doc = include_str!("getting-started.md"))]

#[cfg(feature = "offsets")]
mod async_thread;
pub mod cluster_config;
#[cfg(feature = "consumer")]
pub mod consumer;
pub mod consumer_config;
#[cfg(feature = "discovery")]
pub mod discovery;
pub mod handler;
#[cfg(any(feature = "consumer", feature = "metrics", feature = "producer"))]
pub mod metrics;
#[cfg(feature = "multiprocessing")]
pub mod multiprocessing;
pub mod offset_storage;
#[cfg(feature = "offsets")]
pub mod offsets;
#[cfg(feature = "producer")]
pub mod producer;
pub mod protocol;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(inline)]
pub use kafkavisor_types::ids;

// What supervisor, worker and tests of this workspace share beside that, and nobody else builds on:
// - `config`: the configuration file, parsed once, every error at once with line and column;
// - `partitioner`: kazoo's `SetPartitioner` as a pure state machine; `membership`: who owns what, behind one trait;
// - `ensemble`: ZooKeeper as the configuration names it; `runtime_directory`: where instances keep socket, lock and pages;
// - `service_manager`: what children don't hear of;
// - clocks, times and texts.
#[doc(hidden)]
pub mod config;
#[cfg(any(feature = "offsets", feature = "zookeeper"))]
#[doc(hidden)]
pub mod ensemble;
#[doc(hidden)]
pub mod membership;
#[doc(hidden)]
pub mod partitioner;
#[doc(hidden)]
pub mod runtime_directory;
#[doc(hidden)]
pub mod service_manager;
#[doc(hidden)]
pub use kafkavisor_types::{clock, rfc3339, text, token};
