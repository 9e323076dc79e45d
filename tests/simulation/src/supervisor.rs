//! A supervisor's process: the real core in a simulated shell, which does what `supervisor/src/shell/event_loop.rs` does.
//!
//! Where that selects among its channels, this one picks at random; where it waits, this one is woken.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::partitioner::messages::{Event as MemberEvent, Notice};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{FromWorker, ToWorker};
use kafkavisor_link::page::{Lease, Progress};
use kafkavisor_link::process::Exit;
use kafkavisor_supervisor_core::start::{Decision, Why};
use kafkavisor_supervisor_core::{Action, CommitAnswer, Core, Event, Settings, WorkerStart};
use nix::unistd::Pid;

use crate::machine::{Time, millis};
use crate::page::Page;
use crate::process::Role;
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, Due, World};

/// Pages are read at least this often while anything runs.
const PAGES_EVERY: Duration = Duration::from_secs(1);

/// What Kafka's threads tell.
#[derive(Debug)]
pub(crate) enum KafkaHeard {
    Start { item: TopicPartition, request: u64, result: Result<Decision, String> },
}

/// What comes from a worker.
#[derive(Debug)]
pub(crate) enum WorkerHeard {
    Said(FromWorker),
    Closed,
}

/// A worker as its supervisor knows it.
#[derive(Debug)]
pub(crate) struct Child {
    item: TopicPartition,
    closed: bool,
    exit: Option<Exit>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) core: Core,
    /// The pages in use.
    pub(crate) pages: BTreeMap<TopicPartition, usize>,
    pub(crate) lease: Lease,
    pub(crate) shared_lease: Boottime,
    leased: bool,
    dead_by_passed: bool,
    pages_read: Instant,
    wake_at: Option<Time>,
    pub(crate) children: BTreeMap<i32, Child>,
    pub(crate) notices: VecDeque<Notice>,
    pub(crate) workers: VecDeque<(i32, WorkerHeard)>,
    pub(crate) reaped: VecDeque<(i32, Exit)>,
    pub(crate) kafka: VecDeque<KafkaHeard>,
    pub(crate) commits: VecDeque<Vec<CommitAnswer>>,
    pub(crate) terms: u32,
    pub(crate) stop_asked: Option<Time>,
    pub(crate) paused_before_stop: Time,
    pub(crate) partitions_at_first: i32,
    /// Spawns after failures, for the bound on restarts.
    pub(crate) spawns: BTreeMap<TopicPartition, (Option<FencingToken>, Vec<Time>)>,
    pub(crate) ended_for_lease: BTreeMap<TopicPartition, bool>,
    exit: Option<bool>,
}

enum Happened {
    Term,
    Worker(i32, WorkerHeard),
    Reaped(i32, Exit),
    Notice(Notice),
    Kafka(KafkaHeard),
    Commits(Vec<CommitAnswer>),
    Time,
}

impl Supervisor {
    pub(crate) fn token(&self, item: &TopicPartition) -> Option<FencingToken> {
        self.core.items().get(item).and_then(|item| item.token)
    }

    /// How many channels hold something.
    fn waiting(&self) -> [bool; 6] {
        [
            self.terms > 0,
            !self.workers.is_empty(),
            !self.reaped.is_empty(),
            !self.notices.is_empty(),
            !self.kafka.is_empty(),
            !self.commits.is_empty(),
        ]
    }

    fn next(&mut self, channel: usize) -> Happened {
        let happened = match channel {
            0 => {
                self.terms = self.terms.saturating_sub(1);
                Some(Happened::Term)
            }
            1 => self.workers.pop_front().map(|(pid, heard)| Happened::Worker(pid, heard)),
            2 => self.reaped.pop_front().map(|(pid, exit)| Happened::Reaped(pid, exit)),
            3 => self.notices.pop_front().map(Happened::Notice),
            4 => self.kafka.pop_front().map(Happened::Kafka),
            _ => self.commits.pop_front().map(Happened::Commits),
        };
        happened.unwrap_or(Happened::Time)
    }
}

impl World {
    pub(crate) fn start_supervisor(&mut self, process: usize) {
        let now = self.instant(process);
        let settings = Settings {
            restart: self.plan.restart.clone(),
            poison: self.plan.poison.clone(),
            stop_timeout: self.plan.stop_timeout,
            commit_interval: self.plan.commit_interval,
            fixed: false,
            seed: self.random.number(),
        };
        let supervisor = Supervisor {
            core: Core::new(settings),
            pages: BTreeMap::new(),
            lease: Lease::NONE,
            shared_lease: Boottime(0),
            leased: false,
            dead_by_passed: true,
            pages_read: now,
            wake_at: None,
            children: BTreeMap::new(),
            notices: VecDeque::new(),
            workers: VecDeque::new(),
            reaped: VecDeque::new(),
            kafka: VecDeque::new(),
            commits: VecDeque::new(),
            terms: 0,
            stop_asked: None,
            paused_before_stop: 0,
            partitions_at_first: i32::try_from(self.partitions.len()).unwrap_or(i32::MAX),
            spawns: BTreeMap::new(),
            ended_for_lease: BTreeMap::new(),
            exit: None,
        };
        self.processes[process].life += 1;
        self.processes[process].role = Some(Role::Supervisor(Box::new(supervisor)));
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} starts"));
        self.take_seat(process);
    }

    pub(crate) fn supervisor(&mut self, process: usize) -> Option<&mut Supervisor> {
        self.processes[process].supervisor()
    }

    /// The event loop has something to do soon.
    pub(crate) fn poke(&mut self, process: usize) {
        let delay = self.between(1000, 400_000);
        self.wake_supervisor(process, self.now + delay);
    }

    pub(crate) fn supervisor_resumes(&mut self, process: usize) {
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.wake_at = None;
            self.poke(process);
        }
    }

    fn wake_supervisor(&mut self, process: usize, at: Time) {
        let now = self.now;
        let Some(supervisor) = self.supervisor(process) else { return };
        if supervisor.wake_at.is_none_or(|due| due <= now || at < due) {
            supervisor.wake_at = Some(at);
            self.schedule(at.saturating_sub(now), Due::Supervisor(process));
        }
    }

    pub(crate) fn supervisor_turns(&mut self, process: usize) -> Checked {
        let now = self.now;
        let paused = self.processes[process].paused;
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        if supervisor.wake_at != Some(now) || paused {
            return Ok(());
        }
        supervisor.wake_at = None;
        loop {
            self.supervisor_iterates(process)?;
            let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
            if supervisor.waiting().iter().all(|waits| !waits) {
                break;
            }
        }
        let time = self.instant(process);
        let deadline = self.supervisor(process).and_then(|supervisor| supervisor.core.next_deadline());
        if deadline.is_some_and(|at| at <= time) {
            return Err(Violation::new(Invariant::Idle, format!("supervisor {process} spins: {deadline:?}")));
        }
        self.await_supervisors_deadline(process);
        Ok(())
    }

    fn supervisor_iterates(&mut self, process: usize) -> Checked {
        let time = self.instant(process);
        let at = self.processes[process].machine.boottime(self.now);
        self.figures.event("supervisor");
        let pick = self.random.number();
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let channels: Vec<_> =
            (0..).zip(supervisor.waiting()).filter_map(|(n, waits)| waits.then_some(n)).collect();
        let chosen = usize::try_from(pick).unwrap_or(0).checked_rem(channels.len()).map(|n| channels[n]);
        let happened = chosen.map_or(Happened::Time, |channel| supervisor.next(channel));
        let urgent = matches!(happened, Happened::Worker(..) | Happened::Notice(_));
        if urgent || time.saturating_duration_since(supervisor.pages_read) >= PAGES_EVERY {
            supervisor.pages_read = time;
            let pages = supervisor.pages.clone();
            let read = |(item, page): (TopicPartition, usize)| (item, self.pages[page].progress);
            let pages = pages.into_iter().map(read).collect();
            self.decide(process, Event::PagesRead { pages, at })?;
        }
        self.look_at_lease(process)?;
        self.happened(process, happened)?;
        self.finish_workers(process)?;
        self.decide(process, Event::Woken)?;
        self.look_at_exit(process)
    }

    fn await_supervisors_deadline(&mut self, process: usize) {
        let (now, machine) = (self.now, self.processes[process].machine);
        let (time, boottime) = (machine.instant(now), machine.boottime(now));
        let Some(supervisor) = self.supervisor(process) else { return };
        let busy = !supervisor.core.items().is_empty();
        let next_lease =
            if supervisor.leased { supervisor.lease.deliver_until } else { supervisor.lease.dead_by };
        let lease = (busy && next_lease > boottime)
            .then(|| time + next_lease.since(boottime) + Duration::from_millis(1));
        let beat = busy.then(|| time + PAGES_EVERY);
        let deadline = [beat, lease, supervisor.core.next_deadline()].into_iter().flatten().min();
        if let Some(deadline) = deadline {
            self.wake_supervisor(process, machine.when(now, deadline).max(now + 1));
        }
    }

    fn happened(&mut self, process: usize, happened: Happened) -> Checked {
        match happened {
            Happened::Term => self.decide(process, Event::StopRequested),
            Happened::Worker(pid, WorkerHeard::Said(message)) => {
                let Some(item) = self.child(process, pid).map(|child| child.item.clone()) else {
                    return Ok(());
                };
                self.decide(process, Event::WorkerSaid { item, pid: Pid::from_raw(pid), message })
            }
            Happened::Worker(pid, WorkerHeard::Closed) => {
                if let Some(child) = self.child(process, pid) {
                    child.closed = true;
                }
                Ok(())
            }
            Happened::Reaped(pid, exit) => {
                if let Some(child) = self.child(process, pid) {
                    child.exit = Some(exit);
                }
                Ok(())
            }
            Happened::Notice(notice) => self.noticed(process, notice),
            Happened::Kafka(KafkaHeard::Start { item, request, result }) => {
                self.start_heard(process, item, request, result)
            }
            Happened::Commits(answers) => self.commits_answered(process, answers),
            Happened::Time => Ok(()),
        }
    }

    fn child(&mut self, process: usize, pid: i32) -> Option<&mut Child> {
        self.supervisor(process)?.children.get_mut(&pid)
    }

    fn noticed(&mut self, process: usize, notice: Notice) -> Checked {
        let event = match notice {
            Notice::Acquired { item, token } => Event::Assigned { item, token: Some(token) },
            Notice::Revoked { item, token } => Event::Revoked { item, token },
            Notice::Lost { item, .. } => Event::Lost { item },
            Notice::Settled { members } => Event::Settled { members },
            Notice::Unsettled => Event::Unsettled,
            Notice::Evidence { sent, timeout, .. } => {
                self.set_lease(process, Lease::from_evidence(sent, timeout));
                return self.look_at_lease(process);
            }
            Notice::SessionLost => {
                self.set_lease(process, Lease::NONE);
                return self.look_at_lease(process);
            }
            Notice::Left => Event::Left,
            Notice::Joined { .. }
            | Notice::Listed { .. }
            | Notice::Waiting { .. }
            | Notice::NoLongerWaiting { .. }
            | Notice::Blocked { .. }
            | Notice::Suspended
            | Notice::Resumed => {
                return Ok(());
            }
        };
        self.decide(process, event)
    }

    fn set_lease(&mut self, process: usize, lease: Lease) {
        let Some(supervisor) = self.supervisor(process) else { return };
        supervisor.lease = lease;
        supervisor.shared_lease = lease.deliver_until;
        let pages: Vec<_> = supervisor.pages.values().copied().collect();
        for page in pages {
            self.pages[page].lease = lease;
        }
    }

    fn look_at_lease(&mut self, process: usize) -> Checked {
        let time = self.processes[process].machine.boottime(self.now);
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let leased = time < supervisor.lease.deliver_until;
        if leased != supervisor.leased {
            supervisor.leased = leased;
            self.decide(process, if leased { Event::LeaseRenewed } else { Event::LeaseLapsed })?;
        }
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let dead = time >= supervisor.lease.dead_by;
        if dead && !supervisor.dead_by_passed {
            self.decide(process, Event::LeaseEnded)?;
        }
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.dead_by_passed = dead;
        }
        Ok(())
    }

    fn start_heard(
        &mut self,
        process: usize,
        item: TopicPartition,
        request: u64,
        result: Result<Decision, String>,
    ) -> Checked {
        let event = match result {
            Ok(decision) => {
                let page = match &decision {
                    Decision::At { offset, why: Why::Committed { by_us: true } } => {
                        self.resume_page(process, &item, *offset)
                    }
                    Decision::At { .. } | Decision::Park(_) => None,
                };
                Event::StartFound { item, request, decision, page }
            }
            Err(error) => Event::StartUnknown { item, request, error },
        };
        self.decide(process, event)
    }

    /// As `Pages::resume`.
    fn resume_page(&mut self, process: usize, item: &TopicPartition, committed: Offset) -> Option<Progress> {
        let supervisor = self.processes[process].supervisor()?;
        let lease = supervisor.lease;
        let number = supervisor.pages.remove(item);
        let number = number.or_else(|| self.processes[process].directory.get(item).copied())?;
        let page = &mut self.pages[number];
        let recorded = [page.committed, page.commit_sent];
        if !recorded.contains(&committed.0) || page.progress.check(committed).is_err() {
            return None;
        }
        page.note_crash();
        page.committed = committed.0;
        page.lease = lease;
        let progress = page.progress;
        self.supervisor(process)?.pages.insert(item.clone(), number);
        self.figures.count("pages resumed");
        Some(progress)
    }

    fn make_page(&mut self, process: usize, item: &TopicPartition, start: Offset) {
        let Some(supervisor) = self.supervisor(process) else { return };
        let mut page = Page::new(start);
        page.committed = start.0;
        page.lease = supervisor.lease;
        self.pages.push(page);
        let number = self.pages.len() - 1;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.pages.insert(item.clone(), number);
        }
        self.processes[process].directory.insert(item.clone(), number);
    }

    fn commits_answered(&mut self, process: usize, answers: Vec<CommitAnswer>) -> Checked {
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let pages = supervisor.pages.clone();
        for answer in &answers {
            if let (None, Some(page)) = (&answer.error, pages.get(&answer.item)) {
                self.pages[*page].committed = answer.offset.0;
                self.page_changed(*page);
            }
        }
        self.decide(process, Event::Committed { answers })
    }

    fn finish_workers(&mut self, process: usize) -> Checked {
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let gone: Vec<_> = supervisor
            .children
            .iter()
            .filter(|(_, child)| child.closed)
            .filter_map(|(pid, child)| Some((*pid, child.item.clone(), child.exit?)))
            .collect();
        for (pid, item, exit) in gone {
            let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
            supervisor.children.remove(&pid);
            let page = supervisor.pages.get(&item).copied();
            let progress = page.map_or_else(Progress::default, |page| self.pages[page].progress);
            let attempts = page.map_or_else(Attempts::default, |page| self.pages[page].attempts);
            self.decide(
                process,
                Event::WorkerExited { item, pid: Pid::from_raw(pid), exit, progress, attempts },
            )?;
        }
        Ok(())
    }

    /// The core decides, and everything it says is done.
    pub(crate) fn decide(&mut self, process: usize, event: Event) -> Checked {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.instant(process);
            if !matches!(event, Event::Woken | Event::PagesRead { .. }) {
                let name = self.processes[process].name.clone();
                self.say(|| format!("{name}: {event:?}"));
            }
            let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
            let actions = supervisor.core.handle(now, event);
            for action in actions {
                let name = self.processes[process].name.clone();
                self.say(|| format!("{name} -> {action:?}"));
                events.extend(self.perform(process, action)?);
            }
        }
        Ok(())
    }

    /// Performs one action; what it led to at once is another event.
    fn perform(&mut self, process: usize, action: Action) -> Result<Option<Event>, Violation> {
        match action {
            Action::FindStart { item, request, made_again: _ } => self.look_up(process, item, request),
            Action::MakePage { item, start } => self.make_page(process, &item, start),
            Action::SpawnWorker(start) => return self.spawn(process, start).map(Some),
            Action::StopWorker { pid, reason, within, .. } => {
                self.tell_worker(pid.as_raw(), ToWorker::Stop { reason, within });
            }
            Action::KillWorker { pid, .. } => self.kill_soon(process, pid.as_raw())?,
            Action::Decide { item, pid, offset, verdict } => {
                self.verdict(&item, offset, verdict)?;
                self.tell_worker(pid.as_raw(), ToWorker::Decide { offset, verdict });
            }
            Action::SettlePage { item, attempts } => {
                if let Some(page) = self.page(process, &item) {
                    page.drop_in_flight();
                    page.attempts = attempts;
                }
            }
            Action::MovePage { item, next } => {
                let attempts = self.plan.poison.attempts;
                self.figures.count("messages skipped");
                self.partitions[Self::partition_of(&item)].skip(next.0 - 1, attempts)?;
                if let Some(page) = self.page(process, &item) {
                    page.move_to(next);
                }
            }
            Action::Commit { offsets } => self.commit(process, offsets),
            Action::Release { item, token } => {
                self.released(process, &item, token)?;
                self.tell_member(process, MemberEvent::Released { item, token })?;
            }
            Action::ForgetPage { item } => {
                if self.supervisor(process).and_then(|supervisor| supervisor.pages.remove(&item)).is_some() {
                    self.processes[process].directory.remove(&item);
                }
            }
            Action::LeaveGroup => self.tell_member(process, MemberEvent::LeaveRequested)?,
            Action::Exit { cut_short } => {
                if let Some(supervisor) = self.supervisor(process) {
                    supervisor.exit = Some(cut_short);
                }
            }
        }
        Ok(None)
    }

    fn page(&mut self, process: usize, item: &TopicPartition) -> Option<&mut Page> {
        let number = *self.processes[process].supervisor()?.pages.get(item)?;
        self.pages.get_mut(number)
    }

    /// A kill reaches a worker that is not reaped yet.
    fn kill_soon(&mut self, process: usize, pid: i32) -> Checked {
        if self.child(process, pid).is_some_and(|child| child.exit.is_none()) {
            self.kill_worker(pid)?;
        }
        Ok(())
    }

    fn spawn(&mut self, process: usize, start: WorkerStart) -> Result<Event, Violation> {
        let item = start.item.clone();
        let Some(page) = self.supervisor(process).and_then(|s| s.pages.get(&item).copied()) else {
            return Ok(Event::SpawnFailed { item, error: "it has no status page".to_owned() });
        };
        if self.random.percent(1) && !self.healing {
            self.figures.fault("spawn failed");
            return Ok(Event::SpawnFailed { item, error: "no process to be had".to_owned() });
        }
        self.restarts_in_bounds(process, &item)?;
        let pid = self.start_worker(process, start, page)?;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.children.insert(pid, Child { item: item.clone(), closed: false, exit: None });
        }
        Ok(Event::WorkerSpawned { item, pid: Pid::from_raw(pid) })
    }

    fn look_at_exit(&mut self, process: usize) -> Checked {
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let Some(cut_short) = supervisor.exit else { return Ok(()) };
        if !supervisor.children.is_empty() {
            let detail = format!("{} exits while workers live", self.processes[process].name);
            return Err(Violation::new(Invariant::Contract, detail));
        }
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} has exited, cut short: {cut_short}"));
        self.figures.count(if cut_short { "stops cut short" } else { "stops in full" });
        // A process that exits drops its connection; whether its session is closed before that is chance.
        let session = self.processes[process].seat.take().and_then(|seat| seat.session);
        if let Some((_, session)) = session
            && self.random.percent(50)
        {
            self.schedule(millis(1), Due::EndSession(session.0));
        }
        self.processes[process].role = None;
        Ok(())
    }
}
