//! Who owns what: a group's membership behind one trait.
//!
//! | module | for |
//! |---|---|
//! | [`member`] | [`Member`]: what a supervisor asks of its membership |
//! | [`notice`] | [`Notice`]: what it hears from it |
//! | [`listed`] | static assignment: everything that is listed is ours |
//! | `zookeeper` | a member in ZooKeeper, beside Python members (feature `zookeeper`) |

pub mod listed;
pub mod member;
pub mod notice;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use self::listed::ListedMember;
pub use self::member::Member;
pub use self::notice::Notice;
#[cfg(feature = "zookeeper")]
pub use self::zookeeper::{ConnectError, Connection, Identity, Observer, Options, ZookeeperMember};
