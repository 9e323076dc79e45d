//! A run: the group, what is done to it, and who watches.
//!
//! | file | does |
//! |---|---|
//! | `course` | the whole, from the first supervisor to the last |
//! | `deploy` | another whole: from one version to another and back |
//! | `world` | what all parts share: servers, supervisors, the history, the end |
//! | `cluster` | the servers, through `script/cluster` |
//! | `supervisor` | one supervisor, its lives and processes |
//! | `python` | one Python member |
//! | `proxy` | the network between a supervisor and ZooKeeper |
//! | `load` | the topic and its messages |
//! | `watch` | committed offsets and statuses |
//! | `faults` | performs a schedule |
//! | `command` | other programs, with a time limit |

mod cluster;
mod command;
mod course;
mod deploy;
mod faults;
mod load;
mod proxy;
mod python;
mod supervisor;
mod watch;
mod world;

pub use course::{Options, run};
pub use deploy::{Deployed, deploy};
