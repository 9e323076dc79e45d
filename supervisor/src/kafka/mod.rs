//! What the supervisor asks Kafka: which partitions there are, where reading begins, how far the logs go, and commits.
//!
//! Two threads, so that a commit never waits behind a look-up: `lookups` and `commits`. Both block on the network and talk to the
//! event loop through channels; the requests themselves are the package `kafkavisor-kafka`'s.

mod commits;
mod lookups;

use std::collections::BTreeMap;

use kafkavisor::config::Config;

pub(crate) use commits::{Commits, SharedLease};
pub(crate) use lookups::{Ask, ClassicOffsets, Found, Heard, Lookups, Scope};

/// The properties of every client of this instance.
pub(crate) fn client_properties(config: &Config) -> BTreeMap<String, String> {
    kafkavisor_kafka::clients::client_properties(&config.cluster.brokers, &config.kafka)
}
