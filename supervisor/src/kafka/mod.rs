//! What the supervisor asks Kafka, and when: which partitions there are, where reading begins, how far the logs go, and commits.
//!
//! | module | for |
//! |---|---|
//! | [`commits`] | the committing thread |
//! | [`lookups`] | the look-up thread |
//! | [`topics`] | which partitions there are |
//! | [`starts`] | where partitions begin |
//! | [`log_ends`] | the thread for logs that nobody fetches |
//!
//! Three threads, so that a commit never waits behind a look-up, and neither behind what is only shown. They block on the network
//! and talk to the event loop through channels; the requests themselves are the package `kafkavisor-kafka`'s.

mod commits;
mod log_ends;
mod lookups;
mod starts;
mod topics;

use std::collections::BTreeMap;

use kafkavisor::config::Config;

use crate::tokens;

pub(crate) use commits::{Author, CommitRequest, Commits, SharedLease};
pub(crate) use log_ends::{LogEnd, Unfetched};
pub(crate) use lookups::{Ask, Heard, Lookups, Scope, StartupError};
pub(crate) use starts::{Found, Places, StartError};
pub(crate) use topics::Changes;

/// The properties of every client of this instance that begins with these brokers.
pub(crate) fn client_properties(brokers: &[String], config: &Config) -> BTreeMap<String, String> {
    let theirs = tokens::for_clients(&config.kafka);
    kafkavisor_kafka::properties::client_properties(brokers, &theirs)
}
