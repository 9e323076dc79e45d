//! The guardian: one small process an instance, the parent of all workers.
//!
//! It starts workers at the supervisor's word. As a child subreaper it inherits whatever a worker leaves, setsid or not and
//! whatever became of its environment: that is ended before the worker counts as ended. When the supervisor is gone, however it
//! went, the socket between them ends, and the guardian ends everything below it and exits.
//!
//! What does not descend from a worker never comes to it: children that the supervisor had before it was itself, other programs of a
//! container, readers of its log.
//!
//! | file | does |
//! |---|---|
//! | `process` | the guardian itself |
//! | `handle` | the supervisor's end |
//! | `messages` | what the two say to each other |

mod handle;
mod messages;
mod process;

pub(super) use handle::Guardian;
pub(super) use messages::{Left, Report};
pub(crate) use process::guard;
