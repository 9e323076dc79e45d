//! One lock's way from its creation to its deletion, for one partition of one session.
//!
//! A lock says which request is [`due`](Lock::due) and takes the answers; when to ask, and what to do about the other
//! partitions, is left to [`set_partitioner`](super::set_partitioner). A node of ours stays in line however long that takes. It is never
//! deleted between `Acquired` and `Released`.
//!
//! | stage | meaning | goes to |
//! |---|---|---|
//! | Creating | the node is being created | Listing; Finding when the answer is lost |
//! | Finding | was it created? list, look for our UUID | Listing's ways; Creating when it was not |
//! | Listing | the node exists; who is before it? | Locked; Queued behind a predecessor |
//! | Queued | the predecessor is to be watched | Waiting; Listing when it is gone |
//! | Waiting | until the watch fires | Listing |
//! | Locked | first in line; waits until the party has settled | Checking, or Held without siblings |
//! | Checking | sibling folders are listed | Held; Blocked |
//! | Blocked | a sibling is at it; again in a second | Checking |
//! | Held | `Acquired` was reported | Revoking |
//! | Revoking | `Revoked` was reported | Deleting when released |
//! | Deleting | the node is being deleted | gone |
//!
//! A partition that is not wanted any more goes from each stage before Held to Deleting, from Creating and Finding once the
//! node's name is known. A listing that does not show our node, or two of them, is a [`Step::Doubted`].

use std::time::{Duration, Instant};

use super::messages::{Answer, Notice, OwnLock, Request, RequestId, SiblingLock};
use super::node_names::{checks_siblings, predecessor};
use crate::ids::{FencingToken, TopicPartition};

/// How long to wait before sibling folders are looked at again.
const SIBLINGS_AGAIN: Duration = Duration::from_secs(1);
/// Who stands in line longer than this is told of: a share that changes hands takes a moment.
const LONG: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Creating,
    Finding,
    Listing(OwnLock),
    Queued { own: OwnLock, ahead: String },
    Waiting { own: OwnLock, watch: RequestId },
    Locked(OwnLock),
    Checking { own: OwnLock, by: Option<String> },
    Blocked { own: OwnLock, by: String, again_at: Instant },
    Held(OwnLock),
    Revoking(OwnLock),
    Deleting(OwnLock),
}

/// What an answer did to the lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its stage may have changed; there may be something to say.
    Kept(Option<Notice>),
    /// No node of it is left.
    Gone,
    /// ZooKeeper does not show what it should: the session's nodes are no longer known for sure.
    Doubted(Option<Notice>),
}

/// Somebody before us in line.
#[derive(Debug)]
struct Behind {
    since: Instant,
    /// Who, once that was read.
    by: Option<String>,
}

#[derive(Debug)]
pub(super) struct Lock {
    partition: TopicPartition,
    prefix: String,
    stage: Stage,
    /// Whether the partition is mine under the present allocation.
    wanted: bool,
    awaiting: Option<RequestId>,
    /// The connection was lost meanwhile: list the folder before anything else.
    recheck: bool,
    behind: Option<Behind>,
    /// Behind whom the supervisor was told that we wait.
    told: Option<String>,
}

impl Lock {
    pub(super) fn new(partition: TopicPartition, prefix: String) -> Self {
        Self {
            partition,
            prefix,
            stage: Stage::Creating,
            wanted: true,
            awaiting: None,
            recheck: false,
            behind: None,
            told: None,
        }
    }

    /// The token of a partition that the supervisor has: acquired and not yet released.
    pub(super) fn token_out(&self) -> Option<FencingToken> {
        if let Stage::Held(own) | Stage::Revoking(own) = &self.stage { Some(own.token) } else { None }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held(_))
    }

    /// The request to send now, if any.
    pub(super) fn due(&self, now: Instant, settled: bool) -> Option<Request> {
        if self.awaiting.is_some() {
            return None;
        }
        let partition = self.partition.clone();
        let prefix = self.prefix.clone();
        match &self.stage {
            Stage::Creating => Some(Request::CreateLock { partition, prefix }),
            Stage::Deleting(own) => Some(Request::DeleteLock { partition, node: own.node.clone() }),
            Stage::Finding | Stage::Listing(_) => Some(Request::ListLocks { partition, prefix }),
            Stage::Queued { ahead, .. } if !self.recheck => {
                Some(Request::WatchPredecessor { partition, node: ahead.clone() })
            }
            Stage::Checking { .. } if !self.recheck && settled && self.wanted => {
                Some(Request::ListSiblings { partition })
            }
            Stage::Blocked { again_at, .. } if !self.recheck && settled && self.wanted => {
                (now >= *again_at).then_some(Request::ListSiblings { partition })
            }
            Stage::Queued { .. }
            | Stage::Waiting { .. }
            | Stage::Locked(_)
            | Stage::Checking { .. }
            | Stage::Blocked { .. }
            | Stage::Held(_)
            | Stage::Revoking(_) => self.recheck.then_some(Request::ListLocks { partition, prefix }),
        }
    }

    /// What is to be said of the line that we stand in, if that is not said already.
    pub(super) fn news(&mut self, now: Instant) -> Option<Notice> {
        let long = self.behind.as_ref().filter(|behind| now >= behind.since + LONG);
        // Whoever is next is not known while it is looked for: what was said stands.
        let by = long.and_then(|behind| behind.by.clone().or_else(|| self.told.clone()));
        if by == self.told {
            return None;
        }
        self.told.clone_from(&by);
        let partition = self.partition.clone();
        match by {
            Some(by) => Some(Notice::Waiting { partition, by }),
            // `Acquired` has said it.
            None if self.is_held() => None,
            None => Some(Notice::NoLongerWaiting { partition }),
        }
    }

    /// When this lock wants to be asked again, or has something to say, though nothing happened.
    pub(super) fn deadline(&self, settled: bool) -> Option<Instant> {
        if let Some(Behind { since, by: Some(by) }) = &self.behind {
            return (self.told.as_ref() != Some(by)).then_some(*since + LONG);
        }
        let Stage::Blocked { again_at, .. } = &self.stage else { return None };
        (settled && self.wanted && self.awaiting.is_none()).then_some(*again_at)
    }

    pub(super) fn sent(&mut self, id: RequestId) {
        self.awaiting = Some(id);
    }

    /// The connection was lost and is back: look whether everything is as it was.
    pub(super) fn reconnected(&mut self) {
        self.recheck = true;
    }

    /// First in line and free to work: the way to `Acquired` begins here.
    pub(super) fn promote(&mut self, siblings: bool) -> Option<Notice> {
        let Stage::Locked(own) = &self.stage else { return None };
        if !self.wanted || self.recheck {
            return None;
        }
        let own = own.clone();
        if siblings {
            self.stage = Stage::Checking { own, by: None };
            return None;
        }
        Some(self.acquired(own))
    }

    /// The partition is mine again, or still.
    pub(super) fn keep(&mut self) {
        self.wanted = true;
    }

    /// The partition is not mine any more.
    pub(super) fn give_up(&mut self) -> Step {
        self.wanted = false;
        self.behind = None;
        match &self.stage {
            Stage::Creating if self.awaiting.is_none() => return Step::Gone,
            Stage::Creating | Stage::Finding | Stage::Revoking(_) | Stage::Deleting(_) => {}
            Stage::Held(own) => {
                let revoked = Notice::Revoked { partition: self.partition.clone(), token: Some(own.token) };
                self.stage = Stage::Revoking(own.clone());
                return Step::Kept(Some(revoked));
            }
            Stage::Listing(own)
            | Stage::Queued { own, .. }
            | Stage::Waiting { own, .. }
            | Stage::Locked(own)
            | Stage::Checking { own, .. }
            | Stage::Blocked { own, .. } => {
                // What is awaited is a reading: its answer will find another id here and mean nothing.
                self.awaiting = None;
                self.stage = Stage::Deleting(own.clone());
            }
        }
        Step::Kept(None)
    }

    /// The supervisor is done with the partition.
    pub(super) fn released(&mut self, token: FencingToken) {
        let Stage::Revoking(own) = &self.stage else { return };
        // Another token is of an earlier session, or said twice.
        if own.token == token {
            self.awaiting = None;
            self.stage = Stage::Deleting(own.clone());
        }
    }

    pub(super) fn failed(&mut self, id: RequestId) {
        if self.awaiting != Some(id) {
            return;
        }
        self.awaiting = None;
        if self.stage == Stage::Creating {
            self.stage = Stage::Finding;
        }
    }

    /// The request has had no effect. True when nothing is left of the lock: no node was made, or the session ends with it.
    pub(super) fn refused(&mut self, id: RequestId, ending: bool) -> bool {
        if self.awaiting != Some(id) {
            return false;
        }
        self.awaiting = None;
        let never_made = self.stage == Stage::Creating && !self.wanted;
        never_made || (ending && self.token_out().is_none())
    }

    pub(super) fn watch_fired(&mut self, id: RequestId) {
        let Stage::Waiting { own, watch } = &self.stage else { return };
        if *watch == id {
            self.stage = Stage::Listing(own.clone());
        }
    }

    /// Takes an answer, if it is the one awaited.
    pub(super) fn answered(&mut self, now: Instant, id: RequestId, answer: Answer, settled: bool) -> Step {
        if self.awaiting != Some(id) {
            return Step::Kept(None);
        }
        self.awaiting = None;
        match (answer, &self.stage) {
            (Answer::LockCreated(own), Stage::Creating) => {
                self.stage = if self.wanted { Stage::Listing(own) } else { Stage::Deleting(own) };
            }
            (Answer::LocksListed { children, own }, _) => return self.listed(now, &children, &own),
            (Answer::PredecessorWatched { by }, Stage::Queued { own, .. }) => {
                self.behind = self.behind.take().map(|behind| Behind { by: Some(by), ..behind });
                self.stage = Stage::Waiting { own: own.clone(), watch: id };
            }
            (Answer::PredecessorGone, Stage::Queued { own, .. }) => self.stage = Stage::Listing(own.clone()),
            (Answer::SiblingsListed { locks }, Stage::Checking { own, by }) => {
                let (own, before) = (own.clone(), by.clone());
                return Step::Kept(self.siblings_listed(now, own, &locks, before.as_deref(), settled));
            }
            (Answer::SiblingsListed { locks }, Stage::Blocked { own, by, .. }) => {
                let (own, before) = (own.clone(), Some(by.clone()));
                return Step::Kept(self.siblings_listed(now, own, &locks, before.as_deref(), settled));
            }
            (Answer::LockDeleted, Stage::Deleting(_)) => return Step::Gone,
            // An answer to another question than the one that was asked: the shell's mistake, of no effect.
            _ => {}
        }
        Step::Kept(None)
    }

    fn listed(&mut self, now: Instant, children: &[String], own: &[OwnLock]) -> Step {
        self.recheck = false;
        let [own] = own else { return self.listed_wrongly(children) };
        let own = own.clone();
        match &self.stage {
            Stage::Creating | Stage::Finding if !self.wanted => self.stage = Stage::Deleting(own),
            Stage::Creating
            | Stage::Finding
            | Stage::Listing(_)
            | Stage::Queued { .. }
            | Stage::Waiting { .. } => {
                let ahead = predecessor(children, &own.node);
                let since = self.behind.take().map_or(now, |behind| behind.since);
                self.behind = ahead.map(|_| Behind { since, by: None });
                self.stage = match ahead {
                    Some(ahead) => Stage::Queued { ahead: ahead.to_owned(), own },
                    None => Stage::Locked(own),
                }
            }
            Stage::Locked(known)
            | Stage::Checking { own: known, .. }
            | Stage::Blocked { own: known, .. }
            | Stage::Held(known)
            | Stage::Revoking(known)
            | Stage::Deleting(known) => {
                if *known != own {
                    return Step::Doubted(None);
                }
            }
        }
        Step::Kept(None)
    }

    /// No node of ours, or several.
    fn listed_wrongly(&mut self, children: &[String]) -> Step {
        let several = children.iter().any(|child| child.starts_with(&self.prefix));
        match &self.stage {
            Stage::Finding if !several && self.wanted => {
                self.stage = Stage::Creating;
                Step::Kept(None)
            }
            Stage::Finding if !several => Step::Gone,
            Stage::Held(own) | Stage::Revoking(own) if !several => {
                let lost = Notice::Lost { partition: self.partition.clone(), token: Some(own.token) };
                self.stage = Stage::Deleting(own.clone());
                Step::Doubted(Some(lost))
            }
            Stage::Creating
            | Stage::Finding
            | Stage::Listing(_)
            | Stage::Queued { .. }
            | Stage::Waiting { .. }
            | Stage::Locked(_)
            | Stage::Checking { .. }
            | Stage::Blocked { .. }
            | Stage::Held(_)
            | Stage::Revoking(_)
            | Stage::Deleting(_) => Step::Doubted(None),
        }
    }

    fn siblings_listed(
        &mut self,
        now: Instant,
        own: OwnLock,
        locks: &[SiblingLock],
        before: Option<&str>,
        settled: bool,
    ) -> Option<Notice> {
        let Some(by) =
            locks.iter().find(|sibling| blocks(sibling, own.token)).map(|sibling| sibling.path.clone())
        else {
            // Settling has begun again meanwhile: not now.
            if settled && self.wanted {
                return Some(self.acquired(own));
            }
            self.stage = Stage::Locked(own);
            return None;
        };
        let news = before != Some(by.as_str());
        let blocked = news.then(|| Notice::Blocked { partition: self.partition.clone(), by: by.clone() });
        self.stage = Stage::Blocked { own, by, again_at: now + SIBLINGS_AGAIN };
        blocked
    }

    fn acquired(&mut self, own: OwnLock) -> Notice {
        let acquired = Notice::Assigned { partition: self.partition.clone(), token: Some(own.token) };
        self.stage = Stage::Held(own);
        acquired
    }
}

/// Whether a sibling's lock node keeps us from working. Members that look at siblings form one line over all folders, by creation,
/// so that no two of them wait for each other. Members that don't (Python's) work as soon as they are first in their
/// own folder, and never wait for us.
fn blocks(sibling: &SiblingLock, own: FencingToken) -> bool {
    sibling.token < own || (sibling.first && !checks_siblings(&sibling.node))
}
