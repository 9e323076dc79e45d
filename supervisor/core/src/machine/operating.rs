//! What an operator asks for: pause, resume, restart, skip and seek, each for one partition.
//!
//! A partition whose worker runs is drained first, so that none of this costs a duplicate or a message. Seek and skip are
//! answered when they hold: when the offset is committed, or the dead letter confirmed. Until then nothing is delivered from there,
//! and where it can't be done everything is as it was.

use std::time::Instant;

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_marks::hit;

use super::{Core, KILL_AFTER};
use crate::messages::{Action, Refusal, Settings, Ticket};
use crate::operator::Operation;
use crate::partition::Partition;
use crate::phase::{Phase, Purpose};
use crate::reason::Reason;
use crate::record::Pause;
use crate::tenure::{Answering, DueDeadLetter, KeptLetter, Place, Seek};

/// What comes before what was asked for.
const FINISHES: &str = "its handler finishes what it has";

/// What was done at once, in words, or nothing yet.
type Done = Result<(Option<String>, Vec<Action>), String>;

impl Core {
    pub(super) fn operated(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        operation: Operation,
        ticket: Ticket,
        by: &str,
    ) -> Vec<Action> {
        let done = match self.may_operate(key) {
            // A pause outlives a lost session: who takes it back must not have to wait for the next one.
            Err(_) if operation == Operation::Resume && self.unpause(key) => {
                hit!(resumed_while_away);
                Ok((Some("resumed".to_owned()), Vec::new()))
            }
            Err(why) => Err(why),
            Ok(()) => match operation {
                Operation::Pause => self.pause(now, key, by),
                Operation::Resume => self.resume(now, key),
                Operation::Restart => self.restart(now, key),
                Operation::Skip => self.skip(now, key, ticket),
                Operation::Seek(offset) => self.seek(now, key, offset, ticket),
            },
        };
        match done {
            Ok((said, mut actions)) => {
                actions.extend(said.map(|said| Action::Answer { ticket, result: Ok(said) }));
                actions
            }
            Err(why) => vec![Action::Answer { ticket, result: Err(Refusal::Refused(why)) }],
        }
    }

    fn may_operate(&self, key: &TopicPartition) -> Result<(), String> {
        if self.stopping() {
            hit!(operator_refused_while_stopping);
            return Err("the instance is stopping".to_owned());
        }
        let partition = self.partitions.get(key).ok_or("this instance does not have it")?;
        if partition.phase().leaving() {
            hit!(operator_refused_while_given_up);
            return Err(format!("it is {}, and goes to another member", partition.state()));
        }
        Ok(())
    }

    /// Whether a handler is to come to its end first.
    fn finishes(&self, key: &TopicPartition) -> bool {
        let phase = self.partitions.get(key).map(Partition::phase);
        matches!(phase, Some(Phase::Draining { .. } | Phase::Killing { .. }))
    }

    fn unpause(&mut self, key: &TopicPartition) -> bool {
        self.records.get_mut(key).is_some_and(|record| record.paused.take().is_some())
    }

    fn pause(&mut self, now: Instant, key: &TopicPartition, by: &str) -> Done {
        let Some(partition) = self.partitions.get(key) else { return Ok((None, Vec::new())) };
        if let Phase::Parked { .. } = partition.phase() {
            return Err("it is parked: nothing is delivered".to_owned());
        }
        let under = partition.tenure.token;
        let record = self.record_mut(key);
        if record.paused.is_some() {
            return Ok((Some("paused already".to_owned()), Vec::new()));
        }
        record.paused = Some(Pause { why: format!("paused by {by}").into(), under, contended: false });
        let actions = self.replace(now, key, Reason::Requested);
        let said =
            if self.finishes(key) { format!("is being paused: {FINISHES}") } else { "paused".to_owned() };
        Ok((Some(format!("{said}; `resume` goes on")), actions))
    }

    fn resume(&mut self, now: Instant, key: &TopicPartition) -> Done {
        let paused = self.unpause(key);
        let Some(partition) = self.partitions.get_mut(key) else { return Ok((None, Vec::new())) };
        if matches!(partition.phase(), Phase::Paused | Phase::Parked { .. }) {
            hit!(resumed);
            // One that somebody asked for still goes.
            partition.tenure.dead_letter.take_if(|due| due.ticket.is_none());
            return Ok((Some("resumed".to_owned()), self.launch(now, key)));
        }
        if paused {
            return Ok((Some("resumed".to_owned()), Vec::new()));
        }
        Err(format!("it is {}, neither paused nor parked", partition.state()))
    }

    fn restart(&mut self, now: Instant, key: &TopicPartition) -> Done {
        let paused = self.records.get(key).is_some_and(|record| record.paused.is_some());
        let Some(partition) = self.partitions.get(key) else { return Ok((None, Vec::new())) };
        // Its worker may still be draining.
        if paused || matches!(partition.phase(), Phase::Parked { .. }) {
            hit!(restart_refused_while_paused_or_parked);
            return Err(format!("it is {}: resume it", if paused { "paused" } else { partition.state() }));
        }
        let actions = self.replace(now, key, Reason::Requested);
        let said = if self.finishes(key) { FINISHES } else { "its worker starts" };
        Ok((Some(format!("is being restarted: {said}")), actions))
    }

    fn skip(&mut self, now: Instant, key: &TopicPartition, ticket: Ticket) -> Done {
        let at = self.at;
        let Settings { poison: rule, hangs_after, .. } = self.settings_of(key).clone();
        let paused = self.records.get(key).is_some_and(|record| record.paused.is_some());
        let Some(partition) = self.partitions.get_mut(key) else { return Ok((None, Vec::new())) };
        if let Some(KeptLetter { why, .. }) = &partition.tenure.kept_letter {
            hit!(skip_refused_while_its_letter_is_kept);
            return Err(format!("{why}; `seek` passes it over"));
        }
        let Some(dead_letter) = partition.stuck_on(at, hangs_after) else {
            hit!(skip_refused_with_nothing_to_skip);
            let state = partition.state();
            return Err(format!(
                "it is {state}, and no message blocks it; `seek` moves a partition to any offset"
            ));
        };
        let offset = dead_letter.offset;
        if rule.action != PoisonAction::DeadLetter && rule.topic.is_none() {
            hit!(skip_passes_over);
            let said = format!("offset {offset} is skipped");
            let actions =
                self.order(now, key, Seek { offset: offset.next(), ticket, skips: Some(offset), said });
            return Ok((None, actions));
        }
        if paused {
            hit!(skip_refused_while_paused);
            return Err("it is paused, and its dead letter needs a worker: resume it first".to_owned());
        }
        hit!(skip_dead_letters);
        let before =
            partition.tenure.dead_letter.replace(DueDeadLetter { dead_letter, ticket: Some(ticket) });
        let ticket = before.and_then(|due| due.ticket).into_iter().collect();
        let mut actions = super::not_done(ticket, "another word of an operator came first");
        actions.extend(self.replace(now, key, Reason::Requested));
        Ok((None, actions))
    }

    fn seek(&mut self, now: Instant, key: &TopicPartition, offset: Offset, ticket: Ticket) -> Done {
        let Some(partition) = self.partitions.get(key) else { return Ok((None, Vec::new())) };
        let parked = matches!(partition.phase(), Phase::Parked { .. });
        if partition.tenure.place.is_none() && !parked {
            hit!(seek_refused_before_its_start);
            return Err("where it begins is being found out; ask again".to_owned());
        }
        let before = partition.tenure.acknowledged().map_or_else(|| "none".to_owned(), |at| at.to_string());
        let said = format!("goes on at offset {offset} (was {before})");
        Ok((None, self.order(now, key, Seek { offset, ticket, skips: None, said })))
    }

    /// Whoever waited for another place waits in vain: the last word counts.
    fn order(&mut self, now: Instant, key: &TopicPartition, seek: Seek) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(partition) = self.partitions.get_mut(key) {
            let before = partition.tenure.answering.as_ref().and_then(|answering| answering.before.clone());
            if partition.tenure.answering.is_some() {
                hit!(operators_last_word_counts);
                partition.tenure.place = before;
            }
            actions = super::not_done(partition.tenure.waiting(), "another word of an operator came first");
            partition.tenure.seek = Some(seek);
        }
        actions.extend(self.replace(now, key, Reason::Requested));
        actions
    }

    /// Has the worker drained and another one started, as soon as it is gone; at once where there is none.
    pub(super) fn replace(&mut self, now: Instant, key: &TopicPartition, reason: Reason) -> Vec<Action> {
        let within = self.configs.settings().stop_timeout;
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        let (purpose, until) = (Purpose::Replace(reason), now + within + KILL_AFTER);
        let ordered = partition.tenure.seek.is_some();
        match partition.phase_mut() {
            Phase::Running { worker, .. } => {
                let (worker, reason) = (worker.clone(), StopReason::Restart);
                let pid = worker.pid;
                partition.enter(Phase::Draining { worker, purpose, until });
                vec![Action::StopWorker { pid, reason, within }]
            }
            Phase::Draining { purpose: before, .. } | Phase::Killing { purpose: before, .. } => {
                if matches!(before, Purpose::Recover | Purpose::Replace(_)) {
                    hit!(replaced_while_draining);
                    *before = purpose;
                }
                Vec::new()
            }
            Phase::Spawning { wanted, .. } => {
                hit!(replaced_while_spawning);
                wanted.get_or_insert((purpose, until));
                Vec::new()
            }
            Phase::Committing { .. } if ordered => self.go_on(now, key),
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::Releasing { .. } => Vec::new(),
            Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => self.go_on(now, key),
        }
    }

    /// Nothing runs: an operator's word is committed first, else the next worker starts.
    pub(super) fn go_on(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let mut actions = self.look_again(key);
        if self.obey(now, key) {
            self.enter(key, Phase::Committing { first: false });
        } else {
            actions.extend(self.launch(now, key));
        }
        actions
    }

    /// The message that was to be skipped may have been handled while its worker drained.
    pub(super) fn look_again(&mut self, key: &TopicPartition) -> Vec<Action> {
        let vain = self.partitions.get_mut(key).and_then(|partition| partition.tenure.skipped_in_vain());
        let answer = |(offset, ticket)| {
            hit!(skipped_in_vain);
            let said = format!("offset {offset} was handled after all, and is not skipped");
            Action::Answer { ticket, result: Ok(said) }
        };
        vain.map(answer).into_iter().collect()
    }

    /// The group's offset follows an operator's word, backwards too. False where there is none.
    pub(super) fn obey(&mut self, now: Instant, key: &TopicPartition) -> bool {
        let Some(partition) = self.partitions.get_mut(key) else { return false };
        let tenure = &mut partition.tenure;
        let Some(seek) = tenure.seek.take() else { return false };
        hit!(operators_word_is_committed);
        tenure.blocking = None;
        let before = tenure.place.replace(Place::at(seek.offset));
        tenure.answering = Some(Answering { seek, before });
        self.commit_at = Some(now);
        true
    }
}
