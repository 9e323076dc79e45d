//! The steps that a scenario may take, each said in its trace.

use kafkavisor::ids::Offset;
use kafkavisor::protocol::Answer;
use kafkavisor_group::start::Committed;
use kafkavisor_supervisor_core::{Operation, Stop};
use nix::sys::signal::Signal;

use crate::faults::{Fault, Undo};
use crate::machine::{Time, millis};
use crate::partition::Temper;
use crate::plan::Plan;
use crate::trace::Detail;
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, World};

/// What is waited for comes within this, or never.
const IN_VAIN: Time = millis(180_000);

/// See the module. Members and partitions are numbered from 0.
#[derive(Debug)]
pub(crate) struct Stage {
    world: World,
}

impl Stage {
    pub(crate) fn new(plan: Plan, detail: Detail) -> Self {
        Self { world: World::still(plan, detail) }
    }

    /// The story is over: every member runs again, and the group comes to rest as after a schedule.
    pub(crate) fn end(&mut self) -> Checked {
        self.say("the group comes to rest");
        self.world.processes.iter_mut().for_each(|process| process.wanted = true);
        self.world.come_to_rest()
    }

    pub(crate) fn into_trace(self) -> Vec<String> {
        self.world.trace.into_lines()
    }

    /// For what is asked.
    pub(crate) fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn say(&mut self, what: &str) {
        self.world.say(|| format!("SCENARIO {what}"));
    }

    // Members.

    pub(crate) fn start(&mut self, member: usize) -> Checked {
        self.say(&format!("member {member} starts"));
        self.world.processes[member].wanted = true;
        self.world.undo(Undo::Start(member))
    }

    /// It is told to stop, and does not start again of itself.
    pub(crate) fn stop(&mut self, member: usize, stop: Stop) -> Checked {
        self.say(&format!("member {member} is told to stop: {stop:?}"));
        self.world.processes[member].wanted = false;
        self.world.stop_process(member, stop)
    }

    pub(crate) fn kill(&mut self, member: usize) -> Checked {
        self.say(&format!("member {member} is killed"));
        self.world.processes[member].wanted = false;
        self.world.kill_process(member)
    }

    /// SIGSTOP of its supervisor alone, of all its processes, or the whole machine sleeps.
    pub(crate) fn freeze(&mut self, member: usize, how: Fault) {
        self.say(&format!("member {member} is frozen: {}", how.name()));
        self.world.freeze(member, how);
    }

    pub(crate) fn thaw(&mut self, member: usize) -> Checked {
        self.say(&format!("member {member} goes on"));
        self.world.thaw(member)
    }

    /// ZooKeeper ends its session.
    pub(crate) fn end_session(&mut self, member: usize) -> Checked {
        self.say(&format!("member {member} loses its session"));
        let session = self.world.processes[member].membership.as_ref().and_then(|m| m.session);
        if let Some((_, session)) = session {
            self.world.end_session(session)?;
        }
        self.world.expired(member)
    }

    pub(crate) fn cut_off(&mut self, member: usize, seconds: u64) -> Checked {
        self.say(&format!("member {member} is cut off from ZooKeeper for {seconds} s"));
        self.world.cut_off(member, millis(1000 * seconds))
    }

    /// HUP: a configuration with which no handler works, or one that does.
    pub(crate) fn reload(&mut self, member: usize, broken: bool) {
        self.say(&format!("member {member} reloads, broken: {broken}"));
        self.world.reload(member, broken);
    }

    /// An operator's word.
    pub(crate) fn ask(&mut self, member: usize, partition: usize, operation: Operation) -> u64 {
        self.say(&format!("an operator asks member {member}: {operation:?} of t:{partition}"));
        let partition = self.world.partitions[partition].partition.clone();
        self.world.ask(member, partition, operation)
    }

    // Workers and handlers.

    pub(crate) fn kill_worker(&mut self, partition: usize) -> Checked {
        self.say(&format!("the worker of t:{partition} is killed"));
        let pid = self.world.worker_of(partition);
        pid.map_or(Ok(()), |pid| self.world.kill_worker(pid))
    }

    pub(crate) fn kill_handler(&mut self, partition: usize) -> Checked {
        self.say(&format!("the handler of t:{partition} is killed"));
        let pid = self.world.worker_of(partition);
        pid.map_or(Ok(()), |pid| self.world.signal_handler(pid, Signal::SIGKILL))
    }

    pub(crate) fn freeze_worker(&mut self, partition: usize) {
        self.say(&format!("the worker of t:{partition} is stopped"));
        if let Some(pid) = self.world.worker_of(partition) {
            self.world.freeze_worker(pid, false);
        }
    }

    /// Its handlers hold on to what they work on, until they are let go on.
    pub(crate) fn hold(&mut self, partition: usize) {
        self.say(&format!("handlers of t:{partition} hold on to their message"));
        self.world.held.insert(partition);
    }

    /// One more message, which the handler of the partition has and does not answer.
    pub(crate) fn hold_one(&mut self, partition: usize) -> Checked {
        self.hold(partition);
        self.produce(partition, 1);
        self.until("the message is in flight", |w| w.in_flight(partition) == 1)
    }

    pub(crate) fn go_on(&mut self, partition: usize) {
        self.say(&format!("handlers of t:{partition} go on"));
        self.world.held.remove(&partition);
    }

    /// Its handler acknowledges what it was never given.
    pub(crate) fn answer_nonsense(&mut self, partition: usize) {
        self.say(&format!("the handler of t:{partition} answers nonsense"));
        if let Some(pid) = self.world.worker_of(partition) {
            self.world.answer_worker(pid, Answer::Ack(Offset(i64::MAX)));
        }
    }

    /// Somebody writes into its page what can't be true.
    pub(crate) fn scribble(&mut self, partition: usize) {
        self.say(&format!("the page of t:{partition} holds nonsense"));
        if let Some(pid) = self.world.worker_of(partition) {
            let page = self.world.workers[&pid].page;
            self.world.pages[page].progress.acknowledged = -7;
        }
    }

    /// What handlers need is away, or is there again.
    pub(crate) fn outage(&mut self, away: bool) {
        self.say(&format!("outage: {away}"));
        self.world.outage = away;
    }

    /// So long it takes from asking for a worker to its life.
    pub(crate) fn spawns_take(&mut self, time: u64) {
        self.say(&format!("a worker comes to life after {time} ms"));
        self.world.spawns_take = millis(time);
    }

    /// The next workers that are asked for do not come to life.
    pub(crate) fn spawns_fail(&mut self, percent: usize) {
        self.say(&format!("of a hundred workers {percent} do not come to life"));
        self.world.plan.spawns_fail = percent;
    }

    // Kafka.

    pub(crate) fn produce(&mut self, partition: usize, messages: usize) {
        (0..messages).for_each(|_| self.append(partition, Temper::Calm));
    }

    pub(crate) fn produce_poison(&mut self, partition: usize) {
        self.append(partition, Temper::Poison);
    }

    pub(crate) fn produce_refused(&mut self, partition: usize) {
        self.append(partition, Temper::Refused);
    }

    fn append(&mut self, partition: usize, temper: Temper) {
        self.say(&format!("a message comes to t:{partition}: {temper:?}"));
        self.world.partitions[partition].append(0, 10, temper);
        let pids: Vec<_> = self.world.partitions[partition].live.iter().copied().collect();
        pids.into_iter().for_each(|pid| self.world.poke_worker(pid));
    }

    /// Kafka is itself again, with all its partitions.
    pub(crate) fn kafka_back(&mut self) -> Checked {
        self.say("Kafka is there");
        self.world.undo(Undo::Kafka)
    }

    /// It has no leader, or its topic is gone: nothing about it succeeds.
    pub(crate) fn without_leader(&mut self, partition: usize) {
        self.say(&format!("t:{partition} has no leader"));
        self.world.kafka.without_leader.insert(partition);
        self.world.kafka.recovered_at = Some(self.world.now);
    }

    /// The right to read it is taken away, until Kafka is itself again.
    pub(crate) fn deny(&mut self, partition: usize) {
        self.say(&format!("t:{partition} may not be read any more"));
        self.world.deny(partition);
    }

    /// It is given back, whatever else is wrong.
    pub(crate) fn allow(&mut self, partition: usize) {
        self.say(&format!("t:{partition} may be read again"));
        self.world.kafka.denied.remove(&partition);
    }

    /// A password was changed: brokers let no new worker in.
    pub(crate) fn refuse_logins(&mut self) {
        self.say("brokers let no new worker in");
        self.world.kafka.refuses_logins = true;
    }

    pub(crate) fn commits_fail(&mut self) {
        self.say("the group's coordinator is away");
        self.world.kafka.refuses_commits = true;
    }

    /// Somebody else's tool sets the group's offset.
    pub(crate) fn set_committed(&mut self, partition: usize, offset: i64) {
        self.say(&format!("the group's offset of t:{partition} is set to {offset}"));
        let committed = Committed { offset: Offset(offset), metadata: String::new(), complete: true };
        self.world.partitions[partition].committed = Some(committed);
    }

    pub(crate) fn dead_letters_wait(&mut self) {
        self.say("the dead-letter topic confirms nothing");
        self.world.kafka.holds_dead_letters = true;
    }

    pub(crate) fn dead_letters_fail(&mut self) {
        self.say("the dead-letter topic takes nothing");
        self.world.kafka.refuses_dead_letters = true;
    }

    /// The topic is deleted and made again; the group's offsets stay, or go with it.
    pub(crate) fn make_again(&mut self, keeps_offsets: bool) {
        self.say(&format!("the topic is made again, offsets stay: {keeps_offsets}"));
        self.world.make_again(keeps_offsets);
    }

    // Time, and what must come of it.

    pub(crate) fn pass(&mut self, seconds: u64) -> Checked {
        self.pass_millis(seconds * 1000)
    }

    pub(crate) fn pass_millis(&mut self, time: u64) -> Checked {
        let until = self.world.now + millis(time);
        while self.world.step(until)? {}
        Ok(())
    }

    /// Goes on step by step until this is so.
    pub(crate) fn until(&mut self, what: &str, mut so: impl FnMut(&mut World) -> bool) -> Checked {
        let limit = self.world.now + IN_VAIN;
        while !so(&mut self.world) {
            if !self.world.step(limit)? {
                let detail = format!("waited in vain until {what}: {}", self.world.describe());
                return Err(Violation::new(Invariant::Scenario, detail));
            }
        }
        self.say(&format!("so far: {what}"));
        Ok(())
    }

    pub(crate) fn expect(&mut self, what: &str, so: impl FnOnce(&mut World) -> bool) -> Checked {
        if so(&mut self.world) {
            self.say(&format!("as expected: {what}"));
            return Ok(());
        }
        let detail = format!("it is not so that {what}: {}", self.world.describe());
        Err(Violation::new(Invariant::Scenario, detail))
    }

    /// The operator is answered: done.
    pub(crate) fn until_done(&mut self, word: u64) -> Checked {
        self.until("the operator is answered", |w| w.answer_to(word).is_some())?;
        self.expect("what the operator asked for is done", |w| matches!(w.answer_to(word), Some(Ok(_))))
    }

    /// The operator is answered: not done.
    pub(crate) fn until_not_done(&mut self, word: u64) -> Checked {
        self.until("the operator is answered", |w| w.answer_to(word).is_some())?;
        self.expect("what the operator asked for is not done", |w| matches!(w.answer_to(word), Some(Err(_))))
    }

    /// These members start, and handle and commit so many messages of each partition: their deployment has worked.
    pub(crate) fn begin(&mut self, members: &[usize], messages: usize) -> Checked {
        members.iter().try_for_each(|member| self.start(*member))?;
        (0..self.world.partitions.len()).for_each(|partition| self.produce(partition, messages));
        self.until("everything is handled and committed", World::all_done)
    }
}
