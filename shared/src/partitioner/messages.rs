//! What goes into a [`SetPartitioner`](super::set_partitioner::SetPartitioner) and what comes out of it.
//!
//! Everything from ZooKeeper carries the [`Epoch`] of the session it belongs to, and answers the [`RequestId`] they
//! answer, so that what is late can be told from what is awaited. The shell owes every [`Request`] exactly one
//! [`Event::Answered`], [`Event::Failed`] or [`Event::Refused`], and makes requests of one session take effect in the order they were sent.

use std::collections::BTreeSet;
use std::time::Duration;

use super::node_names::Nonce;
use crate::clock::Boottime;
use crate::ids::{FencingToken, TopicPartition};

/// The running number of a member's session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The running number of a member's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new session was established.
    SessionStarted {
        /// The session's running number, as asked for.
        epoch: Epoch,
        /// A random number, new with each session.
        nonce: Nonce,
        /// The session's id as text, `0x1000…`.
        session: String,
        /// The negotiated timeout.
        timeout: Duration,
    },
    /// The connection is gone; the session may outlive that.
    Suspended {
        /// Of which session.
        epoch: Epoch,
    },
    /// Connected again in the same session, and everything that was sent before has had its effect or never will.
    Reconnected {
        /// Of which session.
        epoch: Epoch,
    },
    /// The session has expired or is closed: its nodes are gone or will be soon.
    SessionEnded {
        /// Which session.
        epoch: Epoch,
    },
    /// A request was answered.
    Answered {
        /// Of which session.
        epoch: Epoch,
        /// Which request.
        id: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// A request's answer was lost: it may have had its effect or not.
    Failed {
        /// Of which session.
        epoch: Epoch,
        /// Which request.
        id: RequestId,
    },
    /// A request was refused for want of a right: it has had no effect. Said only when it is time to ask again.
    Refused {
        /// Of which session.
        epoch: Epoch,
        /// Which request.
        id: RequestId,
    },
    /// A one-shot watch fired.
    WatchFired {
        /// Of which session.
        epoch: Epoch,
        /// The request that set it.
        id: RequestId,
    },
    /// Kafka has other partitions now.
    PartitionsChanged {
        /// All of them.
        partitions: BTreeSet<TopicPartition>,
    },
    /// A revoked partition's worker is reaped and its last acknowledgement committed.
    Released {
        /// Which partition.
        partition: TopicPartition,
        /// The token it was held under.
        token: FencingToken,
    },
    /// Somebody wants this member to leave.
    LeaveRequested,
    /// `next_deadline` has come. Never wrong, at most of no effect.
    DeadlineReached,
}

impl Event {
    /// The session this event is about; none for what comes from the supervisor or the clock.
    pub fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::SessionStarted { epoch, .. }
            | Self::Suspended { epoch }
            | Self::Reconnected { epoch }
            | Self::SessionEnded { epoch }
            | Self::Answered { epoch, .. }
            | Self::Failed { epoch, .. }
            | Self::Refused { epoch, .. }
            | Self::WatchFired { epoch, .. } => Some(*epoch),
            Self::PartitionsChanged { .. }
            | Self::Released { .. }
            | Self::LeaveRequested
            | Self::DeadlineReached => None,
        }
    }
}

/// What ZooKeeper is asked for. Paths are relative to the group's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Make the group's folder, `party` and `locks`, with their parents.
    EnsureFolders,
    /// Create the ephemeral node `party/<node>` holding `identifier`. That it exists is success.
    JoinParty {
        /// The node's name.
        node: String,
        /// Its data.
        identifier: String,
    },
    /// List `party` and watch its children once.
    ListParty,
    /// Create the ephemeral sequential node `locks/<partition>/<prefix>`, and the partition's folder where it is missing.
    CreateLock {
        /// For which partition.
        partition: TopicPartition,
        /// The name before the sequence.
        prefix: String,
    },
    /// List `locks/<partition>`, and read which of them are ours.
    ListLocks {
        /// Of which partition.
        partition: TopicPartition,
        /// How the names of our nodes begin.
        prefix: String,
    },
    /// Read `locks/<partition>/<node>` and watch it once.
    WatchPredecessor {
        /// Of which partition.
        partition: TopicPartition,
        /// Whose deletion is waited for.
        node: String,
    },
    /// List the lock nodes of this partition in all sibling folders.
    ListSiblings {
        /// Of which partition.
        partition: TopicPartition,
    },
    /// Delete `locks/<partition>/<node>`. That it is missing is success.
    DeleteLock {
        /// Of which partition.
        partition: TopicPartition,
        /// The node's full name.
        node: String,
    },
    /// Delete `party/<node>`. That it is missing is success.
    LeaveParty {
        /// The node's name.
        node: String,
    },
}

impl Request {
    /// Of which partition it is; none where it is the group's.
    pub fn partition(&self) -> Option<&TopicPartition> {
        match self {
            Self::CreateLock { partition, .. }
            | Self::ListLocks { partition, .. }
            | Self::WatchPredecessor { partition, .. }
            | Self::ListSiblings { partition }
            | Self::DeleteLock { partition, .. } => Some(partition),
            Self::EnsureFolders | Self::JoinParty { .. } | Self::ListParty | Self::LeaveParty { .. } => None,
        }
    }
}

/// A lock node of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLock {
    /// The node's full name.
    pub node: String,
    /// Its creation zxid.
    pub token: FencingToken,
}

/// A lock node in a sibling folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiblingLock {
    /// The node's path, for people.
    pub path: String,
    /// The node's name.
    pub node: String,
    /// Its creation zxid.
    pub token: FencingToken,
    /// Whether it is the first in its own folder's line.
    pub first: bool,
}

/// What ZooKeeper answered, one for each [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `EnsureFolders`.
    FoldersEnsured,
    /// To `JoinParty`.
    PartyJoined,
    /// To `ListParty`: the names of all party nodes; the watch is set.
    PartyListed {
        /// Of every member.
        nodes: Vec<String>,
    },
    /// To `CreateLock`.
    LockCreated(OwnLock),
    /// To `ListLocks`.
    LocksListed {
        /// Every child of the folder.
        children: Vec<String>,
        /// Those of ours.
        own: Vec<OwnLock>,
    },
    /// To `WatchPredecessor`: it is there and watched.
    PredecessorWatched {
        /// The member whose it is, where that is known, else its path: for people.
        by: String,
    },
    /// To `WatchPredecessor`: it is not there any more.
    PredecessorGone,
    /// To `ListSiblings`.
    SiblingsListed {
        /// In every sibling folder.
        locks: Vec<SiblingLock>,
    },
    /// To `DeleteLock`.
    LockDeleted,
    /// To `LeaveParty`.
    PartyLeft,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an action that is not performed is lost"]
pub enum Action {
    /// Establish a new session; `SessionStarted` says that it is there. Goes on for ever.
    OpenSession {
        /// Its running number.
        epoch: Epoch,
    },
    /// Close the session, or stop opening it; `SessionEnded` answers, at once or nearly so, whatever the network does.
    CloseSession {
        /// Its running number.
        epoch: Epoch,
    },
    /// Ask ZooKeeper.
    Send {
        /// In which session.
        epoch: Epoch,
        /// The request's running number.
        id: RequestId,
        /// What for.
        request: Request,
    },
    /// Tell the supervisor.
    Notify(Notice),
}

/// What a supervisor hears from its membership: of a member in ZooKeeper all but `Evidence`, `Troubled` and `Untroubled`, which the
/// shell makes, is said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The member is in its group.
    Joined {
        /// The session's id in ZooKeeper, `0x1000…`, where there is one.
        session: Option<String>,
        /// The member's identifier in the group, where it has one; new with each session.
        member: Option<String>,
        /// The name of the member's node in its party, where it has one.
        node: Option<String>,
        /// After how long without a sign of life the group gives away what is held; `Duration::MAX` is never.
        timeout: Duration,
    },
    /// The partition is ours: start its worker, once an earlier one of it is reaped.
    Assigned {
        /// Which partition.
        partition: TopicPartition,
        /// Grows from owner to owner; none where there can be one owner only.
        token: Option<FencingToken>,
    },
    /// The partition is to be given up: drain and commit, then say [`Event::Released`] with this token. It is
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
        /// The token it was assigned with.
        token: Option<FencingToken>,
    },
    /// Everything that is this member's share is assigned.
    Settled {
        /// Members of the group, this one included.
        members: usize,
    },
    /// The members or the partitions changed: allocating again. What is held stays held meanwhile.
    Unsettled,
    /// These members are seen, this one included. They may not have settled yet.
    Listed {
        /// Their ids.
        members: Vec<String>,
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
    /// A right is missing, or certificates or authentication are wrong: we go on trying. What is held stays held.
    Troubled {
        /// Of which partition; none where it is the group as a whole.
        partition: Option<TopicPartition>,
        /// What to look at.
        why: String,
    },
    /// That is over.
    Untroubled {
        /// Of which partition, as `Troubled` has said.
        partition: Option<TopicPartition>,
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
