//! A worker's process: the real core in a simulated shell, which does what `worker/src/turn.rs` does.
//!
//! | file | for |
//! |---|---|
//! | `delivery` | what is written to its handler, and heard from it |
//! | `actions` | what its core says is done |
//! | `fates` | dead letters, and messages passed over |
//! | `ends` | how it comes to its end, and is buried |

mod actions;
mod delivery;
mod ends;
mod fates;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_link::message::{Ending, ToWorker};
use kafkavisor_supervisor_core::{ConfigNumber, WorkerStart};
use kafkavisor_worker_core::{Core, Event, Settings};

use crate::handler::{Handler, ToHandler};
use crate::machine::{Time, millis};
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, Due, World};

/// The loop turns at least so often.
const BEAT: Duration = Duration::from_secs(1);
/// A loop so late did not run.
const STOOD_STILL: Duration = Duration::from_secs(2);
/// Messages encoded ahead of what the pipe has taken.
const ENCODED_AHEAD: usize = 200;

/// See the module.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: usize,
    pub(crate) life: u64,
    pub(crate) partition: TopicPartition,
    pub(crate) token: Option<FencingToken>,
    pub(crate) config: ConfigNumber,
    pub(crate) started_at: Time,
    /// Which making of the topic it reads.
    pub(crate) topic: u64,
    pub(crate) page: usize,
    pub(crate) paused: bool,
    /// It was frozen with its supervisor when another began.
    pub(crate) overtaken: bool,
    /// It was frozen with its supervisor and goes on.
    pub(crate) thawed: bool,
    /// Since when it has been running without a stop.
    pub(crate) going_since: Time,
    pub(crate) core: Core,
    pub(crate) handler: Handler,
    pub(crate) position: i64,
    end_seen: Option<i64>,
    high_watermark: i64,
    before: (u64, u64),
    acknowledged_at: Boottime,
    committed: i64,
    /// Brokers have let it in.
    logged_in: bool,
    lease_ended: bool,
    /// Its supervisor has asked it to stop.
    stopped_in_order: bool,
    ending: Option<Ending>,
    to_worker: VecDeque<ToWorker>,
    /// Dead letters on their way, and when they are confirmed.
    dead_letters: Vec<(Offset, Time)>,
    pub(crate) unwritten: VecDeque<ToHandler>,
    close_input: bool,
    last_turn: Instant,
    wake_at: Option<Time>,
}

impl World {
    pub(crate) fn start_worker(
        &mut self,
        process: usize,
        start: WorkerStart,
        page: usize,
    ) -> Result<i32, Violation> {
        self.last_pid += 1;
        let pid = self.last_pid;
        let dead_letter = start.dead_letter.is_some();
        // The dead letter's message is read by itself.
        let offset = start.offset.0 + i64::from(dead_letter);
        let at = Self::partition_of(&start.partition);
        let known = self.pages[page].topic == self.partitions[at].topic;
        self.began(process, pid, &start, known)?;
        let settings = Settings {
            max_messages: self.plan.max_messages,
            max_bytes: 4000,
            max_time: self.plan.max_time,
            floor: 1,
            timeouts: Some((self.plan.start_timeout, self.plan.handler_timeout)),
            commit_messages: self.plan.commit_messages,
            attempts: self.pages[page].attempts,
            dead_letter,
        };
        let before = self.pages[page].progress;
        let first = self.partitions[at].index_from(offset);
        let worker = Worker {
            process,
            life: self.processes[process].life,
            partition: start.partition,
            token: start.token,
            config: start.config,
            started_at: self.now,
            topic: self.pages[page].topic,
            page,
            paused: false,
            overtaken: false,
            thawed: false,
            going_since: self.now,
            core: Core::new(settings, start.offset),
            handler: Handler::new(first),
            position: offset,
            end_seen: None,
            high_watermark: -1,
            before: (before.messages, before.bytes),
            acknowledged_at: before.acknowledged_at,
            committed: i64::MIN,
            logged_in: false,
            lease_ended: false,
            stopped_in_order: false,
            ending: None,
            to_worker: VecDeque::new(),
            dead_letters: Vec::new(),
            unwritten: VecDeque::new(),
            close_input: false,
            last_turn: self.instant(process),
            wake_at: None,
        };
        self.workers.insert(pid, worker);
        self.figures.count("workers started");
        // Its start, and its handler's, take a while.
        let delay = self.between(millis(1), millis(60));
        self.wake_worker(pid, self.now + delay);
        Ok(pid)
    }

    pub(crate) fn tell_worker(&mut self, pid: i32, message: ToWorker) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.to_worker.push_back(message);
            self.poke_worker(pid);
        }
    }

    /// The worker's loop has something to do soon.
    pub(crate) fn poke_worker(&mut self, pid: i32) {
        let delay = self.between(1000, 300_000);
        self.wake_worker(pid, self.now + delay);
    }

    pub(crate) fn worker_thaws(&mut self, pid: i32) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.wake_at = None;
            self.poke_worker(pid);
        }
    }

    /// A commit shows in the page: whoever waits for one looks.
    pub(crate) fn page_changed(&mut self, page: usize) {
        let waiting = |(pid, worker): (&i32, &Worker)| {
            (worker.page == page && worker.core.awaits_commit()).then_some(*pid)
        };
        let pids: Vec<_> = self.workers.iter().filter_map(waiting).collect();
        pids.into_iter().for_each(|pid| self.poke_worker(pid));
    }

    fn wake_worker(&mut self, pid: i32, at: Time) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        if worker.wake_at.is_none_or(|due| due <= now || at < due) {
            worker.wake_at = Some(at);
            self.schedule(at.saturating_sub(now), Due::Worker(pid));
        }
    }

    pub(crate) fn worker_turns(&mut self, pid: i32) -> Checked {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        if worker.wake_at != Some(now) || worker.paused {
            return Ok(());
        }
        worker.wake_at = None;
        if !worker.handler.started {
            worker.handler.started = true;
            worker.last_turn = self.processes[worker.process].machine.instant(now);
            self.handle_in_worker(pid, Event::Begun)?;
        }
        self.post_dead_letters(pid)?;
        loop {
            let more = self.worker_iterates(pid)?;
            let Some(worker) = self.workers.get(&pid) else { return Ok(()) };
            if let Some(ending) = worker.ending.clone() {
                self.write_page(pid);
                return self.worker_ends(pid, ending);
            }
            if !more {
                break;
            }
        }
        let spins = |worker: &Worker| worker.core.next_deadline().is_some_and(|at| at <= worker.last_turn);
        if self.workers.get(&pid).is_some_and(spins) {
            return Err(Violation::new(Invariant::Idle, format!("worker {pid} spins")));
        }
        self.await_workers_deadline(pid);
        Ok(())
    }

    fn worker_iterates(&mut self, pid: i32) -> Result<bool, Violation> {
        self.figures.event("worker");
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
        let time = self.processes[worker.process].machine.instant(self.now);
        let stood_still = time.saturating_duration_since(worker.last_turn) > BEAT + STOOD_STILL;
        worker.last_turn = time;
        if stood_still {
            self.handle_in_worker(pid, Event::Overslept)?;
        }
        self.check_lease(pid)?;
        self.hear_supervisor(pid)?;
        let mut more = self.handler_turn(pid)?;
        more |= self.deliver(pid)?;
        self.handle_in_worker(pid, Event::Woken)?;
        self.write_page(pid);
        Ok(more)
    }

    fn await_workers_deadline(&mut self, pid: i32) {
        let Some(worker) = self.workers.get(&pid) else { return };
        let machine = self.processes[worker.process].machine;
        let time = machine.instant(self.now);
        let mut next = worker.core.next_deadline().map_or(time + BEAT, |at| at.min(time + BEAT));
        if !worker.lease_ended {
            let left = self.pages[worker.page].lease.deliver_until.since(machine.boottime(self.now));
            next = next.min(time + left + Duration::from_millis(1));
        }
        let at = machine.when(self.now, next).max(self.now + 1);
        self.wake_worker(pid, at);
    }
}
