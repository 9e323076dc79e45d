//! A group's membership in ZooKeeper, beside Python members (feature `zookeeper`).
//!
//! [`ZookeeperMember`] performs what the pure [`SetPartitioner`](crate::partitioner::set_partitioner::SetPartitioner) decides. It decides nothing about
//! ownership itself. It adds what a state machine can't have: sessions that are opened again for ever, time limits on every
//! request, and proofs of life for the supervisor's lease.
//! [`Observer`] only reads: who is in a group and who holds what.
//!
//! | module | for |
//! |---|---|
//! | [`options`] | what a member is told |
//! | `paths` | where its nodes are |
//! | [`connection`] | the first session, within a time limit |
//! | `names` | whose a session is |
//! | `troubles` | what stands in its way, said once |
//! | `requests` | one request of the member, performed |
//! | `session` | one session: its state, its requests, its watches, its proofs of life |
//! | `input` | what comes into the loop |
//! | `event_loop` | the member's loop: wait, handle, perform |
//! | [`member`] | the supervisor's end of it |
//! | [`observer`] | reading a group from outside |
//! | `folders` | which folders a group has |

pub mod connection;
mod event_loop;
mod folders;
mod input;
pub mod member;
mod names;
pub mod observer;
pub mod options;
mod paths;
mod requests;
mod session;
mod troubles;

pub use self::connection::Connection;
pub use self::member::ZookeeperMember;
pub use self::observer::Observer;
pub use self::options::{Identity, Options, host_name};
pub use kafkavisor_zookeeper::{Access, ConnectError, Ensemble, Login, NodeError, TlsFiles};
