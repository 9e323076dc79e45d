//! What the loop answers: status, and what operators ask for over the control socket.

use kafkavisor::clock::{Boottime, now, wall_millis};
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::control::{Outcome, Request, Selector};
use kafkavisor_supervisor_core::{Event, Item, Operation};
use nix::unistd::getpid;
use serde_json::{Value, json};

use super::control::Asked;
use super::event_loop::EventLoop;
use super::status::{self, Moment, Status};

impl EventLoop {
    pub(super) fn asked(&mut self, asked: &Asked) {
        let answer = match &asked.request {
            Request::Status => serde_json::to_value(self.status()).unwrap_or(Value::Null),
            Request::Stop => {
                log::info!("stop asked for by user {} (process {})", asked.uid, asked.pid);
                self.decide(Event::StopRequested);
                json!({"stopping": true})
            }
            Request::Pause { partitions } => self.operate(asked, "pause", partitions, Operation::Pause),
            Request::Resume { partitions } => self.operate(asked, "resume", partitions, Operation::Resume),
            Request::Restart { partitions } => self.operate(asked, "restart", partitions, Operation::Restart),
            Request::Skip { partition } => {
                self.operate(asked, "skip", std::slice::from_ref(partition), Operation::Skip)
            }
            Request::Seek { offset, .. } if *offset < Offset(0) => {
                json!({"error": format!("no such offset: {offset}")})
            }
            Request::Seek { partition, offset } => {
                self.operate(asked, "seek", std::slice::from_ref(partition), Operation::Seek(*offset))
            }
        };
        // Who does not wait for the answer does not get it.
        let _nobody_waits = asked.answer.try_send(answer);
    }

    /// Does one thing to each partition that is meant, and says for each what it is, or why not.
    fn operate(&mut self, asked: &Asked, name: &str, meant: &[Selector], operation: Operation) -> Value {
        let ours = || self.core.items().keys();
        let partitions: Vec<TopicPartition> = ours()
            .filter(|key| meant.is_empty() || meant.iter().any(|one| one.matches(key)))
            .cloned()
            .collect();
        let unknown = meant.iter().filter(|one| !ours().any(|key| one.matches(key)));
        let mut outcomes: Vec<Outcome> = unknown.map(|one| self.unknown(one)).collect();
        for key in partitions {
            let (done, refused) = match self.core.operate(now(), &key, operation) {
                Ok((done, actions)) => {
                    let who = format!("user {} (process {})", asked.uid, asked.pid);
                    log::info!("{key}: {name} asked for by {who}: {done}");
                    self.perform_all(actions);
                    (Some(done), None)
                }
                Err(refused) => (None, Some(refused)),
            };
            outcomes.push(Outcome { partition: key.to_string(), done, refused });
        }
        serde_json::to_value(outcomes).unwrap_or(Value::Null)
    }

    fn unknown(&self, one: &Selector) -> Outcome {
        let ours: Vec<_> = self.core.items().keys().take(20).map(ToString::to_string).collect();
        let ours = if ours.is_empty() { "none".to_owned() } else { ours.join(", ") };
        let refused = format!("this instance does not have it (it has {ours}); ask the member that does");
        Outcome { partition: one.to_string(), done: None, refused: Some(refused) }
    }

    pub(super) fn status(&self) -> Status {
        let settled = self.core.settled();
        let moment = Moment { boottime: Boottime::now(), wall_millis: wall_millis() };
        let partition = |(key, item): (&TopicPartition, &Item)| {
            let progress = self.pages.get(key).map(|entry| entry.page.progress());
            let end = self.ends.get(key).copied();
            status::Partition::of(key, item, progress.as_ref(), end, moment)
        };
        let state = match (self.core.stopping(), settled) {
            (true, _) => "stopping",
            (false, None) if self.core.generation().0 == 0 => "starting",
            (false, _) => "running",
        };
        let pid = u32::try_from(getpid().as_raw()).unwrap_or_default();
        Status {
            group: self.config.group.clone(),
            name: self.config.name.clone(),
            topics: self.config.topics.clone(),
            state: state.to_owned(),
            generation: self.core.generation(),
            pid,
            uptime_seconds: now().saturating_duration_since(self.started).as_secs_f64(),
            commit_errors_total: self.core.commit_errors(),
            assignment: status::Assignment {
                mode: self.assignment.mode.to_owned(),
                state: self.assignment.state(settled).to_owned(),
                session: self.assignment.session.clone(),
                member: self.assignment.member.clone(),
                members: self.assignment.members,
                blocked: self.assignment.blocked.clone(),
            },
            roll: self.core.roll().map(status::Roll::of),
            partitions: self.core.items().iter().map(partition).collect(),
        }
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
