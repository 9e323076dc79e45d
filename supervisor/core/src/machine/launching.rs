//! From a place to its worker: starting it once there is a lease and a turn, and what it is wanted for meanwhile.

use std::time::Instant;

use kafkavisor::ids::TopicPartition;
use kafkavisor::protocol::StopReason;
use kafkavisor_marks::hit;
use nix::unistd::Pid;

use super::{Core, HURRIED, KILL_AFTER};
use crate::messages::{Action, WorkerStart};
use crate::phase::{Phase, Purpose, Worker};
use crate::reason::Reason;
use crate::record::Record;

impl Core {
    pub(super) fn enter(&mut self, key: &TopicPartition, phase: Phase) {
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.enter(phase);
        }
    }

    pub(super) fn launch(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let paused = self.records.get(key).and_then(Record::paused_by).cloned();
        let (leased, generation) = (self.leased, self.generation);
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        let Some(offset) = partition.tenure.acknowledged() else { return self.locate(key) };
        if let Some(why) = paused {
            hit!(launched_into_a_pause);
            log::info!(partition:% = key; "{why}: nothing is delivered until `kafkavisor resume`");
            partition.enter(Phase::Paused);
            return Vec::new();
        }
        if !leased {
            hit!(launch_awaits_the_lease);
            partition.enter(Phase::AwaitingLease);
            return Vec::new();
        }
        if let Err(at) = self.spawns.take(now) {
            hit!(launch_awaits_its_turn);
            partition.enter(Phase::AwaitingTurn { at });
            return Vec::new();
        }
        // A dead letter is about the message to begin with, or about none any more.
        partition.tenure.dead_letter.take_if(|due| due.ticket.is_none() && due.dead_letter.offset != offset);
        partition.tenure.failing = false;
        let config = partition.tenure.config;
        partition.enter(Phase::Spawning { config, wanted: None });
        let tenure = &partition.tenure;
        let dead_letter = tenure.dead_letter.as_ref().map(|due| due.dead_letter.clone());
        let (token, partition) = (tenure.token, key.clone());
        vec![Action::SpawnWorker(WorkerStart { partition, generation, token, offset, config, dead_letter })]
    }

    pub(super) fn spawned(&mut self, now: Instant, key: &TopicPartition, pid: Pid) -> Vec<Action> {
        let kill = || {
            hit!(spawned_too_late);
            vec![Action::KillWorker { pid }]
        };
        let stop_timeout = self.configs.settings().stop_timeout;
        let Some(partition) = self.partitions.get_mut(key) else { return kill() };
        let Phase::Spawning { config, wanted } = partition.phase().clone() else { return kill() };
        let worker = Worker {
            pid,
            started_at: now,
            config,
            acknowledged_before: partition.tenure.acknowledged_at,
            still_since: None,
            ending: None,
            killed_for: None,
            stderr: String::new(),
        };
        match wanted {
            None => {
                partition.enter(Phase::Running { worker, ready: false });
                Vec::new()
            }
            // It is wanted no more: it has begun nothing, and is stopped before it does.
            Some((purpose, until)) => {
                hit!(spawned_and_not_wanted_any_more);
                let until = until.min(now + stop_timeout + KILL_AFTER);
                partition.enter(Phase::Draining { worker, purpose, until });
                let within = until.saturating_duration_since(now).saturating_sub(KILL_AFTER).max(HURRIED);
                let reason = match purpose {
                    Purpose::Release if self.stopping() => StopReason::Shutdown,
                    Purpose::Release | Purpose::Forget => StopReason::Rebalance,
                    Purpose::Recover | Purpose::Locate | Purpose::Replace(_) => StopReason::Restart,
                };
                vec![Action::StopWorker { pid, reason, within }]
            }
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Instant, key: &TopicPartition, error: &str) -> Vec<Action> {
        let Some(partition) = self.partitions.get(key) else { return Vec::new() };
        let Phase::Spawning { wanted, .. } = partition.phase().clone() else { return Vec::new() };
        match wanted {
            None => {
                hit!(spawn_failed);
                let how = format!("worker could not be started: {error}");
                self.back_off(now, key, None, Reason::WorkerExit, how)
            }
            Some((purpose, _)) => {
                hit!(spawn_failed_and_not_wanted_any_more);
                self.worker_gone(now, key, purpose)
            }
        }
    }

    /// Nothing runs any more for this partition, and that was wanted.
    pub(super) fn worker_gone(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        purpose: Purpose,
    ) -> Vec<Action> {
        match purpose {
            Purpose::Recover => self.launch(now, key),
            Purpose::Release => self.drained(now, key),
            Purpose::Forget => self.forget(now, key),
            Purpose::Locate => self.locate(key),
            Purpose::Replace(_) => self.go_on(now, key),
        }
    }
}
