//! A member with a connection and a supervisor that does as it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::zookeeper::Session;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::messages::{Epoch, Event, Notice, Request, RequestId};
use crate::partitioner::set_partitioner::{SetPartitioner, Settings};

/// Every session's timeout.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a worker may go on after the last proof of life: three quarters of the session.
const LEASE: Duration = Duration::from_millis(750);
/// Every member's cooldown.
const COOLDOWN: Duration = Duration::from_millis(150);

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) epoch: Epoch,
    pub(super) request: Request,
    /// The client has given up waiting; the server does not know.
    pub(super) abandoned: bool,
}

/// A member, its connection and its supervisor.
#[derive(Debug)]
pub struct Player {
    pub(super) member: SetPartitioner,
    pub(super) folder: String,
    pub(super) connected: bool,
    pub(super) opening: Option<Epoch>,
    pub(super) session: Option<(Epoch, Session)>,
    pub(super) last_connected: Instant,
    pub(super) to_server: VecDeque<Pending>,
    pub(super) to_member: VecDeque<Event>,
    /// What the supervisor has, and whether it is to give it back.
    pub(super) has: BTreeMap<TopicPartition, (FencingToken, bool)>,
    pub(super) settled: Option<usize>,
    pub(super) blocked: BTreeSet<TopicPartition>,
    pub(super) left: bool,
}

impl Player {
    pub(super) fn new(
        name: usize,
        folder: &str,
        partitions: BTreeSet<TopicPartition>,
        siblings: bool,
        now: Instant,
    ) -> Self {
        let settings = Settings { identity: format!("host-{name}"), cooldown: COOLDOWN, siblings };
        Self {
            member: SetPartitioner::new(settings, partitions),
            folder: folder.to_owned(),
            connected: true,
            opening: Some(SetPartitioner::FIRST_EPOCH),
            session: None,
            last_connected: now,
            to_server: VecDeque::new(),
            to_member: VecDeque::new(),
            has: BTreeMap::new(),
            settled: None,
            blocked: BTreeSet::new(),
            left: false,
        }
    }

    /// The partitions that this member's workers may be working on now.
    pub fn works_on(&self, now: Instant) -> impl Iterator<Item = &TopicPartition> {
        self.has.keys().filter(move |_| now <= self.last_connected + LEASE)
    }

    /// How many members it settled with, if it has settled.
    pub fn settled(&self) -> Option<usize> {
        self.settled
    }

    /// Whether it has left the group.
    pub fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn notice(&mut self, notice: Notice) -> Result<(), String> {
        match notice {
            Notice::Assigned { partition, token } => {
                let token = token.ok_or("assigned without a token")?;
                self.blocked.remove(&partition);
                if let Some(had) = self.has.insert(partition.clone(), (token, false)) {
                    return Err(format!("{partition} was acquired with {token} while held with {had:?}"));
                }
            }
            Notice::Revoked { partition, token } => match self.has.get_mut(&partition) {
                Some((held, revoked)) if Some(*held) == token && !*revoked => *revoked = true,
                other => return Err(format!("{partition} was revoked with {token:?}, held is {other:?}")),
            },
            Notice::Lost { partition, token } => match self.has.remove(&partition) {
                Some((held, _)) if Some(held) == token => {}
                other => return Err(format!("{partition} was lost with {token:?}, held was {other:?}")),
            },
            Notice::Settled { members } => self.settled = Some(members),
            Notice::Unsettled | Notice::SessionLost => self.settled = None,
            Notice::Blocked { partition, .. } => {
                self.blocked.insert(partition);
            }
            Notice::Left if self.has.is_empty() => self.left = true,
            Notice::Left => return Err(format!("left while holding {:?}", self.has)),
            Notice::Listed { .. }
            | Notice::Waiting { .. }
            | Notice::NoLongerWaiting { .. }
            | Notice::Contended { .. } => {}
            Notice::Joined { .. } | Notice::Evidence { .. } | Notice::Suspended | Notice::Reconnected => {}
            Notice::Troubled { .. } | Notice::Untroubled { .. } => {}
        }
        Ok(())
    }
}
