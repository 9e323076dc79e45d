//! The whole group in virtual time: several supervisors with their workers and handlers, Python members, ZooKeeper and
//! Kafka, under faults that a seed determines. The decisions are the real ones: both cores, the partitioner's member, the
//! choice of where reading begins. Only their shells are simulated, and each says which it stands for.
//!
//! | module | for |
//! |---|---|
//! | `schedule` | one seed, from its first step to the last check |
//! | `plan` | what a seed decides beforehand |
//! | `world` | everything there is, and the queue of what is to come |
//! | `supervisor`, `worker`, `seat` | the shells around the three machines |
//! | `handler`, `python`, `operator` | those whom the product meets |
//! | `kafka`, `partition`, `page`, `machine` | what they work with |
//! | `faults` | what is done to them |
//! | `judge`, `violation` | the invariants |
//! | `trace`, `figures` | what is told about it |

mod faults;
mod figures;
mod handler;
mod judge;
mod kafka;
mod machine;
mod operator;
mod page;
mod partition;
mod plan;
mod process;
mod python;
mod schedule;
mod seat;
mod supervisor;
mod trace;
mod violation;
mod worker;
mod world;

pub use faults::Fault;
pub use figures::Figures;
pub use schedule::{Outcome, run, run_many};
pub use trace::Detail;
pub use violation::{Invariant, Violation};
