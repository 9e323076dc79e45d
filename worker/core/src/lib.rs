//! The worker's decisions, without clock or I/O: what may be delivered, what an answer means, when a handler is stuck,
//! how a worker ends.
//!
//! | file | decides |
//! |---|---|
//! | `machine` | the whole worker: events in, actions out; its parts are `ending` and `fates` (of messages that can't be handled) |
//! | `window` | what is in flight, what an answer settles |
//! | `pace` | how much may be in flight |
//! | `uncommitted` | when a commit is asked for, and when it is waited for |

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

mod machine;
mod pace;
#[cfg(test)]
mod tests;
mod uncommitted;
mod window;

pub use machine::{Action, Core, Delivery, Event, Failure, Settings};
