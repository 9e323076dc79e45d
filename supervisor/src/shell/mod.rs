//! Around the core: processes, pages, sockets, signals, threads. It waits for the next event, lets the core decide, performs
//! all actions, and waits again.
//!
//! | file | does |
//! |---|---|
//! | `instance` | starts everything in order, and ends it |
//! | `event_loop`, `actions`, `answers` | the loop, what it does, what it answers to operators |
//! | `pages` | the status pages |
//! | `assignment` | ZooKeeper's notices as events, the lease |
//! | `control` | the control socket |
//! | `reload` | HUP |
//! | `service` | what systemd is told |
//! | `status` | what `status` says |
//! | `runtime_directory` | socket, lock and pages on disk |

mod actions;
mod answers;
mod assignment;
mod control;
mod event_loop;
mod instance;
mod pages;
mod reload;
pub(crate) mod runtime_directory;
mod service;
pub(crate) mod status;

pub(crate) use control::ask;
pub(crate) use instance::{
    check_properties, listen_for_signals, membership_options, reach, resolved, run, worker_binary,
};
