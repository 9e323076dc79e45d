//! When a worker that ended starts again, and what is a crash loop. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::config::Restart;

/// So many failures…
const LOOP_FAILURES: usize = 5;
/// …in this time, nothing acknowledged between them, are a crash loop.
const LOOP_WITHIN: Duration = Duration::from_secs(120);
/// A wait is this much longer or shorter, so that workers that fell together do not rise together.
const JITTER: f64 = 0.2;

/// The failures of one partition.
#[derive(Debug, Default)]
pub struct Failures {
    /// Failures since the last healthy run.
    unhealthy: u32,
    /// Since the last acknowledgement.
    without_progress: VecDeque<Instant>,
    looping: bool,
}

impl Failures {
    /// A worker that ran for `ran` failed. `chance` is between 0 and 1. Returns how long to wait.
    pub fn failed(&mut self, now: Instant, ran: Duration, restart: &Restart, chance: f64) -> Duration {
        self.without_progress.push_back(now);
        while self.without_progress.len() > LOOP_FAILURES {
            self.without_progress.pop_front();
        }
        let first = self.without_progress.front().copied().unwrap_or(now);
        self.looping |= self.without_progress.len() == LOOP_FAILURES
            && now.saturating_duration_since(first) <= LOOP_WITHIN;
        if ran >= restart.healthy_after {
            self.unhealthy = 0;
            return Duration::ZERO;
        }
        let doubled = restart.initial.saturating_mul(2u32.saturating_pow(self.unhealthy.min(20)));
        self.unhealthy = self.unhealthy.saturating_add(1);
        let wait = if self.looping { restart.max } else { doubled.min(restart.max) };
        wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
    }

    /// Something was acknowledged.
    pub fn progressed(&mut self) {
        self.without_progress.clear();
        self.looping = false;
    }

    /// Whether this is a crash loop.
    pub fn looping(&self) -> bool {
        self.looping
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;
    use proptest::prelude::*;

    use super::*;

    fn restart() -> Restart {
        Restart {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
        }
    }

    #[test]
    fn at_once_after_a_healthy_run_then_doubling() {
        let mut failures = Failures::default();
        let time = now();
        assert_eq!(failures.failed(time, Duration::from_secs(61), &restart(), 0.5), Duration::ZERO);
        for expected in [500, 1000, 2000] {
            failures.progressed();
            let wait = failures.failed(time, Duration::from_secs(1), &restart(), 0.5);
            assert_eq!(wait, Duration::from_millis(expected));
        }
        assert_eq!(failures.failed(time, Duration::from_secs(60), &restart(), 0.5), Duration::ZERO);
        failures.progressed();
        let wait = failures.failed(time, Duration::from_secs(1), &restart(), 0.5);
        assert_eq!(wait, Duration::from_millis(500));
    }

    #[test]
    fn the_fifth_failure_in_two_minutes_without_progress_is_a_crash_loop() {
        let mut failures = Failures::default();
        let time = now();
        for second in [0, 20, 40, 60] {
            failures.failed(time + Duration::from_secs(second), Duration::ZERO, &restart(), 0.0);
            assert!(!failures.looping());
        }
        failures.failed(time + Duration::from_secs(120), Duration::ZERO, &restart(), 0.0);
        assert!(failures.looping());
        failures.progressed();
        assert!(!failures.looping());
    }

    #[test]
    fn slow_failures_are_no_loop() {
        let mut failures = Failures::default();
        let time = now();
        for round in 0..20 {
            failures.failed(time + Duration::from_secs(round * 40), Duration::ZERO, &restart(), 0.0);
        }
        assert!(!failures.looping());
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bound(chances in proptest::collection::vec((0.0f64..=1.0, 0u64..120), 1..60)) {
            let mut failures = Failures::default();
            let time = now();
            for (round, (chance, ran)) in chances.into_iter().enumerate() {
                let at = time + Duration::from_secs(round as u64);
                let wait = failures.failed(at, Duration::from_secs(ran), &restart(), chance);
                prop_assert!(wait <= Duration::from_secs(36));
                prop_assert!(ran >= 60 || wait >= Duration::from_millis(400));
            }
        }
    }
}
