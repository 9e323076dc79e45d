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
//! | `event_loop`, `answers`, `publishing` | the loop, what it answers to operators, what it tells those who look |
//! | `system` | what the driver works with |
//! | `troubles` | what keeps it from Kafka, beside what workers say |
//! | `replies` | who waits for an answer |
//! | `rebalances` | who attends the rebalances, and what waits for them |
//! | `parent` | the process to end with |
//! | `deployments` | which handlers have ever worked |
//! | `log_shares` | how much of handlers' logs is passed on |
//! | `pages`, `page_name` | the status pages, and the file of each |
//! | `runtime_directory` | socket, lock and pages on disk |

mod answers;
pub(crate) mod deployments;
mod event_loop;
mod group;
mod instance;
mod instance_id;
mod log_shares;
mod page_name;
mod pages;
mod parent;
mod publishing;
mod reach;
mod rebalances;
mod replies;
mod rights;
pub(crate) mod runtime_directory;
mod signals;
mod system;
mod troubles;

pub(crate) use instance::run;
pub(crate) use parent::end_with;
pub(crate) use reach::{reach, start_runtime};
pub(crate) use signals::listen_for_signals;
