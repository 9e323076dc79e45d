//! How often a message was delivered to a handler that then died of itself without acknowledging it.
//!
//! After a crash messages are delivered one at a time until what was in flight is past, so two numbers are enough: how
//! often the whole range died together, and how often its present head died. Pure; kept in the status page.

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;

/// Deaths of what was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// Messages below this were in flight at the last death.
    pub range_until: i64,
    /// How often they died together.
    pub range_deaths: u64,
    /// The message that deaths are counted for by itself.
    pub head: i64,
    /// Its deaths, those of the range included.
    pub head_deaths: u64,
    /// When it was first delivered, as far as that is known; 0 where not.
    pub first_delivered: Boottime,
}

impl Attempts {
    /// How often `offset` was in flight at a death that counts.
    pub fn deaths(&self, offset: Offset) -> u64 {
        if offset.0 == self.head && self.head_deaths > 0 {
            self.head_deaths
        } else if offset.0 < self.range_until {
            self.range_deaths
        } else {
            0
        }
    }

    /// The attempt that delivering `offset` now is, from 1.
    pub fn attempt(&self, offset: Offset) -> u32 {
        u32::try_from(self.deaths(offset).saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// Whether `offset` must be delivered alone.
    pub fn isolated(&self, offset: Offset) -> bool {
        offset.0 < self.range_until
    }

    /// The handler died of itself with `head..until` in flight.
    #[must_use]
    pub fn after_death(&self, head: Offset, until: Offset) -> Self {
        let deaths = self.deaths(head).saturating_add(1);
        let alone = until.0 <= head.0.saturating_add(1);
        let inside = until.0 <= self.range_until;
        Self {
            range_until: self.range_until.max(until.0),
            range_deaths: if alone || inside { self.range_deaths.max(u64::from(!inside)) } else { 1 },
            head: head.0,
            head_deaths: deaths,
            first_delivered: if self.head == head.0 && self.head_deaths > 0 {
                self.first_delivered
            } else {
                Boottime(0)
            },
        }
    }

    /// What was in flight must be delivered one by one, though its death does not count as an attempt.
    #[must_use]
    pub fn after_crash(&self, until: Offset) -> Self {
        if until.0 <= self.range_until { *self } else { Self { range_until: until.0, ..*self } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_counted_by_itself_and_the_others_with_their_range() {
        let first = Attempts::default().after_death(Offset(10), Offset(20));
        assert_eq!(
            (first.attempt(Offset(10)), first.attempt(Offset(19)), first.attempt(Offset(20))),
            (2, 2, 1)
        );
        let second = first.after_death(Offset(10), Offset(11));
        assert_eq!((second.attempt(Offset(10)), second.attempt(Offset(11))), (3, 2));
        let third = second.after_death(Offset(12), Offset(13));
        assert_eq!(
            (third.attempt(Offset(12)), third.attempt(Offset(13)), third.attempt(Offset(20))),
            (3, 2, 1)
        );
        assert!(third.isolated(Offset(19)) && !third.isolated(Offset(20)));
    }

    #[test]
    fn a_death_alone_counts_once() {
        let once = Attempts::default().after_death(Offset(5), Offset(6));
        assert_eq!((once.attempt(Offset(5)), once.attempt(Offset(6))), (2, 1));
        assert_eq!(once.after_death(Offset(5), Offset(6)).attempt(Offset(5)), 3);
    }

    #[test]
    fn a_crash_that_does_not_count_isolates_only() {
        let crash = Attempts::default().after_crash(Offset(30));
        assert!(crash.isolated(Offset(29)));
        assert_eq!(crash.attempt(Offset(29)), 1);
    }
}
