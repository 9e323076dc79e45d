//! What the supervisor asks Kafka: which partitions there are, where reading begins, how far the logs go, and commits.
//!
//! Two threads, so that a commit never waits behind a look-up: `lookups` and `commits`. Both block on the network and talk to the
//! event loop through channels; `clients` has the requests themselves, `topics` the one that the safe crate does not have.

mod clients;
mod commits;
mod lookups;
mod topics;

pub(crate) use clients::{Clients, KafkaError, client_properties};
pub(crate) use commits::{Commits, SharedLease};
pub(crate) use lookups::{Ask, ClassicOffsets, Found, Heard, Lookups, Scope};
