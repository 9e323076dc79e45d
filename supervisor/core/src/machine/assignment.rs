//! What is ours, and giving it up: assignments, revocations, the lease, and the end of the instance.

use std::time::{Duration, Instant};

use kafkavisor::ids::{FencingToken, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::message::Ending;
use kafkavisor_marks::hit;

use super::{Core, HURRIED, KILL_AFTER, KILL_AGAIN, SPAWN_ANSWERED, Stopping, not_done};
use crate::messages::{Action, Stop};
use crate::partition::Partition;
use crate::phase::{Phase, Purpose};
use crate::tenure::{Assigned, Revoked, Tenure};

/// How long leaving the group may take once nothing is held.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    pub(super) fn assigned(
        &mut self,
        now: Instant,
        key: TopicPartition,
        token: Option<FencingToken>,
    ) -> Vec<Action> {
        if self.stopping() {
            return Vec::new();
        }
        self.change();
        self.changes.assigned(&key, token);
        if let Some(partition) = self.partitions.get_mut(&key) {
            hit!(assigned_again_while_on_its_way_out);
            partition.tenure.assigned_again = Some(Assigned(token));
            return Vec::new();
        }
        log::info!(partition:% = key; "assigned to us: where it begins is looked up");
        let request = self.next_request();
        let tenure = Tenure::new(token, self.configs.established());
        self.partitions.insert(key.clone(), Partition::new(tenure, request));
        self.commit_at.get_or_insert(now + self.configs.settings().commit_interval);
        vec![Action::FindStart { partition: key, request, made_again: false }]
    }

    pub(super) fn revoked(
        &mut self,
        now: Instant,
        key: TopicPartition,
        token: Option<FencingToken>,
    ) -> Vec<Action> {
        self.change();
        let Some(partition) = self.partitions.get_mut(&key) else {
            hit!(revoked_and_not_ours);
            return vec![Action::Release { partition: key, token }];
        };
        partition.tenure.assigned_again = None;
        partition.tenure.revoked = Some(Revoked(token));
        let reason = if self.stopping() { StopReason::Shutdown } else { StopReason::Rebalance };
        self.give_up(now, &key, reason)
    }

    /// Stops the worker, if there is one, so that the partition can be released. An operator's word that waits for the worker's
    /// end is still carried out then.
    pub(super) fn give_up(&mut self, now: Instant, key: &TopicPartition, reason: StopReason) -> Vec<Action> {
        let within = if self.hurried() { Duration::ZERO } else { self.configs.settings().stop_timeout };
        let stopping = self.stopping();
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        if partition.phase().purpose() == Some(Purpose::Forget) {
            return Vec::new();
        }
        let until = now + within + KILL_AFTER;
        match partition.phase_mut() {
            Phase::Running { worker, .. } => {
                let (worker, purpose) = (worker.clone(), Purpose::Release);
                let pid = worker.pid;
                let why = if stopping { "stopping" } else { "given to another member" };
                let then = if within.is_zero() {
                    "its handler is ended at once".to_owned()
                } else {
                    format!("its handler finishes what it has, for {within:?} at most")
                };
                log::info!(partition:% = key; "{why}: {then}; then it is released");
                partition.enter(Phase::Draining { worker, purpose, until });
                vec![Action::StopWorker { pid, reason, within }]
            }
            Phase::Draining { purpose, .. } | Phase::Killing { purpose, .. } => {
                hit!(given_up_while_stopped_for_something_else);
                *purpose = Purpose::Release;
                Vec::new()
            }
            Phase::Spawning { wanted, .. } => {
                hit!(given_up_while_spawning);
                // Its worker may still come to life, beside the next owner's, unless this process ends.
                let until = if stopping { until } else { until.max(now + SPAWN_ANSWERED) };
                *wanted = Some((Purpose::Release, until));
                Vec::new()
            }
            Phase::Releasing { .. } => Vec::new(),
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => {
                // A start that is not committed yet is nothing that was acknowledged: its next owner finds it anew.
                let begins = matches!(partition.phase(), Phase::Committing { .. })
                    && partition.tenure.answering.is_none();
                if begins {
                    hit!(given_up_before_its_start_was_committed);
                    partition.tenure.place = None;
                }
                partition.enter(Phase::Releasing { until: now + within.max(HURRIED) });
                Vec::new()
            }
        }
    }

    pub(super) fn lost(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        self.change();
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        self.changes.of(key, "lost", "the session with ZooKeeper is lost");
        partition.tenure.assigned_again = None;
        partition.tenure.revoked = None;
        log::warn!(
            partition:% = key;
            "lost with the session: its worker is killed, and what it acknowledged since the last commit comes again"
        );
        let mut actions =
            not_done(partition.tenure.waiting(), "the session with ZooKeeper was lost meanwhile");
        match partition.phase_mut() {
            Phase::Running { worker, .. }
            | Phase::Draining { worker, .. }
            | Phase::Killing { worker, .. } => {
                hit!(lost_with_a_worker);
                let mut worker = worker.clone();
                let pid = worker.pid;
                worker.killed_for = Some("lease_lost: the session with ZooKeeper is lost".to_owned());
                let (purpose, again) = (Purpose::Forget, now + KILL_AGAIN);
                partition.enter(Phase::Killing { worker, purpose, again });
                actions.push(Action::KillWorker { pid });
            }
            Phase::Spawning { wanted, .. } => {
                hit!(lost_while_spawning);
                *wanted = Some((Purpose::Forget, now + KILL_AFTER));
            }
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused
            | Phase::Releasing { .. } => {
                hit!(lost_without_a_worker);
                actions.extend(self.forget(now, key));
            }
        }
        actions
    }

    /// It is somebody else's, and its page is left for a later tenure of ours to judge; it begins anew if it was assigned again
    /// meanwhile.
    pub(super) fn forget(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(partition) = self.partitions.remove(key) else { return Vec::new() };
        self.record_mut(key).leave_page();
        // Assigned anew and revoked again, all while its lost worker was ending.
        let release =
            partition.tenure.revoked.map(|Revoked(token)| Action::Release { partition: key.clone(), token });
        let mut actions: Vec<_> = release.into_iter().collect();
        actions.extend(self.begin_again(now, key, &partition.tenure));
        actions
    }

    pub(super) fn release(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(mut partition) = self.partitions.remove(key) else { return Vec::new() };
        let released = match partition.tenure.uncommitted() {
            None => "what is acknowledged is committed".to_owned(),
            Some(offset) => format!("offset {offset} is not confirmed as committed"),
        };
        self.changes.of(key, "released", released);
        self.record_mut(key).leave_page();
        let mut actions =
            not_done(partition.tenure.waiting(), "the partition was given up before that was confirmed");
        if let Some(Revoked(token)) = partition.tenure.revoked {
            actions.push(Action::Release { partition: key.clone(), token });
        }
        actions.push(Action::ForgetPage { partition: key.clone() });
        actions.extend(self.begin_again(now, key, &partition.tenure));
        actions
    }

    fn begin_again(&mut self, now: Instant, key: &TopicPartition, gone: &Tenure) -> Vec<Action> {
        match gone.assigned_again {
            Some(Assigned(token)) => {
                hit!(begins_again_after_its_way_out);
                self.assigned(now, key.clone(), token)
            }
            None => Vec::new(),
        }
    }

    pub(super) fn lease_renewed(&mut self, now: Instant) -> Vec<Action> {
        self.leased = true;
        let waiting = self.partitions.keys_where(|partition| *partition.phase() == Phase::AwaitingLease);
        waiting.iter().flat_map(|key| self.launch(now, key)).collect()
    }

    pub(super) fn lease_ended(&mut self, now: Instant) -> Vec<Action> {
        self.leased = false;
        let mut actions = Vec::new();
        for key in self.partitions.keys_where(|partition| partition.pid().is_some()) {
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            let purpose = partition.phase().purpose().unwrap_or(Purpose::Recover);
            let Some(mut worker) = partition.phase().worker().cloned() else { continue };
            hit!(lease_end_kills);
            // As the worker would have said: no failure, and no message's doing.
            worker.ending = Some(Ending::LeaseLost);
            actions.push(Action::KillWorker { pid: worker.pid });
            partition.enter(Phase::Killing { worker, purpose, again: now + KILL_AGAIN });
        }
        actions
    }

    pub(super) fn stop_requested(&mut self, now: Instant, stop: Stop) -> Vec<Action> {
        let begins = self.stopping.is_none();
        let stopping = self.stopping.get_or_insert_with(Stopping::default);
        stopping.signals += u32::from(stop == Stop::Signalled);
        let hurry = stop == Stop::Now || stopping.signals > 1;
        // Known before anybody is told how long he has.
        let hurried = stopping.hurried;
        stopping.hurried |= hurry;
        let mut actions = Vec::new();
        if begins {
            hit!(stop_begins);
            // What a rebalance cut short in the past is no matter of this stop.
            self.cut_short = false;
            actions.push(Action::LeaveGroup);
            for key in self.partitions.keys_where(|_| true) {
                actions.extend(self.give_up(now, &key, StopReason::Shutdown));
            }
        }
        if !begins && !hurry {
            hit!(stop_joins);
        }
        if hurry && hurried {
            hit!(hurried_again);
        } else if hurry {
            actions.extend(self.hurry(now));
        }
        actions
    }

    /// What is still to be done is done within moments.
    fn hurry(&mut self, now: Instant) -> Vec<Action> {
        if let Some(stopping) = &mut self.stopping {
            stopping.leave_by = stopping.leave_by.map(|by| by.min(now + HURRIED));
        }
        let mut actions = Vec::new();
        for key in self.partitions.keys_where(|_| true) {
            self.cut_short = true;
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            match partition.phase_mut() {
                Phase::Draining { worker, until, .. } => {
                    *until = (*until).min(now + HURRIED + HURRIED / 2);
                    let (pid, reason, within) = (worker.pid, StopReason::Shutdown, Duration::ZERO);
                    actions.push(Action::StopWorker { pid, reason, within });
                }
                Phase::Releasing { until } => *until = (*until).min(now + HURRIED),
                Phase::Spawning { wanted: Some((_, until)), .. } => *until = (*until).min(now + HURRIED),
                Phase::Locating { .. }
                | Phase::LocatingAgain { .. }
                | Phase::Committing { .. }
                | Phase::AwaitingLease
                | Phase::AwaitingTurn { .. }
                | Phase::Spawning { wanted: None, .. }
                | Phase::Running { .. }
                | Phase::Killing { .. }
                | Phase::BackingOff { .. }
                | Phase::Parked { .. }
                | Phase::Paused => {}
            }
        }
        actions
    }

    /// Releases what owes nothing any more, and ends when all is done.
    pub(super) fn finish(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for key in self.partitions.releasing() {
            let Some(partition) = self.partitions.get(&key) else { continue };
            let tenure = &partition.tenure;
            let uncommitted = tenure.uncommitted();
            if (uncommitted.is_none() || tenure.is_gone()) && (tenure.revoked.is_some() || self.left) {
                if let Some(offset) = uncommitted {
                    log::warn!(
                        partition:% = key;
                        "its topic is gone: nobody needs offset {offset} committed any more"
                    );
                }
                actions.extend(self.release(now, &key));
            }
        }
        let (left, cut_short, nothing) = (self.left, self.cut_short, self.partitions.all().is_empty());
        let Some(stopping) = self.stopping.as_mut().filter(|stopping| nothing && !stopping.exited) else {
            return actions;
        };
        let within = if stopping.hurried { HURRIED } else { LEAVE_WITHIN };
        let leave_by = *stopping.leave_by.get_or_insert(now + within);
        if left || now >= leave_by {
            stopping.exited = true;
            stopping.leave_by = None;
            actions.push(Action::Exit { cut_short });
        }
        actions
    }
}
