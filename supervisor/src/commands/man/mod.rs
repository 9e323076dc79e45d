//! `kafkavisor man`: the manual, made from the same definitions as the help.
//!
//! | module | for |
//! |---|---|
//! | [`manual`] | which pages there are; printed, or written |
//! | [`command_page`] | a command's page, in section 1 |
//! | [`surroundings`] | what of it stands in no definition: files, variables, signals |
//! | [`worker_page`] | kafkavisor-worker(1) |
//! | [`configuration_page`] | kafkavisor.yaml(5), made from the example that names every key |
//! | [`typesetting`] | how prose, examples and names look |

mod command_page;
mod configuration_page;
mod manual;
mod surroundings;
mod typesetting;
mod worker_page;

pub(super) use manual::{names, run};

/// The command that all others belong to.
const ROOT: &str = "kafkavisor";
/// What the pages say that they are part of,
const MANUAL: &str = "Kafkavisor";
/// and whose they are.
const SOURCE: &str = concat!("kafkavisor ", env!("CARGO_PKG_VERSION"));
/// Pages are as old as the program; troff takes nothing for a missing argument.
const NO_DATE: &str = " ";
