//! What is ours, and giving it up: assignments, revocations, the lease, and the end of the instance.

use std::time::{Duration, Instant};

use kafkavisor::ids::{FencingToken, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::message::Ending;

use super::{Core, HURRIED, KILL_AFTER, KILL_AGAIN};
use crate::item::{After, AssignedAgain, Item, Phase};
use crate::messages::Action;

/// How long leaving the group may take once nothing is held.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    pub(super) fn assigned(
        &mut self,
        now: Instant,
        key: TopicPartition,
        token: Option<FencingToken>,
    ) -> Vec<Action> {
        if self.stopping {
            return Vec::new();
        }
        self.change();
        if let Some(item) = self.items.get_mut(&key) {
            item.assigned_again = Some(AssignedAgain(token));
            return Vec::new();
        }
        let request = self.next_request();
        self.items.insert(key.clone(), Item::new(now, self.generation, token, request));
        self.commit_at.get_or_insert(now + self.settings.commit_interval);
        vec![Action::FindStart { item: key, request, made_again: false }]
    }

    pub(super) fn revoked(&mut self, now: Instant, key: TopicPartition, token: FencingToken) -> Vec<Action> {
        self.change();
        let Some(item) = self.items.get_mut(&key) else { return vec![Action::Release { item: key, token }] };
        item.assigned_again = None;
        item.revoked = Some(token);
        let reason = if self.stopping { StopReason::Shutdown } else { StopReason::Rebalance };
        self.give_up(now, &key, reason)
    }

    /// Stops the worker, if there is one, so that the partition can be released.
    pub(super) fn give_up(&mut self, now: Instant, key: &TopicPartition, reason: StopReason) -> Vec<Action> {
        let within = if self.hurried { Duration::ZERO } else { self.settings.stop_timeout };
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        if item.after == After::Forget {
            return Vec::new();
        }
        item.after = After::Release;
        match item.phase.clone() {
            Phase::Starting { pid: Some(pid) } | Phase::Ready { pid } => {
                item.phase = Phase::Draining { pid, until: now + within + KILL_AFTER };
                vec![Action::StopWorker { item: key.clone(), pid, reason, within }]
            }
            Phase::Draining { .. } | Phase::Killing { .. } | Phase::Releasing { .. } => Vec::new(),
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Starting { pid: None }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => {
                item.phase = Phase::Releasing { until: now + within.max(HURRIED) };
                Vec::new()
            }
        }
    }

    pub(super) fn lost(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        self.change();
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        item.after = After::Forget;
        item.assigned_again = None;
        item.revoked = None;
        let Some(pid) = item.pid() else { return self.remove(now, key) };
        item.killed_for = Some("lease_lost: the session with ZooKeeper is lost".to_owned());
        item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
        vec![Action::KillWorker { item: key.clone(), pid }]
    }

    /// The partition is gone from here; or begins anew, if it was assigned again meanwhile.
    pub(super) fn remove(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(item) = self.items.remove(key) else { return Vec::new() };
        let mut actions = Vec::new();
        if item.after != After::Forget {
            actions.push(Action::ForgetPage { item: key.clone() });
        } else if let Some(token) = item.revoked {
            // Assigned anew and revoked again, all while its lost worker was ending.
            actions.push(Action::Release { item: key.clone(), token });
        }
        if let Some(AssignedAgain(token)) = item.assigned_again {
            actions.extend(self.assigned(now, key.clone(), token));
        }
        actions
    }

    pub(super) fn lease_renewed(&mut self, now: Instant) -> Vec<Action> {
        self.leased = true;
        let waiting = |item: &Item| item.phase == Phase::AwaitingLease;
        let keys: Vec<_> =
            self.items.iter().filter(|(_, item)| waiting(item)).map(|(key, _)| key.clone()).collect();
        keys.iter().flat_map(|key| self.launch(now, key)).collect()
    }

    pub(super) fn lease_ended(&mut self, now: Instant) -> Vec<Action> {
        self.leased = false;
        let mut actions = Vec::new();
        for (key, item) in &mut self.items {
            if let Some(pid) = item.pid() {
                // As the worker would have said: no failure, and no message's doing.
                item.ending = Some(Ending::LeaseLost);
                item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                actions.push(Action::KillWorker { item: key.clone(), pid });
            }
        }
        actions
    }

    pub(super) fn release(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let token = self.items.get(key).and_then(|item| item.revoked);
        let mut actions: Vec<_> =
            token.map(|token| Action::Release { item: key.clone(), token }).into_iter().collect();
        actions.extend(self.remove(now, key));
        actions
    }

    pub(super) fn stop_requested(&mut self, now: Instant) -> Vec<Action> {
        if self.stopping {
            return self.hurry(now);
        }
        self.stopping = true;
        // What a rebalance cut short in the past is no matter of this stop.
        self.cut_short = false;
        let keys: Vec<_> = self.items.keys().cloned().collect();
        let mut actions = vec![Action::LeaveGroup];
        actions.extend(keys.iter().flat_map(|key| self.give_up(now, key, StopReason::Shutdown)));
        actions
    }

    pub(super) fn hurry(&mut self, now: Instant) -> Vec<Action> {
        self.hurried = true;
        let mut actions = Vec::new();
        for (key, item) in &mut self.items {
            self.cut_short = true;
            match item.giving_up() {
                Some((Some(pid), until)) => {
                    *until = now + HURRIED + HURRIED / 2;
                    let (item, within) = (key.clone(), Duration::ZERO);
                    actions.push(Action::StopWorker { item, pid, reason: StopReason::Shutdown, within });
                }
                Some((None, until)) => *until = (*until).min(now + HURRIED),
                None => {}
            }
        }
        actions
    }

    /// Releases what owes nothing any more, and ends when all is done.
    pub(super) fn finish(&mut self, now: Instant) -> Vec<Action> {
        let ready = |item: &Item| {
            matches!(item.phase, Phase::Releasing { .. })
                && item.uncommitted().is_none()
                && (self.settings.fixed || item.revoked.is_some() || self.left)
        };
        let keys: Vec<_> =
            self.items.iter().filter(|(_, item)| ready(item)).map(|(key, _)| key.clone()).collect();
        let mut actions: Vec<_> = keys.iter().flat_map(|key| self.release(now, key)).collect();
        if !self.stopping || !self.items.is_empty() || self.exited {
            return actions;
        }
        let leave_by = *self.leave_by.get_or_insert(now + if self.hurried { HURRIED } else { LEAVE_WITHIN });
        if self.left || now >= leave_by {
            self.exited = true;
            self.leave_by = None;
            actions.push(Action::Exit { cut_short: self.cut_short });
        }
        actions
    }
}
