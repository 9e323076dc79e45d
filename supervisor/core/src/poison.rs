//! What becomes of a message that kills its handlers. Pure.
//!
//! It is poison when it was alone in flight and its last attempt died. Poison is withheld in an outage (nothing else in the
//! instance was acknowledged since its first attempt, and handlers of other partitions die too) and for a handler that has
//! acknowledged nothing yet: that is a broken deployment, and no message's fault.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor_link::message::Verdict;

const MINUTE: Duration = Duration::from_secs(60);

/// What the rest of the instance does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// When the message was first attempted.
    pub first_attempt: Option<Instant>,
    /// When anything in the instance was last acknowledged; none: nothing ever was.
    pub last_acknowledged: Option<Instant>,
    /// When a handler of another partition last died.
    pub other_death: Option<Instant>,
}

impl Surroundings {
    fn outage(&self) -> bool {
        let Some(last) = self.last_acknowledged else { return true };
        let Some(first) = self.first_attempt else { return false };
        last < first && self.other_death.is_some_and(|death| death >= first)
    }
}

/// The instance's rule, and how often it was applied of late.
#[derive(Debug)]
pub(crate) struct Judge {
    rule: Poison,
    applied: VecDeque<Instant>,
}

impl Judge {
    pub(crate) fn new(rule: Poison) -> Self {
        Self { rule, applied: VecDeque::new() }
    }

    /// Judges by another rule from here on.
    pub(crate) fn set_rule(&mut self, rule: Poison) {
        self.rule = rule;
    }

    /// Whether `attempts` are enough.
    pub(crate) fn enough(&self, attempts: u64) -> bool {
        attempts >= u64::from(self.rule.attempts)
    }

    /// A handler died of a message alone, for the last time it may.
    pub(crate) fn killed(&mut self, now: Instant, surroundings: Surroundings) -> Verdict {
        if surroundings.outage() { Verdict::Retry } else { self.refused(now) }
    }

    /// A handler refused a message for good.
    pub(crate) fn refused(&mut self, now: Instant) -> Verdict {
        while self.applied.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.applied.pop_front();
        }
        let rate = usize::try_from(self.rule.max_per_minute).unwrap_or(usize::MAX);
        let action = match self.rule.action {
            PoisonAction::Park => PoisonAction::Park,
            _ if self.applied.len() >= rate => PoisonAction::Park,
            action @ (PoisonAction::DeadLetter | PoisonAction::Skip) => {
                self.applied.push_back(now);
                action
            }
        };
        Verdict::Apply(action)
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    fn judge(action: PoisonAction) -> Judge {
        Judge::new(Poison { attempts: 5, action, topic: None, max_per_minute: 2 })
    }

    #[test]
    fn withheld_in_an_outage_and_for_a_handler_that_never_worked() {
        let time = now();
        let later = time + Duration::from_secs(1);
        let never = Surroundings { first_attempt: Some(time), last_acknowledged: None, other_death: None };
        assert_eq!(judge(PoisonAction::Skip).killed(later, never), Verdict::Retry);
        let outage = Surroundings {
            first_attempt: Some(later),
            last_acknowledged: Some(time),
            other_death: Some(later),
        };
        assert_eq!(judge(PoisonAction::Skip).killed(later, outage), Verdict::Retry);
        let alone = Surroundings { other_death: None, ..outage };
        assert_eq!(judge(PoisonAction::Skip).killed(later, alone), Verdict::Apply(PoisonAction::Skip));
        let others_work = Surroundings { last_acknowledged: Some(later), ..outage };
        assert_eq!(judge(PoisonAction::Skip).killed(later, others_work), Verdict::Apply(PoisonAction::Skip));
    }

    #[test]
    fn past_the_rate_it_parks() {
        let mut judge = judge(PoisonAction::Skip);
        let time = now();
        assert_eq!(judge.refused(time), Verdict::Apply(PoisonAction::Skip));
        assert_eq!(judge.refused(time), Verdict::Apply(PoisonAction::Skip));
        assert_eq!(judge.refused(time), Verdict::Apply(PoisonAction::Park));
        assert_eq!(judge.refused(time + MINUTE), Verdict::Apply(PoisonAction::Skip));
    }
}
