//! Who owns what: a group's membership behind one trait.
//!
//! | module | for |
//! |---|---|
//! | [`member`] | [`Member`]: what a supervisor asks of its membership, which answers in [`Notice`]s |
//! | [`listed`] | static assignment: everything that is listed is ours |
//! | `zookeeper` | a member in ZooKeeper, beside Python members (feature `zookeeper`) |

pub mod listed;
pub mod member;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use self::listed::ListedMember;
pub use self::member::Member;
#[cfg(feature = "zookeeper")]
pub use self::zookeeper::{
    ConnectError, Connection, Ensemble, Identity, Observer, Options, ZookeeperMember, host_name,
};
pub use crate::partitioner::messages::Notice;
