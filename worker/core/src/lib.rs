//! The worker's decisions, without clock or I/O: what may be delivered, what an answer means, when a handler is stuck,
//! how a worker ends.

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

mod machine;
mod pace;
#[cfg(test)]
mod tests;
mod uncommitted;
mod window;

pub use machine::{Action, Core, Delivery, Event, Failure, Settings};
