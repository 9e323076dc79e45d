//! Replacing all workers, one after the other: after a reload, so that a new configuration or a handler changed on disk is
//! taken up without stopping everything at once.
//!
//! One canary first, whatever else is under way, then a tenth at a time. A worker is rolled when its successor is ready and has
//! acknowledged a message, or has had nothing to do for a while. What is not rolled goes on, and starts again, with the old
//! configuration. When a successor fails the roll stops, and everything goes back to the old one together.

use std::collections::BTreeMap;
use std::time::Instant;

use kafkavisor::ids::TopicPartition;
use kafkavisor_marks::hit;

use super::Core;
use crate::messages::{Action, Settings};
use crate::partition::Partition;
use crate::phase::{Phase, Worker};
use crate::reason::Reason;
use crate::roll::{ConfigNumber, IDLE, Roll, RollState, Rolling};

impl Core {
    /// What holds for a partition: by the configuration that its workers run with.
    pub(super) fn settings_of(&self, key: &TopicPartition) -> &Settings {
        let config = self.partitions.get(key).map(|partition| partition.tenure.config);
        self.configs.of(config.unwrap_or(self.configs.established()))
    }

    pub(super) fn reloaded(&mut self, settings: Settings) -> Vec<Action> {
        let (to, before) = self.configs.try_out(settings);
        if self.stopping() {
            return Vec::new();
        }
        // What an earlier roll has replaced and not proved is as good as not replaced.
        let mut actions = Vec::new();
        if let Some(before) = before {
            hit!(reloaded_within_a_roll);
            self.turn_back(before);
            actions.push(Action::Discard { config: before });
        }
        let of = self.partitions.all().values().filter(|partition| can_roll(partition)).count();
        let what = format!("{of} workers are replaced, one first, then a tenth at a time");
        log::info!("{what}");
        self.changes.of_all("reloaded", Some(what));
        let under_way = BTreeMap::new();
        self.roll = Some(Roll { to, under_way, rolled: 0, of, state: RollState::Running });
        actions
    }

    /// The next workers of those that were to start with `from` start with what holds.
    fn turn_back(&mut self, from: ConfigNumber) -> Vec<TopicPartition> {
        let established = self.configs.established();
        let keys = self.partitions.keys_where(|partition| partition.tenure.config == from);
        for key in &keys {
            if let Some(partition) = self.partitions.get_mut(key) {
                partition.tenure.config = established;
            }
        }
        keys
    }

    /// Counts those that are rolled, and replaces the next.
    pub(super) fn advance_roll(&mut self, now: Instant) -> Vec<Action> {
        if !self.roll.as_ref().is_some_and(|roll| roll.state == RollState::Running) {
            return Vec::new();
        }
        let Some(mut roll) = self.roll.take() else { return Vec::new() };
        let mut actions = Vec::new();
        self.count_rolled(now, &mut roll);
        let mut nobody_left = self.stopping();
        while !nobody_left && roll.under_way.len() < roll.width() {
            match self.next_to_roll(&roll) {
                Some(key) => actions.extend(self.roll_one(now, &mut roll, key)),
                None => nobody_left = true,
            }
        }
        if roll.under_way.is_empty() && nobody_left {
            hit!(roll_done);
            roll.state = RollState::Done;
            roll.of = roll.of.max(roll.rolled);
            let what = format!("{} of {} workers are replaced", roll.rolled, roll.of);
            log::info!("the roll is over: {what}");
            self.changes.of_all("rolled", Some(what));
            actions.extend(self.establish(roll.to));
        }
        self.roll = Some(roll);
        actions
    }

    /// Those without a worker, and those that come, start with it from here on.
    fn establish(&mut self, config: ConfigNumber) -> Vec<Action> {
        let before = self.configs.establish();
        for key in self.partitions.keys_where(|partition| partition.tenure.config == before) {
            if let Some(partition) = self.partitions.get_mut(&key) {
                partition.tenure.config = config;
            }
        }
        vec![Action::Establish { config }, Action::Discard { config: before }]
    }

    fn next_to_roll(&self, roll: &Roll) -> Option<TopicPartition> {
        let waits = |(key, partition): &(&TopicPartition, &Partition)| {
            partition.tenure.config != roll.to && can_roll(partition) && !roll.under_way.contains_key(*key)
        };
        self.partitions.all().iter().find(waits).map(|(key, _)| key.clone())
    }

    fn roll_one(&mut self, now: Instant, roll: &mut Roll, key: TopicPartition) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(&key) else { return Vec::new() };
        partition.tenure.config = roll.to;
        let old = partition.pid();
        let actions = self.replace(now, &key, Reason::ConfigChanged);
        roll.under_way.insert(key, Rolling { old, ready_since: None, look_at: None });
        actions
    }

    fn count_rolled(&mut self, now: Instant, roll: &mut Roll) {
        let (mut rolled, mut waiting) = (0, Vec::new());
        roll.under_way.retain(|key, rolling| {
            let Some(partition) = self.partitions.get(key) else { return false };
            let phase = partition.phase();
            if phase.leaving() || matches!(phase, Phase::Paused | Phase::Parked { .. }) {
                hit!(rolled_partition_is_given_up_or_waits_for_its_operator);
                // Until it is gone it is one that tries the new configuration, and proves nothing.
                (rolling.ready_since, rolling.look_at) = (None, None);
                let tries = phase.worker().is_some_and(|worker| worker.config == roll.to);
                waiting.extend((!tries).then(|| key.clone()));
                return tries;
            }
            let of_the_new = |worker: &&Worker| Some(worker.pid) != rolling.old && worker.config == roll.to;
            let ready = if let Phase::Running { worker, ready: true } = phase { Some(worker) } else { None };
            let Some(worker) = ready.filter(of_the_new) else {
                (rolling.ready_since, rolling.look_at) = (None, None);
                return true;
            };
            let since = *rolling.ready_since.get_or_insert(now);
            rolling.look_at = Some(since + IDLE).filter(|at| *at > now);
            let idle = partition.tenure.in_flight == 0 && now.saturating_duration_since(since) >= IDLE;
            let worked = partition.tenure.acknowledged_at > worker.acknowledged_before;
            if worked {
                hit!(rolled_by_an_acknowledgement);
            } else if idle {
                hit!(rolled_by_idleness);
            }
            let done = worked || idle;
            rolled += usize::from(done);
            !done
        });
        // Its operator may speak while another one is the canary.
        for key in waiting {
            if let Some(partition) = self.partitions.get_mut(&key) {
                partition.tenure.config = self.configs.established();
            }
        }
        roll.rolled += rolled;
    }

    /// A worker failed: if it was one of the new and not proved yet, the roll stops, and all go back to what they ran with.
    pub(super) fn roll_failed(&mut self, now: Instant, key: &TopicPartition, why: &str) -> Vec<Action> {
        let Some(roll) = self.roll.as_mut().filter(|roll| roll.state == RollState::Running) else {
            return Vec::new();
        };
        let to = roll.to;
        let of_the_new = self
            .partitions
            .get(key)
            .is_some_and(|partition| partition.phase().worker().is_none_or(|worker| worker.config == to));
        if !of_the_new || roll.under_way.remove(key).is_none() {
            return Vec::new();
        }
        log::error!(
            partition:% = key;
            "its new worker failed: {why}. The roll stops: everything goes back to the configuration before ({} of {} \
             workers were replaced); mend it and reload again",
            roll.rolled,
            roll.of
        );
        hit!(roll_stops);
        self.changes.of(key, "roll_stopped", format!("its new worker failed: {why}"));
        roll.under_way.clear();
        roll.state = RollState::Stopped { partition: key.clone(), why: why.to_owned() };
        let mut actions = Vec::new();
        for other in self.turn_back(to).into_iter().filter(|other| other != key) {
            let runs = |partition: &Partition| {
                matches!(partition.phase(), Phase::Running { worker, .. } if worker.config == to)
                    || matches!(partition.phase(), Phase::Spawning { config, .. } if *config == to)
            };
            if self.partitions.get(&other).is_some_and(runs) {
                hit!(roll_turns_back_the_others);
                actions.extend(self.replace(now, &other, Reason::ConfigChanged));
            }
        }
        actions.extend(self.configs.give_up().map(|config| Action::Discard { config }));
        actions
    }
}

/// Whether another worker may be started for it now: those that wait for an operator start with what holds when he speaks.
fn can_roll(partition: &Partition) -> bool {
    !partition.phase().leaving()
        && match partition.phase() {
            Phase::Running { .. }
            | Phase::Draining { .. }
            | Phase::Killing { .. }
            | Phase::Spawning { .. }
            | Phase::BackingOff { .. }
            | Phase::AwaitingTurn { .. } => true,
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::Parked { .. }
            | Phase::Paused
            | Phase::Releasing { .. } => false,
        }
}
