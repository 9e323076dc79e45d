//! A handler: works on one message after the other, acknowledges each or in batches, and does what handlers do to those who
//! run them: dies, hangs, refuses, ignores signals.

use std::collections::VecDeque;

use kafkavisor::ids::Offset;
use kafkavisor::protocol::Answer;
use kafkavisor_link::process::Exit;
use kafkavisor_supervisor_core::ConfigNumber;
use nix::sys::signal::Signal;

use crate::machine::millis;
use crate::partition::{Fate, Temper};
use crate::world::{Checked, Due, World};

/// What is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToHandler {
    Message { index: usize, attempt: u32 },
    Flush,
    Stop,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) started: bool,
    pub(crate) input: VecDeque<ToHandler>,
    pub(crate) input_closed: bool,
    pub(crate) output: VecDeque<Answer>,
    pub(crate) exit: Option<Exit>,
    pub(crate) gone: bool,
    /// The worker knows that it is gone.
    pub(crate) reaped: bool,
    hung: bool,
    pub(crate) paused: bool,
    /// Told to stop, it finishes.
    stopping: bool,
    /// What it works on; the number tells whether a timer is still meant.
    working: Option<ToHandler>,
    serial: u64,
    /// Handled and not acknowledged, by index.
    unacknowledged: VecDeque<usize>,
    /// The message that must be delivered next.
    pub(crate) next: usize,
}

impl Handler {
    pub(crate) fn new(next: usize) -> Self {
        Self {
            started: false,
            input: VecDeque::new(),
            input_closed: false,
            output: VecDeque::new(),
            exit: None,
            gone: false,
            reaped: false,
            hung: false,
            paused: false,
            stopping: false,
            working: None,
            serial: 0,
            unacknowledged: VecDeque::new(),
            next,
        }
    }
}

impl World {
    /// The handler takes the next of its input, if it is idle.
    pub(crate) fn handler_begins(&mut self, pid: i32) {
        let longest = self.plan.work;
        let took = self.between(millis(1) / 10, longest);
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        let handler = &mut worker.handler;
        if handler.gone || handler.hung || handler.working.is_some() || handler.paused {
            return;
        }
        let next = handler.input.pop_front().or((handler.input_closed).then_some(ToHandler::Stop));
        let Some(next) = next else { return };
        handler.working = Some(next);
        handler.serial += 1;
        // There is room in its pipe again.
        let unwritten = !worker.unwritten.is_empty();
        let serial = worker.handler.serial;
        if unwritten {
            self.poke_worker(pid);
        }
        let after = if matches!(next, ToHandler::Message { .. }) { took } else { 10_000 };
        self.schedule(after, Due::Handler { worker: pid, serial });
    }

    pub(crate) fn handler_done(&mut self, pid: i32, serial: u64) -> Checked {
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let handler = &mut worker.handler;
        if handler.gone || handler.serial != serial {
            return Ok(());
        }
        // Stopped with its machine: it goes on when that does.
        let held = self.held.contains(&Self::partition_of(&worker.partition))
            && matches!(handler.working, Some(ToHandler::Message { .. }));
        if handler.paused || held {
            let later = millis(20);
            self.schedule(later, Due::Handler { worker: pid, serial });
            return Ok(());
        }
        self.figures.event("handler");
        let Some(did) = handler.working.take() else { return Ok(()) };
        match did {
            ToHandler::Message { index, .. } => self.handler_handled(pid, index),
            ToHandler::Flush => self.acknowledge(pid),
            ToHandler::Stop => self.handler_stops(pid),
        }
        self.handler_begins(pid);
        Ok(())
    }

    fn handler_handled(&mut self, pid: i32, index: usize) {
        let (dies, hangs) = (self.random.below(1000), self.random.below(1000));
        let (dies, hangs) = (dies < self.plan.handler_dies, hangs < self.plan.handler_hangs);
        let (healing, batch) = (self.healing, self.plan.batch);
        let signal = self.random.percent(50);
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        let at = Self::partition_of(&worker.partition);
        let (process, config) = (worker.process, worker.config);
        // The message went with its topic.
        if worker.topic != self.partitions[at].topic {
            worker.handler.unacknowledged.clear();
            return;
        }
        let broken = self.outage || self.broken(process, config);
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        let message = &mut self.partitions[at].log[index];
        if broken {
            self.figures.fault("handler died of an outage or a broken deployment");
            self.handler_exits(pid, Exit::Status(1));
        } else if message.temper == Temper::Refused && !healing {
            message.refused = true;
            let offset = Offset(message.offset);
            // A rejection acknowledges what came before it.
            self.acknowledge(pid);
            self.figures.fault("message refused");
            self.answer_worker(pid, Answer::Reject { offset, error: "no".to_owned() });
        } else if !healing && (dies || message.temper == Temper::Poison) {
            self.figures.fault("handler died");
            let exit = if signal { Exit::Signal(Signal::SIGSEGV as i32) } else { Exit::Status(1) };
            self.handler_exits(pid, exit);
        } else if hangs && !healing {
            self.figures.fault("handler hung");
            worker.handler.hung = true;
            self.say(|| format!("handler of worker {pid} hangs"));
        } else {
            worker.handler.unacknowledged.push_back(index);
            if worker.handler.unacknowledged.len() >= batch {
                self.acknowledge(pid);
            }
        }
    }

    fn broken(&self, process: usize, config: ConfigNumber) -> bool {
        self.processes[process].supervisor_ref().is_some_and(|supervisor| supervisor.broken.contains(&config))
    }

    /// Everything handled so far is done: this is where a message's fate is settled in truth.
    fn acknowledge(&mut self, pid: i32) {
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        let at = Self::partition_of(&worker.partition);
        let done = std::mem::take(&mut worker.handler.unacknowledged);
        if worker.topic != self.partitions[at].topic {
            return;
        }
        let Some(last) = done.back().copied() else { return };
        for index in done {
            let message = &mut self.partitions[at].log[index];
            if message.fate == Fate::Waiting {
                message.fate = Fate::Done;
            }
        }
        let offset = Offset(self.partitions[at].log[last].offset);
        self.answer_worker(pid, Answer::Ack(offset));
    }

    pub(crate) fn answer_worker(&mut self, pid: i32, answer: Answer) {
        self.say(|| format!("handler of worker {pid}: {answer:?}"));
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.handler.output.push_back(answer);
            self.poke_worker(pid);
        }
    }

    fn handler_stops(&mut self, pid: i32) {
        let stubborn = self.plan.stubborn && !self.healing;
        let Some(worker) = self.workers.get_mut(&pid) else { return };
        worker.handler.stopping = true;
        if stubborn {
            worker.handler.hung = true;
            return;
        }
        self.acknowledge(pid);
        self.handler_exits(pid, Exit::Status(0));
    }

    fn handler_exits(&mut self, pid: i32, exit: Exit) {
        self.say(|| format!("handler of worker {pid} ends: {exit}"));
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.handler.gone = true;
            worker.handler.exit = Some(exit);
            self.poke_worker(pid);
        }
    }

    pub(crate) fn signal_handler(&mut self, pid: i32, signal: Signal) -> Checked {
        let stubborn = self.plan.stubborn && !self.healing;
        let ends = signal == Signal::SIGKILL || signal != Signal::SIGCONT && !stubborn;
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        if ends && !worker.handler.gone {
            self.handler_exits(pid, Exit::Signal(signal as i32));
        }
        Ok(())
    }
}
