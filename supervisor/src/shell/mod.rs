//! Around the core: processes, pages, sockets, signals, threads. It waits for the next event, lets the core decide, performs
//! all actions, and waits again.
//!
//! | file | does |
//! |---|---|
//! | `instance` | starts everything in order, and ends it |
//! | `signals` | signals as messages, at start too |
//! | `reach` | Kafka and ZooKeeper reached, with one deadline |
//! | `rights` | what Kafka does not allow, all at once |
//! | `group` | the group in ZooKeeper, as configured |
//! | `instance_id` | the random id that commits are signed with |
//! | `event_loop`, `answers` | the loop, what it answers to operators |
//! | `system` | what the driver works with |
//! | `troubles` | what keeps it from Kafka, beside what workers say |
//! | `replies` | who waits for an answer |
//! | `deployments` | which handlers have ever worked |
//! | `pages`, `page_name` | the status pages, and the file of each |
//! | `control` | the control socket |
//! | `reload` | HUP |
//! | `service` | what systemd is told |
//! | `status` | what `status` says |
//! | `runtime_directory` | socket, lock and pages on disk |

mod answers;
mod control;
mod deployments;
mod event_loop;
mod group;
mod instance;
mod instance_id;
mod page_name;
mod pages;
mod reach;
mod reload;
mod replies;
mod rights;
pub(crate) mod runtime_directory;
mod service;
mod signals;
pub(crate) mod status;
mod system;
mod troubles;

pub(crate) use control::ask;
pub(crate) use instance::run;
pub(crate) use reach::reach;
pub(crate) use signals::listen_for_signals;
