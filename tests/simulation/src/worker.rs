//! A worker's process: the real core in a simulated shell, which does what `worker/src/turn.rs` does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::protocol::Answer;
use kafkavisor_link::message::{Ending, FromWorker, ToWorker, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use kafkavisor_supervisor_core::{ConfigNumber, WorkerStart};
use kafkavisor_worker_core::{Action, Core, Delivery, Event, Settings};
use nix::sys::signal::Signal;

use crate::faults::Fault;
use crate::handler::{Handler, ToHandler};
use crate::machine::{Time, millis};
use crate::partition::Excuse;
use crate::supervisor::WorkerHeard;
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

    fn may_write(&self, worker: &Worker) -> bool {
        self.processes[worker.process].machine.boottime(self.now)
            < self.pages[worker.page].lease.deliver_until
    }

    fn check_lease(&mut self, pid: i32) -> Checked {
        let Some(worker) = self.workers.get(&pid) else { return Ok(()) };
        if worker.lease_ended || self.may_write(worker) {
            return Ok(());
        }
        let boottime = self.processes[worker.process].machine.boottime(self.now);
        let dead_within = self.pages[worker.page].lease.dead_by.since(boottime) / 2;
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.lease_ended = true;
        }
        self.figures.count("leases ended");
        self.handle_in_worker(pid, Event::LeaseEnded { dead_within })
    }

    fn hear_supervisor(&mut self, pid: i32) -> Checked {
        while let Some(message) = self.workers.get_mut(&pid).and_then(|worker| worker.to_worker.pop_front()) {
            let event = match message {
                ToWorker::Stop { reason, within } => {
                    if let Some(worker) = self.workers.get_mut(&pid) {
                        worker.stopped_in_order = true;
                    }
                    Event::StopRequested { reason, within }
                }
                ToWorker::Decide { offset, verdict } => Event::Decided { offset, verdict },
                ToWorker::Start(_) => continue,
            };
            self.handle_in_worker(pid, event)?;
        }
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let committed = self.pages[worker.page].committed;
        if committed != worker.committed {
            worker.committed = committed;
            worker.core.committed(Offset(committed));
        }
        Ok(())
    }

    fn handler_turn(&mut self, pid: i32) -> Result<bool, Violation> {
        let Some(worker) = self.workers.get(&pid) else { return Ok(false) };
        let mut more = false;
        if worker.lease_ended || self.may_write(worker) {
            more = self.write_to_handler(pid)?;
        }
        loop {
            let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
            let time = self.processes[worker.process].machine.instant(self.now);
            let actions = if let Some(answer) = worker.handler.output.pop_front() {
                let (before, ack) = (worker.core.window().acknowledged(), matches!(answer, Answer::Ack(_)));
                let actions = worker.core.answered(time, answer);
                if ack && worker.core.window().acknowledged() > before {
                    worker.acknowledged_at = self.processes[worker.process].machine.boottime(self.now);
                }
                actions
            } else if let Some(exit) = worker.handler.exit.take() {
                worker.handler.reaped = true;
                worker.core.handle(time, Event::HandlerExited(exit))
            } else {
                return Ok(more);
            };
            // What it acknowledged before it exited must be in the page before anybody hears of its end.
            self.write_page(pid);
            self.perform_for_worker(pid, actions)?;
        }
    }

    /// As much as the pipe takes.
    fn write_to_handler(&mut self, pid: i32) -> Result<bool, Violation> {
        let mut progress = false;
        loop {
            let pipe = self.plan.pipe;
            let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
            if worker.unwritten.is_empty() {
                if worker.close_input {
                    worker.handler.input_closed = true;
                }
                break;
            }
            if worker.handler.input_closed || worker.handler.gone {
                worker.unwritten.clear();
                break;
            }
            if worker.handler.input.len() >= pipe {
                break;
            }
            let Some(words) = worker.unwritten.pop_front() else { break };
            progress = true;
            if let ToHandler::Message { index, .. } = words
                && worker.topic == self.partitions[Self::partition_of(&worker.partition)].topic
            {
                self.delivered(pid, index)?;
            }
            if let Some(worker) = self.workers.get_mut(&pid) {
                worker.handler.input.push_back(words);
            }
        }
        self.handler_begins(pid);
        Ok(progress)
    }

    /// Delivers what may be delivered; true when more can be at once.
    fn deliver(&mut self, pid: i32) -> Result<bool, Violation> {
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
        if !worker.core.admits(0)
            || worker.unwritten.len() > ENCODED_AHEAD
            || !self.kafka.serves(Self::partition_of(&worker.partition))
        {
            return Ok(false);
        }
        let machine = self.processes[worker.process].machine;
        let (time, at) = (machine.instant(self.now), machine.boottime(self.now));
        let partition = &self.partitions[Self::partition_of(&worker.partition)];
        worker.high_watermark = partition.end;
        let (mut delivered, mut blocked, mut event) = (false, false, None);
        if worker.position > partition.end || worker.topic != partition.topic {
            event = Some(Event::StartLost("offset out of range".to_owned()));
        }
        while !blocked && event.is_none() && worker.unwritten.len() <= ENCODED_AHEAD {
            let index = partition.index_from(worker.position);
            if let Some(message) = partition.log.get(index) {
                if !worker.core.admits(message.bytes) {
                    blocked = true;
                    continue;
                }
                let attempt = worker.core.attempt(Offset(message.offset));
                let delivery = Delivery {
                    offset: Offset(message.offset),
                    timestamp: message.offset,
                    bytes: message.bytes,
                };
                worker.core.deliver(time, at, delivery);
                worker.unwritten.push_back(ToHandler::Message { index, attempt });
                worker.position = message.offset + 1;
                delivered = true;
            } else if worker.end_seen != Some(partition.end) {
                worker.end_seen = Some(partition.end);
                worker.position = worker.position.max(partition.end);
                event = Some(Event::EndReached(Offset(partition.end)));
            } else {
                break;
            }
        }
        let more = partition.index_from(worker.position) < partition.log.len();
        let quiet = !blocked && event.is_none() && !more;
        let at_end = worker.position >= worker.high_watermark;
        if delivered || blocked {
            let actions = worker.core.batch_delivered(time, blocked);
            self.perform_for_worker(pid, actions)?;
        }
        if quiet && (delivered || at_end) {
            self.handle_in_worker(pid, Event::Quiet { at_end })?;
        }
        let happened = event.is_some();
        if let Some(event) = event {
            self.handle_in_worker(pid, event)?;
        }
        Ok(delivered || happened)
    }

    fn handle_in_worker(&mut self, pid: i32, event: Event) -> Checked {
        if !matches!(event, Event::Woken | Event::Quiet { .. }) {
            self.say(|| format!("worker {pid}: {event:?}"));
        }
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let time = self.processes[worker.process].machine.instant(self.now);
        let actions = worker.core.handle(time, event);
        self.perform_for_worker(pid, actions)
    }

    fn perform_for_worker(&mut self, pid: i32, actions: Vec<Action>) -> Checked {
        for action in actions {
            self.say(|| format!("worker {pid} -> {action:?}"));
            let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
            match action {
                Action::StartHandler => self.handle_in_worker(pid, Event::HandlerStarted)?,
                Action::DeadLetter { offset, .. } => {
                    let takes = self.between(millis(5), millis(400));
                    let posted =
                        self.now + if self.kafka.holds_dead_letters { millis(60_000) } else { takes };
                    if let Some(worker) = self.workers.get_mut(&pid) {
                        worker.dead_letters.push((offset, posted));
                    }
                    self.wake_worker(pid, posted);
                }
                // Its handler knows nothing of it: only `exec` does.
                Action::Settle { .. } | Action::SayBatchFailed { .. } => {}
                Action::SayDeadLettered { offset } => {
                    self.write_page(pid);
                    self.say_to_supervisor(pid, FromWorker::DeadLettered { offset });
                }
                Action::Flush { .. } => worker.unwritten.push_back(ToHandler::Flush),
                Action::DropUnwritten => {
                    // In the middle of a message nothing can be said any more but the end of the input.
                    if !worker.unwritten.is_empty() {
                        worker.handler.input_closed = true;
                    }
                    worker.unwritten.clear();
                    self.handler_begins(pid);
                }
                Action::Stop(_) => worker.unwritten.push_back(ToHandler::Stop),
                Action::CloseInput => worker.close_input = true,
                Action::SignalHandler(signal) => self.signal_handler(pid, signal)?,
                Action::SayReady => self.say_to_supervisor(pid, FromWorker::Ready),
                Action::SayFailed { offset, attempts, error, rejected } => {
                    self.say_to_supervisor(pid, FromWorker::Failed { offset, attempts, error, rejected });
                }
                Action::AskForCommit => {
                    self.write_page(pid);
                    self.say_to_supervisor(pid, FromWorker::CommitWanted);
                }
                Action::NoteAttempts(attempts) => self.pages[worker.page].attempts = attempts,
                Action::End(ending) => worker.ending = Some(ending),
            }
        }
        Ok(())
    }

    fn say_to_supervisor(&mut self, pid: i32, message: FromWorker) {
        self.heard_from(pid, WorkerHeard::Said(message));
    }

    fn heard_from(&mut self, pid: i32, heard: WorkerHeard) {
        let Some(worker) = self.workers.get(&pid) else { return };
        let (process, life) = (worker.process, worker.life);
        if self.processes[process].life == life
            && let Some(supervisor) = self.supervisor(process)
        {
            supervisor.workers.push_back((pid, heard));
            self.poke(process);
        }
    }

    fn write_page(&mut self, pid: i32) {
        let Some(worker) = self.workers.get(&pid) else { return };
        let heartbeat = self.processes[worker.process].machine.boottime(self.now);
        let window = worker.core.window();
        let head = window.head();
        let (messages, bytes) = worker.core.totals();
        self.pages[worker.page].progress = Progress {
            position: Offset(worker.position).max(window.delivered()).0,
            acknowledged: window.acknowledged().0,
            delivered: window.delivered().0,
            high_watermark: worker.high_watermark,
            in_flight: u64::from(window.len()),
            oldest_in_flight: head.map_or(Boottime(0), |m| m.delivered_at),
            head_timestamp: head.map_or(-1, |m| m.timestamp),
            messages: worker.before.0 + messages,
            bytes: worker.before.1 + bytes,
            heartbeat,
            handler_pid: u64::from(!worker.handler.reaped),
            window: u64::from(worker.core.window_size()),
            acknowledged_at: worker.acknowledged_at,
        };
    }

    /// The worker has come to its end by itself.
    fn worker_ends(&mut self, pid: i32, ending: Ending) -> Checked {
        self.say_to_supervisor(pid, FromWorker::Ended { ending: ending.clone(), stderr: String::new() });
        // Its page is written; whether it comes to say how it ended is another matter.
        if !self.healing && self.random.percent(3) && self.plan.faults.contains(&Fault::KillWorker) {
            self.figures.fault("SIGKILL of a worker before its last word");
            return self.kill_worker(pid);
        }
        let drained = matches!(ending, Ending::Stopped { cut_short: false, .. });
        if matches!(
            ending,
            Ending::HandlerExit { .. } | Ending::HandlerSignal { .. } | Ending::HandlerTimeout { .. }
        ) && let Some(worker) = self.workers.get(&pid)
            && let Some(token) = worker.token
            && worker.topic == self.partitions[Self::partition_of(&worker.partition)].topic
        {
            let until = worker.core.window().delivered().0;
            let suspects = &mut self.partitions[Self::partition_of(&worker.partition)].suspects;
            let before = suspects.filter(|(of, _)| *of == token).map_or(0, |(_, until)| until);
            *suspects = Some((token, until.max(before)));
        }
        let status = i32::from(!matches!(ending, Ending::Stopped { .. }));
        self.bury(pid, Exit::Status(status), if drained { None } else { Some(Excuse::Crash) });
        Ok(())
    }

    pub(crate) fn kill_worker(&mut self, pid: i32) -> Checked {
        if self.workers.contains_key(&pid) {
            self.say(|| format!("worker {pid} is killed"));
            self.bury(pid, Exit::Signal(Signal::SIGKILL as i32), Some(Excuse::Crash));
        }
        Ok(())
    }

    /// The process is gone, its handler with it.
    fn bury(&mut self, pid: i32, exit: Exit, excuse: Option<Excuse>) {
        self.heard_from(pid, WorkerHeard::Closed);
        let Some(worker) = self.workers.remove(&pid) else { return };
        self.say(|| format!("worker {pid} is gone: {exit}"));
        let at = Self::partition_of(&worker.partition);
        let (acknowledged, delivered) =
            (worker.core.window().acknowledged().0, worker.core.window().delivered().0);
        let partition = &mut self.partitions[at];
        partition.leave(pid, self.now);
        partition.excuses.extend(excuse);
        let alone = worker.core.window().len() == 1;
        let known = partition.topic == worker.topic;
        let in_flight = |m: &&mut crate::partition::Message| m.offset >= acknowledged && m.offset < delivered;
        for message in partition.log.iter_mut().filter(|_| known).filter(in_flight) {
            message.deaths += 1;
            message.died_alone |= alone;
        }
        if self.processes[worker.process].life == worker.life
            && let Some(supervisor) = self.supervisor(worker.process)
        {
            let wanted = worker.stopped_in_order || worker.lease_ended;
            if wanted {
                supervisor.no_failure.insert(worker.partition);
            } else {
                supervisor.no_failure.remove(&worker.partition);
            }
            // What it leaves behind may take its time to end; only then it is gone.
            let slow = self.random.percent(self.plan.slow_ends) && !self.healing;
            let after =
                if slow { self.between(millis(5), millis(2500)) } else { self.between(10_000, 500_000) };
            let (process, life) = (worker.process, worker.life);
            let status = if let Exit::Status(status) = exit { status } else { -1 };
            self.schedule(after, Due::Reap { process, life, worker: pid, status });
        }
    }

    /// The supervisor hears that a worker has exited; a status below 0 is SIGKILL.
    pub(crate) fn reap(&mut self, process: usize, life: u64, pid: i32, status: i32) -> Checked {
        let exit = if status < 0 { Exit::Signal(Signal::SIGKILL as i32) } else { Exit::Status(status) };
        if self.processes[process].life == life
            && let Some(supervisor) = self.supervisor(process)
        {
            supervisor.reaped.push_back((pid, exit));
            self.poke(process);
        }
        Ok(())
    }

    /// Dead letters that their broker has confirmed by now.
    fn post_dead_letters(&mut self, pid: i32) -> Checked {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let (partition, topic) = (worker.partition.clone(), worker.topic);
        let posted: Vec<_> = worker.dead_letters.extract_if(.., |(_, posted)| *posted <= now).collect();
        if let Some((_, next)) = worker.dead_letters.iter().min_by_key(|(_, posted)| *posted).copied() {
            self.wake_worker(pid, next);
        }
        for (offset, _) in posted {
            if self.kafka.refuses_dead_letters {
                let error = "no such topic".to_owned();
                self.handle_in_worker(pid, Event::DeadLetterFailed { offset, error })?;
                continue;
            }
            self.figures.count("messages dead-lettered");
            self.skip(&partition, offset.0, topic)?;
            self.handle_in_worker(pid, Event::DeadLettered { offset, bytes: 1 })?;
        }
        Ok(())
    }

    /// What the supervisor's verdict makes of a message.
    pub(crate) fn verdict(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        verdict: Verdict,
        topic: u64,
    ) -> Checked {
        if verdict == Verdict::Apply(PoisonAction::Skip) {
            self.figures.count("messages skipped");
            self.skip(partition, offset.0, topic)?;
        }
        Ok(())
    }

    /// A message is passed over, if it is not gone with its topic.
    pub(crate) fn skip(&mut self, partition: &TopicPartition, offset: i64, topic: u64) -> Checked {
        let attempts = self.plan.poison.attempts;
        let partition = &mut self.partitions[Self::partition_of(partition)];
        if partition.topic == topic { partition.skip(offset, attempts) } else { Ok(()) }
    }

    /// A message is written to the handler: the one moment at which all that protects it must hold.
    fn delivered(&mut self, pid: i32, index: usize) -> Checked {
        self.figures.count("deliveries");
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let at = Self::partition_of(&worker.partition);
        if index != worker.handler.next {
            let detail = format!(
                "{}: message {index} was delivered where {} was next",
                worker.partition, worker.handler.next
            );
            return Err(Violation::new(Invariant::Order, detail));
        }
        worker.handler.next += 1;
        let token = worker.token;
        let (in_flight, offset) = (worker.core.window().len(), self.partitions[at].log[index].offset);
        let suspect =
            self.partitions[at].suspects.is_some_and(|(of, until)| Some(of) == token && offset < until);
        if suspect && in_flight > 1 {
            let detail =
                format!("{}: {offset} was in flight at a death and is not delivered alone", worker.partition);
            return Err(Violation::new(Invariant::Isolation, detail));
        }
        self.delivered_by(at, index, token, pid)
    }
}
