//! The instance as a state machine: each event changes one partition or all, and says what to do.
//!
//! One commit request is under way at a time, for everything that is owed. A partition is released only when its worker is
//! gone and its last acknowledgement committed, or when Kafka has not confirmed that within `stop.timeout`.

mod assignment;
mod commits;
mod launching;
pub(crate) mod operator;
mod recovery;
pub(crate) mod roll;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::ids::{Generation, TopicPartition};

use super::item::{After, Item, Phase};
use super::messages::{Action, Event, Settings};
use super::poison::Judge;
use super::spawns::Spawns;
use roll::Roll;

/// A start that could not be found out is looked for again after this.
const LOCATE_AGAIN: Duration = Duration::from_millis(300);
/// After the time a worker has to end its handler, it is killed itself.
const KILL_AFTER: Duration = Duration::from_millis(1500);
/// Killing is repeated until the worker is gone.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// What is left to do after a second request to stop.
const HURRIED: Duration = Duration::from_millis(500);

/// The decisions of one instance.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    items: BTreeMap<TopicPartition, Item>,
    generation: Generation,
    /// The assignment has changed since it was last settled.
    changing: bool,
    settled: Option<usize>,
    leased: bool,
    stopping: bool,
    hurried: bool,
    left: bool,
    leave_by: Option<Instant>,
    exited: bool,
    cut_short: bool,
    requests: u64,
    commit_at: Option<Instant>,
    commit_under_way: bool,
    commit_errors: u64,
    last_acknowledged: Option<Instant>,
    judge: Judge,
    spawns: Spawns,
    roll: Option<Roll>,
    chance: fastrand::Rng,
}

impl Core {
    pub fn new(settings: Settings) -> Self {
        Self {
            judge: Judge::new(settings.poison.clone()),
            spawns: Spawns::default(),
            roll: None,
            chance: fastrand::Rng::with_seed(settings.seed),
            items: BTreeMap::new(),
            generation: Generation(0),
            changing: false,
            settled: None,
            leased: settings.fixed,
            stopping: false,
            hurried: false,
            left: settings.fixed,
            leave_by: None,
            exited: false,
            cut_short: false,
            requests: 0,
            commit_at: None,
            commit_under_way: false,
            commit_errors: 0,
            last_acknowledged: None,
            settings,
        }
    }

    pub fn items(&self) -> &BTreeMap<TopicPartition, Item> {
        &self.items
    }

    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Members of the group as last settled; none while it is settling.
    pub fn settled(&self) -> Option<usize> {
        self.settled
    }

    pub fn stopping(&self) -> bool {
        self.stopping
    }

    /// The replacement of all workers that is under way, or the last one.
    pub fn roll(&self) -> Option<&Roll> {
        self.roll.as_ref()
    }

    pub fn commit_errors(&self) -> u64 {
        self.commit_errors
    }

    /// When [`Event::Woken`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let items = self.items.values().filter_map(Item::deadline).min();
        let commit = self.commit_at.filter(|_| !self.commit_under_way && !self.items.is_empty());
        let roll = self.roll.as_ref().and_then(Roll::deadline);
        [items, commit, self.leave_by, roll].into_iter().flatten().min()
    }

    #[must_use]
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Assigned { item, token } => self.assigned(now, item, token),
            Event::Revoked { item, token } => self.revoked(now, item, token),
            Event::Lost { item } => self.lost(now, &item),
            Event::Settled { members } => {
                self.changing = false;
                self.settled = Some(members);
                Vec::new()
            }
            Event::Unsettled => {
                self.settled = None;
                Vec::new()
            }
            Event::Left => {
                self.left = true;
                Vec::new()
            }
            Event::LeaseRenewed => self.lease_renewed(now),
            Event::LeaseLapsed => {
                self.leased = false;
                Vec::new()
            }
            Event::LeaseEnded => self.lease_ended(now),
            Event::StartFound { item, request, decision, page } => {
                self.start_found(now, &item, request, decision, page)
            }
            Event::StartUnknown { item, request, error } => self.start_unknown(now, &item, request, &error),
            Event::TopicMadeAgain { item } => self.made_again(now, &item),
            Event::WorkerSpawned { item, pid } => self.spawned(now, &item, pid),
            Event::SpawnFailed { item, error } => self.spawn_failed(now, &item, error),
            Event::WorkerSaid { item, pid, message } => self.worker_said(now, &item, pid, message),
            Event::WorkerExited { item, pid, exit, progress, attempts } => {
                self.worker_exited(now, &item, pid, exit, &progress, attempts)
            }
            Event::PagesRead { pages, at } => self.pages_read(now, at, pages),
            Event::Committed { answers } => self.committed(now, answers),
            Event::Reloaded { settings } => self.reloaded(settings),
            Event::Resumed => self.resumed(now),
            Event::StopRequested => self.stop_requested(now),
            Event::Woken => self.woken(now),
        };
        actions.extend(self.settle(now));
        actions
    }

    /// What follows from whatever happened.
    fn settle(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = self.advance_roll(now);
        actions.extend(self.commit(now));
        actions.extend(self.finish(now));
        actions
    }

    /// Time passed without us, and nobody could know: every deadline of ours begins afresh.
    fn resumed(&mut self, now: Instant) -> Vec<Action> {
        let within = self.settings.stop_timeout;
        for item in self.items.values_mut() {
            item.still_since = None;
            if let Some((drained, until)) = item.giving_up() {
                let kill_after = drained.map_or(Duration::ZERO, |_| KILL_AFTER);
                *until = (*until).max(now + within + kill_after);
            }
        }
        Vec::new()
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn change(&mut self) {
        if !self.changing {
            self.changing = true;
            self.generation = Generation(self.generation.0 + 1);
        }
    }

    fn woken(&mut self, now: Instant) -> Vec<Action> {
        let due = |item: &Item| item.deadline().is_some_and(|at| now >= at);
        let keys: Vec<_> =
            self.items.iter().filter(|(_, item)| due(item)).map(|(key, _)| key.clone()).collect();
        keys.iter().flat_map(|key| self.due(now, key)).collect()
    }

    fn due(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        match item.phase.clone() {
            Phase::LocatingAgain { .. } => self.locate(key),
            Phase::BackingOff { .. } | Phase::AwaitingTurn { .. } => self.launch(now, key),
            Phase::Draining { pid, .. } => {
                self.cut_short |= item.after == After::Release;
                item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                vec![Action::KillWorker { item: key.clone(), pid }]
            }
            Phase::Killing { pid, .. } => {
                item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                vec![Action::KillWorker { item: key.clone(), pid }]
            }
            Phase::Releasing { .. } => {
                if let Some(offset) = item.uncommitted() {
                    log::error!("{key}: released although Kafka did not confirm offset {offset} in time");
                    self.cut_short = true;
                }
                self.release(now, key)
            }
            Phase::Locating { .. }
            | Phase::AwaitingLease
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Parked { .. }
            | Phase::Paused => Vec::new(),
        }
    }
}
