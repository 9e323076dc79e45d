//! What the supervisor asks Kafka, and when: which partitions there are, where reading begins, how far the logs go, and commits.
//!
//! | module | for |
//! |---|---|
//! | [`lookups`] | the look-up thread |
//! | [`log_ends`] | the thread for logs that nobody fetches |
//!
//! Where partitions begin, which there are, and commits are the package `kafkavisor-group`'s, which consumers of the library stand on
//! too. Three threads, so that a commit never waits behind a look-up, and neither behind what is only shown. They block on the network
//! and talk to the event loop through channels; the requests themselves are the package `kafkavisor-kafka`'s.

mod log_ends;
mod lookups;

use std::collections::BTreeMap;

use kafkavisor::config::Config;

use crate::tokens;

pub(crate) use kafkavisor_group::commits::{Author, CommitRequest, Commits, SharedLease};
pub(crate) use kafkavisor_group::starts::{Found, Places, StartError};
pub(crate) use kafkavisor_group::topics::Changes;
pub(crate) use log_ends::{LogEnd, Unfetched};
pub(crate) use lookups::{Ask, Heard, Lookups, Scope, StartupError};

/// The properties of every client of this instance that begins with these brokers.
pub(crate) fn client_properties(brokers: &[String], config: &Config) -> BTreeMap<String, String> {
    let theirs = tokens::for_clients(&config.kafka);
    kafkavisor_kafka::properties::client_properties(brokers, &theirs)
}
