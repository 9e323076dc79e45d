//! No faster than so many a second.

use std::time::{Duration, Instant};

use kafkavisor::clock::now;

use crate::cli::Rate;

/// When the next one may go.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { every: Duration::from_secs(1) / rate.0.get(), next: None }
    }

    /// How long the next one waits, now that it is `at`. Time that was not used is not made up for.
    fn wait(&mut self, at: Instant) -> Duration {
        let due = self.next.map_or(at, |next| next.max(at));
        self.next = Some(due + self.every);
        due - at
    }

    /// Waits until the next one may go.
    pub(super) fn keep(&mut self) {
        let at = now();
        let until = at + self.wait(at);
        while let Some(left) = until.checked_duration_since(now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_the_one_before_and_nothing_is_made_up_for() {
        let mut pace = Pace::new("10/s".parse().unwrap());
        let (start, tenth) = (now(), Duration::from_millis(100));
        assert_eq!(pace.wait(start), Duration::ZERO);
        assert_eq!(pace.wait(start), tenth);
        assert_eq!(pace.wait(start + tenth), tenth);
        let late = start + tenth * 50;
        assert_eq!(pace.wait(late), Duration::ZERO);
        assert_eq!(pace.wait(late), tenth);
    }
}
