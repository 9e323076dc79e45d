//! What is asked of a place where offsets are kept, whichever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Instant;

use kafkavisor_types::ids::{Offset, TopicPartition};

use crate::error::KafkaError;

/// An offset of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The next offset to read.
    pub offset: Offset,
    /// What whoever wrote it wrote beside it; empty where that is not known.
    pub note: String,
}

/// The node in ZooKeeper that exists as long as a member is in its group, from the root on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberNode(pub String);

/// Why an offset could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OffsetError {
    /// Kafka's answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Kafka does not know the partition, and neither is there such a one by a second look.
    #[error("there is no such topic or partition any more")]
    Gone,
    /// ZooKeeper's answer, or its client's.
    #[error("ZooKeeper: {path}: {why}")]
    Zookeeper {
        /// The node.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A right is missing on a node; the text names both.
    #[error("{0}")]
    Refused(String),
    /// Certificates or authentication are wrong at ZooKeeper.
    #[error("{why}")]
    Trouble {
        /// How.
        why: String,
        /// Whether our configuration must be changed; else it is the server that must be.
        ours: bool,
    },
    /// ZooKeeper has not answered in the time that there was.
    #[error("no answer from ZooKeeper at {servers} in time")]
    ZookeeperTimedOut {
        /// Who was asked.
        servers: String,
    },
    /// A node that should hold an offset does not.
    #[error(
        "{path} in ZooKeeper holds {content:?}, which is no offset in decimal digits: set it, or remove the node"
    )]
    NotANumber {
        /// The node.
        path: String,
        /// Its text, cut and without control characters.
        content: String,
    },
    /// We had written it, and somebody has taken it away.
    #[error("{path} in ZooKeeper, which held {offset}, was taken away")]
    TakenAway {
        /// The node.
        path: String,
        /// What it held as we last wrote it.
        offset: Offset,
    },
    /// It was to be the first offset of its partition, and there is one.
    #[error("another member has just begun this topic")]
    Begun,
    /// The member that wanted to write is in the group no more: the partition may be somebody else's.
    #[error("this member has left the group: the partition may be somebody else's")]
    NotOurs,
}

impl OffsetError {
    /// Whether a right is missing, or we don't come together with where the offset is.
    pub fn is_barred(&self) -> bool {
        match self {
            Self::Kafka(error) => error.is_security(),
            Self::Refused(_) | Self::Trouble { .. } => true,
            Self::Gone
            | Self::Zookeeper { .. }
            | Self::ZookeeperTimedOut { .. }
            | Self::NotANumber { .. }
            | Self::TakenAway { .. }
            | Self::Begun
            | Self::NotOurs => false,
        }
    }
}

/// One answer a partition.
pub type Answers<T> = BTreeMap<TopicPartition, Result<T, OffsetError>>;

/// Where the group's offsets are kept. Every partition that is asked about has its answer when the call returns, which is at the
/// deadline at the latest; nothing is sent after it.
pub trait OffsetStore: Debug + Send + Sync {
    /// The offsets; `None` for a partition that has none.
    fn read(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Stored>>;

    /// Writes them, whoever the partitions belong to.
    fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()>;

    /// Writes them only while `member` is in its group, where that can be told at the very write ([`OffsetError::NotOurs`] when
    /// it is not). A place that can't tell writes.
    fn write_as(
        &self,
        _member: &MemberNode,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.write(offsets, deadline)
    }

    /// Writes the first offsets of their partitions: where another one is there by now, and that can be told at the very write, that
    /// one holds ([`OffsetError::Begun`]).
    fn begin(
        &self,
        member: Option<&MemberNode>,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        match member {
            Some(member) => self.write_as(member, offsets, deadline),
            None => self.write(offsets, deadline),
        }
    }

    /// Whether these offsets, as [`read`](Self::read) has given them, are in every place that this store writes.
    fn complete(&self, found: &BTreeMap<TopicPartition, Stored>, _deadline: Instant) -> Answers<bool> {
        found.keys().map(|key| (key.clone(), Ok(true))).collect()
    }
}
