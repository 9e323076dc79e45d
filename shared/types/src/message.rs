//! What a handler is told: where it begins, the messages, and why it is to stop.
//!
//! A [`Message`] borrows from the batch it was fetched in, since a worker encodes millions of them a second; an
//! [`OwnedMessage`] is the same on the handler's side, where it was decoded from a pipe.

use serde::{Deserialize, Serialize};

use crate::ids::{FencingToken, Generation, Group, Offset, Partition, Topic};

/// The first thing a handler is told: which partition it works for, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// The consumer group.
    pub group: Group,
    /// The topic.
    pub topic: Topic,
    /// The partition within it.
    pub partition: Partition,
    /// The offset at which delivery begins.
    pub offset: Offset,
    /// The number of the assignment that this handler was started for.
    pub generation: Generation,
    /// Grows from owner to owner of this partition; none with static assignment.
    pub fencing_token: Option<FencingToken>,
}

/// One message of Kafka, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its own offset, not the next one.
    pub offset: i64,
    /// Milliseconds since 1970, or -1 when Kafka has none.
    pub timestamp: i64,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The payload; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order; names may repeat.
    pub headers: &'a [Header<'a>],
}

/// One header of a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name: UTF-8 by Kafka's protocol, which nobody checks.
    pub name: &'a [u8],
    /// The value, if any.
    pub value: Option<&'a [u8]>,
}

/// One message as a handler receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMessage {
    /// Its own offset, not the next one.
    pub offset: Offset,
    /// Milliseconds since 1970, or -1 when Kafka has none.
    pub timestamp: i64,
    /// The key, if any.
    pub key: Option<Vec<u8>>,
    /// The payload; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers, in their order; names may repeat.
    pub headers: Vec<OwnedHeader>,
    /// 1 at first; more when the message may have been begun before by a handler that died.
    pub attempt: u32,
}

impl OwnedMessage {
    /// The value; empty for a tombstone.
    pub fn payload(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// One header of an [`OwnedMessage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedHeader {
    /// The name; what was not UTF-8 in it is replaced.
    pub name: String,
    /// The value, if any.
    pub value: Option<Vec<u8>>,
}

/// Why a handler is to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// The partition goes to another member of the group.
    Rebalance,
    /// The supervisor ends.
    Shutdown,
    /// A new handler of the same partition follows.
    Restart,
}

impl StopReason {
    /// The word for it in `jsonl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebalance => "rebalance",
            Self::Shutdown => "shutdown",
            Self::Restart => "restart",
        }
    }
}
