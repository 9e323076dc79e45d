//! Who waits for an answer over the control socket: a request about several partitions is answered when the last of them is.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafkavisor::clock::wall_millis;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::Outcome;
use kafkavisor_supervisor_core::{Change, Refusal, Ticket};

use crate::observe::Looks;
use crate::operate::asked::Asked;

/// A request that is not answered yet.
struct Open {
    asked: Asked,
    /// What is asked for, for the log.
    name: &'static str,
    outcomes: Vec<Outcome>,
    waiting: usize,
}

/// See the module.
pub(crate) struct Replies {
    looks: Looks,
    last_request: u64,
    last_ticket: u64,
    open: BTreeMap<u64, Open>,
    tickets: BTreeMap<Ticket, (u64, TopicPartition)>,
}

impl Replies {
    pub(crate) fn new(looks: Looks) -> Self {
        Self { looks, last_request: 0, last_ticket: 0, open: BTreeMap::new(), tickets: BTreeMap::new() }
    }

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

    /// Who waits for it.
    pub(crate) fn by(&self, ticket: Ticket) -> Arc<str> {
        let open = self.tickets.get(&ticket).and_then(|(request, _)| self.open.get(request));
        open.map_or_else(|| Arc::from("nobody"), |open| Arc::from(open.asked.who()))
    }

    /// Says that it is under way, unless it is answered already.
    pub(crate) fn begun(&self, ticket: Ticket) {
        let Some((request, partition)) = self.tickets.get(&ticket) else { return };
        let Some(open) = self.open.get(request) else { return };
        let (who, name) = (open.asked.who(), open.name);
        log::info!(partition:%; "{name} asked for by {who}: its handler finishes what it has first");
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, result: Result<String, Refusal>) {
        let Some((request, partition)) = self.tickets.remove(&ticket) else { return };
        // What was known before is old.
        self.looks.board.outdate();
        let Some(open) = self.open.get_mut(&request) else { return };
        let (who, name) = (open.asked.who(), open.name);
        let note = |reason: &str| {
            let change =
                Change { partition: Some(partition.clone()), event: name, reason: Some(reason.into()) };
            self.looks.events.note(wall_millis(), vec![change], Some(&who));
        };
        let mut outcome =
            Outcome { partition: partition.to_string(), done: None, refused: None, failed: None };
        match result {
            Ok(done) => {
                log::info!(partition:%; "{name} asked for by {who}: {done}");
                note(&done);
                outcome.done = Some(done);
            }
            Err(Refusal::Refused(why)) => outcome.refused = Some(why),
            Err(Refusal::Failed(why)) => {
                log::warn!(partition:%; "{name} asked for by {who} is not done: {why}");
                note(&format!("not done: {why}"));
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
            open.asked.reply(serde_json::to_value(open.outcomes).unwrap_or_default());
        }
    }
}
