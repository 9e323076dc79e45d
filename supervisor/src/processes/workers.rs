//! The worker processes of an instance, as the event loop sees them: asked for, heard, and gone.
//!
//! A worker is asked for by ticket, for the guardian starts it and says its pid later. It has ended for the core once it is
//! reaped, its last words are read, and nothing that it or its handler had started is left: only then a successor starts or the
//! partition is released.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use kafkavisor::clock::now;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::lines::line;
use kafkavisor_link::message::{FromWorker, ToWorker};
use kafkavisor_link::process::{Exit, Stray, end_group, ended_child};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::conversation::converse;
use super::guardian::{Guardian, Left, Report};
use super::orphans::Orphans;
use super::programs::reap_other;
use super::secrecy;

/// How long a dead worker's last words, or what a dead guardian left, are waited for.
const WITHIN: Duration = Duration::from_secs(2);
/// What was killed is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A guardian that could not be started is tried again after this.
const START_AGAIN: Duration = Duration::from_secs(1);
/// A guardian that answers nothing for so long is stopped, or worse.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A worker as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// From a worker's socket, or the guardian's.
#[derive(Debug)]
pub(crate) enum Heard {
    Said(Ticket, FromWorker),
    /// This worker will say nothing more.
    Closed(Ticket),
    /// From the guardian of this number; without a report it will say nothing more.
    Guardian(u64, Option<Report>),
}

/// What the core is to know.
#[derive(Debug)]
pub(crate) enum News {
    Spawned { partition: TopicPartition, pid: Pid },
    SpawnFailed { partition: TopicPartition, error: String },
    Said { pid: Pid, message: FromWorker },
    Gone(Gone),
}

/// A worker that is gone with all it had started, but what could not be killed.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) partition: TopicPartition,
    pub(crate) pid: Pid,
    pub(crate) exit: Exit,
    /// What is still there; empty as a rule.
    pub(crate) left: Vec<Left>,
}

struct Worker {
    partition: TopicPartition,
    words: UnboundedSender<Vec<u8>>,
    /// None until the guardian has started it.
    pid: Option<Pid>,
    /// What it said before we were told its pid.
    early: Vec<FromWorker>,
    exit: Option<(Exit, Instant)>,
    left: Vec<Left>,
    closed: bool,
}

/// Whether there is a guardian.
enum Guarded {
    By(Guardian),
    /// It has died; everything below it is being ended.
    Fallen {
        since: Instant,
    },
    /// It could not be started.
    Not {
        error: String,
        again: Instant,
    },
}

/// All worker processes of this instance.
pub(crate) struct Workers {
    ours: File,
    binary: File,
    runtime: Handle,
    heard: Sender<Heard>,
    guarded: Guarded,
    /// Counts guardians.
    number: u64,
    /// It has said its last, which may be heard before it is found dead.
    all_reported: bool,
    orphans: Orphans,
    tickets: u64,
    workers: BTreeMap<Ticket, Worker>,
    /// Those that are not reaped.
    alive: BTreeMap<Pid, Ticket>,
    /// Those that are, and not gone yet.
    going: BTreeSet<Ticket>,
    /// What workers have left that can't be killed, as long as it is there, by the partition whose worker it was.
    left: BTreeMap<TopicPartition, Vec<Left>>,
    /// Environment variables that hold secrets: workers and their handlers don't get them.
    /// Asked for while there was no guardian to ask.
    to_spawn: Vec<(Ticket, UnixStream)>,
    /// What the guardian has not answered yet.
    unanswered: u64,
    /// When it last answered, or was first asked.
    answered_at: Instant,
    looked_at: Instant,
    news: VecDeque<News>,
}

impl Workers {
    /// Opens both binaries: what is started later is these, whatever becomes of the files. Starts the guardian.
    pub(crate) fn new(binary: &Path, runtime: Handle, heard: Sender<Heard>) -> io::Result<Self> {
        let time = now();
        let mut workers = Self {
            ours: File::open("/proc/self/exe")?,
            binary: File::open(binary)?,
            runtime,
            heard,
            guarded: Guarded::Fallen { since: time },
            number: 0,
            all_reported: false,
            orphans: Orphans::before_guardian(time),
            tickets: 0,
            workers: BTreeMap::new(),
            alive: BTreeMap::new(),
            going: BTreeSet::new(),
            left: BTreeMap::new(),
            to_spawn: Vec::new(),
            unanswered: 0,
            answered_at: time,
            looked_at: time,
            news: VecDeque::new(),
        };
        workers.guarded = Guarded::By(workers.start_guardian(time)?);
        Ok(workers)
    }

    /// Asks for a worker and tells it its work; [`News`] says what came of it.
    pub(crate) fn spawn(&mut self, partition: &TopicPartition, start: &ToWorker) {
        let (ours, theirs) =
            match UnixStream::pair().and_then(|(a, b)| a.set_nonblocking(true).map(|()| (a, b))) {
                Ok(pair) => pair,
                Err(error) => return self.not_spawned(partition.clone(), error.to_string()),
            };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (words, to_say) = unbounded_channel();
        let _heard_at_once = words.send(line(start));
        self.runtime.spawn(converse(ours, ticket, self.heard.clone(), to_say));
        let worker = Worker {
            partition: partition.clone(),
            words,
            pid: None,
            early: Vec::new(),
            exit: None,
            left: Vec::new(),
            closed: false,
        };
        self.workers.insert(ticket, worker);
        self.to_spawn.push((ticket, theirs));
        self.ask_to_spawn();
    }

    pub(crate) fn say(&self, pid: Pid, message: &ToWorker) {
        if let Some(worker) = self.alive.get(&pid).and_then(|ticket| self.workers.get(ticket)) {
            // One that is gone hears nothing; its exit is on the way.
            let _gone = worker.words.send(line(message));
        }
    }

    /// Says something to every worker, those included that are only asked for.
    pub(crate) fn say_to_all(&self, message: &ToWorker) {
        for worker in self.workers.values() {
            let _gone = worker.words.send(line(message));
        }
    }

    /// Has a signal sent to a worker and its group, unless it is reaped already.
    pub(crate) fn signal(&mut self, pid: Pid, signal: Signal) {
        if self.alive.contains_key(&pid)
            && let Guarded::By(guardian) = &self.guarded
        {
            guardian.signal(pid, signal);
            self.asked();
        }
    }

    /// Takes what was heard; what it means is in the [`News`].
    pub(crate) fn hear(&mut self, heard: Heard, now: Instant) {
        match heard {
            Heard::Said(ticket, message) => self.said(ticket, message),
            Heard::Closed(ticket) => {
                let Some(worker) = self.workers.get_mut(&ticket) else { return };
                worker.closed = true;
                // Whoever can't be heard is ended, and a guardian that does not say so soon is none.
                if let Some(pid) = worker.pid.filter(|_| worker.exit.is_none()) {
                    self.signal(pid, Signal::SIGKILL);
                }
            }
            Heard::Guardian(number, report) if number == self.number => match report {
                Some(report) => self.reported(report, now),
                None => self.all_reported = true,
            },
            // What became of its workers is settled already.
            Heard::Guardian(..) => {}
        }
    }

    fn said(&mut self, ticket: Ticket, message: FromWorker) {
        let Some(worker) = self.workers.get_mut(&ticket) else { return };
        match worker.pid {
            Some(pid) => self.news.push_back(News::Said { pid, message }),
            None => worker.early.push(message),
        }
    }

    fn reported(&mut self, report: Report, now: Instant) {
        self.answered_at = now;
        match report {
            Report::Spawned { ticket, pid } => {
                self.answered();
                self.spawned(Ticket(ticket), Pid::from_raw(pid));
            }
            Report::Failed { ticket, error } => {
                self.answered();
                if let Some(worker) = self.workers.remove(&Ticket(ticket)) {
                    self.not_spawned(worker.partition, error);
                }
            }
            Report::Signalled => self.answered(),
            Report::LeftEnded { pid } => self.forget_left(|left| left.pid == pid),
            Report::Ended { pid, exit, left } => self.ended(Pid::from_raw(pid), exit, left, now),
        }
    }

    fn spawned(&mut self, ticket: Ticket, pid: Pid) {
        let Some(worker) = self.workers.get_mut(&ticket) else { return };
        worker.pid = Some(pid);
        self.alive.insert(pid, ticket);
        self.news.push_back(News::Spawned { partition: worker.partition.clone(), pid });
        for message in std::mem::take(&mut worker.early) {
            self.news.push_back(News::Said { pid, message });
        }
    }

    fn not_spawned(&mut self, partition: TopicPartition, error: String) {
        self.news.push_back(News::SpawnFailed { partition, error });
    }

    fn ended(&mut self, pid: Pid, exit: Exit, left: Vec<Left>, now: Instant) {
        let Some(ticket) = self.alive.remove(&pid) else { return };
        let Some(worker) = self.workers.get_mut(&ticket) else { return };
        self.going.insert(ticket);
        worker.exit = Some((exit, now));
        if !left.is_empty() {
            self.left.entry(worker.partition.clone()).or_default().extend(left.iter().cloned());
        }
        worker.left = left;
    }

    fn forget_left(&mut self, gone: impl Fn(&Left) -> bool) {
        self.left.values_mut().for_each(|left| left.retain(|left| !gone(left)));
        self.left.retain(|_, left| !left.is_empty());
    }

    /// What earlier workers of the partition have left that can't be killed, as people can find it.
    pub(crate) fn left(&self) -> &BTreeMap<TopicPartition, Vec<Left>> {
        &self.left
    }

    /// Reaps every child that has ended: the guardian, workers that came to us from a dead one, and whatever else is ours to reap.
    pub(crate) fn reap(&mut self, now: Instant) {
        while let Some((pid, exit)) = ended_child() {
            if self.alive.contains_key(&pid) {
                let _itself_at_least = end_group(pid);
                self.ended(pid, exit, Vec::new(), now);
            } else {
                reap_other(pid, exit);
            }
            self.orphans.reaped(pid);
            self.forget_left(|left| left.pid == pid.as_raw());
            if matches!(&self.guarded, Guarded::By(guardian) if guardian.pid() == pid) {
                log::error!("the guardian {exit}, and all workers with it; it is started again");
                self.guarded = Guarded::Fallen { since: now };
            }
        }
    }

    /// What has happened since it was last asked for, and sees to the guardian. To be called whenever anything may have
    /// happened, at the latest at [`Workers::deadline`].
    pub(crate) fn news(&mut self, now: Instant) -> Vec<News> {
        match &self.guarded {
            Guarded::By(guardian) => {
                self.orphans.look(now, guardian.pid());
                self.look_at_guardian(now);
            }
            Guarded::Fallen { since } => self.clear_up(*since, now),
            Guarded::Not { again, .. } if now >= *again => self.replace_guardian(now),
            Guarded::Not { .. } => {}
        }
        self.looked_at = now;
        self.gather_gone(now);
        self.news.drain(..).collect()
    }

    fn gather_gone(&mut self, now: Instant) {
        // What came to us from a dead guardian may be any worker's.
        if matches!(self.guarded, Guarded::Fallen { .. }) {
            return;
        }
        let late = |at: Instant| now.saturating_duration_since(at) >= WITHIN;
        for ticket in self.going.clone() {
            let gone = |worker: &Worker| worker.exit.is_some_and(|(_, at)| worker.closed || late(at));
            if !self.workers.get(&ticket).is_some_and(gone) {
                continue;
            }
            self.going.remove(&ticket);
            if let Some(Worker { partition, pid: Some(pid), exit: Some((exit, _)), left, .. }) =
                self.workers.remove(&ticket)
            {
                self.news.push_back(News::Gone(Gone { partition, pid, exit, left }));
            }
        }
    }

    /// When [`Workers::news`] has something to do without anything having happened.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.news.is_empty() {
            return Some(now);
        }
        let guardian = match &self.guarded {
            Guarded::By(_) => (self.unanswered > 0).then(|| self.answered_at + ANSWERS_WITHIN),
            Guarded::Fallen { .. } => Some(now + LOOK_AGAIN),
            Guarded::Not { again, .. } => Some(*again),
        };
        (!self.going.is_empty()).then(|| now + LOOK_AGAIN).into_iter().chain(guardian).min()
    }

    fn asked(&mut self) {
        if self.unanswered == 0 {
            self.answered_at = now();
        }
        self.unanswered += 1;
    }

    fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    fn ask_to_spawn(&mut self) {
        match &self.guarded {
            Guarded::By(_) => {}
            Guarded::Fallen { .. } => return,
            Guarded::Not { error, .. } => {
                let error = format!("there is no guardian to start it: {error}");
                for (ticket, _) in std::mem::take(&mut self.to_spawn) {
                    self.fail(ticket, &error);
                }
            }
        }
        for (ticket, stdin) in std::mem::take(&mut self.to_spawn) {
            let name =
                self.workers.get(&ticket).map(|worker| format!("kafkavisor-worker: {}", worker.partition));
            if let (Guarded::By(guardian), Some(name)) = (&self.guarded, name) {
                guardian.spawn(ticket.0, name, stdin.into(), secrecy::variables());
                self.asked();
            }
        }
    }

    fn fail(&mut self, ticket: Ticket, error: &str) {
        if let Some(worker) = self.workers.remove(&ticket) {
            self.not_spawned(worker.partition, error.to_owned());
        }
    }

    /// One that answers nothing, because somebody has stopped it, guards nobody: its end ends the workers, and another takes over.
    fn look_at_guardian(&mut self, now: Instant) {
        // Where it is we who did not run, its answers may not be read yet.
        if now.saturating_duration_since(self.looked_at) >= ANSWERS_WITHIN / 2 {
            self.answered_at = now;
        }
        let silent = now.saturating_duration_since(self.answered_at);
        if let Guarded::By(guardian) = &self.guarded
            && self.unanswered > 0
            && silent >= ANSWERS_WITHIN
        {
            log::error!("the guardian has not answered for {silent:.1?}: it is killed");
            // Our child, and not reaped: reaping is what ends `Guarded::By`.
            let _reaped_soon = Stray::kill(guardian.pid());
            self.unanswered = 0;
        }
    }

    /// Ends everything that was below a dead guardian; when nothing is left, or it had its time, there is another one.
    fn clear_up(&mut self, since: Instant, now: Instant) {
        let left = self.orphans.end();
        let late = now.saturating_duration_since(since) >= WITHIN;
        let clear = left.is_empty() && self.all_reported;
        if !clear && !late {
            return;
        }
        if !left.is_empty() {
            let names: Vec<_> = left.iter().map(Stray::describe).collect();
            log::error!("processes that workers left behind can't be ended: {}", names.join(", "));
        }
        let waiting = |(ticket, worker): (&Ticket, &Worker)| {
            let asked_for_now = self.to_spawn.iter().any(|(asked, _)| asked == ticket);
            (worker.pid.is_none() && !asked_for_now).then_some(*ticket)
        };
        let unanswered: Vec<_> = self.workers.iter().filter_map(waiting).collect();
        unanswered.into_iter().for_each(|ticket| self.fail(ticket, "the guardian died meanwhile"));
        // What is there is our child now, what is not was reaped by the guardian.
        self.forget_left(|before| left.iter().all(|stray| stray.pid.as_raw() != before.pid));
        let alive = |pid: Pid| self.alive.contains_key(&pid);
        let left_of_any: Vec<_> =
            left.iter().copied().filter(|stray| !alive(stray.pid)).map(Left::of).collect();
        // Reaped by the guardian, which died before it could say so. One that still lives is our child now, and reaped by us.
        let lost: Vec<_> =
            self.alive.keys().filter(|pid| left.iter().all(|stray| stray.pid != **pid)).copied().collect();
        lost.into_iter()
            .for_each(|pid| self.ended(pid, Exit::Signal(Signal::SIGKILL as i32), left_of_any.clone(), now));
        self.replace_guardian(now);
    }

    fn replace_guardian(&mut self, now: Instant) {
        self.guarded = match self.start_guardian(now) {
            Ok(guardian) => {
                log::info!("there is a guardian again");
                Guarded::By(guardian)
            }
            Err(error) => {
                log::error!("the guardian can't be started: {error}; tried again in {START_AGAIN:?}");
                Guarded::Not { error: error.to_string(), again: now + START_AGAIN }
            }
        };
        self.ask_to_spawn();
    }

    fn start_guardian(&mut self, now: Instant) -> io::Result<Guardian> {
        self.orphans = Orphans::before_guardian(now);
        self.number += 1;
        self.all_reported = false;
        self.unanswered = 0;
        let (number, heard) = (self.number, self.heard.clone());
        let hear = move |report| drop(heard.send(Heard::Guardian(number, report)));
        Guardian::start(&self.ours, &self.binary, &self.runtime, hear)
    }
}
