//! The chaos suite: a group of supervisors and Python members on a real Kafka and ZooKeeper, with faults.
//!
//! | part | does |
//! |---|---|
//! | [`schedule`] | which fault comes when, from a seed; pure |
//! | [`run`] | brings the group up, performs the schedule, watches, heals, waits for lag 0 |
//! | `bin/handler.rs` | the handler: says what it does before it does it, and misbehaves |
//! | [`history`] | what happened, a line per event, written by all of them into one file |
//! | [`checker`] | judges a history; pure, and knows nothing of who made it |

pub mod checker;
pub mod history;
pub mod run;
pub mod schedule;
