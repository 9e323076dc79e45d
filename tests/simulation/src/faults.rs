//! Faults: what is done to the group from outside, and how each of them ends.

use kafkavisor::partitioner::messages::Event as MemberEvent;

use kafkavisor_supervisor_core::{Operation, Stop};

use crate::machine::{Time, millis, nanos};
use crate::partition::Excuse;
use crate::world::{Checked, Due, World};

/// The kinds of faults that a schedule may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of a supervisor or a Python member.
    KillProcess,
    /// SIGKILL of a worker.
    KillWorker,
    /// SIGKILL of a handler.
    KillHandler,
    /// SIGSTOP of a supervisor (or a Python member) for a while.
    PauseSupervisor,
    /// SIGSTOP of a worker for a while.
    PauseWorker,
    /// SIGSTOP of a supervisor with its workers and handlers.
    PauseBoth,
    /// The whole machine is suspended: one of its clocks stands still.
    Suspend,
    /// The connection to ZooKeeper breaks, at times for longer than a session lasts.
    Cut,
    /// It breaks and is there again at once.
    Blip,
    /// The ZooKeeper server that somebody is connected to reaches no quorum.
    Deaf,
    /// Every connection to ZooKeeper breaks for less than half a session.
    RestartZooKeeper,
    /// The client waits no longer for an answer.
    LoseAnswer,
    /// Kafka answers nobody.
    KafkaAway,
    /// Kafka takes its time: requests arrive after their sender has given up, or died.
    KafkaSlow,
    /// Commits take effect and their answers are lost.
    KafkaForgets,
    /// An operator stops a supervisor and starts it again.
    StopOne,
    /// The same, impatiently: a second signal.
    StopTwice,
    /// An operator stops everything and sets an offset back.
    Maintain,
    /// The topic gets another partition.
    Grow,
    /// The topic is deleted and made again.
    MakeAgain,
    /// An operator pauses, resumes, restarts or seeks.
    Operate,
    /// A supervisor's configuration is reloaded; at times no handler works with it.
    Reload,
    /// What all handlers need is away: each message is their death.
    Outage,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::KillProcess,
        Self::KillWorker,
        Self::KillHandler,
        Self::PauseSupervisor,
        Self::PauseWorker,
        Self::PauseBoth,
        Self::Suspend,
        Self::Cut,
        Self::Blip,
        Self::Deaf,
        Self::RestartZooKeeper,
        Self::LoseAnswer,
        Self::KafkaAway,
        Self::KafkaSlow,
        Self::KafkaForgets,
        Self::StopOne,
        Self::StopTwice,
        Self::Maintain,
        Self::Grow,
        Self::MakeAgain,
        Self::Operate,
        Self::Reload,
        Self::Outage,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillProcess => "SIGKILL of a supervisor or Python member",
            Self::KillWorker => "SIGKILL of a worker",
            Self::KillHandler => "SIGKILL of a handler",
            Self::PauseSupervisor => "SIGSTOP of a supervisor or Python member",
            Self::PauseWorker => "SIGSTOP of a worker",
            Self::PauseBoth => "SIGSTOP of a supervisor with its workers",
            Self::Suspend => "machine suspended",
            Self::Cut => "cut off from ZooKeeper",
            Self::Blip => "reconnected to ZooKeeper at once",
            Self::Deaf => "ZooKeeper server without a quorum",
            Self::RestartZooKeeper => "ZooKeeper restarted",
            Self::LoseAnswer => "ZooKeeper's answer lost",
            Self::KafkaAway => "Kafka away",
            Self::KafkaSlow => "Kafka slow",
            Self::KafkaForgets => "Kafka's answers lost",
            Self::StopOne => "supervisor stopped and started",
            Self::StopTwice => "supervisor stopped impatiently",
            Self::Maintain => "group stopped by an operator",
            Self::Grow => "partition added",
            Self::MakeAgain => "topic deleted and made again",
            Self::Operate => "operator's word",
            Self::Reload => "configuration reloaded",
            Self::Outage => "outage of what handlers need",
        }
    }
}

/// What ends a fault, or begins a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Undo {
    Start(usize),
    Thaw { process: usize, life: u64 },
    ThawWorker(i32),
    Network(usize),
    Undeafen { process: usize, connection: u64 },
    Kafka,
    Pause { process: usize, partition: usize },
    Outage,
    Hurry { process: usize, life: u64 },
}

impl World {
    pub(crate) fn fault(&mut self) -> Checked {
        if self.healing {
            return Ok(());
        }
        let every = self.plan.fault_every;
        let next = self.between(every / 4, every * 7 / 4);
        self.schedule(next, Due::Fault);
        let Some(fault) = self.random.choose(&self.plan.faults.clone()).copied() else { return Ok(()) };
        let process = self.random.below(self.processes.len());
        let name = self.processes[process].name.clone();
        self.say(|| format!("FAULT {} ({name})", fault.name()));
        self.inflict(fault, process)
    }

    /// From a moment to longer than a session, mostly around where it matters.
    fn a_while(&mut self) -> Time {
        let session = nanos(self.plan.session_timeout);
        let (low, high) = [(session / 20, session / 2), (session / 2, session), (session, session * 5 / 2)]
            [self.random.below(3)];
        self.between(low, high)
    }

    fn inflict(&mut self, fault: Fault, process: usize) -> Checked {
        let running = self.processes[process].runs();
        let worker = self.some_worker();
        let before = self.figures.faults.get(fault.name()).copied().unwrap_or(0);
        self.figures.fault(fault.name());
        let life = self.processes[process].life;
        match fault {
            Fault::KillProcess if running => self.kill_process(process)?,
            Fault::KillWorker if worker.is_some() => self.kill_worker(worker.unwrap_or(0))?,
            Fault::KillHandler if worker.is_some() => {
                self.signal_handler(worker.unwrap_or(0), nix::sys::signal::Signal::SIGKILL)?;
            }
            Fault::PauseSupervisor | Fault::PauseBoth | Fault::Suspend
                if running && !self.processes[process].paused =>
            {
                self.freeze(process, fault);
                let while_ = self.a_while();
                self.schedule(while_, Due::Undo(Undo::Thaw { process, life }));
            }
            Fault::PauseWorker if worker.is_some() => {
                let pid = worker.unwrap_or(0);
                self.freeze_worker(pid, false);
                let while_ = self.a_while();
                self.schedule(while_, Due::Undo(Undo::ThawWorker(pid)));
            }
            Fault::Cut if self.processes[process].network => {
                let while_ = self.a_while();
                self.cut_off(process, while_)?;
            }
            Fault::Blip if self.processes[process].network => self.cut_off(process, millis(5))?,
            Fault::RestartZooKeeper => {
                let while_ = self.between(millis(20), nanos(self.plan.session_timeout) / 2);
                for process in 0..self.processes.len() {
                    self.cut_off(process, while_)?;
                }
            }
            Fault::Deaf if running => {
                self.processes[process].troubled_at = Some(self.now);
                self.deafen(process);
                let while_ = self.a_while();
                let connection =
                    self.processes[process].membership.as_ref().map_or(0, |membership| membership.connection);
                self.schedule(while_, Due::Undo(Undo::Undeafen { process, connection }));
            }
            Fault::LoseAnswer if self.awaits_an_answer(process) => self.lose_an_answer(process)?,
            Fault::KafkaAway | Fault::KafkaSlow | Fault::KafkaForgets => {
                match fault {
                    Fault::KafkaAway => self.kafka.away = true,
                    Fault::KafkaSlow => self.kafka.slow = true,
                    _ => self.kafka.loses_answers = true,
                }
                let while_ = self.between(millis(300), millis(9000));
                self.schedule(while_, Due::Undo(Undo::Kafka));
            }
            Fault::StopOne | Fault::StopTwice if running && self.processes[process].wanted => {
                self.stop_process(process, Stop::Signalled)?;
                if fault == Fault::StopTwice {
                    let hurry = self.between(0, millis(1500));
                    self.schedule(hurry, Due::Undo(Undo::Hurry { process, life }));
                }
            }
            Fault::Maintain => self.maintain()?,
            Fault::Grow if self.partitions.len() < 6 => self.grow()?,
            Fault::MakeAgain if self.plan.pythons == 0 => {
                let keeps = self.random.percent(50);
                self.make_again(keeps);
            }
            Fault::Operate if running => self.some_word(process),
            Fault::Reload if running => {
                let broken = self.random.percent(40);
                self.reload(process, broken);
            }
            Fault::Outage => {
                self.outage = true;
                let while_ = self.between(millis(500), millis(20_000));
                self.schedule(while_, Due::Undo(Undo::Outage));
            }
            _ => {
                // Nobody was there to suffer it.
                self.figures.faults.insert(fault.name(), before);
            }
        }
        Ok(())
    }

    fn some_worker(&mut self) -> Option<i32> {
        let pids: Vec<_> = self.workers.keys().copied().collect();
        self.random.choose(&pids).copied()
    }

    pub(crate) fn cut_off(&mut self, process: usize, while_: Time) -> Checked {
        self.processes[process].network = false;
        self.processes[process].troubled_at = Some(self.now + while_);
        self.schedule(while_, Due::Undo(Undo::Network(process)));
        self.cut(process)
    }

    pub(crate) fn freeze(&mut self, process: usize, fault: Fault) {
        let now = self.now;
        self.processes[process].paused = true;
        self.processes[process].paused_at = now;
        if fault == Fault::PauseSupervisor {
            return;
        }
        for pid in self.workers_of(process) {
            self.freeze_worker(pid, true);
        }
        if fault == Fault::Suspend {
            self.processes[process].machine.fall_asleep(now);
            self.processes[process].asleep = true;
        }
    }

    fn workers_of(&self, process: usize) -> Vec<i32> {
        self.workers.iter().filter(|(_, worker)| worker.process == process).map(|(pid, _)| *pid).collect()
    }

    pub(crate) fn freeze_worker(&mut self, pid: i32, with_handler: bool) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.paused = true;
            worker.handler.paused |= with_handler;
        }
    }

    pub(crate) fn thaw(&mut self, process: usize) -> Checked {
        if !std::mem::take(&mut self.processes[process].paused) {
            return Ok(());
        }
        let now = self.now;
        let paused_at = self.processes[process].paused_at;
        self.processes[process].paused_for += now - paused_at;
        self.processes[process].troubled_at = Some(now);
        if std::mem::take(&mut self.processes[process].asleep) {
            self.processes[process].machine.wake_up(now);
        }
        for pid in self.workers_of(process) {
            self.thaw_worker(pid);
        }
        // What a frozen Python member was about to do, it does before it hears anything.
        if self.processes[process].python && self.random.percent(50) {
            self.python_works(process)?;
        }
        self.thaw_membership(process)?;
        self.supervisor_thaws(process);
        Ok(())
    }

    fn thaw_worker(&mut self, pid: i32) {
        let now = self.now;
        if let Some(worker) = self.workers.get_mut(&pid)
            && worker.paused
        {
            worker.thawed |= worker.handler.paused;
            worker.paused = false;
            worker.handler.paused = false;
            worker.going_since = now;
            self.worker_thaws(pid);
            self.handler_begins(pid);
        }
    }

    /// SIGKILL: workers and handlers go with their supervisor, its session and its pages stay.
    pub(crate) fn kill_process(&mut self, process: usize) -> Checked {
        if !self.processes[process].runs() || self.processes[process].asleep {
            return Ok(());
        }
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} is killed"));
        self.python_dies(process);
        let held: Option<Vec<_>> =
            self.supervisor(process).and_then(|s| Some(s.core()?.partitions().keys().cloned().collect()));
        for partition in held.unwrap_or_default() {
            self.partitions[Self::partition_of(&partition)].excuses.insert(Excuse::TakenOver);
        }
        for pid in self.workers_of(process) {
            self.kill_worker(pid)?;
        }
        let now = self.now;
        let process_ = &mut self.processes[process];
        if std::mem::take(&mut process_.paused) {
            process_.paused_for += now - process_.paused_at;
        }
        process_.role = None;
        process_.membership = None;
        self.start_soon(process);
        Ok(())
    }

    pub(crate) fn stop_process(&mut self, process: usize, stop: Stop) -> Checked {
        let now = self.now;
        let paused_for = self.processes[process].paused_for;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.stops.push_back(stop);
            if supervisor.stop_asked.is_none() {
                supervisor.stop_asked = Some(now);
                supervisor.paused_before_stop = paused_for;
            }
            self.poke(process);
        } else if self.processes[process].runs() {
            self.tell_member(process, MemberEvent::LeaveRequested)?;
        }
        self.start_soon(process);
        Ok(())
    }

    /// Whoever is wanted and does not run starts in a while.
    pub(crate) fn start_soon(&mut self, process: usize) {
        let delay = self.between(millis(20), millis(3000));
        self.schedule(delay, Due::Undo(Undo::Start(process)));
    }

    /// One of the things that an operator may ask for.
    fn some_word(&mut self, process: usize) {
        let at = self.random.below(self.partitions.len());
        let place = self.some_place(at);
        let operation = [Operation::Pause, Operation::Resume, Operation::Restart, Operation::Seek(place)]
            [self.random.below(4)];
        let partition = self.partitions[at].partition.clone();
        self.ask(process, partition, operation);
        if operation == Operation::Pause {
            let while_ = self.a_while();
            self.schedule(while_, Due::Undo(Undo::Pause { process, partition: at }));
        }
    }

    pub(crate) fn reload(&mut self, process: usize, broken: bool) {
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.reloads.push_back(broken);
            self.poke(process);
        }
    }

    /// What an operator has left behind is put right: nothing is paused, and the configuration is one that works.
    fn mend(&mut self, process: usize) {
        for at in 0..self.partitions.len() {
            let partition = self.partitions[at].partition.clone();
            self.ask(process, partition, Operation::Resume);
        }
        // Only where one may not work: a roll would mend hung handlers, too.
        if let Some(supervisor) = self.supervisor(process)
            && !(supervisor.broken.is_empty() && supervisor.reloads.is_empty())
        {
            supervisor.reloads.push_back(false);
            self.poke(process);
        }
    }

    fn grow(&mut self) -> Checked {
        let number = i32::try_from(self.partitions.len()).unwrap_or(0);
        self.add_partition(number);
        let partitions: std::collections::BTreeSet<_> =
            self.partitions.iter().map(|p| p.partition.clone()).collect();
        for process in 0..self.processes.len() {
            self.tell_member(process, MemberEvent::PartitionsChanged { partitions: partitions.clone() })?;
        }
        Ok(())
    }

    pub(crate) fn undo(&mut self, undo: Undo) -> Checked {
        match undo {
            Undo::Start(process) => self.start(process),
            Undo::Thaw { process, life } => {
                if self.processes[process].life == life {
                    self.thaw(process)?;
                }
            }
            Undo::ThawWorker(pid) => {
                let frozen = self
                    .workers
                    .get(&pid)
                    .is_some_and(|worker| self.processes[worker.process].paused && worker.handler.paused);
                if !frozen {
                    self.thaw_worker(pid);
                }
            }
            Undo::Network(process) => {
                self.processes[process].network = true;
                if let Some(connection) =
                    self.processes[process].membership.as_ref().map(|membership| membership.connection)
                {
                    self.reconnect(process, connection)?;
                }
            }
            Undo::Undeafen { process, connection } => self.undeafen(process, connection)?,
            Undo::Pause { process, partition } => {
                let partition = self.partitions[partition].partition.clone();
                self.ask(process, partition, Operation::Resume);
            }
            Undo::Outage => self.outage = false,
            Undo::Kafka => {
                (self.kafka.away, self.kafka.slow, self.kafka.loses_answers) = (false, false, false);
                self.kafka.without_leader.clear();
                (self.kafka.refuses_commits, self.kafka.refuses_dead_letters) = (false, false);
                self.kafka.holds_dead_letters = false;
                self.kafka.recovered_at = Some(self.now);
            }
            Undo::Hurry { process, life } => {
                if self.processes[process].life == life && self.processes[process].runs() {
                    self.processes[process].troubled_at = Some(self.now + millis(10_000));
                    self.stop_process(process, Stop::Signalled)?;
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, process: usize) {
        let state = &self.processes[process];
        if !state.wanted || state.asleep {
            return;
        }
        if state.runs() {
            // It is still stopping: look again.
            let stopping = self.supervisor(process).is_some_and(|supervisor| supervisor.stop_asked.is_some());
            if stopping || self.processes[process].python {
                self.schedule(millis(500), Due::Undo(Undo::Start(process)));
            }
            return;
        }
        if self.processes[process].python {
            self.start_python(process);
        } else {
            self.start_supervisor(process);
        }
    }

    /// Faults end: everything that can work works.
    pub(crate) fn heal(&mut self) -> Checked {
        self.healing = true;
        self.say(|| "FAULTS END".to_owned());
        self.held.clear();
        self.undo(Undo::Kafka)?;
        self.undo(Undo::Outage)?;
        for process in 0..self.processes.len() {
            self.undo(Undo::Network(process))?;
            self.thaw(process)?;
            let connection =
                self.processes[process].membership.as_ref().map_or(0, |membership| membership.connection);
            self.undeafen(process, connection)?;
            self.mend(process);
            if self.operator.is_idle() {
                self.start_soon(process);
            }
        }
        let pids: Vec<_> = self.workers.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.thaw_worker(pid));
        Ok(())
    }
}
