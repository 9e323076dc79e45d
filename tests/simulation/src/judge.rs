//! The invariants, checked where something happens that could break one, and those that time alone can break after every
//! step. The judge sees the truth: logs, fates, locks and processes, whatever anybody inside believes.

use std::time::Duration;

use kafkavisor::ids::{FencingToken, TopicPartition};
use kafkavisor::membership::Notice;
use kafkavisor_supervisor_core::{ConfigNumber, WorkerStart};

use crate::machine::{Time, millis, nanos};
use crate::partition::{Excuse, Fate};
use crate::violation::{Invariant, Violation};
use crate::worker::Worker;
use crate::world::{Checked, Started, World};

/// What a process may take to do what is due.
const GRACE: Duration = Duration::from_millis(30);
/// And one that was stopped meanwhile, once it goes on: its handler gets TERM, and KILL soon after.
const THAWING: Time = millis(600);
/// The window in which restarts are counted, and how many the backoff lets through: 0.5 s doubling to 30 s, a fifth less by
/// jitter, after one restart at once.
const RESTART_WINDOW: Time = millis(58_000);
const RESTARTS: usize = 9;

impl World {
    /// What time alone can break.
    pub(crate) fn check(&mut self) -> Checked {
        for (pid, worker) in &self.workers {
            let process = &self.processes[worker.process];
            let dead_by = self.pages[worker.page].lease.dead_by.after(GRACE);
            let went_on = self.now - worker.going_since > THAWING;
            if !worker.paused && went_on && process.machine.boottime(self.now) > dead_by {
                let detail = format!(
                    "{}: worker {pid} lives {:?} after it had to be dead",
                    worker.partition,
                    process.machine.boottime(self.now).since(dead_by)
                );
                return Err(Violation::new(Invariant::DeadInTime, detail));
            }
        }
        let bound = nanos(self.plan.stop_timeout) * 2 + millis(6500);
        for process in &mut self.processes {
            let (paused, at, before, name) =
                (process.paused, process.paused_at, process.paused_for, process.name.clone());
            let Some(supervisor) = process.supervisor() else { continue };
            let Some(asked) = supervisor.stop_asked else { continue };
            let paused_for =
                before - supervisor.paused_before_stop + if paused { self.now - at.max(asked) } else { 0 };
            if self.now - asked > bound + paused_for {
                let detail =
                    format!("{name} was asked to stop {:?} ago", Duration::from_nanos(self.now - asked));
                return Err(Violation::new(Invariant::StopsInTime, detail));
            }
        }
        Ok(())
    }

    /// A member tells its supervisor, or its Python program.
    pub(crate) fn notice(&mut self, process: usize, notice: Notice) -> Checked {
        if let Notice::Assigned { partition, token: Some(token) } = &notice {
            self.figures.count("partitions acquired");
            self.partitions[Self::partition_of(partition)].acquired(*token);
        }
        if let Notice::Lost { partition, .. } = &notice {
            self.partitions[Self::partition_of(partition)].excuses.insert(Excuse::TakenOver);
        }
        if self.processes[process].python {
            return self.python_notice(process, notice);
        }
        if let Some(supervisor) = self.supervisor(process) {
            if let Notice::Assigned { partition, token: Some(token) } = &notice {
                supervisor.tokens.insert(partition.clone(), *token);
            }
            supervisor.notices.push_back(notice);
            self.poke(process);
        }
        Ok(())
    }

    /// Of a configuration that is tried, one canary, then a tenth at a time: with few partitions that is one.
    pub(crate) fn rolls_in_bounds(
        &mut self,
        process: usize,
        config: ConfigNumber,
        partition: &TopicPartition,
    ) -> Checked {
        let Some(supervisor) = self.processes[process].supervisor_ref() else { return Ok(()) };
        // Where an earlier worker of the partition has proved it, its successor need not: all may begin at once after a lost lease.
        let before = |partition: &TopicPartition| supervisor.proved.contains(&(config, partition.clone()));
        if config == supervisor.established || !supervisor.broken.contains(&config) || before(partition) {
            return Ok(());
        }
        let of = |worker: &&Worker| worker.process == process && worker.config == config;
        let proved = |worker: &&Worker| self.proves_its_configuration(worker) || before(&worker.partition);
        let live = self.workers.values().filter(of).filter(|worker| !proved(worker)).count();
        if live > 0 {
            let detail =
                format!("{live} workers run with a configuration that is not proved, and one more begins");
            return Err(Violation::new(Invariant::Roll, detail));
        }
        Ok(())
    }

    /// Nothing to do for two seconds, by a clock that may be fast, is proof enough.
    pub(crate) fn proves_its_configuration(&self, worker: &Worker) -> bool {
        // What has come since it was thawed a moment ago, its page may not say yet.
        let thawed = worker.going_since > worker.started_at && self.now - worker.going_since < millis(1100);
        (worker.core.window().is_empty() || thawed) && self.now - worker.started_at > millis(1900)
    }

    /// For whoever asks later which workers there were.
    pub(crate) fn note_started(&mut self, start: &WorkerStart) {
        let partition = Self::partition_of(&start.partition);
        let (config, offset, at) = (start.config, start.offset.0, self.now);
        self.started.push(Started { partition, config, offset, at });
    }

    /// A worker is about to begin.
    pub(crate) fn began(&mut self, process: usize, pid: i32, start: &WorkerStart, known: bool) -> Checked {
        let at = Self::partition_of(&start.partition);
        self.say(|| format!("{}: worker {pid} begins at {}", start.partition, start.offset));
        self.alone(at, start.token)?;
        if self.partitions[at].begun > start.token {
            let detail =
                format!("{}: token {:?} after {:?}", start.partition, start.token, self.partitions[at].begun);
            return Err(Violation::new(Invariant::Fencing, detail));
        }
        self.partitions[at].begun = start.token;
        // Of a topic that is another one, which nobody has noticed yet: there is nothing at its place.
        if known {
            self.begins_rightly(at, start)?;
        }
        let unowned = self.partitions[at].enter(pid, self.now);
        if self.partitions.len() > at && self.processes[process].life > 0 {
            self.figures.unowned_for(unowned);
        }
        Ok(())
    }

    fn begins_rightly(&mut self, at: usize, start: &WorkerStart) -> Checked {
        if let Some(ordered) = self.partitions[at].ordered.take()
            && ordered != start.offset.0
        {
            let detail = format!(
                "{}: an operator set the offset to {ordered}, reading begins at {}",
                start.partition, start.offset
            );
            return Err(Violation::new(Invariant::Operator, detail));
        }
        self.partitions[at].begin(start.offset.0)
    }

    /// Nobody else is at this partition, but for those whom no clock could have told.
    pub(crate) fn alone(&mut self, at: usize, token: Option<FencingToken>) -> Checked {
        let others: Vec<_> = self.partitions[at].live.iter().copied().collect();
        for other in others {
            let (excused, held) = self.excused(other, at);
            let partition = &self.partitions[at].partition;
            if !excused {
                let detail = format!(
                    "{partition}: worker {other} (token {held:?}) lives while another begins (token {token:?})"
                );
                return Err(Violation::new(Invariant::OneWorker, detail));
            }
            if held >= token {
                let detail =
                    format!("{partition}: token {token:?} would not fence the frozen owner's {held:?}");
                return Err(Violation::new(Invariant::Fencing, detail));
            }
            self.figures.count(if other < 0 {
                "overlaps with a Python member"
            } else {
                "overlaps of frozen pairs"
            });
            self.partitions[at].excuses.insert(Excuse::Overlap);
            if let Some(worker) = self.workers.get_mut(&other) {
                worker.overtaken = true;
            }
        }
        Ok(())
    }

    /// Whether this one may be there while another begins, and the token it works under.
    fn excused(&mut self, pid: i32, at: usize) -> (bool, Option<FencingToken>) {
        if let Ok(python) = usize::try_from(-pid - 1) {
            return (true, self.python_token(python, at));
        }
        let Some(worker) = self.workers.get(&pid) else { return (false, None) };
        let frozen = worker.paused && self.processes[worker.process].paused;
        // It has just thawed, and is being ended: nobody could have told it before.
        let thawed = worker.thawed && self.now - worker.going_since <= THAWING;
        (frozen || thawed || worker.overtaken, worker.token)
    }

    /// A message is delivered.
    pub(crate) fn delivered_by(
        &mut self,
        at: usize,
        index: usize,
        token: Option<FencingToken>,
        pid: i32,
    ) -> Checked {
        let partition = &self.partitions[at];
        let partition = partition.partition.clone();
        if token.is_none_or(|token| !self.zookeeper.has_lock(token)) {
            let detail =
                format!("{partition}: worker {pid} delivers under token {token:?}, whose lock is gone");
            return Err(Violation::new(Invariant::Leased, detail));
        }
        self.note_duplicate(at, index)
    }

    /// A message that is acknowledged already comes again.
    pub(crate) fn note_duplicate(&mut self, at: usize, index: usize) -> Checked {
        let partition = &self.partitions[at];
        if partition.log[index].fate != Fate::Done {
            return Ok(());
        }
        let Some(excuse) = partition.excuses.iter().next_back() else {
            let detail = format!(
                "{}: {} comes again, and nothing has failed",
                partition.partition, partition.log[index].offset
            );
            return Err(Violation::new(Invariant::Duplicates, detail));
        };
        self.figures.duplicate(excuse.name());
        Ok(())
    }

    /// A supervisor lets go of a partition: drained, committed, reaped; or out of time.
    pub(crate) fn released(
        &mut self,
        process: usize,
        partition: &TopicPartition,
        token: FencingToken,
    ) -> Checked {
        let at = Self::partition_of(partition);
        self.figures.count("partitions released");
        let of = |worker: &crate::worker::Worker| worker.process == process && worker.partition == *partition;
        if let Some((pid, _)) = self.workers.iter().find(|(_, worker)| of(worker)) {
            let detail = format!("{partition}: released (token {token}) while worker {pid} lives");
            return Err(Violation::new(Invariant::OneWorker, detail));
        }
        self.partitions[at].released(token);
        let unsettled = self.partitions[at].unsettled();
        let committed =
            self.partitions[at].committed.as_ref().map_or(unsettled, |committed| committed.offset.0);
        if committed < unsettled && self.troubled(process) {
            self.partitions[at].excuses.insert(Excuse::CutShort);
        }
        Ok(())
    }

    /// Whether something has kept a supervisor from a commit of late.
    fn troubled(&mut self, process: usize) -> bool {
        let window = nanos(self.plan.stop_timeout) * 2 + self.plan.kafka_timeout + millis(4000);
        let recently = |at: Option<Time>| at.is_some_and(|at| self.now < at + window);
        let kafka = self.kafka.away
            || self.kafka.slow
            || self.kafka.loses_answers
            || self.kafka.refuses_commits
            || !self.kafka.without_leader.is_empty()
            || !self.kafka.denied.is_empty()
            || recently(self.kafka.recovered_at);
        let process = &self.processes[process];
        kafka || recently(process.troubled_at)
    }

    /// What a supervisor counts never falls while it lives, whatever becomes of workers, pages, sessions and partitions.
    pub(crate) fn counters_grow(&mut self, process: usize) -> Checked {
        for at in 0..self.partitions.len() {
            let (total, partition) =
                (self.messages_total(process, at), self.partitions[at].partition.clone());
            let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
            let before = supervisor.counted.insert(partition.clone(), total).unwrap_or(0);
            if total < before {
                let detail = format!("{partition}: {total} messages counted, after {before}");
                return Err(Violation::new(Invariant::Counters, detail));
            }
        }
        Ok(())
    }

    /// The backoff lets so many workers start in a window, and no more.
    pub(crate) fn restarts_in_bounds(&mut self, process: usize, partition: &TopicPartition) -> Checked {
        let now = self.now;
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        // Where the lease ended, or another worker was wanted, nothing has failed.
        if supervisor.no_failure.remove(partition) {
            return Ok(());
        }
        let token = supervisor.token(partition);
        let (of, spawns) = supervisor.spawns.entry(partition.clone()).or_default();
        if *of != token {
            (*of, *spawns) = (token, Vec::new());
        }
        spawns.retain(|at| now - at < RESTART_WINDOW);
        spawns.push(now);
        if spawns.len() > RESTARTS {
            let detail = format!(
                "{partition}: {} workers started within {:?}",
                spawns.len(),
                Duration::from_nanos(RESTART_WINDOW)
            );
            return Err(Violation::new(Invariant::Backoff, detail));
        }
        Ok(())
    }
}
