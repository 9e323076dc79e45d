//! What the loop does when the core says so: every action, at once and without waiting.

use std::collections::BTreeMap;

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::message::{Start, ToWorker};
use kafkavisor_supervisor_core::start::CommitNote;
use kafkavisor_supervisor_core::{Action, Event, WorkerStart};

use super::event_loop::EventLoop;
use crate::kafka::Ask;

impl EventLoop {
    pub(super) fn perform_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Some(event) = self.perform(action) {
                self.decide(event);
            }
        }
    }

    /// Performs one action; what it led to at once is another event.
    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::FindStart { item, request, made_again } => {
                self.lookups.ask(Ask::Start { item, request, made_again });
                None
            }
            Action::MakePage { item, start } => match self.pages.make(&item, start) {
                Ok(()) => None,
                Err(error) => {
                    log::error!("{item}: {error}");
                    None
                }
            },
            Action::SpawnWorker(start) => self.spawn(start),
            Action::StopWorker { pid, reason, within, .. } => {
                self.workers.say(pid, &ToWorker::Stop { reason, within });
                None
            }
            Action::KillWorker { pid, .. } => {
                self.workers.kill(pid);
                None
            }
            Action::Decide { pid, offset, verdict, .. } => {
                self.workers.say(pid, &ToWorker::Decide { offset, verdict });
                None
            }
            Action::SettlePage { item, attempts } => {
                if let Some(entry) = self.pages.get(&item) {
                    entry.page.drop_in_flight();
                    entry.page.set_attempts(attempts);
                }
                None
            }
            Action::MovePage { item, next } => {
                if let Some(entry) = self.pages.get(&item) {
                    entry.page.move_to(next);
                }
                None
            }
            Action::Commit { offsets } => {
                self.commit(offsets);
                None
            }
            Action::Release { item, token } => {
                log::info!("{item}: released");
                if let Some(membership) = &self.membership {
                    membership.released(item, token);
                }
                None
            }
            Action::ForgetPage { item } => {
                self.pages.forget(&item);
                self.ends.remove(&item);
                None
            }
            Action::LeaveGroup => {
                if let Some(membership) = &self.membership {
                    membership.leave();
                }
                None
            }
            Action::Exit { cut_short } => {
                self.exit = Some(cut_short);
                None
            }
        }
    }

    fn commit(&mut self, offsets: BTreeMap<TopicPartition, Offset>) {
        let note = |item: &TopicPartition| {
            let topic_id = self.pages.topic_id(item);
            CommitNote { instance: self.config.name.clone(), topic_id }.to_text()
        };
        let request = offsets.iter().map(|(item, offset)| (item.clone(), (*offset, note(item)))).collect();
        for (item, offset) in &offsets {
            if let Some(entry) = self.pages.get(item) {
                entry.page.set_commit_sent(*offset);
            }
        }
        self.commits.request(request);
    }

    /// Asks for a worker; whether there is one is heard later.
    fn spawn(&mut self, start: WorkerStart) -> Option<Event> {
        let WorkerStart { item, generation, token, offset, letter } = start;
        if let Err(error) = self.pages.repair(&item, offset) {
            return Some(Event::SpawnFailed { item, error: error.to_string() });
        }
        let Some(entry) = self.pages.get(&item) else {
            return Some(Event::SpawnFailed { item, error: "it has no status page".to_owned() });
        };
        let message = ToWorker::Start(Box::new(Start {
            group: self.config.group.clone(),
            item: item.clone(),
            generation,
            fencing_token: token,
            offset,
            page: entry.path.clone(),
            handler: self.config.handler.clone(),
            restart: self.config.restart.clone(),
            kafka: self.kafka_properties.clone(),
            commit_messages: self.config.offsets.commit_messages,
            log: self.config.log.clone(),
            letter,
        }));
        log::info!("{item}: a worker is started at offset {offset}");
        self.workers.spawn(&item, &message);
        None
    }
}
