//! The whole group in virtual time: several supervisors with their workers and handlers, Python members, ZooKeeper and
//! Kafka, under faults that a seed determines. What ships is what runs: the supervisor's driver and both cores, the partitioner's
//! member, the choice of where reading begins. Only the system under them is simulated.
//!
//! | module | for |
//! |---|---|
//! | `schedule` | one seed, from its first step to the last check |
//! | `scenario` | a group and steps chosen by hand, and what must come of them |
//! | `plan` | what a seed decides beforehand |
//! | `world` | everything there is, and the queue of what is to come |
//! | `supervisor`, `system`, `worker`, `membership` | what is around the driver and the machines |
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
mod membership;
mod operator;
mod page;
mod partition;
mod plan;
mod process;
mod python;
mod scenario;
mod schedule;
mod supervisor;
mod system;
mod trace;
mod violation;
mod worker;
mod world;

pub use faults::Fault;
pub use figures::Figures;
pub use scenario::{Mark, Performance, Scenario, UNREACHED, marks, scenarios};
pub use schedule::{Outcome, run, run_many};
pub use trace::Detail;
pub use violation::{Invariant, Violation};
