//! What an operator asks for: pause, resume, restart, skip and seek, each for one partition.
//!
//! A partition whose worker runs is drained first, so that none of this costs a duplicate or a message.

use std::time::Instant;

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::message::Letter;

use super::{Core, KILL_AFTER};
use crate::item::{After, Item, Phase};
use crate::messages::Action;
use crate::reason::Reason;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Deliver nothing until resumed.
    Pause,
    /// Go on after a pause, or try a parked partition again.
    Resume,
    /// Another worker and handler.
    Restart,
    /// Apply the poison action to the message that blocks the partition.
    Skip,
    /// Go on at this offset, wherever the group's is.
    Seek(Offset),
}

impl Core {
    /// Does it, or says why not; what was done is said in words.
    pub fn operate(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        operation: Operation,
    ) -> Result<(String, Vec<Action>), String> {
        if self.stopping {
            return Err("the instance is stopping".to_owned());
        }
        let item = self.items.get_mut(key).ok_or("this instance does not have it")?;
        if !matches!(item.after, After::Recover | After::Replace(_))
            || matches!(item.phase, Phase::Releasing { .. })
        {
            return Err(format!("it is {}, and goes to another member or begins anew", item.state()));
        }
        let (said, mut actions) = match operation {
            Operation::Pause => self.pause(now, key),
            Operation::Resume => self.resume(now, key),
            Operation::Restart => self.restart(now, key),
            Operation::Skip => self.skip(now, key),
            Operation::Seek(offset) => self.seek(now, key, offset),
        }?;
        actions.extend(self.settle(now));
        Ok((said, actions))
    }

    fn pause(&mut self, now: Instant, key: &TopicPartition) -> Result<(String, Vec<Action>), String> {
        let Some(item) = self.items.get_mut(key) else { return Ok(Default::default()) };
        if let Phase::Parked { .. } = item.phase {
            return Err("it is parked: nothing is delivered".to_owned());
        }
        if std::mem::replace(&mut item.paused, true) {
            return Ok(("paused already".to_owned(), Vec::new()));
        }
        Ok(("paused".to_owned(), self.begin_again(now, key, Reason::Requested)))
    }

    fn resume(&mut self, now: Instant, key: &TopicPartition) -> Result<(String, Vec<Action>), String> {
        let Some(item) = self.items.get_mut(key) else { return Ok(Default::default()) };
        let paused = std::mem::take(&mut item.paused);
        if matches!(item.phase, Phase::Paused | Phase::Parked { .. }) {
            item.letter = None;
            return Ok(("resumed".to_owned(), self.launch(now, key)));
        }
        if paused {
            return Ok(("resumed".to_owned(), Vec::new()));
        }
        Err(format!("it is {}, neither paused nor parked", item.state()))
    }

    fn restart(&mut self, now: Instant, key: &TopicPartition) -> Result<(String, Vec<Action>), String> {
        let Some(item) = self.items.get_mut(key) else { return Ok(Default::default()) };
        if item.paused || matches!(item.phase, Phase::Parked { .. }) {
            return Err(format!("it is {}: resume it", item.state()));
        }
        Ok(("restarted".to_owned(), self.begin_again(now, key, Reason::Requested)))
    }

    fn skip(&mut self, now: Instant, key: &TopicPartition) -> Result<(String, Vec<Action>), String> {
        let action = self.settings.poison.action;
        let Some(item) = self.items.get_mut(key) else { return Ok(Default::default()) };
        let parked = matches!(item.phase, Phase::Parked { .. });
        let blocks = |letter: &Letter| Some(letter.offset) == item.acknowledged;
        let stuck = parked || item.pid().is_none() || item.failures.looping();
        let Some(letter) = item.blocking.clone().filter(blocks).filter(|_| stuck) else {
            let state = item.state();
            return Err(format!(
                "it is {state}, and no message blocks it; `seek` moves a partition to any offset"
            ));
        };
        let offset = letter.offset;
        item.paused = false;
        if action == PoisonAction::DeadLetter {
            item.letter = Some(letter);
            let said = format!("offset {offset} goes to the dead-letter topic");
            return Ok((said, self.begin_again(now, key, Reason::Requested)));
        }
        item.seek = Some(offset.next());
        Ok((format!("offset {offset} is skipped"), self.begin_again(now, key, Reason::Requested)))
    }

    fn seek(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        offset: Offset,
    ) -> Result<(String, Vec<Action>), String> {
        let Some(item) = self.items.get_mut(key) else { return Ok(Default::default()) };
        if item.acknowledged.is_none() && !matches!(item.phase, Phase::Parked { .. }) {
            return Err("where it begins is being found out; ask again".to_owned());
        }
        let before = item.acknowledged.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
        item.seek = Some(offset);
        item.letter = None;
        Ok((
            format!("goes on at offset {offset} (was {before})"),
            self.begin_again(now, key, Reason::Requested),
        ))
    }

    /// Has the worker drained and another one started, as soon as it is gone; at once where there is none.
    pub(super) fn begin_again(&mut self, now: Instant, key: &TopicPartition, reason: Reason) -> Vec<Action> {
        let within = self.settings.stop_timeout;
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        match item.phase.clone() {
            Phase::Starting { pid: Some(pid) } | Phase::Ready { pid } => {
                item.after = After::Replace(reason);
                item.phase = Phase::Draining { pid, until: now + within + KILL_AFTER };
                vec![Action::StopWorker { item: key.clone(), pid, reason: StopReason::Restart, within }]
            }
            Phase::Draining { .. } | Phase::Killing { .. } => {
                item.after = After::Replace(reason);
                Vec::new()
            }
            Phase::Locating { .. } | Phase::LocatingAgain { .. } | Phase::Releasing { .. } => Vec::new(),
            Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Starting { pid: None }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => self.go_on(now, key),
        }
    }

    /// The old worker is gone: the next one may start.
    pub(super) fn replace(&mut self, now: Instant, key: &TopicPartition, reason: Reason) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        item.after = After::Recover;
        item.count_restart(reason);
        item.last_exit = Some(format!("{}: stopped to start again", reason.name()));
        self.go_on(now, key)
    }

    fn go_on(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let mut actions: Vec<_> =
            item.seek.take().map(|offset| move_to(item, key, offset)).into_iter().collect();
        if !actions.is_empty() {
            self.commit_at = Some(now);
        }
        actions.extend(self.launch(now, key));
        actions
    }
}

/// The group's offset follows, backwards too: this is an operator's word.
fn move_to(item: &mut Item, key: &TopicPartition, offset: Offset) -> Action {
    let begun = item.acknowledged.is_some();
    item.acknowledged = Some(offset);
    item.committed = None;
    item.blocking = None;
    if begun {
        return Action::MovePage { item: key.clone(), next: offset };
    }
    item.new_page();
    Action::MakePage { item: key.clone(), start: offset }
}
