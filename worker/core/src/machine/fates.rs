//! What becomes of a message that its handler refused or died of: again, passed over, dead-lettered, or the partition parks.

use std::time::Instant;

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::StopReason;
use kafkavisor_link::message::{Ending, Verdict};
use kafkavisor_marks::hit;

use super::{Action, Core, PARK_WITHIN, State};
use crate::window::Settled;

impl Core {
    pub(super) fn decided(&mut self, now: Instant, offset: Offset, verdict: Verdict) -> Vec<Action> {
        let Some(failure) = self.failures.get(&offset).cloned() else { return Vec::new() };
        match verdict {
            Verdict::Retry => {
                hit!(fate_is_another_try);
                self.failures.remove(&offset);
                vec![Action::Settle { offset, verdict }]
            }
            Verdict::Apply(PoisonAction::Skip) => {
                hit!(fate_is_to_be_skipped);
                self.resolve(offset);
                vec![Action::Settle { offset, verdict }]
            }
            Verdict::Apply(PoisonAction::DeadLetter) => {
                hit!(fate_is_the_dead_letter_topic);
                vec![Action::DeadLetter { offset, why: Some(failure) }]
            }
            Verdict::Apply(PoisonAction::Park) => {
                hit!(fate_is_to_park);
                self.failures.remove(&offset);
                self.park(now, offset, failure.error)
            }
        }
    }

    pub(super) fn and_settled(&mut self, mut actions: Vec<Action>) -> Vec<Action> {
        actions.extend(self.settled());
        actions
    }

    pub(super) fn resolve(&mut self, offset: Offset) {
        self.failures.remove(&offset);
        let settled = self.window.resolve(self.at, offset);
        self.note(settled);
    }

    pub(super) fn park(&mut self, now: Instant, offset: Offset, error: String) -> Vec<Action> {
        self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::Parked { offset, error })
    }

    /// Nobody knows how long that will be: a drain does not wait for it.
    pub(super) fn dead_letter_kept(&mut self, offset: Offset, error: String) -> Vec<Action> {
        hit!(dead_letter_kept);
        let said = Action::SayDeadLetterKept { offset, error: error.clone() };
        self.kept = Some((offset, error));
        if let State::Settling { ending, .. } = self.state.clone() {
            hit!(dead_letter_kept_in_a_drain);
            self.state = State::Ended;
            return vec![said, Action::End(self.left_behind(ending))];
        }
        vec![said]
    }

    /// What a stop comes to where a dead letter is kept: the message comes again.
    pub(super) fn left_behind(&self, mut ending: Ending) -> Ending {
        if let (Ending::Stopped { failed, .. }, Some((offset, error))) = (&mut ending, &self.kept) {
            failed.get_or_insert_with(|| format!("offset {offset} is not dead-lettered yet: {error}"));
        }
        ending
    }

    /// Only a confirmed dead letter counts as done.
    pub(super) fn dead_lettered(&mut self, offset: Offset, bytes: u64) -> Vec<Action> {
        self.kept = None;
        let said = Action::SayDeadLettered { offset };
        if self.failures.contains_key(&offset) {
            self.resolve(offset);
            let verdict = Verdict::Apply(PoisonAction::DeadLetter);
            return vec![said, Action::Settle { offset, verdict }];
        }
        if self.started || !matches!(self.state, State::Running) {
            return Vec::new();
        }
        hit!(dead_letter_before_the_handler);
        self.window.begin_at(offset.next());
        self.note(Settled { messages: 1, bytes });
        vec![said, Action::StartHandler]
    }

    pub(super) fn dead_letter_failed(&mut self, now: Instant, offset: Offset, error: &str) -> Vec<Action> {
        hit!(dead_letter_failed);
        self.kept = None;
        // What stands in the way comes first: the reason may be long.
        let why = self.failures.remove(&offset).map_or_else(String::new, |why| format!("; {}", why.error));
        self.park(now, offset, format!("it could not be dead-lettered: {error}{why}"))
    }

    /// Ends if only the fate of messages was waited for.
    pub(super) fn settled(&mut self) -> Vec<Action> {
        match &self.state {
            State::Settling { ending, .. } if self.failures.is_empty() => {
                hit!(last_fate_is_settled);
                let ending = ending.clone();
                self.state = State::Ended;
                vec![Action::End(ending)]
            }
            State::Running
            | State::Stopping { .. }
            | State::Settling { .. }
            | State::Killing { .. }
            | State::Ended => Vec::new(),
        }
    }
}
