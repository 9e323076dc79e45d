//! The simulated group: everything in it, its queue of what is to come, and the step that takes the next of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Instant;

use kafkavisor::ids::{Topic, TopicPartition};
use kafkavisor::partitioner::simulation::random::Random;
use kafkavisor::partitioner::simulation::zookeeper::{Session, ZooKeeper};
use kafkavisor_supervisor_core::{ConfigNumber, Refusal, WorkerStart};

use crate::faults::Undo;
use crate::figures::Figures;
use crate::kafka::Kafka;
use crate::machine::{Machine, Time, millis};
use crate::membership::FOLDERS;
use crate::operator::Operator;
use crate::page::Page;
use crate::partition::Partition;
use crate::plan::Plan;
use crate::process::Process;
use crate::trace::{Detail, Trace};
use crate::violation::{Invariant, Violation};
use crate::worker::Worker;

/// A step that finds an invariant broken ends the schedule.
pub(crate) type Checked = Result<(), Violation>;

/// What is to come. Numbers tell what is meant from what has been since.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A supervisor's event loop turns.
    Supervisor(usize),
    /// A worker's loop turns.
    Worker(i32),
    /// A worker's handler is done with what it does.
    Handler { worker: i32, serial: u64 },
    /// A worker's exit is noticed.
    Reap { process: usize, life: u64, worker: i32, status: i32 },
    /// A member's deadline.
    Member(usize),
    /// The next request on this connection reaches ZooKeeper.
    Serve { process: usize, connection: u64 },
    /// The next answer on it reaches the client.
    Hear { process: usize, connection: u64 },
    /// The client waits no longer for this answer.
    GiveUp { process: usize, connection: u64, ask: u64 },
    /// A new session, if the connection is there.
    Open { process: usize, life: u64 },
    /// A session's close reaches ZooKeeper.
    EndSession(u64),
    /// The client has closed its session, or waits no longer.
    Closed { process: usize, life: u64, epoch: u64 },
    /// The next proof of life is to be asked for.
    Prove { process: usize, life: u64, epoch: u64 },
    /// ZooKeeper looks at its sessions.
    Expire,
    /// Something at Kafka: a request arrives, an answer goes back.
    Kafka(u64),
    /// A Python member does its next message.
    Python { process: usize, life: u64 },
    /// A worker that was asked for comes to life, or does not.
    Spawn { process: usize, life: u64, number: u64 },
    /// A message is produced.
    Produce(usize),
    /// The next fault.
    Fault,
    /// A fault ends.
    Undo(Undo),
    /// The operator looks.
    Operate,
}

/// A worker that was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) partition: usize,
    pub(crate) config: ConfigNumber,
    pub(crate) offset: i64,
    pub(crate) at: Time,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) steps: u64,
    pub(crate) base: Instant,
    queue: BinaryHeap<Reverse<(Time, u64, Due)>>,
    queued: u64,
    pub(crate) random: Random,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    pub(crate) figures: Figures,
    pub(crate) zookeeper: ZooKeeper,
    /// Who has which session.
    pub(crate) sessions: BTreeMap<Session, usize>,
    pub(crate) kafka: Kafka,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) pages: Vec<Page>,
    pub(crate) processes: Vec<Process>,
    pub(crate) workers: BTreeMap<i32, Worker>,
    pub(crate) last_pid: i32,
    pub(crate) operator: Operator,
    /// Counts the makings of the topic.
    pub(crate) topic: u64,
    /// What handlers need is away.
    pub(crate) outage: bool,
    /// Faults are over.
    pub(crate) healing: bool,
    /// Partitions whose handlers hold on to what they work on.
    pub(crate) held: BTreeSet<usize>,
    /// How long it takes from asking for a worker to its life: 0 for at once.
    pub(crate) spawns_take: Time,
    /// Workers that were asked for.
    pub(crate) spawning: BTreeMap<u64, WorkerStart>,
    /// Every worker that was started.
    pub(crate) started: Vec<Started>,
    /// How many words operators have said.
    pub(crate) words: u64,
    /// What operators were answered, by the number of their word.
    pub(crate) answers: BTreeMap<u64, Result<String, Refusal>>,
}

impl World {
    /// The group of a schedule: its members start, messages come and so do faults, all as the seed decides.
    pub(crate) fn new(seed: u64, detail: Detail) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let mut world = Self::empty(random, plan, detail);
        world.populate();
        world
    }

    /// The group of a scenario: nothing happens but what it says.
    pub(crate) fn still(plan: Plan, detail: Detail) -> Self {
        let mut world = Self::empty(Random::new(0), plan, detail);
        for number in 0..world.plan.partitions {
            world.new_partition(number);
        }
        for at in 0..world.plan.supervisors {
            let machine = Machine::new(world.base, 1.0, 1_000_000_000_000);
            let mut process = Process::new(at, machine, false, FOLDERS[0]);
            process.wanted = false;
            world.processes.push(process);
        }
        world.schedule(millis(50), Due::Expire);
        world
    }

    fn empty(random: Random, plan: Plan, detail: Detail) -> Self {
        Self {
            now: 0,
            steps: 0,
            base: kafkavisor::clock::now(),
            queue: BinaryHeap::new(),
            queued: 0,
            trace: Trace::new(detail),
            figures: Figures::default(),
            zookeeper: ZooKeeper::new(plan.session_timeout),
            sessions: BTreeMap::new(),
            kafka: Kafka::default(),
            partitions: Vec::new(),
            pages: Vec::new(),
            processes: Vec::new(),
            workers: BTreeMap::new(),
            last_pid: 100,
            operator: Operator::default(),
            topic: 0,
            outage: false,
            healing: false,
            held: BTreeSet::new(),
            spawns_take: 0,
            spawning: BTreeMap::new(),
            started: Vec::new(),
            words: 0,
            answers: BTreeMap::new(),
            random,
            plan,
        }
    }

    fn populate(&mut self) {
        let plan = self.plan.clone();
        self.trace.say(0, 0, || format!("{plan:?}"));
        for number in 0..plan.partitions {
            self.add_partition(number);
        }
        for at in 0..plan.supervisors + plan.pythons {
            // Up to three percent: far worse than any real clock, and still within what the lease allows.
            let rate = 0.97 + f64::from(u8::try_from(self.random.below(61)).unwrap_or(0)) * 0.001;
            let machine =
                Machine::new(self.base, rate, 1_000_000_000 * (1 + self.random.number() % 1_000_000));
            let folder = FOLDERS[usize::from(plan.siblings && at % 2 == 1)];
            self.processes.push(Process::new(at, machine, at >= plan.supervisors, folder));
            let delay = self.between(0, millis(1500));
            self.schedule(delay, Due::Undo(Undo::Start(at)));
        }
        self.schedule(millis(50), Due::Expire);
        let first = self.between(millis(2000), millis(2000) + plan.fault_every);
        self.schedule(first, Due::Fault);
    }

    fn new_partition(&mut self, number: i32) {
        let Ok(topic) = Topic::new("t") else { return };
        self.partitions.push(Partition::new(TopicPartition::new(topic, number), self.topic));
    }

    pub(crate) fn add_partition(&mut self, number: i32) {
        self.new_partition(number);
        let at = self.partitions.len() - 1;
        for _ in 0..self.random.below(10) {
            self.append(at);
        }
        self.schedule(millis(1), Due::Produce(at));
    }

    pub(crate) fn between(&mut self, low: Time, high: Time) -> Time {
        low + self.random.number() % (high.saturating_sub(low) + 1)
    }

    pub(crate) fn schedule(&mut self, after: Time, due: Due) {
        self.queued += 1;
        self.queue.push(Reverse((self.now + after, self.queued, due)));
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        self.trace.say(self.now, self.steps, what);
    }

    /// Takes the next that is to come, if it comes before `until`; false when nothing does.
    pub(crate) fn step(&mut self, until: Time) -> Result<bool, Violation> {
        if self.queue.peek().is_none_or(|Reverse((at, ..))| *at > until) {
            self.now = self.now.max(until);
            return Ok(false);
        }
        let Some(Reverse((at, _, due))) = self.queue.pop() else { return Ok(false) };
        self.now = at;
        self.steps += 1;
        if self.steps > 3_000_000 {
            return Err(Violation::new(
                Invariant::Liveness,
                "the group never comes to rest: three million steps".to_owned(),
            ));
        }
        self.take(due)?;
        self.check()?;
        Ok(true)
    }

    fn take(&mut self, due: Due) -> Checked {
        match due {
            Due::Supervisor(process) => self.supervisor_turns(process),
            Due::Worker(pid) => self.worker_turns(pid),
            Due::Handler { worker, serial } => self.handler_done(worker, serial),
            Due::Reap { process, life, worker, status } => self.reap(process, life, worker, status),
            Due::Member(process) => self.member_due(process),
            Due::Serve { process, connection } => self.serve(process, connection),
            Due::Hear { process, connection } => self.hear(process, connection),
            Due::GiveUp { process, connection, ask } => self.give_up(process, connection, ask),
            Due::Open { process, life } => self.open_session(process, life),
            Due::EndSession(session) => self.end_session(Session(session)),
            Due::Closed { process, life, epoch } => self.session_closed(process, life, epoch),
            Due::Prove { process, life, epoch } => self.prove(process, life, epoch),
            Due::Expire => self.expire(),
            Due::Kafka(number) => self.kafka_due(number),
            Due::Python { process, life } => self.python_turns(process, life),
            Due::Spawn { process, life, number } => self.spawn_due(process, life, number),
            Due::Produce(partition) => self.produce(partition),
            Due::Fault => self.fault(),
            Due::Undo(undo) => self.undo(undo),
            Due::Operate => self.operate(),
        }
    }

    pub(crate) fn instant(&self, process: usize) -> Instant {
        self.processes[process].machine.instant(self.now)
    }

    pub(crate) fn partition_of(partition: &TopicPartition) -> usize {
        usize::try_from(partition.partition.0).unwrap_or(0)
    }
}
