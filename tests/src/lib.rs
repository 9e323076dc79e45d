//! Fixtures of the end-to-end tests: topics and groups of their own on a real Kafka and ZooKeeper, supervisors in folders
//! of their own, a handler that records what it sees, and checks of those records.
//!
//! A test begins with a [`topic::Topic`], starts an [`instance::Instance`] on it with a [`recorder::Recorder`] as its
//! handler, waits for conditions ([`waiting`]) and ends with checks of [`records::Records`]. Nothing here sleeps for a
//! fixed time, and everything that is started is ended when it goes out of scope.

pub mod browser;
pub mod checks;
pub mod cluster;
pub mod command;
pub mod environment;
pub mod forwarder;
pub mod guide;
pub mod handlers;
pub mod ingest;
pub mod instance;
pub mod kazoo;
pub mod library;
pub mod made_up;
pub mod message;
pub mod nodes;
pub mod offsets;
pub mod processes;
pub mod producing;
pub mod prometheus;
pub mod reading;
pub mod recorder;
pub mod records;
pub mod scrape;
pub mod secrecy;
pub mod secure;
pub mod status;
pub mod terminal;
pub mod topic;
pub mod trouble;
pub mod waiting;
pub mod web;
pub mod zookeeper;

/// The examples of the library's guide, run.
#[cfg(doctest)]
#[doc = include_str!("../../shared/src/getting-started.md")]
pub mod getting_started {}
