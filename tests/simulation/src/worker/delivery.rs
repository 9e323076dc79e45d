//! What a worker writes to its handler, and hears from it: under a lease, in order, as much as the pipe takes.

use kafkavisor::ids::Offset;
use kafkavisor::protocol::Answer;
use kafkavisor_worker_core::{Delivery, Event};

use crate::handler::ToHandler;
use crate::kafka::NO_RIGHT;
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, World};

use super::{ENCODED_AHEAD, Worker};

impl World {
    pub(super) fn may_write(&self, worker: &Worker) -> bool {
        self.processes[worker.process].machine.boottime(self.now)
            < self.pages[worker.page].lease.deliver_until
    }

    pub(super) fn check_lease(&mut self, pid: i32) -> Checked {
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

    pub(super) fn handler_turn(&mut self, pid: i32) -> Result<bool, Violation> {
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
    pub(super) fn write_to_handler(&mut self, pid: i32) -> Result<bool, Violation> {
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

    /// What keeps a worker from its partition, as Kafka tells it.
    fn kept_out(&mut self, pid: i32) -> Option<Event> {
        let worker = self.workers.get_mut(&pid)?;
        if !worker.logged_in && self.kafka.refuses_logins {
            return Some(Event::Refused("Kafka refuses to let us in".to_owned()));
        }
        worker.logged_in = true;
        let denied = self.kafka.denied.contains(&Self::partition_of(&worker.partition));
        denied.then(|| Event::Denied(NO_RIGHT.to_owned()))
    }

    /// Delivers what may be delivered; true when more can be at once.
    pub(super) fn deliver(&mut self, pid: i32) -> Result<bool, Violation> {
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
        if !worker.core.admits(0)
            || worker.unwritten.len() > ENCODED_AHEAD
            || !self.kafka.serves(Self::partition_of(&worker.partition))
        {
            return Ok(false);
        }
        if let Some(event) = self.kept_out(pid) {
            self.handle_in_worker(pid, event)?;
            return Ok(true);
        }
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(false) };
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

    /// A message is written to the handler: the one moment at which all that protects it must hold.
    pub(super) fn delivered(&mut self, pid: i32, index: usize) -> Checked {
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
