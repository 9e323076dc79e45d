//! Who owns which partition: kazoo's `SetPartitioner` as a pure state machine.
//!
//! Nothing here reads a clock, does I/O or draws a random number: time and randomness come in with the events of
//! [`set_partitioner::SetPartitioner`], requests to ZooKeeper go out as its actions. The shell that talks to a real ZooKeeper is
//! `membership`; a simulated one is `simulation` (feature `testing`). What must be shared with Python members, name by
//! name, is in [`allocation`], [`group_path`] and [`node_names`].
//!
//! | module | for |
//! |---|---|
//! | [`allocation`] | partitions, and which of them are mine |
//! | [`group_path`] | the group's folder in ZooKeeper, in every form a Python member may use |
//! | [`node_names`] | names of party and lock nodes; the line before a lock |
//! | [`messages`] | events, requests, answers, notices |
//! | [`set_partitioner`] | a member: session, party, settling, leaving |
//! | `party` | the party as the member sees it: listed, quiet, settled |
//! | `locks` | one lock's way from its creation to its deletion |

pub mod allocation;
pub mod group_path;
mod locks;
pub mod messages;
pub mod node_names;
mod party;
pub mod set_partitioner;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
