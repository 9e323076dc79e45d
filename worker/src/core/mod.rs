//! The worker's decisions, without clock or I/O: what may be delivered, what an answer means, when a handler is stuck,
//! how a worker ends.

mod machine;
mod pace;
#[cfg(test)]
mod tests;
mod uncommitted;
mod window;

pub(crate) use machine::{Action, Core, Delivery, Event, Settings};
