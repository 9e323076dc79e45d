//! What becomes of a message that kills its handlers. Pure.
//!
//! It is poison when it was alone in flight and its last attempt died. Poison is withheld where it is an outage or a broken
//! deployment, and no message's fault:
//!
//! | withheld | until |
//! |---|---|
//! | handlers of other partitions die too, and nothing in the instance was acknowledged since the message was first delivered | something is |
//! | its deployment has acknowledged nothing yet, or nothing since it last gave a message up before we started | it has |
//! | the last of its partition was given up for deaths | something in the instance is acknowledged after that |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor_link::message::Verdict;
use kafkavisor_marks::hit;

const MINUTE: Duration = Duration::from_secs(60);

/// What the rest of the instance does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// When the message was first delivered; none: not known to be before anything.
    pub(crate) first_delivered: Option<Boottime>,
    /// When anything in the instance was last acknowledged.
    pub(crate) last_acknowledged: Option<Boottime>,
    /// When a handler of another partition last died.
    pub(crate) other_death: Option<Boottime>,
    /// When a message of its partition was last given up for deaths.
    pub(crate) gave_up_at: Option<Boottime>,
    /// Its deployment has acknowledged something, and since it last gave a message up if that was before we started.
    pub(crate) worked: bool,
}

impl Surroundings {
    /// Why it is no message's fault, where that is so.
    pub(crate) fn outage(&self) -> Option<&'static str> {
        if !self.worked {
            hit!(poison_withheld_for_an_unproved_deployment);
            return Some(
                "this deployment of the handler has acknowledged nothing yet, or nothing since it gave one up",
            );
        }
        if self.gave_up_at.is_some_and(|at| self.last_acknowledged.is_none_or(|last| last <= at)) {
            hit!(poison_withheld_after_one_was_given_up);
            return Some("nothing was acknowledged since the last message was given up");
        }
        let first = self.first_delivered.unwrap_or_default();
        let nothing_since = self.last_acknowledged.is_none_or(|last| last < first);
        let others_die = self.other_death.is_some_and(|death| death >= first);
        if nothing_since && others_die {
            hit!(poison_withheld_in_an_outage);
            return Some("handlers of other partitions die too, and nothing works");
        }
        None
    }
}

/// How often a rule was applied of late.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    applied: VecDeque<Instant>,
}

impl Judge {
    /// What is done, by `rule`, about a message that can't be handled.
    pub(crate) fn apply(&mut self, now: Instant, rule: &Poison) -> Verdict {
        while self.applied.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.applied.pop_front();
        }
        let rate = usize::try_from(rule.max_per_minute).unwrap_or(usize::MAX);
        let action = match rule.action {
            PoisonAction::Park => PoisonAction::Park,
            _ if self.applied.len() >= rate => {
                hit!(poison_parks_past_the_rate);
                PoisonAction::Park
            }
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

    const WORKS: Surroundings = Surroundings {
        first_delivered: Some(Boottime(20)),
        last_acknowledged: Some(Boottime(10)),
        other_death: None,
        gave_up_at: None,
        worked: true,
    };

    #[test]
    fn withheld_while_others_die_too_and_nothing_works() {
        assert_eq!(WORKS.outage(), None, "it alone");
        let outage = Surroundings { other_death: Some(Boottime(25)), ..WORKS };
        assert!(outage.outage().is_some());
        let before = Surroundings { other_death: Some(Boottime(15)), ..WORKS };
        assert_eq!(before.outage(), None, "that was before");
        let works = Surroundings { last_acknowledged: Some(Boottime(20)), ..outage };
        assert_eq!(works.outage(), None, "something was acknowledged since it was delivered");
        let never = Surroundings { last_acknowledged: None, ..outage };
        assert!(never.outage().is_some());
    }

    #[test]
    fn withheld_for_a_deployment_that_never_worked() {
        assert!(Surroundings { worked: false, ..WORKS }.outage().is_some());
    }

    #[test]
    fn after_one_was_given_up_the_next_waits_for_a_sign_of_life() {
        let next = Surroundings { gave_up_at: Some(Boottime(30)), ..WORKS };
        assert!(next.outage().is_some());
        let sign = Surroundings { last_acknowledged: Some(Boottime(31)), ..next };
        assert_eq!(sign.outage(), None);
    }

    #[test]
    fn past_the_rate_it_parks() {
        let rule = Poison { attempts: 5, action: PoisonAction::Skip, topic: None, max_per_minute: 2 };
        let mut judge = Judge::default();
        let time = now();
        assert_eq!(judge.apply(time, &rule), Verdict::Apply(PoisonAction::Skip));
        assert_eq!(judge.apply(time, &rule), Verdict::Apply(PoisonAction::Skip));
        assert_eq!(judge.apply(time, &rule), Verdict::Apply(PoisonAction::Park));
        assert_eq!(judge.apply(time + MINUTE, &rule), Verdict::Apply(PoisonAction::Skip));
    }
}
