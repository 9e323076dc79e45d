//! How often a message was delivered to a handler that then died of itself without acknowledging it, and since when it is
//! with handlers.
//!
//! After a crash messages are delivered one at a time until what was in flight is past, so two sets of numbers are enough: of
//! the whole range that died together, and of its present head. Pure; kept in the status page, and so over the deaths of
//! workers and supervisors.

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;

/// Deaths of what was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// Messages below this were in flight at the last death.
    pub range_until: i64,
    /// How often they died together.
    pub range_deaths: u64,
    /// When they were first delivered, 0 without any.
    pub range_delivered: Boottime,
    /// The message that deaths are counted for by itself.
    pub head: i64,
    /// Its deaths, those of the range included.
    pub head_deaths: u64,
    /// When it was first delivered, 0 without deaths.
    pub head_delivered: Boottime,
}

impl Attempts {
    /// How often `offset` was in flight at a death that counts.
    pub fn deaths(&self, offset: Offset) -> u64 {
        if self.is_head(offset) {
            self.head_deaths
        } else if self.isolated(offset) {
            self.range_deaths
        } else {
            0
        }
    }

    /// When `offset` was first delivered, as far as it was in flight at a death.
    pub fn first_delivered(&self, offset: Offset) -> Option<Boottime> {
        let at = if self.is_head(offset) {
            self.head_delivered
        } else if self.isolated(offset) {
            self.range_delivered
        } else {
            Boottime::default()
        };
        (at != Boottime::default()).then_some(at)
    }

    /// The attempt that delivering `offset` now is, from 1.
    pub fn attempt(&self, offset: Offset) -> u32 {
        u32::try_from(self.deaths(offset).saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// Whether `offset` must be delivered alone.
    pub fn isolated(&self, offset: Offset) -> bool {
        offset.0 < self.range_until
    }

    fn is_head(&self, offset: Offset) -> bool {
        offset.0 == self.head && self.head_deaths > 0
    }

    /// The handler died of itself with `head..until` in flight, the first of them delivered at `delivered` this time.
    #[must_use]
    pub fn after_death(&self, head: Offset, until: Offset, delivered: Boottime) -> Self {
        let deaths = self.deaths(head).saturating_add(1);
        let head_delivered = self.first_delivered(head).unwrap_or(delivered);
        let alone = until.0 <= head.0.saturating_add(1);
        let inside = self.covers(until);
        Self {
            range_until: self.range_until.max(until.0),
            range_deaths: if alone || inside { self.range_deaths.max(u64::from(!inside)) } else { 1 },
            range_delivered: if inside { self.range_delivered } else { delivered },
            head: head.0,
            head_deaths: deaths,
            head_delivered,
        }
    }

    /// What was in flight must be delivered one by one, though its death does not count as an attempt; the first of it was
    /// delivered at `delivered` this time.
    #[must_use]
    pub fn after_crash(&self, until: Offset, delivered: Boottime) -> Self {
        if self.covers(until) {
            return *self;
        }
        Self { range_until: until.0, range_delivered: delivered, ..*self }
    }

    /// Whether what ends at `until` is known to be in flight at a death already.
    fn covers(&self, until: Offset) -> bool {
        until.0 <= self.range_until
    }

    /// The head is past; what died with it is still to be delivered one by one.
    #[must_use]
    pub fn past_head(&self) -> Self {
        Self { head: 0, head_deaths: 0, head_delivered: Boottime::default(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Boottime {
        Boottime(second * 1_000_000_000)
    }

    #[test]
    fn the_head_is_counted_by_itself_and_the_others_with_their_range() {
        let first = Attempts::default().after_death(Offset(10), Offset(20), at(1));
        assert_eq!(
            (first.attempt(Offset(10)), first.attempt(Offset(19)), first.attempt(Offset(20))),
            (2, 2, 1)
        );
        let second = first.after_death(Offset(10), Offset(11), at(2));
        assert_eq!((second.attempt(Offset(10)), second.attempt(Offset(11))), (3, 2));
        let third = second.after_death(Offset(12), Offset(13), at(3));
        assert_eq!(
            (third.attempt(Offset(12)), third.attempt(Offset(13)), third.attempt(Offset(20))),
            (3, 2, 1)
        );
        assert!(third.isolated(Offset(19)) && !third.isolated(Offset(20)));
    }

    #[test]
    fn a_death_alone_counts_once() {
        let once = Attempts::default().after_death(Offset(5), Offset(6), at(1));
        assert_eq!((once.attempt(Offset(5)), once.attempt(Offset(6))), (2, 1));
        assert_eq!(once.after_death(Offset(5), Offset(6), at(1)).attempt(Offset(5)), 3);
    }

    #[test]
    fn a_crash_that_does_not_count_isolates_only() {
        let crash = Attempts::default().after_crash(Offset(30), at(1));
        assert!(crash.isolated(Offset(29)));
        assert_eq!(crash.attempt(Offset(29)), 1);
    }

    #[test]
    fn what_is_known_is_when_a_message_was_first_delivered() {
        let first = Attempts::default().after_death(Offset(10), Offset(20), at(1));
        assert_eq!(first.first_delivered(Offset(10)), Some(at(1)));
        let again =
            first.after_death(Offset(10), Offset(11), at(5)).after_death(Offset(10), Offset(11), at(9));
        assert_eq!(again.first_delivered(Offset(10)), Some(at(1)), "not when it was delivered again");
        assert_eq!(again.first_delivered(Offset(12)), Some(at(1)), "with the others");
        assert_eq!(again.first_delivered(Offset(20)), None, "never at a death");
        let next = again.after_death(Offset(12), Offset(13), at(12));
        assert_eq!(next.first_delivered(Offset(12)), Some(at(1)));
        let beyond = next.after_death(Offset(25), Offset(26), at(30));
        assert_eq!((beyond.first_delivered(Offset(25)), beyond.deaths(Offset(25))), (Some(at(30)), 1));
        assert_eq!(beyond.past_head().first_delivered(Offset(25)), Some(at(30)));
    }

    #[test]
    fn a_crash_that_does_not_count_is_a_delivery_all_the_same() {
        let crash = Attempts::default().after_crash(Offset(30), at(3));
        let death = crash.after_death(Offset(20), Offset(21), at(7));
        assert_eq!((death.first_delivered(Offset(20)), death.attempt(Offset(20))), (Some(at(3)), 2));
    }
}
