//! Who waits for an answer over the control socket: a request about several partitions is answered when the last of them is.

use std::collections::BTreeMap;

use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::Outcome;
use kafkavisor_supervisor_core::{Refusal, Ticket};

use super::control::{Answer, Asked};

/// A request that is not answered yet.
struct Open {
    asked: Asked,
    /// What is asked for, for the log.
    name: &'static str,
    outcomes: Vec<Outcome>,
    waiting: usize,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Replies {
    last_request: u64,
    last_ticket: u64,
    answered: u64,
    open: BTreeMap<u64, Open>,
    tickets: BTreeMap<Ticket, (u64, TopicPartition)>,
}

impl Replies {
    /// A request about these partitions; `known` says what is clear about others already. Returns a ticket for each.
    pub(crate) fn open(
        &mut self,
        asked: Asked,
        name: &'static str,
        partitions: &[TopicPartition],
        known: Vec<Outcome>,
    ) -> Vec<Ticket> {
        self.last_request += 1;
        let request = self.last_request;
        let mut tickets = Vec::new();
        for partition in partitions {
            self.last_ticket += 1;
            let ticket = Ticket(self.last_ticket);
            self.tickets.insert(ticket, (request, partition.clone()));
            tickets.push(ticket);
        }
        self.open.insert(request, Open { asked, name, outcomes: known, waiting: tickets.len() });
        self.close(request);
        tickets
    }

    /// How many partitions' answers were given: what was known before one is old.
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, result: Result<String, Refusal>) {
        let Some((request, partition)) = self.tickets.remove(&ticket) else { return };
        self.answered += 1;
        let Some(open) = self.open.get_mut(&request) else { return };
        let who = format!("user {} (process {})", open.asked.uid, open.asked.pid);
        let mut outcome =
            Outcome { partition: partition.to_string(), done: None, refused: None, failed: None };
        match result {
            Ok(done) => {
                log::info!("{partition}: {} asked for by {who}: {done}", open.name);
                outcome.done = Some(done);
            }
            Err(Refusal::Refused(why)) => outcome.refused = Some(why),
            Err(Refusal::Failed(why)) => {
                log::warn!("{partition}: {} asked for by {who} is not done: {why}", open.name);
                outcome.failed = Some(why);
            }
        }
        open.outcomes.push(outcome);
        open.waiting -= 1;
        self.close(request);
    }

    fn close(&mut self, request: u64) {
        if self.open.get(&request).is_none_or(|open| open.waiting > 0) {
            return;
        }
        if let Some(open) = self.open.remove(&request) {
            open.asked.reply(Answer::Value(serde_json::to_value(open.outcomes).unwrap_or_default()));
        }
    }
}
