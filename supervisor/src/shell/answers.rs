//! What the loop answers: status, and what operators ask for over the control socket.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kafkavisor::clock::{Boottime, now, wall_millis};
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_driver::Happened;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::logs::Log;
use kafkavisor_link::control::{Outcome, Request, Selector};
use kafkavisor_supervisor_core::{Barred, Operation, Partition, Refusal, Stop, Ticket};
use nix::unistd::getpid;
use serde_json::json;

use super::control::{Answer, Asked};
use super::event_loop::{EventLoop, Published};
use super::status::{self, Moment, Status};
use crate::kafka::Ask;

/// However many look, what the loop knows is put together at most this often.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

impl EventLoop {
    pub(super) fn asked(&mut self, asked: Asked) {
        match asked.request.clone() {
            Request::Status => {
                let status = self.published();
                asked.reply(Answer::Status(status));
            }
            Request::Stop { now } => {
                let how = if now { "stop --now" } else { "stop" };
                log::info!("{how} asked for by user {} (process {})", asked.uid, asked.pid);
                asked.reply(Answer::Value(json!({"stopping": true})));
                self.turn(Happened::Stop(if now { Stop::Now } else { Stop::Asked }));
            }
            Request::Pause { partitions } => self.operate(asked, "pause", &partitions, Operation::Pause),
            Request::Resume { partitions } => self.operate(asked, "resume", &partitions, Operation::Resume),
            Request::Restart { partitions } => {
                self.operate(asked, "restart", &partitions, Operation::Restart);
            }
            Request::Skip { partition } => self.operate(asked, "skip", &[partition], Operation::Skip),
            Request::Seek { offset, .. } if offset < Offset(0) => {
                asked.reply(Answer::Value(json!({"error": format!("no such offset: {offset}")})));
            }
            Request::Seek { partition, offset } => self.seek(asked, &partition, offset),
        }
    }

    /// Does one thing to each partition that is meant, and says for each what it is, or why not.
    fn operate(&mut self, asked: Asked, name: &'static str, meant: &[Selector], operation: Operation) {
        for (partition, ticket) in self.meant(asked, name, meant) {
            self.turn(Happened::Operated { partition, operation, ticket });
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
                return self.turn(Happened::Operated { partition, operation, ticket });
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

    /// What the loop knows, put together anew where that is too long ago, or an operator was answered since: what he was told
    /// he must see.
    fn published(&mut self) -> Arc<Status> {
        let (at, answered) = (now(), self.real.replies.answered());
        if let Some(before) = &self.published
            && before.answered == answered
            && at.saturating_duration_since(before.at) < PUBLISH_EVERY
        {
            return Arc::clone(&before.status);
        }
        let status = Arc::new(self.status());
        self.published = Some(Published { at, answered, status: Arc::clone(&status) });
        status
    }

    fn status(&self) -> Status {
        let (core, assignment, config) = (self.driver.core(), self.driver.assignment(), self.real.config());
        let moment = Moment { boottime: Boottime::now(), wall_millis: wall_millis() };
        let partition = |(key, owned): (&TopicPartition, &Partition)| {
            let progress = self.real.pages.get(key).map(|entry| entry.page.progress());
            let end = self.ends.get(key).copied();
            let left_behind = self.real.workers.left_of(key);
            let partition =
                status::Partition::of(key, owned, core.record(key), progress.as_ref(), end, moment);
            let reason = self.reason_of(owned).or(partition.reason);
            status::Partition { reason, left_behind, ..partition }
        };
        let state = match (core.stopping(), core.settled()) {
            (true, _) => "stopping",
            (false, false) if core.generation().0 == 0 => "starting",
            (false, _) => "running",
        };
        Status {
            group: config.group.to_string(),
            name: config.name.clone(),
            topics: config.topics.clone(),
            state: state.to_owned(),
            generation: core.generation().0,
            pid: u32::try_from(getpid().as_raw()).unwrap_or_default(),
            uptime_seconds: now().saturating_duration_since(self.started).as_secs_f64(),
            troubles: self.all_troubles(),
            commit_errors_total: core.commit_errors(),
            assignment: status::Assignment {
                mode: assignment.mode.to_owned(),
                state: assignment.state(core.settled()).to_owned(),
                session: assignment.session.clone(),
                member: assignment.member.clone(),
                members: assignment.members,
                blocked: assignment.blocked.clone(),
                trouble: assignment.trouble.clone(),
                troubles: assignment.troubles.clone(),
            },
            roll: core.roll().map(status::Roll::of),
            partitions: core.partitions().iter().map(partition).collect(),
        }
    }

    /// What a closer look found says more than what a worker could.
    fn reason_of(&self, owned: &Partition) -> Option<String> {
        match &owned.tenure.barred {
            Some(Barred::Refused(_)) => self.troubles.seen.clone(),
            Some(Barred::Denied(_)) | None => None,
        }
    }

    /// What others come from stands first.
    fn all_troubles(&self) -> Vec<String> {
        let of_partition = |(key, owned): (&TopicPartition, &Partition)| {
            let barred = owned.tenure.barred.as_ref()?;
            Some(match barred {
                Barred::Denied(why) => format!("topic {}: {why}", key.topic),
                Barred::Refused(why) => self.reason_of(owned).unwrap_or_else(|| why.clone()),
            })
        };
        let of_commit = |owned: &Partition| {
            let tenure = &owned.tenure;
            // The right that stopped it is said of its topic.
            let said = |error: &&String| tenure.barred.as_ref().is_some_and(|barred| barred.why() == *error);
            let error = tenure.commit_error.as_ref().filter(|_| tenure.commits_barred);
            error.filter(|error| !said(error)).map(|error| format!("commits: {error}"))
        };
        let of_commits = self.driver.core().partitions().values().filter_map(of_commit);
        let of_partitions = self.driver.core().partitions().iter().filter_map(of_partition);
        let of_starts = self.troubles.of_waiting(self.driver.core().partitions());
        let of_topics = self.troubles.of_topics.iter().cloned();
        let all: BTreeSet<_> = of_partitions.chain(of_commits).chain(of_starts).chain(of_topics).collect();
        let of_tokens = self.troubles.of_tokens.iter().map(ToString::to_string);
        let of_secrets = self.real.unreadable_secrets();
        of_tokens.chain(of_secrets).chain(all).collect()
    }

    pub(super) fn log_everything(&self) {
        let status = self.status();
        log::info!(
            "{}: {}, generation {}, assignment {} with {} members",
            status.group,
            status.state,
            status.generation,
            status.assignment.state,
            status.assignment.members
        );
        for partition in &status.partitions {
            log::info!("{}", serde_json::to_string(partition).unwrap_or_default());
        }
    }
}
