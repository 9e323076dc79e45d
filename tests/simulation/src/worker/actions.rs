//! What a worker's core says is done, and what the worker and its supervisor tell each other.

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::message::{FromWorker, ToWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_worker_core::{Action, Event};

use crate::handler::ToHandler;
use crate::machine::millis;
use crate::supervisor::WorkerHeard;
use crate::world::{Checked, World};

impl World {
    pub(super) fn hear_supervisor(&mut self, pid: i32) -> Checked {
        while let Some(message) = self.workers.get_mut(&pid).and_then(|worker| worker.to_worker.pop_front()) {
            let event = match message {
                ToWorker::Stop { reason, within } => {
                    if let Some(worker) = self.workers.get_mut(&pid) {
                        worker.stopped_in_order = true;
                    }
                    Event::StopRequested { reason, within }
                }
                ToWorker::Decide { offset, verdict } => Event::Decided { offset, verdict },
                ToWorker::Start(_)
                | ToWorker::Token(_)
                | ToWorker::Describe
                | ToWorker::LogLevel { .. }
                | ToWorker::Lead(_) => continue,
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

    pub(super) fn handle_in_worker(&mut self, pid: i32, event: Event) -> Checked {
        if !matches!(event, Event::Woken | Event::Quiet { .. }) {
            self.say(|| format!("worker {pid}: {event:?}"));
        }
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let time = self.processes[worker.process].machine.instant(self.now);
        let actions = worker.core.handle(time, event);
        self.perform_for_worker(pid, actions)
    }

    pub(super) fn perform_for_worker(&mut self, pid: i32, actions: Vec<Action>) -> Checked {
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
                Action::Settle { .. } | Action::SayBatchFailed { .. } | Action::SayPostponed { .. } => {}
                Action::SayDeadLetterKept { offset, error } => {
                    self.say_to_supervisor(pid, FromWorker::DeadLetterKept { offset, error });
                }
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

    pub(super) fn say_to_supervisor(&mut self, pid: i32, message: FromWorker) {
        self.heard_from(pid, WorkerHeard::Said(message));
    }

    pub(super) fn heard_from(&mut self, pid: i32, heard: WorkerHeard) {
        let Some(worker) = self.workers.get(&pid) else { return };
        let (process, life) = (worker.process, worker.life);
        if self.processes[process].life == life
            && let Some(supervisor) = self.supervisor(process)
        {
            supervisor.workers.push_back((pid, heard));
            self.poke(process);
        }
    }

    pub(super) fn write_page(&mut self, pid: i32) {
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
            latencies: *window.latencies(),
            ..Progress::default()
        };
    }
}
