//! From a partition that is ours to its worker: where it begins, and starting it once there is a lease.

use std::time::Instant;

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::page::Progress;
use nix::unistd::Pid;

use super::{Core, KILL_AFTER, LOCATE_AGAIN};
use crate::item::{After, Phase};
use crate::messages::{Action, WorkerStart};
use crate::reason::Reason;
use crate::start::Decision;

impl Core {
    pub(super) fn start_found(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        request: u64,
        found: Decision,
        page: Option<Progress>,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        if item.phase != (Phase::Locating { request }) {
            return Vec::new();
        }
        match found {
            Decision::Park(why) => {
                log::error!("{key}: parked: {why}");
                item.waiting = None;
                item.last_exit = Some(why.clone());
                item.phase = Phase::Parked { why };
                Vec::new()
            }
            Decision::At { offset, .. } => {
                item.waiting = None;
                item.committed = Some(offset);
                item.committed_at = Some(now);
                item.made_again = false;
                let mut actions = Vec::new();
                if let Some(page) = page.filter(|page| page.acknowledged >= offset.0) {
                    log::info!(
                        "{key}: goes on after the last acknowledged message, at {}",
                        page.acknowledged
                    );
                    item.acknowledged = Some(Offset(page.acknowledged));
                    item.old_page(&page);
                } else {
                    item.acknowledged = Some(offset);
                    item.new_page();
                    actions.push(Action::MakePage { item: key.clone(), start: offset });
                }
                actions.extend(self.launch(now, key));
                actions
            }
        }
    }

    pub(super) fn start_unknown(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        request: u64,
        error: &str,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        if item.phase == (Phase::Locating { request }) {
            let waiting = Some(format!("where to begin is not known yet: {error}"));
            if item.waiting != waiting {
                log::warn!("{key}: where to begin is not known yet: {error}");
            }
            item.waiting = waiting;
            item.phase = Phase::LocatingAgain { at: now + LOCATE_AGAIN };
        }
        Vec::new()
    }

    pub(super) fn locate(&mut self, key: &TopicPartition) -> Vec<Action> {
        let request = self.next_request();
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        item.phase = Phase::Locating { request };
        vec![Action::FindStart { item: key.clone(), request, made_again: item.made_again }]
    }

    pub(super) fn made_again(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let within = self.settings.stop_timeout;
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        if item.after != After::Recover {
            return Vec::new();
        }
        item.made_again = true;
        // Nothing of the old topic may be committed for the new one.
        item.acknowledged = None;
        item.committed = None;
        match item.pid() {
            Some(pid) => {
                item.after = After::Locate;
                item.phase = Phase::Draining { pid, until: now + within + KILL_AFTER };
                vec![Action::StopWorker { item: key.clone(), pid, reason: StopReason::Restart, within }]
            }
            None => self.locate(key),
        }
    }

    pub(super) fn launch(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let (leased, generation) = (self.leased, self.generation);
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let Some(offset) = item.acknowledged else { return self.locate(key) };
        if item.paused {
            item.phase = Phase::Paused;
            return Vec::new();
        }
        if !leased {
            item.phase = Phase::AwaitingLease;
            return Vec::new();
        }
        if let Err(at) = self.spawns.take(now) {
            item.phase = Phase::AwaitingTurn { at };
            return Vec::new();
        }
        // A letter is about the message to begin with, or about none any more.
        item.letter.take_if(|letter| letter.offset != offset);
        item.phase = Phase::Starting { pid: None };
        item.started_at = now;
        item.generation = generation;
        item.ending = None;
        item.killed_for = None;
        let (token, letter, item) = (item.token, item.letter.clone(), key.clone());
        vec![Action::SpawnWorker(WorkerStart { item, generation, token, offset, letter })]
    }

    pub(super) fn spawned(&mut self, now: Instant, key: &TopicPartition, pid: Pid) -> Vec<Action> {
        match self.items.get_mut(key) {
            Some(item) if item.phase == (Phase::Starting { pid: None }) => {
                item.phase = Phase::Starting { pid: Some(pid) };
                item.started_at = now;
                Vec::new()
            }
            _ => vec![Action::KillWorker { item: key.clone(), pid }],
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Instant, key: &TopicPartition, error: String) -> Vec<Action> {
        self.back_off(now, key, Reason::WorkerExit, format!("worker could not be started: {error}"));
        Vec::new()
    }
}
