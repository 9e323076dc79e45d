//! The instance as a state machine: each event changes one partition or all, and says what to do.
//!
//! One commit request is under way at a time, for everything that is owed. A partition is released only when its worker is
//! gone and its last acknowledgement committed, or when Kafka has not confirmed that within `stop.timeout`.

mod assignment;
mod commits;
mod ending;
mod hearing;
mod launching;
mod operating;
mod rolling;
mod starting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Generation, Offset, TopicPartition};
use kafkavisor_link::page::Latencies;
use kafkavisor_marks::hit;

use crate::beside::Beside;
use crate::changes::{Change, Changes};
use crate::messages::{Action, Event, Refusal, Settings, Ticket};
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::phase::{Phase, Purpose};
use crate::poison::Judge;
use crate::record::Record;
use crate::roll::{ConfigNumber, Configs, Roll};
use crate::spawns::Spawns;

/// After the time a worker has to end its handler, it is killed itself.
const KILL_AFTER: Duration = Duration::from_millis(1500);
/// Whoever is asked for a worker answers within this, or finds his guardian dead.
const SPAWN_ANSWERED: Duration = Duration::from_secs(10);
/// Killing is repeated until the worker is gone.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// What is left to do after the end was hurried.
const HURRIED: Duration = Duration::from_millis(500);

/// The decisions of one instance.
#[derive(Debug)]
pub struct Core {
    configs: Configs,
    partitions: Partitions,
    records: BTreeMap<TopicPartition, Record>,
    generation: Generation,
    /// Since when the assignment changes, until it has settled.
    changing: Option<Boottime>,
    /// How long each change took.
    rebalances: Latencies,
    settled: bool,
    leased: bool,
    stopping: Option<Stopping>,
    left: bool,
    /// Under which deployment a message was given up for deaths, with nothing acknowledged since.
    doubted: Option<ConfigNumber>,
    cut_short: bool,
    requests: u64,
    commit_at: Option<Instant>,
    commit_under_way: bool,
    commit_errors: u64,
    /// Starts of partitions that are not ours, of topics that begin here.
    begins: BTreeMap<TopicPartition, Offset>,
    /// While an event is handled: when it happened.
    at: Boottime,
    last_acknowledged: Option<Boottime>,
    judge: Judge,
    spawns: Spawns,
    roll: Option<Roll>,
    chance: fastrand::Rng,
    changes: Changes,
}

/// The way to the end.
#[derive(Debug, Default)]
struct Stopping {
    signals: u32,
    hurried: bool,
    leave_by: Option<Instant>,
    exited: bool,
}

impl Core {
    /// `seed` is for jitter, so that a run can be repeated.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            configs: Configs::new(settings),
            partitions: Partitions::default(),
            records: BTreeMap::new(),
            generation: Generation(0),
            changing: None,
            rebalances: Latencies::default(),
            settled: false,
            leased: false,
            stopping: None,
            left: false,
            doubted: None,
            cut_short: false,
            requests: 0,
            commit_at: None,
            commit_under_way: false,
            commit_errors: 0,
            begins: BTreeMap::new(),
            at: Boottime(0),
            last_acknowledged: None,
            judge: Judge::default(),
            spawns: Spawns::default(),
            roll: None,
            chance: fastrand::Rng::with_seed(seed),
            changes: Changes::default(),
        }
    }

    pub fn partitions(&self) -> &BTreeMap<TopicPartition, Partition> {
        self.partitions.all()
    }

    /// What is remembered of a partition that is or was ours.
    pub fn record(&self, partition: &TopicPartition) -> Option<&Record> {
        self.records.get(partition)
    }

    /// The partitions that an operator can say something about: those there are, and those that are still paused from before.
    pub fn operable(&self) -> BTreeSet<TopicPartition> {
        let paused = self.records.iter().filter(|(_, record)| record.paused.is_some()).map(|(key, _)| key);
        self.partitions.all().keys().chain(paused).cloned().collect()
    }

    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether the group has settled.
    pub fn settled(&self) -> bool {
        self.settled
    }

    pub fn stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether the next TERM or INT cuts the drain short.
    pub fn was_signalled(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| stopping.signals > 0)
    }

    /// The replacement of all workers that is under way, or the last one.
    pub fn roll(&self) -> Option<&Roll> {
        self.roll.as_ref()
    }

    /// The configuration that everything is by, but what a roll has replaced.
    pub fn established(&self) -> ConfigNumber {
        self.configs.established()
    }

    /// The number that the configuration of the next [`Event::Reloaded`] gets.
    pub fn next_config(&self) -> ConfigNumber {
        self.configs.next()
    }

    pub fn commit_errors(&self) -> u64 {
        self.commit_errors
    }

    /// How long each change of what is ours took, from the first partition that came or went until the group had settled.
    pub fn rebalances(&self) -> &Latencies {
        &self.rebalances
    }

    /// What is remembered of partitions that are not ours any more.
    pub fn left(&self) -> impl Iterator<Item = &Record> {
        let mut ours = Beside::new(self.partitions.all());
        self.records.iter().filter_map(move |(key, record)| ours.get(key).is_none().then_some(record))
    }

    /// The partitions in order, with what is remembered of each.
    pub fn owned(&self) -> impl Iterator<Item = (&TopicPartition, &Partition, Option<&Record>)> {
        let mut records = Beside::new(&self.records);
        self.partitions.all().iter().map(move |(key, partition)| (key, partition, records.get(key)))
    }

    /// When [`Event::Woken`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let owed = !self.commit_under_way && !self.partitions.all().is_empty();
        let commit = self.commit_at.filter(|_| owed);
        let roll = self.roll.as_ref().and_then(Roll::deadline);
        let leave_by = self.stopping.as_ref().and_then(|stopping| stopping.leave_by);
        [self.partitions.next_deadline(), commit, leave_by, roll].into_iter().flatten().min()
    }

    #[must_use]
    pub fn handle(&mut self, now: Instant, at: Boottime, event: Event) -> Vec<Action> {
        self.at = at;
        let mut actions = self.take(now, event);
        actions.extend(self.settle(now));
        actions
    }

    fn take(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Assigned { partition, token } => self.assigned(now, partition, token),
            Event::Contended { partition } => {
                self.contended(&partition);
                Vec::new()
            }
            Event::Revoked { partition, token } => self.revoked(now, partition, token),
            Event::Lost { partition } => self.lost(now, &partition),
            Event::Settled => {
                if let Some(since) = self.changing.take() {
                    self.rebalances.note(self.at.since(since));
                }
                self.settled = true;
                Vec::new()
            }
            Event::Unsettled => {
                self.settled = false;
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
            Event::StartFound { partition, request, found } => {
                self.start_found(now, &partition, request, *found)
            }
            Event::StartUnknown { partition, request, error } => {
                self.start_unknown(now, &partition, request, &error)
            }
            Event::TopicMadeAgain { partition } => self.made_again(now, &partition),
            Event::WorkerSpawned { partition, pid } => self.spawned(now, &partition, pid),
            Event::SpawnFailed { partition, error } => self.spawn_failed(now, &partition, &error),
            Event::WorkerSaid { partition, pid, message } => self.worker_said(now, &partition, pid, message),
            Event::WorkerExited { partition, pid, exit, progress, attempts } => {
                self.worker_exited(now, &partition, pid, exit, &progress, attempts)
            }
            Event::PagesRead { pages } => self.pages_read(now, pages),
            Event::Committed { answers } => self.committed(now, answers),
            Event::Operated { partition, operation, ticket, by } => {
                self.operated(now, &partition, operation, ticket, &by)
            }
            Event::Reloaded { settings } => self.reloaded(settings),
            Event::StoodStill => self.stood_still(now),
            Event::StopRequested(stop) => self.stop_requested(now, stop),
            Event::Woken => self.woken(now),
        }
    }

    /// What follows from whatever happened.
    fn settle(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = self.advance_roll(now);
        actions.extend(self.commit(now));
        actions.extend(self.finish(now));
        self.partitions.settle();
        self.tell_states(now);
        actions
    }

    /// Each state that was entered, with what led to it.
    fn tell_states(&mut self, now: Instant) {
        for (key, state) in self.partitions.news(self.at) {
            let Some(partition) = self.partitions.all().get(&key) else { continue };
            let failed = || self.failed_and_then(now, &key, partition);
            let paused = |key| self.records.get(key).and_then(Record::paused_by);
            let reason = match state {
                "backing_off" | "crash_loop" => failed(),
                "draining" | "killing" => partition.stopped_for().map(str::to_owned),
                "paused" => partition.reason().or_else(|| paused(&key)).map(ToString::to_string),
                _ => partition.reason().map(ToString::to_string),
            };
            self.changes.entered(key, state, reason);
        }
    }

    /// How its last worker ended, and when the next one starts.
    fn failed_and_then(&self, now: Instant, key: &TopicPartition, partition: &Partition) -> Option<String> {
        let how = self.records.get(key)?.last_exit()?;
        let Phase::BackingOff { until } = partition.phase() else { return Some(how.to_string()) };
        let wait = until.saturating_duration_since(now);
        let then = if wait.is_zero() { "at once".to_owned() } else { format!("in {wait:.1?}") };
        Some(format!("{how}; started again {then}"))
    }

    /// What has changed since this was last asked.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.changes.take()
    }

    fn record_mut(&mut self, key: &TopicPartition) -> &mut Record {
        self.records.entry(key.clone()).or_default()
    }

    fn hurried(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| stopping.hurried)
    }

    /// Time passed without us, and nobody could know: every deadline of ours begins afresh.
    fn stood_still(&mut self, now: Instant) -> Vec<Action> {
        hit!(stood_still);
        // An end that was hurried stays so: what is given anew is what is left to it.
        let within = if self.hurried() { HURRIED } else { self.configs.settings().stop_timeout };
        for key in self.partitions.keys_where(|_| true) {
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            match partition.phase_mut() {
                Phase::Draining { worker, until, .. } => {
                    worker.still_since = None;
                    *until = (*until).max(now + within + KILL_AFTER);
                }
                Phase::Releasing { until } => *until = (*until).max(now + within),
                Phase::Running { worker, .. } | Phase::Killing { worker, .. } => worker.still_since = None,
                Phase::Locating { .. }
                | Phase::LocatingAgain { .. }
                | Phase::Committing { .. }
                | Phase::AwaitingLease
                | Phase::AwaitingTurn { .. }
                | Phase::Spawning { .. }
                | Phase::BackingOff { .. }
                | Phase::Parked { .. }
                | Phase::Paused => {}
            }
        }
        Vec::new()
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn change(&mut self) {
        if self.changing.is_none() {
            self.changing = Some(self.at);
            self.generation = Generation(self.generation.0 + 1);
        }
    }

    fn woken(&mut self, now: Instant) -> Vec<Action> {
        self.partitions.due(now).iter().flat_map(|key| self.due(now, key)).collect()
    }

    fn due(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        match partition.phase().clone() {
            Phase::LocatingAgain { .. } => self.locate(key),
            Phase::BackingOff { .. } | Phase::AwaitingTurn { .. } => self.launch(now, key),
            Phase::Spawning { wanted: Some((purpose, _)), .. } => {
                hit!(asked_for_worker_never_came);
                log::error!(
                    partition:% = key;
                    "a worker that was asked for is not there in time; if it comes, it is killed"
                );
                self.worker_gone(now, key, purpose)
            }
            Phase::Draining { worker, purpose, .. } => {
                hit!(drain_ran_out_of_time);
                self.cut_short |= purpose == Purpose::Release;
                let pid = worker.pid;
                log::warn!(partition:% = key; "its time to drain is over: its worker is killed");
                partition.enter(Phase::Killing { worker, purpose, again: now + KILL_AGAIN });
                vec![Action::KillWorker { pid }]
            }
            Phase::Killing { worker, purpose, .. } => {
                hit!(killed_again);
                let pid = worker.pid;
                partition.enter(Phase::Killing { worker, purpose, again: now + KILL_AGAIN });
                vec![Action::KillWorker { pid }]
            }
            Phase::Releasing { .. } => {
                if let Some(offset) = partition.tenure.uncommitted() {
                    hit!(released_without_its_last_commit);
                    log::error!(
                        partition:% = key;
                        "released although its storage did not confirm offset {offset} in time"
                    );
                    self.cut_short = true;
                }
                self.release(now, key)
            }
            Phase::Locating { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::Spawning { wanted: None, .. }
            | Phase::Running { .. }
            | Phase::Parked { .. }
            | Phase::Paused => Vec::new(),
        }
    }
}

/// Whoever waits for what will not be done is told.
fn not_done(tickets: Vec<Ticket>, why: &str) -> Vec<Action> {
    let answer = |ticket| Action::Answer { ticket, result: Err(Refusal::Failed(why.to_owned())) };
    tickets.into_iter().map(answer).collect()
}
