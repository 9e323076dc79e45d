//! The supervisor's decisions, without clock or I/O: who runs, what is committed, what is released.
//!
//! | file | decides |
//! |---|---|
//! | `machine` | the whole instance: events in, actions out; its parts are `assignment`, `launching`, `recovery`, `commits`, `operator`, `roll` |
//! | `item` | one partition: its state and what it waits for |
//! | `failures` | when a worker starts again, what is a crash loop |
//! | `poison` | what becomes of a message that kills its handlers |
//! | `reason` | why a worker was started again |
//! | `spawns` | how many workers start in a second |
//! | `start` | where reading begins |

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

mod failures;
mod item;
mod machine;
mod messages;
mod poison;
mod reason;
mod spawns;
pub mod start;
#[cfg(test)]
mod tests;

pub use item::Item;
pub use machine::Core;
pub use machine::operator::Operation;
pub use machine::roll::{Roll, RollState};
pub use messages::{Action, CommitAnswer, Event, Settings, WorkerStart};
pub use reason::Reason;
