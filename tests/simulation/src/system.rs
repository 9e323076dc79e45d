//! The simulated system under the shipping driver: what the program's `Real` does, in memory and virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::partitioner::messages::Event as MemberEvent;
use kafkavisor::protocol::StopReason;
use kafkavisor_driver::System;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{ToWorker, Verdict};
use kafkavisor_link::page::{Lease, Progress};
use kafkavisor_supervisor_core::{Change, ConfigNumber, Operation, Refusal, TakenUp, Ticket, WorkerStart};
use nix::unistd::Pid;

use crate::page::Page;
use crate::partition::Excuse;
use crate::supervisor::{Child, Supervisor, WorkerHeard};
use crate::violation::Violation;
use crate::world::{Checked, Due, World};

/// See the module. What a step finds broken is kept until the turn is over.
pub(crate) struct Simulated<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) process: usize,
    pub(crate) violation: Option<Violation>,
}

impl Simulated<'_> {
    fn supervisor(&mut self) -> Option<&mut Supervisor> {
        self.world.supervisor(self.process)
    }

    fn check(&mut self, checked: Checked) {
        if let Err(violation) = checked {
            self.violation.get_or_insert(violation);
        }
    }

    fn page_number(&self, partition: &TopicPartition) -> Option<usize> {
        self.world.processes[self.process].supervisor_ref()?.pages.get(partition).copied()
    }

    fn page_mut(&mut self, partition: &TopicPartition) -> Option<&mut Page> {
        let number = self.page_number(partition)?;
        self.world.pages.get_mut(number)
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        let name = self.world.processes[self.process].name.clone();
        self.world.say(|| format!("{name} -> {}", what()));
    }

    pub(crate) fn try_spawn(&mut self, start: WorkerStart) -> Checked {
        let partition = start.partition.clone();
        let Some(page) = self.page_number(&partition) else { return Ok(()) };
        let fails = self.world.plan.spawns_fail;
        if self.world.random.percent(fails) && !self.world.healing {
            self.world.figures.fault("spawn failed");
            if let Some(supervisor) = self.supervisor() {
                supervisor.failed_spawns.push_back(partition);
            }
            self.world.poke(self.process);
            return Ok(());
        }
        self.world.restarts_in_bounds(self.process, &partition)?;
        self.world.rolls_in_bounds(self.process, start.config, &partition)?;
        self.world.note_started(&start);
        let pid = self.world.start_worker(self.process, start, page)?;
        if let Some(supervisor) = self.supervisor() {
            supervisor.children.insert(pid, Child::default());
            supervisor.workers.push_back((pid, WorkerHeard::Spawned(partition)));
        }
        self.world.poke(self.process);
        Ok(())
    }
}

impl System for Simulated<'_> {
    fn now(&self) -> Instant {
        self.world.instant(self.process)
    }

    fn boottime(&self) -> Boottime {
        self.world.processes[self.process].machine.boottime(self.world.now)
    }

    fn changed(&mut self, _changes: Vec<Change>) {}

    fn find_start(&mut self, partition: &TopicPartition, request: u64, made_again: bool) {
        self.world.look_up(self.process, partition.clone(), request, made_again);
    }

    fn commit(&mut self, offsets: BTreeMap<TopicPartition, Offset>, starts: BTreeSet<TopicPartition>) {
        self.say(|| format!("commit {offsets:?}, new {starts:?}"));
        self.world.commit(self.process, offsets, &starts);
    }

    fn page(&self, partition: &TopicPartition) -> Option<(Progress, Attempts)> {
        let page = self.world.pages.get(self.page_number(partition)?)?;
        Some((page.progress, page.attempts))
    }

    fn pages(&self) -> Vec<(TopicPartition, Progress)> {
        let supervisor = self.world.processes[self.process].supervisor_ref();
        let pages = supervisor.into_iter().flat_map(|supervisor| &supervisor.pages);
        pages.map(|(partition, page)| (partition.clone(), self.world.pages[*page].progress)).collect()
    }

    fn take_up_page(&mut self, partition: &TopicPartition, committed: Offset) -> Option<TakenUp> {
        let supervisor = self.world.processes[self.process].supervisor()?;
        let topic = supervisor.topic(partition);
        let lease = supervisor.lease;
        let number = supervisor.pages.remove(partition);
        let number =
            number.or_else(|| self.world.processes[self.process].directory.get(partition).copied())?;
        let page = &mut self.world.pages[number];
        let recorded = [page.committed, page.commit_sent];
        if page.topic != topic || !recorded.contains(&committed.0) || page.progress.check(committed).is_err()
        {
            return None;
        }
        let died_alone = page.progress.in_flight == 1 && page.progress.handler_pid != 0;
        page.note_crash();
        page.committed = committed.0;
        page.lease = lease;
        let (progress, attempts) = (page.progress, page.attempts);
        self.supervisor()?.pages.insert(partition.clone(), number);
        self.world.figures.count("pages taken up");
        Some(TakenUp { progress, attempts, died_alone })
    }

    fn make_page(&mut self, partition: &TopicPartition, start: Offset) {
        let Some(supervisor) = self.supervisor() else { return };
        let topic = supervisor.topic(partition);
        let mut page = Page::new(start);
        page.committed = start.0;
        page.lease = supervisor.lease;
        page.topic = topic;
        self.world.pages.push(page);
        let number = self.world.pages.len() - 1;
        if let Some(supervisor) = self.supervisor() {
            supervisor.pages.insert(partition.clone(), number);
        }
        self.world.processes[self.process].directory.insert(partition.clone(), number);
    }

    fn settle_page(&mut self, partition: &TopicPartition, attempts: Attempts) {
        if let Some(page) = self.page_mut(partition) {
            page.drop_in_flight();
            page.attempts = attempts;
        }
    }

    fn move_page(&mut self, partition: &TopicPartition, next: Offset) {
        let ordered = self.world.partitions[World::partition_of(partition)].ordered == Some(next.0);
        if !ordered {
            self.world.figures.count("messages skipped");
            let topic = self.supervisor().map_or(0, |supervisor| supervisor.topic(partition));
            let skipped = self.world.skip(partition, next.0 - 1, topic);
            self.check(skipped);
        }
        if let Some(page) = self.page_mut(partition) {
            page.move_to(next);
        }
    }

    fn forget_page(&mut self, partition: &TopicPartition) {
        if self.supervisor().and_then(|supervisor| supervisor.pages.remove(partition)).is_some() {
            self.world.processes[self.process].directory.remove(partition);
        }
    }

    fn note_commit_sent(&mut self, partition: &TopicPartition, offset: Offset) {
        if let Some(page) = self.page_mut(partition) {
            page.commit_sent = offset.0;
        }
    }

    fn note_committed(&mut self, partition: &TopicPartition, offset: Offset) {
        if let Some(number) = self.page_number(partition) {
            self.world.pages[number].committed = offset.0;
            self.world.page_changed(number);
        }
    }

    fn set_lease(&mut self, lease: Lease) {
        let Some(supervisor) = self.supervisor() else { return };
        supervisor.lease = lease;
        supervisor.shared_lease = lease.deliver_until;
        let pages: Vec<_> = supervisor.pages.values().copied().collect();
        pages.into_iter().for_each(|page| self.world.pages[page].lease = lease);
    }

    fn spawn(&mut self, start: WorkerStart) {
        let takes = self.world.spawns_take;
        if takes == 0 {
            let spawned = self.try_spawn(start);
            self.check(spawned);
            return;
        }
        let (process, life) = (self.process, self.world.processes[self.process].life);
        self.world.words += 1;
        let number = self.world.words;
        self.world.spawning.insert(number, start);
        self.world.schedule(takes, Due::Spawn { process, life, number });
    }

    fn stop_worker(&mut self, pid: Pid, reason: StopReason, within: Duration) {
        self.say(|| format!("stop {pid}: {reason:?} within {within:?}"));
        self.world.tell_worker(pid.as_raw(), ToWorker::Stop { reason, within });
    }

    fn decide(&mut self, pid: Pid, partition: &TopicPartition, offset: Offset, verdict: Verdict) {
        let topic = self.supervisor().map_or(0, |supervisor| supervisor.topic(partition));
        let decided = self.world.verdict(partition, offset, verdict, topic);
        self.check(decided);
        self.world.tell_worker(pid.as_raw(), ToWorker::Decide { offset, verdict });
    }

    fn abort_worker(&mut self, pid: Pid) {
        self.kill_worker(pid);
    }

    /// A kill reaches a worker that is not reaped yet.
    fn kill_worker(&mut self, pid: Pid) {
        let pid = pid.as_raw();
        let alive =
            self.supervisor().and_then(|s| s.children.get(&pid)).is_some_and(|child| child.exit.is_none());
        if alive {
            let killed = self.world.kill_worker(pid);
            self.check(killed);
        }
    }

    fn release(&mut self, partition: &TopicPartition, token: Option<FencingToken>) {
        let Some(token) = token else { return };
        self.say(|| format!("release {partition} under {token}"));
        let released = self.world.released(self.process, partition, token);
        self.check(released);
        if let Some(supervisor) = self.supervisor() {
            supervisor.tokens.remove(partition);
        }
        let released = MemberEvent::Released { partition: partition.clone(), token };
        let told = self.world.tell_member(self.process, released);
        self.check(told);
    }

    fn leave_group(&mut self) {
        let told = self.world.tell_member(self.process, MemberEvent::LeaveRequested);
        self.check(told);
    }

    fn answer(&mut self, ticket: Ticket, result: Result<String, Refusal>) {
        self.say(|| format!("{ticket:?}: {result:?}"));
        let Some(asked) = self.supervisor().and_then(|supervisor| supervisor.tickets.remove(&ticket)) else {
            return;
        };
        self.world.answers.insert(asked.number, result.clone());
        self.world.figures.count(match (&asked.operation, &result) {
            (_, Err(Refusal::Refused(_))) => "operations refused",
            (_, Err(Refusal::Failed(_))) => "operations failed",
            (Operation::Seek(_), Ok(_)) => "seeks",
            (Operation::Skip, Ok(_)) => "skips",
            (_, Ok(_)) => "other operations",
        });
        if let (Operation::Seek(_) | Operation::Skip, Err(Refusal::Failed(_))) = (asked.operation, &result) {
            self.world.partitions[World::partition_of(&asked.partition)].taken_back();
        }
        if let (Operation::Seek(offset), Ok(_)) = (asked.operation, result) {
            let known = self.supervisor().map_or(0, |supervisor| supervisor.topic(&asked.partition));
            let partition = &mut self.world.partitions[World::partition_of(&asked.partition)];
            if partition.topic != known {
                return;
            }
            partition.ordered = Some(offset.0);
            partition.suspects = None;
            partition.excuses.insert(Excuse::Ordered);
        }
    }

    /// Kept beside the pages: a later supervisor starts with the configuration that works.
    fn note_worked(&mut self, config: ConfigNumber) {
        if self.supervisor().is_some_and(|supervisor| !supervisor.broken.contains(&config)) {
            self.world.processes[self.process].worked = true;
        }
    }

    fn note_gave_up(&mut self, config: ConfigNumber) {
        if self.supervisor().is_some_and(|supervisor| !supervisor.broken.contains(&config)) {
            self.world.processes[self.process].worked = false;
        }
    }

    fn establish(&mut self, config: ConfigNumber) {
        self.world.figures.count("rolls done");
        if let Some(supervisor) = self.supervisor() {
            supervisor.established = config;
        }
    }

    fn discard(&mut self, _config: ConfigNumber) {}
}
