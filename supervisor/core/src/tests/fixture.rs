//! A core with virtual time, whose workers are spawned and ready as soon as they are asked for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::{Poison, PoisonAction, Restart};
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_group::answer::{CommitAnswer, NotCommitted};
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use crate::{Action, Core, Event, Found, Operation, Refusal, Settings, Ticket};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const TOKEN: Option<FencingToken> = Some(FencingToken(7));
pub(super) const KILLED: Exit = Exit::Signal(9);
pub(super) const CRASHED: Ending = Ending::HandlerExit { status: 1 };
pub(super) const STOPPED: Ending = Ending::Stopped { cut_short: false, failed: None };

pub(super) struct Fixture {
    pub(super) core: Core,
    pub(super) now: Instant,
    began: Instant,
    pub(super) pids: i32,
    pub(super) done: Vec<Action>,
    pub(super) attempts: BTreeMap<TopicPartition, Attempts>,
    /// Messages acknowledged as last said, and since when.
    acknowledged: BTreeMap<TopicPartition, (u64, Boottime)>,
    tickets: u64,
    /// Spawning takes its time: the answers are the test's to give.
    pub(super) slow_spawns: bool,
}

pub(super) fn orders(number: i32) -> TopicPartition {
    format!("orders:{number}").parse().unwrap()
}

pub(super) fn progress(acknowledged: i64, delivered: i64) -> Progress {
    Progress {
        position: delivered,
        acknowledged,
        delivered,
        in_flight: (delivered - acknowledged).unsigned_abs(),
        messages: acknowledged.unsigned_abs(),
        high_watermark: 1000,
        ..Progress::default()
    }
}

pub(super) fn settings(action: PoisonAction) -> Settings {
    Settings {
        restart: Restart { initial: SECOND / 2, max: 30 * SECOND, healthy_after: 60 * SECOND },
        poison: Poison { attempts: 3, action, topic: None, max_per_minute: 60 },
        stop_timeout: 10 * SECOND,
        hangs_after: 6 * SECOND,
        commit_interval: SECOND,
        worked: true,
    }
}

impl Fixture {
    /// Messages of orders:0 acknowledged in all, where its page says so many.
    pub(super) fn totals(&self, messages: u64) -> u64 {
        let page = Progress { messages, ..Progress::default() };
        self.core.record(&orders(0)).unwrap().history.totals(Some(&page)).messages
    }

    pub(super) fn new() -> Self {
        Self::with(settings(PoisonAction::Park))
    }

    pub(super) fn with(settings: Settings) -> Self {
        let (core, now) = (Core::new(settings, 1), now());
        let mut fixture = Self {
            core,
            now,
            began: now,
            pids: 100,
            done: Vec::new(),
            attempts: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            tickets: 0,
            slow_spawns: false,
        };
        fixture.event(Event::LeaseRenewed);
        fixture
    }

    pub(super) fn at(&self) -> Boottime {
        Boottime(1 << 50).after(self.now - self.began)
    }

    /// Hands in an event, spawns what is to be spawned, and returns the actions.
    pub(super) fn event(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.core.handle(self.now, self.at(), event);
        let mut done = 0;
        while done < actions.len() {
            match &actions[done] {
                Action::SpawnWorker(start) if !self.slow_spawns => {
                    let partition = start.partition.clone();
                    actions.extend(self.spawned(&partition));
                }
                Action::SettlePage { partition, attempts } => {
                    self.attempts.insert(partition.clone(), *attempts);
                }
                _ => {}
            }
            done += 1;
        }
        self.done.extend(actions.clone());
        actions
    }

    pub(super) fn spawned(&mut self, partition: &TopicPartition) -> Vec<Action> {
        self.pids += 1;
        let (pid, partition) = (Pid::from_raw(self.pids), partition.clone());
        let at = self.at();
        let event = Event::WorkerSpawned { partition: partition.clone(), pid };
        let mut actions = self.core.handle(self.now, at, event);
        let event = Event::WorkerSaid { partition, pid, message: FromWorker::Ready };
        actions.extend(self.core.handle(self.now, at, event));
        actions
    }

    pub(super) fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.event(Event::Woken)
    }

    pub(super) fn assign(&mut self, number: i32) -> u64 {
        let actions = self.event(Event::Assigned { partition: orders(number), token: TOKEN });
        request_of(&actions).unwrap()
    }

    pub(super) fn find(&mut self, number: i32, request: u64, decision: Decision) -> Vec<Action> {
        let found = Box::new(Found { decision, begins: BTreeMap::new(), page: None });
        self.event(Event::StartFound { partition: orders(number), request, found })
    }

    /// A partition at work from offset 0.
    pub(super) fn ready(&mut self, number: i32) {
        let request = self.assign(number);
        let why = Why::Committed { by_us: true };
        self.find(number, request, Decision::At { offset: Offset(0), why });
        assert_eq!(self.state(number), "ready");
    }

    pub(super) fn state(&self, number: i32) -> &'static str {
        self.core.partitions().get(&orders(number)).map_or("gone", crate::Partition::state)
    }

    pub(super) fn pid(&self, number: i32) -> Pid {
        self.core.partitions()[&orders(number)].pid().unwrap()
    }

    pub(super) fn kill(&self, number: i32) -> Action {
        Action::KillWorker { pid: self.pid(number) }
    }

    /// As a worker would write it now.
    pub(super) fn stamped(&mut self, number: i32, progress: Progress) -> Progress {
        let at = self.at();
        let (messages, since) = self.acknowledged.entry(orders(number)).or_default();
        if progress.messages > *messages {
            (*messages, *since) = (progress.messages, at.max(Boottime(since.0 + 1)));
        }
        Progress { acknowledged_at: *since, ..progress }
    }

    pub(super) fn page(&mut self, number: i32, progress: Progress) -> Vec<Action> {
        let pages = vec![(orders(number), self.stamped(number, progress))];
        self.event(Event::PagesRead { pages })
    }

    pub(super) fn says(&mut self, number: i32, message: FromWorker) -> Vec<Action> {
        let (partition, pid) = (orders(number), self.pid(number));
        self.event(Event::WorkerSaid { partition, pid, message })
    }

    pub(super) fn exits(
        &mut self,
        number: i32,
        ending: Option<Ending>,
        exit: Exit,
        progress: Progress,
    ) -> Vec<Action> {
        let (partition, pid) = (orders(number), self.pid(number));
        if let Some(ending) = ending {
            self.says(number, FromWorker::Ended { ending, stderr: "its last words".to_owned() });
        }
        let attempts = self.attempts.get(&partition).copied().unwrap_or_default();
        let progress = self.stamped(number, progress);
        self.event(Event::WorkerExited { partition, pid, exit, progress, attempts })
    }

    /// The drain that was begun is over.
    pub(super) fn drained(&mut self, number: i32, progress: Progress) -> Vec<Action> {
        assert_eq!(self.state(number), "draining");
        self.exits(number, Some(STOPPED), Exit::Status(0), progress)
    }

    /// A handler dies of the message at `offset`, alone in flight since now.
    pub(super) fn dies_of(&mut self, number: i32, offset: i64) {
        let before = self.attempts.get(&orders(number)).copied().unwrap_or_default();
        let after = before.after_death(Offset(offset), Offset(offset + 1), self.at());
        self.attempts.insert(orders(number), after);
        let messages = self.acknowledged.get(&orders(number)).map_or(0, |(messages, _)| *messages);
        let progress = Progress { messages, ..progress(offset, offset + 1) };
        self.exits(number, Some(CRASHED), Exit::Status(1), progress);
    }

    /// ... so often that it is poison.
    pub(super) fn poison(&mut self, number: i32, offset: i64) {
        self.page(number, progress(offset, offset + 1));
        for _ in 0..3 {
            self.pass(40 * SECOND);
            self.dies_of(number, offset);
        }
        self.pass(40 * SECOND);
    }

    pub(super) fn committed(&mut self, number: i32, offset: i64, error: Option<&str>) -> Vec<Action> {
        let (partition, error) = (orders(number), error.map(|why| NotCommitted::Failed(why.to_owned())));
        let answer = CommitAnswer { partition, offset: Offset(offset), error };
        self.event(Event::Committed { answers: vec![answer] })
    }

    /// Kafka says that there is no such partition.
    pub(super) fn gone(&mut self, number: i32, offset: i64) -> Vec<Action> {
        let (partition, error) = (orders(number), Some(NotCommitted::Gone("no topic".to_owned())));
        let answer = CommitAnswer { partition, offset: Offset(offset), error };
        self.event(Event::Committed { answers: vec![answer] })
    }

    /// An operator asks; the actions, and the answer if there is one already.
    pub(super) fn operate(&mut self, operation: Operation) -> (Vec<Action>, Option<Result<String, Refusal>>) {
        self.tickets += 1;
        let (partition, ticket) = (orders(0), Ticket(self.tickets));
        let actions = self.event(Event::Operated { partition, operation, ticket, by: "somebody".into() });
        let answer = answer_of(&actions);
        (actions, answer)
    }

    pub(super) fn refused(&mut self, operation: Operation) -> String {
        match self.operate(operation).1 {
            Some(Err(Refusal::Refused(why))) => why,
            answer => panic!("{answer:?}"),
        }
    }

    pub(super) fn place(&self, number: i32) -> (Option<Offset>, Option<Offset>) {
        let tenure = &self.core.partitions()[&orders(number)].tenure;
        (tenure.acknowledged(), tenure.committed())
    }
}

pub(super) fn request_of(actions: &[Action]) -> Option<u64> {
    actions.iter().find_map(|action| match action {
        Action::FindStart { request, .. } => Some(*request),
        _ => None,
    })
}

pub(super) fn answer_of(actions: &[Action]) -> Option<Result<String, Refusal>> {
    actions.iter().find_map(|action| match action {
        Action::Answer { result, .. } => Some(result.clone()),
        _ => None,
    })
}

pub(super) fn commit_of(actions: &[Action]) -> Option<BTreeMap<TopicPartition, Offset>> {
    actions.iter().find_map(|action| match action {
        Action::Commit { offsets, .. } => Some(offsets.clone()),
        _ => None,
    })
}

pub(super) fn spawns(actions: &[Action]) -> Vec<Offset> {
    let offset = |action: &Action| match action {
        Action::SpawnWorker(start) => Some(start.offset),
        _ => None,
    };
    actions.iter().filter_map(offset).collect()
}
