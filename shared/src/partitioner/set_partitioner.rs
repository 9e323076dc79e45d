//! A member of the group: joins, settles, locks its share, gives it back, leaves.
//!
//! It decides everything that a member does and does nothing itself: [`SetPartitioner::handle`] takes an [`Event`] and returns
//! [`Action`]s. It follows kazoo's `SetPartitioner`, with three liberties that other members never see: what stays ours
//! under a new allocation stays locked, a waiting node keeps its place in line, and the partitions are locked all at once.
//!
//! | phase | meaning | goes to |
//! |---|---|---|
//! | Opening | no session yet | Preparing |
//! | Preparing | folders are made | Joining |
//! | Joining | the party node is made | Joined |
//! | Joined | `party` settles, `locks` are taken and given back | Departing when ending and nothing is left |
//! | Departing | the party node is deleted | Closing |
//! | Closing | the session is closed | Left; Opening a new session when it was only in doubt |
//! | Left | nothing follows | |
//!
//! From every phase but Left, `SessionEnded` leads to Opening (to Left when leaving) and reports each partition that the
//! supervisor has as lost. While suspended nothing is sent and nothing is given up: the supervisor's lease decides.
//! After it, everything is listed once more. *Ending* is leaving, or giving everything up for a new session because
//! ZooKeeper does not show what it should; the session is closed only after the supervisor has released every partition.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::locks::Lock;
use super::messages::{Action, Epoch, Event, Notice, RequestId};
use super::node_names::Nonce;
use super::party::Party;
use crate::ids::TopicPartition;

mod answers;
mod partitions;
mod sending;

/// What a member is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `<fqdn>-<pid>`: what the member's identifier begins with.
    pub identity: String,
    /// How long the party must be unchanged before partitions are allocated.
    pub cooldown: Duration,
    /// Whether the group may have sibling folders.
    pub siblings: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Preparing,
    Joining,
    Joined,
    Departing,
    Closing,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Leave,
    Renew,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Itself,
    Party,
    Lock(TopicPartition),
}

/// See the module.
#[derive(Debug)]
pub struct SetPartitioner {
    settings: Settings,
    partitions: BTreeSet<TopicPartition>,
    phase: Phase,
    ending: Option<Ending>,
    epoch: Epoch,
    suspended: bool,
    nonce: Nonce,
    session: (String, Duration),
    last_uuid: u64,
    last_request: RequestId,
    asked: BTreeMap<RequestId, Asked>,
    /// Whether a request of the phase itself is on its way.
    awaiting: bool,
    paused_until: Option<Instant>,
    party: Party,
    mine: BTreeSet<TopicPartition>,
    locks: BTreeMap<TopicPartition, Lock>,
    /// Our last number in each line, whatever became of the session.
    numbers: BTreeMap<TopicPartition, i64>,
    reported_settled: bool,
}

impl SetPartitioner {
    /// A member that waits for its first session, [`SetPartitioner::FIRST_EPOCH`].
    pub fn new(settings: Settings, partitions: BTreeSet<TopicPartition>) -> Self {
        Self {
            settings,
            partitions,
            phase: Phase::Opening,
            ending: None,
            epoch: Self::FIRST_EPOCH,
            suspended: false,
            nonce: Nonce::default(),
            session: (String::new(), Duration::ZERO),
            last_uuid: 0,
            last_request: RequestId(0),
            asked: BTreeMap::new(),
            awaiting: false,
            paused_until: None,
            party: Party::new(String::new()),
            mine: BTreeSet::new(),
            locks: BTreeMap::new(),
            numbers: BTreeMap::new(),
            reported_settled: false,
        }
    }

    /// The first session's number.
    pub const FIRST_EPOCH: Epoch = Epoch(1);

    /// Takes what happened and says what is to be done about it. All of it must be done, in order.
    #[must_use]
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        // What is late, of a session that is over, means nothing in this one.
        if self.phase == Phase::Left || event.epoch().is_some_and(|epoch| epoch != self.epoch) {
            return out;
        }
        self.take(now, event, &mut out);
        self.advance(now, &mut out);
        out
    }

    /// When to call [`handle`](Self::handle) with [`Event::DeadlineReached`] though nothing else happened.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.suspended || matches!(self.phase, Phase::Closing | Phase::Left) {
            return None;
        }
        let settled = self.party.is_settled();
        let locks = self.locks.values().filter_map(|lock| lock.deadline(settled));
        // Whoever is ending does not settle any more: that deadline would never be over.
        let party = self.ending.is_none().then(|| self.party.deadline()).flatten();
        // Nothing can be asked before a pause is over.
        self.paused_until.or_else(|| locks.chain(party).min())
    }

    /// The session that the member waits for, if it does.
    pub fn awaits_session(&self) -> Option<Epoch> {
        (self.phase == Phase::Opening).then_some(self.epoch)
    }

    /// The name of the member's party node, while the supervisor has any partition: what proofs of life are about.
    pub fn holding_as(&self) -> Option<&str> {
        self.locks.values().any(|lock| lock.token_out().is_some()).then(|| self.party.node())
    }

    /// Whether there is, or may be, a lock node of ours for this partition.
    pub fn has_lock(&self, partition: &TopicPartition) -> bool {
        self.locks.contains_key(partition)
    }

    fn take(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::SessionStarted { nonce, session, timeout, .. } => {
                self.session_started(nonce, session, timeout);
            }
            Event::Suspended { .. } => self.suspended(out),
            Event::Reconnected { .. } => self.reconnected(out),
            Event::SessionEnded { .. } => self.session_ended(out),
            Event::Answered { id, answer, .. } => self.answered(now, id, answer, out),
            Event::Failed { id, .. } => self.failed(now, id, out),
            Event::Refused { id, .. } => self.refused(id, out),
            Event::WatchFired { id, .. } => self.watch_fired(id, out),
            Event::PartitionsChanged { partitions } => self.partitions_changed(partitions, out),
            Event::Released { partition, token } => self.released(&partition, token),
            Event::LeaveRequested => self.end(Ending::Leave, out),
            Event::DeadlineReached => {}
        }
    }

    fn session_started(&mut self, nonce: Nonce, session: String, timeout: Duration) {
        if self.phase != Phase::Opening {
            return;
        }
        self.nonce = nonce;
        self.session = (session, timeout);
        self.last_uuid = 0;
        let node = format!("{}-{}-{}", self.next_uuid(), self.settings.identity, nonce.short());
        self.party = Party::new(node);
        self.phase = Phase::Preparing;
    }

    fn suspended(&mut self, out: &mut Vec<Action>) {
        if !self.suspended && self.phase != Phase::Opening {
            self.suspended = true;
            out.push(Action::Notify(Notice::Suspended));
        }
    }

    fn reconnected(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.suspended) {
            out.push(Action::Notify(Notice::Reconnected));
        }
        self.paused_until = None;
        self.party.reconnected();
        self.locks.values_mut().for_each(Lock::reconnected);
    }

    fn session_ended(&mut self, out: &mut Vec<Action>) {
        for (partition, lock) in std::mem::take(&mut self.locks) {
            if let Some(token) = lock.token_out() {
                out.push(Action::Notify(Notice::Lost { partition, token: Some(token) }));
            }
        }
        let leaving = self.ending == Some(Ending::Leave);
        if self.phase != Phase::Opening && !leaving {
            out.push(Action::Notify(Notice::SessionLost));
        }
        self.mine.clear();
        self.asked.clear();
        (self.awaiting, self.suspended, self.reported_settled) = (false, false, false);
        (self.ending, self.paused_until) = (None, None);
        self.party = Party::new(String::new());
        if leaving {
            self.phase = Phase::Left;
            out.push(Action::Notify(Notice::Left));
            return;
        }
        self.phase = Phase::Opening;
        self.epoch = Epoch(self.epoch.0 + 1);
        out.push(Action::OpenSession { epoch: self.epoch });
    }

    /// Gives everything up, to leave or to begin again in a new session.
    fn end(&mut self, ending: Ending, out: &mut Vec<Action>) {
        if self.ending != Some(Ending::Leave) {
            self.ending = Some(ending);
        }
        match ending {
            Ending::Leave => self.reported_settled = false,
            Ending::Renew => self.unsettle(out),
        }
        self.mine.clear();
        self.take_up_mine(out);
    }

    /// The next step of ending, if it is time for it.
    fn depart(&mut self, out: &mut Vec<Action>) {
        let Some(_) = self.ending else { return };
        if self.locks.values().any(|lock| lock.token_out().is_some()) {
            return;
        }
        match self.phase {
            Phase::Joined if !self.suspended && !self.locks.is_empty() => {}
            Phase::Joined if !self.suspended => {
                self.phase = Phase::Departing;
                self.awaiting = false;
            }
            // Closing the session deletes what there is, or its expiry does. Nobody waits for us meanwhile but for that.
            Phase::Departing if !self.suspended => {}
            Phase::Opening | Phase::Preparing | Phase::Joining | Phase::Joined | Phase::Departing => {
                self.close(out);
            }
            Phase::Closing | Phase::Left => {}
        }
    }

    fn close(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Closing;
        out.push(Action::CloseSession { epoch: self.epoch });
    }
}

#[cfg(test)]
mod tests;
