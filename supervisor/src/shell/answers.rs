//! What operators ask for over the control socket, and the loop's answers.

use std::sync::Arc;

use kafkavisor::clock::wall_millis;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_driver::Happened;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::logs::Log;
use kafkavisor_link::control::{Outcome, Request, Selector};
use kafkavisor_supervisor_core::{Change, Operation, Refusal, Stop, Ticket};
use log::LevelFilter;
use serde_json::json;

use super::event_loop::EventLoop;
use crate::kafka::Ask;
use crate::operate::asked::Asked;

impl EventLoop {
    pub(super) fn asked(&mut self, asked: Asked) {
        if !asked.begin() {
            return;
        }
        match asked.request.clone() {
            // Answered by those who ask, from what they have looked at.
            Request::Status { .. } | Request::Events { .. } | Request::Rebalances {} => {}
            Request::LogLevel { level } => self.set_log_level(&asked, level),
            Request::Stop { now } => {
                let how = if now { "stop --now" } else { "stop" };
                log::info!("{how} asked for by {}", asked.who());
                self.note("stopping", Some(how), Some(&asked.who()));
                asked.reply(json!({"stopping": true}));
                self.turn(Happened::Stop(if now { Stop::Now } else { Stop::Asked }));
            }
            Request::Pause { partitions } => self.operate(asked, "pause", &partitions, Operation::Pause),
            Request::Resume { partitions } => self.operate(asked, "resume", &partitions, Operation::Resume),
            Request::Restart { partitions } => {
                self.operate(asked, "restart", &partitions, Operation::Restart);
            }
            Request::Skip { partition } => self.operate(asked, "skip", &[partition], Operation::Skip),
            Request::Seek { offset, .. } if offset < Offset(0) => {
                asked.reply(json!({"error": format!("no such offset: {offset}")}));
            }
            Request::Seek { partition, offset } => self.seek(asked, &partition, offset),
        }
    }

    fn set_log_level(&mut self, asked: &Asked, level: LevelFilter) {
        let (was, name) = (log::max_level(), level.as_str().to_ascii_lowercase());
        self.real.set_log_level(level);
        log::info!(
            "log-level {name} asked for by {}; it was {}",
            asked.who(),
            was.as_str().to_ascii_lowercase()
        );
        self.note("log_level", Some(&name), Some(&asked.who()));
        asked.reply(json!({"level": name}));
    }

    /// Something that is no partition's, for those who look.
    pub(super) fn note(&self, event: &'static str, reason: Option<&str>, by: Option<&str>) {
        let change = Change { partition: None, event, reason: reason.map(Arc::from) };
        self.telling.looks.events.note(wall_millis(), vec![change], by);
    }

    /// Does one thing to each partition that is meant, and says for each what it is, or why not.
    fn operate(&mut self, asked: Asked, name: &'static str, meant: &[Selector], operation: Operation) {
        for (partition, ticket) in self.meant(asked, name, meant) {
            self.operated(partition, operation, ticket);
        }
    }

    /// Tells the driver, and the log, where that has to wait for the handler.
    fn operated(&mut self, partition: TopicPartition, operation: Operation, ticket: Ticket) {
        let by = self.real.replies.by(ticket);
        self.turn(Happened::Operated { partition: partition.clone(), operation, ticket, by });
        let owned = self.driver.core().partitions().get(&partition);
        if owned.is_some_and(|owned| owned.state() == "draining") {
            self.real.replies.begun(ticket);
        }
    }

    /// The log is looked at first: nothing can be read from outside it.
    fn seek(&mut self, asked: Asked, partition: &Selector, offset: Offset) {
        for (partition, ticket) in self.meant(asked, "seek", std::slice::from_ref(partition)) {
            self.seeks.insert(ticket, offset);
            self.real.lookups.ask(Ask::Log { partition, ticket });
        }
    }

    /// How far a log goes that somebody seeks in.
    pub(super) fn log_known(
        &mut self,
        partition: TopicPartition,
        ticket: Ticket,
        log: Result<Log, KafkaError>,
    ) {
        let Some(offset) = self.seeks.remove(&ticket) else { return };
        let refused = match log {
            Ok(Log { start, end, .. }) if (start..=end).contains(&offset) => {
                let operation = Operation::Seek(offset);
                return self.operated(partition, operation, ticket);
            }
            Ok(Log { start, end, .. }) => {
                Refusal::Refused(format!("offset {offset} is outside the log, which has {start} to {end}"))
            }
            Err(error) => Refusal::Failed(format!("how far its log goes can't be told: {error}")),
        };
        self.real.replies.answer(ticket, Err(refused));
    }

    /// Those of our partitions that are meant, each with who waits for its answer; what is not ours is answered, and then nothing
    /// is done.
    fn meant(
        &mut self,
        asked: Asked,
        name: &'static str,
        meant: &[Selector],
    ) -> Vec<(TopicPartition, Ticket)> {
        let ours = self.driver.core().operable();
        let is_meant = |key: &&TopicPartition| meant.is_empty() || meant.iter().any(|one| one.matches(key));
        let unknown = meant.iter().filter(|one| !ours.iter().any(|key| one.matches(key)));
        let known: Vec<Outcome> = unknown.map(|one| self.unknown(one)).collect();
        let partitions: Vec<_> = ours.iter().filter(is_meant).filter(|_| known.is_empty()).cloned().collect();
        let tickets = self.real.replies.open(asked, name, &partitions, known);
        partitions.into_iter().zip(tickets).collect()
    }

    fn unknown(&self, one: &Selector) -> Outcome {
        let ours: Vec<_> = self.driver.core().partitions().keys().take(20).map(ToString::to_string).collect();
        let ours = if ours.is_empty() { "none".to_owned() } else { ours.join(", ") };
        let refused = format!("this instance does not have it (it has {ours}); ask the member that does");
        Outcome { partition: one.to_string(), done: None, refused: Some(refused), failed: None }
    }
}
