//! The instance as a state machine: each event changes one partition or all, and says what to do.
//!
//! One commit request is under way at a time, for everything that is owed. A partition is released only when its worker is
//! gone and its last acknowledgement committed, or when Kafka has not confirmed that within `stop.timeout`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{FencingToken, Generation, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, FromWorker, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use super::item::{After, AssignedAgain, Item, Phase};
use super::messages::{Action, CommitAnswer, Event, Settings, WorkerStart};
use super::poison::{Judge, Surroundings};
use super::start::Decision;

/// A start that could not be found out is looked for again after this.
const LOCATE_AGAIN: Duration = Duration::from_millis(300);
/// After the time a worker has to end its handler, it is killed itself.
const KILL_AFTER: Duration = Duration::from_millis(1500);
/// Killing is repeated until the worker is gone.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// Offsets are committed again this often, changed or not, so that a quiet partition's offset never expires.
const COMMIT_AGAIN: Duration = Duration::from_secs(300);
/// A failed commit is tried again after this at the soonest.
const COMMIT_RETRY: Duration = Duration::from_millis(250);
/// What is left to do after a second request to stop.
const HURRIED: Duration = Duration::from_millis(500);
/// How long leaving the group may take once nothing is held.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The decisions of one instance.
#[derive(Debug)]
pub(crate) struct Core {
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
    chance: fastrand::Rng,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            judge: Judge::new(settings.poison.clone()),
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

    pub(crate) fn items(&self) -> &BTreeMap<TopicPartition, Item> {
        &self.items
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Members of the group as last settled; none while it is settling.
    pub(crate) fn settled(&self) -> Option<usize> {
        self.settled
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping
    }

    pub(crate) fn commit_errors(&self) -> u64 {
        self.commit_errors
    }

    /// When [`Event::Woken`] is due at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let items = self.items.values().filter_map(Item::deadline).min();
        let commit = self.commit_at.filter(|_| !self.commit_under_way && !self.items.is_empty());
        [items, commit, self.leave_by].into_iter().flatten().min()
    }

    #[must_use]
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
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
            Event::StopRequested => self.stop_requested(now),
            Event::Woken => self.woken(now),
        };
        actions.extend(self.commit(now));
        actions.extend(self.finish(now));
        actions
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

    fn assigned(&mut self, now: Instant, key: TopicPartition, token: Option<FencingToken>) -> Vec<Action> {
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

    fn revoked(&mut self, now: Instant, key: TopicPartition, token: FencingToken) -> Vec<Action> {
        self.change();
        let Some(item) = self.items.get_mut(&key) else { return vec![Action::Release { item: key, token }] };
        item.assigned_again = None;
        item.revoked = Some(token);
        let reason = if self.stopping { StopReason::Shutdown } else { StopReason::Rebalance };
        self.give_up(now, &key, reason)
    }

    /// Stops the worker, if there is one, so that the partition can be released.
    fn give_up(&mut self, now: Instant, key: &TopicPartition, reason: StopReason) -> Vec<Action> {
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
            | Phase::Starting { pid: None }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. } => {
                item.phase = Phase::Releasing { until: now + within.max(HURRIED) };
                Vec::new()
            }
        }
    }

    fn lost(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        self.change();
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        item.after = After::Forget;
        item.assigned_again = None;
        let Some(pid) = item.pid() else { return self.remove(now, key) };
        item.killed_for = Some("lease_lost: the session with ZooKeeper is lost".to_owned());
        item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
        vec![Action::KillWorker { item: key.clone(), pid }]
    }

    /// The partition is gone from here; or begins anew, if it was assigned again meanwhile.
    fn remove(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(item) = self.items.remove(key) else { return Vec::new() };
        let mut actions = Vec::new();
        if item.after != After::Forget {
            actions.push(Action::ForgetPage { item: key.clone() });
        }
        if let Some(AssignedAgain(token)) = item.assigned_again {
            actions.extend(self.assigned(now, key.clone(), token));
        }
        actions
    }

    fn lease_renewed(&mut self, now: Instant) -> Vec<Action> {
        self.leased = true;
        let waiting = |item: &Item| item.phase == Phase::AwaitingLease;
        let keys: Vec<_> =
            self.items.iter().filter(|(_, item)| waiting(item)).map(|(key, _)| key.clone()).collect();
        keys.iter().flat_map(|key| self.launch(now, key)).collect()
    }

    fn lease_ended(&mut self, now: Instant) -> Vec<Action> {
        self.leased = false;
        let mut actions = Vec::new();
        for (key, item) in &mut self.items {
            if let Some(pid) = item.pid() {
                item.killed_for = Some("lease_lost: no evidence that the partition is still ours".to_owned());
                item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                actions.push(Action::KillWorker { item: key.clone(), pid });
            }
        }
        actions
    }

    fn start_found(
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
                    item.messages = page.messages;
                } else {
                    item.acknowledged = Some(offset);
                    item.messages = 0;
                    actions.push(Action::MakePage { item: key.clone(), start: offset });
                }
                actions.extend(self.launch(now, key));
                actions
            }
        }
    }

    fn start_unknown(
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

    fn locate(&mut self, key: &TopicPartition) -> Vec<Action> {
        let request = self.next_request();
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        item.phase = Phase::Locating { request };
        vec![Action::FindStart { item: key.clone(), request, made_again: item.made_again }]
    }

    fn made_again(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
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

    fn launch(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let (leased, generation) = (self.leased, self.generation);
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let Some(offset) = item.acknowledged else { return self.locate(key) };
        if !leased {
            item.phase = Phase::AwaitingLease;
            return Vec::new();
        }
        item.phase = Phase::Starting { pid: None };
        item.started_at = now;
        item.generation = generation;
        item.ending = None;
        item.killed_for = None;
        let (token, item) = (item.token, key.clone());
        vec![Action::SpawnWorker(WorkerStart { item, generation, token, offset })]
    }

    fn spawned(&mut self, now: Instant, key: &TopicPartition, pid: Pid) -> Vec<Action> {
        match self.items.get_mut(key) {
            Some(item) if item.phase == (Phase::Starting { pid: None }) => {
                item.phase = Phase::Starting { pid: Some(pid) };
                item.started_at = now;
                Vec::new()
            }
            _ => vec![Action::KillWorker { item: key.clone(), pid }],
        }
    }

    fn spawn_failed(&mut self, now: Instant, key: &TopicPartition, error: String) -> Vec<Action> {
        self.back_off(now, key, format!("worker could not be started: {error}"));
        Vec::new()
    }

    fn back_off(&mut self, now: Instant, key: &TopicPartition, why: String) {
        let chance = self.chance.f64();
        let Some(item) = self.items.get_mut(key) else { return };
        let ran = now.saturating_duration_since(item.started_at);
        let wait = item.failures.failed(now, ran, &self.settings.restart, chance);
        item.restarts += 1;
        item.last_death = Some(now);
        if item.failures.looping() {
            log::error!("{key}: crash loop: {why}; tried again in {wait:.1?}");
        } else {
            log::warn!("{key}: {why}; started again in {wait:.1?}");
        }
        item.last_exit = Some(why);
        item.phase = Phase::BackingOff { until: now + wait };
    }

    fn worker_said(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        message: FromWorker,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key).filter(|item| item.pid() == Some(pid)) else {
            return Vec::new();
        };
        match message {
            FromWorker::Ready => {
                if item.phase == (Phase::Starting { pid: Some(pid) }) {
                    item.phase = Phase::Ready { pid };
                }
                Vec::new()
            }
            FromWorker::CommitWanted => {
                self.commit_at = Some(now);
                Vec::new()
            }
            FromWorker::Failed { offset, attempts, error, rejected } => {
                let surroundings = self.surroundings(key, offset);
                let verdict =
                    if rejected { self.judge.refused(now) } else { self.judge.killed(now, surroundings) };
                let failure = format!("offset {offset} (attempt {attempts}): {error}");
                log::warn!("{key}: {failure}: {verdict:?}");
                if let Some(item) = self.items.get_mut(key) {
                    item.dead_lettered += u64::from(verdict == Verdict::Apply(PoisonAction::DeadLetter));
                    item.failure = Some(failure);
                }
                vec![Action::Decide { item: key.clone(), pid, offset, verdict }]
            }
            FromWorker::Ended(ending) => {
                item.ending = Some(ending);
                Vec::new()
            }
        }
    }

    fn surroundings(&self, key: &TopicPartition, offset: Offset) -> Surroundings {
        let first_attempt =
            self.items.get(key).and_then(|item| item.first_attempt).filter(|(o, _)| *o == offset.0);
        let others = self.items.iter().filter(|(other, _)| *other != key);
        Surroundings {
            first_attempt: first_attempt.map(|(_, at)| at),
            last_acknowledged: self.last_acknowledged,
            other_death: others.filter_map(|(_, item)| item.last_death).max(),
        }
    }

    fn pages_read(
        &mut self,
        now: Instant,
        at: Boottime,
        pages: Vec<(TopicPartition, Progress)>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, progress) in pages {
            let Some(item) = self.items.get_mut(&key) else { continue };
            let Some(pid) = item.pid() else { continue };
            let believed = item.believe(&progress).and_then(|advanced| {
                if item.stands_still(now, at.since(progress.heartbeat)) {
                    return Err("worker stood still".to_owned());
                }
                Ok(advanced)
            });
            match believed {
                Ok(true) => {
                    item.failures.progressed();
                    self.last_acknowledged = Some(now);
                }
                Ok(false) => {}
                Err(nonsense) if !matches!(item.phase, Phase::Killing { .. }) => {
                    item.killed_for = Some(nonsense);
                    item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                    actions.push(Action::KillWorker { item: key, pid });
                }
                Err(_) => {}
            }
        }
        actions
    }

    fn worker_exited(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        exit: Exit,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key).filter(|item| item.pid() == Some(pid)) else {
            return Vec::new();
        };
        let ending = item.ending.take();
        let mut actions = Vec::new();
        let mut attempts = attempts;
        match item.believe(progress) {
            Ok(advanced) => {
                if advanced {
                    item.failures.progressed();
                    self.last_acknowledged = Some(now);
                }
                if ending.is_none() && progress.in_flight > 0 {
                    let (head, until) = (Offset(progress.acknowledged), Offset(progress.delivered));
                    // Killed by us, for a lost lease or nonsense, is not the message's doing.
                    let counts = progress.in_flight == 1
                        && matches!(exit, Exit::Signal(_))
                        && item.killed_for.is_none();
                    attempts =
                        if counts { attempts.after_death(head, until) } else { attempts.after_crash(until) };
                }
                actions.push(Action::SettlePage { item: key.clone(), attempts });
            }
            Err(nonsense) => {
                item.killed_for.get_or_insert(nonsense);
                if let Some(start) = item.acknowledged {
                    item.messages = 0;
                    actions.push(Action::MakePage { item: key.clone(), start });
                }
            }
        }
        actions.extend(match item.after {
            After::Forget => self.remove(now, key),
            After::Release => self.drained(now, key, exit, ending.as_ref()),
            After::Locate => {
                item.after = After::Recover;
                self.locate(key)
            }
            After::Recover => self.recover(now, key, exit, ending, progress, attempts),
        });
        actions
    }

    fn drained(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        exit: Exit,
        ending: Option<&Ending>,
    ) -> Vec<Action> {
        let within = if self.hurried { HURRIED } else { self.settings.stop_timeout };
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let whole = matches!(ending, Some(Ending::Stopped { cut_short: false }));
        if !whole {
            let how = describe(exit, ending, item.killed_for.as_deref());
            log::warn!("{key}: the drain was cut short: {how}");
            self.cut_short = true;
            item.last_exit = Some(how);
        }
        item.phase = Phase::Releasing { until: now + within };
        Vec::new()
    }

    fn recover(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        exit: Exit,
        ending: Option<Ending>,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let how = describe(exit, ending.as_ref(), item.killed_for.as_deref());
        match ending {
            Some(Ending::Stopped { .. }) => self.launch(now, key),
            Some(Ending::LeaseLost) => {
                item.last_exit = Some(how);
                item.restarts += 1;
                self.launch(now, key)
            }
            Some(Ending::Parked { .. }) => {
                log::error!("{key}: parked: {how}");
                item.last_exit = Some(how.clone());
                item.phase = Phase::Parked { why: how };
                Vec::new()
            }
            Some(Ending::StartLost { .. }) => {
                log::warn!("{key}: {how}; looking where to go on");
                item.last_exit = Some(how);
                item.acknowledged = None;
                item.phase = Phase::LocatingAgain { at: now + LOCATE_AGAIN };
                Vec::new()
            }
            Some(
                Ending::HandlerExit { .. }
                | Ending::HandlerSignal { .. }
                | Ending::HandlerTimeout { .. }
                | Ending::HandlerMissing { .. }
                | Ending::ProtocolError { .. }
                | Ending::Unable { .. },
            )
            | None => self.failed(now, key, how, progress, attempts),
        }
    }

    /// The worker failed: the message it failed on may be poison, else it starts again after a while.
    fn failed(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        how: String,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let head = Offset(attempts.head);
        let deaths = if attempts.head == progress.acknowledged { attempts.deaths(head) } else { 0 };
        if let Some(item) = self.items.get_mut(key)
            && deaths > 0
            && item.first_attempt.is_none_or(|(offset, _)| offset != head.0)
        {
            item.first_attempt = Some((head.0, item.started_at));
        }
        let surroundings = self.surroundings(key, head);
        self.back_off(now, key, how.clone());
        let alone = progress.in_flight == 1 && attempts.head_deaths > 0;
        if !alone || !self.judge.enough(deaths) {
            return Vec::new();
        }
        match self.judge.killed(now, surroundings) {
            Verdict::Retry => Vec::new(),
            Verdict::Apply(action) => self.apply(key, head, action, deaths, &how),
        }
    }

    fn apply(
        &mut self,
        key: &TopicPartition,
        offset: Offset,
        action: PoisonAction,
        deaths: u64,
        how: &str,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let what = format!("offset {offset} killed its handler {deaths} times, the last time {how}");
        match action {
            PoisonAction::Skip => {
                log::error!("{key}: {what}: skipped");
                item.acknowledged = Some(offset.next());
                vec![Action::SkipMessage { item: key.clone(), next: offset.next() }]
            }
            PoisonAction::Park | PoisonAction::DeadLetter => {
                log::error!("{key}: {what}: parked");
                item.last_exit = Some(what.clone());
                item.phase = Phase::Parked { why: what };
                Vec::new()
            }
        }
    }

    fn stop_requested(&mut self, now: Instant) -> Vec<Action> {
        if self.stopping {
            return self.hurry(now);
        }
        self.stopping = true;
        let keys: Vec<_> = self.items.keys().cloned().collect();
        let mut actions = vec![Action::LeaveGroup];
        actions.extend(keys.iter().flat_map(|key| self.give_up(now, key, StopReason::Shutdown)));
        actions
    }

    fn hurry(&mut self, now: Instant) -> Vec<Action> {
        self.hurried = true;
        let mut actions = Vec::new();
        for (key, item) in &mut self.items {
            self.cut_short = true;
            match &mut item.phase {
                Phase::Draining { pid, until } => {
                    *until = now + HURRIED + HURRIED / 2;
                    let (item, pid) = (key.clone(), *pid);
                    let within = Duration::ZERO;
                    actions.push(Action::StopWorker { item, pid, reason: StopReason::Shutdown, within });
                }
                Phase::Releasing { until } => *until = (*until).min(now + HURRIED),
                Phase::Locating { .. }
                | Phase::LocatingAgain { .. }
                | Phase::AwaitingLease
                | Phase::Starting { .. }
                | Phase::Ready { .. }
                | Phase::Killing { .. }
                | Phase::BackingOff { .. }
                | Phase::Parked { .. } => {}
            }
        }
        actions
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
            Phase::BackingOff { .. } => self.launch(now, key),
            Phase::Draining { pid, .. } | Phase::Killing { pid, .. } => {
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
            | Phase::Parked { .. } => Vec::new(),
        }
    }

    fn release(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let token = self.items.get(key).and_then(|item| item.revoked);
        let mut actions: Vec<_> =
            token.map(|token| Action::Release { item: key.clone(), token }).into_iter().collect();
        actions.extend(self.remove(now, key));
        actions
    }

    /// Asks for a commit of everything that is owed, when it is due and none is under way.
    fn commit(&mut self, now: Instant) -> Vec<Action> {
        let releasing = |item: &Item| matches!(item.phase, Phase::Releasing { .. });
        let urgent = self.items.values().any(|item| releasing(item) && item.commit_error.is_none());
        let due = urgent || self.commit_at.is_some_and(|at| now >= at);
        if self.commit_under_way || !due || self.items.is_empty() {
            return Vec::new();
        }
        let retry = self.items.values().any(|item| releasing(item) && item.commit_error.is_some());
        self.commit_at = Some(now + if retry { COMMIT_RETRY } else { self.settings.commit_interval });
        if !self.leased {
            return Vec::new();
        }
        let mut offsets = BTreeMap::new();
        for (key, item) in &mut self.items {
            let old = item.committed_at.is_none_or(|at| now.saturating_duration_since(at) >= COMMIT_AGAIN);
            let again = item.acknowledged.filter(|_| old && !item.made_again);
            if item.after != After::Forget
                && let Some(offset) = item.uncommitted().or(again)
            {
                offsets.insert(key.clone(), offset);
            }
        }
        if offsets.is_empty() {
            return Vec::new();
        }
        self.commit_under_way = true;
        vec![Action::Commit { offsets }]
    }

    fn committed(&mut self, now: Instant, answers: Vec<CommitAnswer>) -> Vec<Action> {
        self.commit_under_way = false;
        for answer in answers {
            let Some(item) = self.items.get_mut(&answer.item) else { continue };
            match answer.error {
                None => {
                    // A start found meanwhile is of a topic made again: what is committed there is not this.
                    if item.acknowledged.is_some_and(|acknowledged| acknowledged >= answer.offset) {
                        item.committed = item.committed.max(Some(answer.offset));
                        item.committed_at = Some(now);
                    }
                    if item.commit_error.take().is_some() {
                        log::info!("{}: commits succeed again", answer.item);
                    }
                }
                Some(error) => {
                    self.commit_errors += 1;
                    if item.commit_error.as_ref() != Some(&error) {
                        log::error!("{}: offset {} is not committed: {error}", answer.item, answer.offset);
                    }
                    item.commit_error = Some(error);
                }
            }
        }
        Vec::new()
    }

    /// Releases what owes nothing any more, and ends when all is done.
    fn finish(&mut self, now: Instant) -> Vec<Action> {
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

/// How a worker ended, for people.
pub(crate) fn describe(exit: Exit, ending: Option<&Ending>, killed_for: Option<&str>) -> String {
    match ending {
        Some(Ending::Stopped { cut_short: false }) => "stopped".to_owned(),
        Some(Ending::Stopped { cut_short: true }) => {
            "handler did not finish in time and was ended".to_owned()
        }
        Some(Ending::HandlerExit { status }) => format!("handler {}", Exit::Status(*status)),
        Some(Ending::HandlerSignal { signal }) => format!("handler {}", Exit::Signal(*signal)),
        Some(Ending::HandlerMissing { error }) => format!("handler can't be started: {error}"),
        Some(Ending::HandlerTimeout { detail }) => format!("handler_timeout: {detail}"),
        Some(Ending::ProtocolError { detail }) => format!("protocol_error: {detail}"),
        Some(Ending::Parked { offset, error }) => format!("offset {offset}: {error}"),
        Some(Ending::StartLost { error }) => format!("Kafka has no such offset: {error}"),
        Some(Ending::LeaseLost) => "lease_lost: no evidence that the partition is still ours".to_owned(),
        Some(Ending::Unable { error }) => format!("worker can't work: {error}"),
        None => match killed_for {
            Some(why) => format!("worker was killed: {why}"),
            None => format!("worker {exit}"),
        },
    }
}
