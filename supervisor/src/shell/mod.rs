//! Around the core: processes, pages, sockets, signals, threads. It waits for the next event, lets the core decide, performs
//! all actions, and waits again.
//!
//! | file | does |
//! |---|---|
//! | `instance` | starts everything in order, and ends it |
//! | `event_loop`, `actions`, `answers` | the loop, what it does, what it answers to operators |
//! | `guardian` | ends what is left when the supervisor dies |
//! | `workers` | spawning, hearing and reaping worker processes |
//! | `pages`, `page_name` | the status pages, and the file of each |
//! | `assignment` | ZooKeeper's notices as events, the lease |
//! | `control` | the control socket |
//! | `reload` | HUP |
//! | `service` | what systemd is told |
//! | `limits` | descriptors and processes that are needed |
//! | `status` | what `status` says |
//! | `runtime_directory` | socket, lock and pages on disk |

mod actions;
mod answers;
mod assignment;
mod control;
mod event_loop;
mod guardian;
mod instance;
mod limits;
mod page_name;
mod pages;
mod reload;
pub(crate) mod runtime_directory;
mod service;
pub(crate) mod status;
mod workers;

pub(crate) use control::ask;
pub(crate) use guardian::guard;
pub(crate) use instance::{listen_for_signals, reach, run};
pub(crate) use limits::too_low_for;
