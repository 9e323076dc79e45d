//! The supervisor's decisions, without clock or I/O: who runs, what is committed, what is released.
//!
//! | file | decides |
//! |---|---|
//! | `machine` | the whole instance: events in, actions out; its parts are `assignment`, `starting`, `launching`, `hearing`, `ending`, `commits`, `operating`, `rolling` |
//! | `partition`, `phase` | one partition: where it is, which phases may follow |
//! | `tenure`, `record` | what is remembered of it for an ownership, and for the supervisor's life |
//! | `partitions` | all of them, with what is asked after each event at hand |
//! | `changes` | what is told of it to whoever looks |
//! | `failures` | when a worker starts again, what is a crash loop |
//! | `poison` | what becomes of a message that kills its handlers |
//! | `roll` | how far the replacement of all workers is |
//! | `reason` | why a worker was started again, and how it ended, in words |
//! | `spawns` | how many workers start in a second |

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

mod beside;
mod changes;
mod failures;
mod machine;
mod messages;
mod operator;
mod partition;
mod partitions;
mod phase;
mod poison;
mod reason;
mod record;
mod roll;
mod spawns;
mod tenure;
#[cfg(test)]
mod tests;

pub use beside::Beside;
pub use changes::Change;
pub use machine::Core;
pub use messages::{Action, Event, Found, Refusal, Settings, Stop, TakenUp, Ticket, WorkerStart};
pub use operator::Operation;
pub use partition::Partition;
pub use phase::{Phase, Purpose, Worker};
pub use reason::Reason;
pub use record::{Count, Exited, History, Past, Record};
pub use roll::{ConfigNumber, Roll, RollState};
pub use tenure::{Barred, Tenure};
