//! The group's offsets, wherever they are kept: read and written with what stands beside each, one answer a partition.
//!
//! | module | for |
//! |---|---|
//! | [`store`] | the one trait behind which they are |
//! | [`kafka`] | in Kafka itself |
//! | [`zookeeper`] | in ZooKeeper's classic layout (feature `zookeeper`) |
//! | [`dual`] | in two places |

pub mod dual;
pub mod kafka;
pub mod store;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use self::dual::DualOffsets;
pub use self::kafka::KafkaOffsets;
pub use self::store::{Answers, MemberNode, OffsetError, OffsetStore, Stored};
#[cfg(feature = "zookeeper")]
pub use self::zookeeper::ZookeeperOffsets;
