//! What a supervisor hears from its membership.

use std::time::Duration;

use crate::clock::Boottime;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::messages::Notice as Partitioned;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The member is in its group.
    Joined {
        /// The session's id in ZooKeeper, `0x1000…`, where there is one.
        session: Option<String>,
        /// The member's identifier in the group, where it has one; new with each session.
        member: Option<String>,
    },
    /// The partition is ours: start its worker, once an earlier one of it is reaped.
    Assigned {
        /// Which partition.
        partition: TopicPartition,
        /// Grows from owner to owner; none where there can be one owner only.
        token: Option<FencingToken>,
    },
    /// The partition is to be given up: drain and commit, then say [`released`](super::Member::released) with this token. It is
    /// nobody else's until then.
    Revoked {
        /// Which partition.
        partition: TopicPartition,
        /// The token it was assigned with.
        token: Option<FencingToken>,
    },
    /// The partition may belong to somebody else already: kill its worker, commit nothing. No release is awaited.
    Lost {
        /// Which partition.
        partition: TopicPartition,
    },
    /// Everything that is this member's share is assigned.
    Settled {
        /// Members of the group, this one included.
        members: usize,
    },
    /// The members or the partitions changed: allocating again. What is held stays held meanwhile.
    Unsettled,
    /// So many members are seen, this one included. They may not have settled yet.
    Listed {
        /// How many.
        members: usize,
    },
    /// Somebody of this group has held the partition for a while that should be ours, and nobody but they can end it.
    Waiting {
        /// Which partition.
        partition: TopicPartition,
        /// Who it is, as people would look for them.
        by: String,
    },
    /// Nobody stands before us any more, or we don't wait for the partition any more. `Assigned` says that too.
    NoLongerWaiting {
        /// Which partition.
        partition: TopicPartition,
    },
    /// Somebody else may have had the partition since it was last ours. Comes before `Assigned`.
    Contended {
        /// Which partition.
        partition: TopicPartition,
    },
    /// The partition is ours, but a member of the group with other topics is still at it.
    Blocked {
        /// Which partition.
        partition: TopicPartition,
        /// Who it is, as people would look for them.
        by: String,
    },
    /// Proof that the group still counts us in, made while anything is held.
    Evidence {
        /// Taken before the proof was asked for: a lease counts from here.
        sent: Boottime,
        /// After how long without another one the group may give to others what is held; `Duration::MAX` is never.
        timeout: Duration,
    },
    /// Cut off from the group. What is held stays held as long as the lease says.
    Suspended,
    /// Connected again, with nothing lost.
    Reconnected,
    /// We are not of the group any more; each partition held was reported lost. Joining again follows by itself.
    SessionLost,
    /// Out of the group; nothing follows.
    Left,
}

impl From<Partitioned> for Notice {
    fn from(notice: Partitioned) -> Self {
        match notice {
            Partitioned::Joined { session, member, .. } => {
                Self::Joined { session: Some(session), member: Some(member) }
            }
            Partitioned::Acquired { partition, token } => Self::Assigned { partition, token: Some(token) },
            Partitioned::Revoked { partition, token } => Self::Revoked { partition, token: Some(token) },
            Partitioned::Lost { partition, .. } => Self::Lost { partition },
            Partitioned::Settled { members } => Self::Settled { members },
            Partitioned::Unsettled => Self::Unsettled,
            Partitioned::Listed { members } => Self::Listed { members },
            Partitioned::Waiting { partition, by } => Self::Waiting { partition, by },
            Partitioned::NoLongerWaiting { partition } => Self::NoLongerWaiting { partition },
            Partitioned::Contended { partition } => Self::Contended { partition },
            Partitioned::Blocked { partition, by } => Self::Blocked { partition, by },
            Partitioned::Suspended => Self::Suspended,
            Partitioned::Reconnected => Self::Reconnected,
            Partitioned::SessionLost => Self::SessionLost,
            Partitioned::Left => Self::Left,
        }
    }
}
