//! A group's offsets from outside, and how far it is behind (feature `offsets`): yelp_kafka's `offsets` and `monitoring`.
//!
//! Each function of the original has its name here, less its `get_`, and takes what it took: a client, the group, topics as a list or with
//! partitions of each, whether what is missing is an error, and where offsets are kept. Calls block, each within the client's
//! time limit, and may be made on any thread.
//!
//! | module | for |
//! |---|---|
//! | [`client`] | [`KafkaClient`]: a cluster, its ZooKeeper, and what is asked of both |
//! | [`topics`] | which partitions are meant, and that there are such |
//! | [`reading`] | [`current_consumer_offsets`], [`topics_watermarks`] |
//! | [`changing`] | [`set_consumer_offsets`], [`advance_consumer_offsets`], [`rewind_consumer_offsets`] |
//! | [`monitoring`] | [`consumer_offsets_metadata`], [`topics_offset_distance`], [`offset_distance`] |
//! | [`saved`] | offsets in a file |
//! | [`error`] | what can go wrong |

pub mod changing;
pub mod client;
pub mod error;
pub mod monitoring;
pub mod reading;
pub mod saved;
pub mod topics;

pub use self::changing::{advance_consumer_offsets, rewind_consumer_offsets, set_consumer_offsets};
pub use self::client::KafkaClient;
pub use self::error::{OffsetCommitError, OffsetsError};
pub use self::monitoring::{
    ConsumerPartitionOffsets, consumer_offsets_metadata, offset_distance, topics_offset_distance,
};
pub use self::reading::{PartitionOffsets, current_consumer_offsets, topics_watermarks};
pub use self::saved::SavedOffsets;
pub use self::topics::Topics;
#[doc(inline)]
pub use crate::config::{InvalidAddress, ZookeeperAuth, ZookeeperTls};
#[doc(inline)]
pub use crate::offset_storage::{InvalidOffsetStorageError, OffsetStorage};
#[doc(inline)]
pub use kafkavisor_kafka::{GroupMember, error::KafkaError, logs::Log, offsets::OffsetError};
