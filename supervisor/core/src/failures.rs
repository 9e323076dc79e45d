//! When a worker that ended starts again, and what is a crash loop. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::config::Restart;
use kafkavisor_marks::hit;

/// So many failures…
const LOOP_FAILURES: usize = 5;
/// …in this time, nothing acknowledged between them, are a crash loop.
const LOOP_WITHIN: Duration = Duration::from_secs(120);
/// A wait is this much longer or shorter, so that workers that fell together do not rise together.
const JITTER: f64 = 0.2;

/// The failures of one partition.
#[derive(Debug, Default)]
pub struct Failures {
    /// Waits since the last healthy run.
    unhealthy: u32,
    last: Option<Instant>,
    /// Since the last acknowledgement.
    without_progress: VecDeque<Instant>,
    looping: bool,
    /// Times in a row that Kafka kept a worker out.
    barred: u32,
}

/// How a worker fared before it failed.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub lasted: Duration,
    /// Something was acknowledged since its start.
    pub progressed: bool,
}

impl Failures {
    /// Something failed: a worker, or a batch whose worker lives on.
    pub fn note(&mut self, now: Instant) {
        self.without_progress.push_back(now);
        while self.without_progress.len() > LOOP_FAILURES {
            self.without_progress.pop_front();
        }
        let first = self.without_progress.front().copied().unwrap_or(now);
        self.looping |= self.without_progress.len() == LOOP_FAILURES
            && now.saturating_duration_since(first) <= LOOP_WITHIN;
    }

    /// A worker failed. `chance` is between 0 and 1. Returns how long to wait.
    pub fn failed(&mut self, now: Instant, run: Run, restart: &Restart, chance: f64) -> Duration {
        self.note(now);
        let quiet = |last: Instant| now.saturating_duration_since(last) >= restart.healthy_after;
        let first = self.last.is_none_or(quiet) && run.progressed;
        self.last = Some(now);
        if run.lasted >= restart.healthy_after || first {
            if first {
                hit!(first_failure_after_progress_costs_no_wait);
            } else {
                hit!(failure_after_a_healthy_run_costs_no_wait);
            }
            self.unhealthy = 0;
            return Duration::ZERO;
        }
        let wait = if self.looping { restart.max } else { doubled(restart, self.unhealthy) };
        self.unhealthy = self.unhealthy.saturating_add(1);
        jittered(wait, chance)
    }

    /// Kafka keeps the worker out, which is no failure of its handler's. Returns how long to wait.
    pub fn barred(&mut self, restart: &Restart, chance: f64) -> Duration {
        let wait = doubled(restart, self.barred);
        self.barred = self.barred.saturating_add(1);
        jittered(wait, chance)
    }

    /// A worker has heard of Kafka.
    pub fn let_in(&mut self) {
        self.barred = 0;
    }

    /// Something was acknowledged; true where that ends a crash loop.
    pub fn progressed(&mut self) -> bool {
        self.without_progress.clear();
        std::mem::take(&mut self.looping)
    }

    /// Whether this is a crash loop.
    pub fn looping(&self) -> bool {
        self.looping
    }
}

/// The wait after so many.
fn doubled(restart: &Restart, times: u32) -> Duration {
    restart.initial.saturating_mul(2u32.saturating_pow(times.min(20))).min(restart.max)
}

fn jittered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn restart() -> Restart {
        Restart { initial: SECOND / 2, max: 30 * SECOND, healthy_after: 60 * SECOND }
    }

    fn barren(seconds: u64) -> Run {
        Run { lasted: Duration::from_secs(seconds), progressed: false }
    }

    #[test]
    fn at_once_after_a_healthy_run_then_doubling() {
        let mut failures = Failures::default();
        let time = now();
        assert_eq!(failures.failed(time, barren(61), &restart(), 0.5), Duration::ZERO);
        for expected in [500, 1000, 2000] {
            failures.progressed();
            let wait = failures.failed(time, barren(1), &restart(), 0.5);
            assert_eq!(wait, Duration::from_millis(expected));
        }
        assert_eq!(failures.failed(time, barren(60), &restart(), 0.5), Duration::ZERO);
        failures.progressed();
        let wait = failures.failed(time, barren(1), &restart(), 0.5);
        assert_eq!(wait, Duration::from_millis(500));
    }

    #[test]
    fn the_first_failure_after_something_was_acknowledged_costs_no_wait_and_the_next_does() {
        let run = Run { lasted: SECOND, progressed: true };
        let mut failures = Failures::default();
        let time = now();
        assert_eq!(failures.failed(time, run, &restart(), 0.5), Duration::ZERO);
        assert_eq!(failures.failed(time + 2 * SECOND, run, &restart(), 0.5), SECOND / 2);
        assert_eq!(failures.failed(time + 61 * SECOND, run, &restart(), 0.5), SECOND, "two in a minute");
        assert_eq!(failures.failed(time + 122 * SECOND, run, &restart(), 0.5), Duration::ZERO);
        let mut failures = Failures::default();
        assert_eq!(failures.failed(time, barren(1), &restart(), 0.5), SECOND / 2, "nothing was acknowledged");
    }

    #[test]
    fn the_fifth_failure_in_two_minutes_without_progress_is_a_crash_loop() {
        let mut failures = Failures::default();
        let time = now();
        for second in [0, 20, 40, 60] {
            failures.failed(time + Duration::from_secs(second), barren(0), &restart(), 0.0);
            assert!(!failures.looping());
        }
        failures.failed(time + Duration::from_secs(120), barren(0), &restart(), 0.0);
        assert!(failures.looping());
        failures.progressed();
        assert!(!failures.looping());
    }

    #[test]
    fn a_worker_that_kafka_keeps_out_waits_longer_and_longer_and_is_no_crash_loop() {
        let mut failures = Failures::default();
        let waits: Vec<_> = (0..8).map(|_| failures.barred(&restart(), 0.5).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert!(!failures.looping());
        failures.let_in();
        assert_eq!(failures.barred(&restart(), 0.5), SECOND / 2);
    }

    #[test]
    fn slow_failures_are_no_loop() {
        let mut failures = Failures::default();
        let time = now();
        for round in 0..20 {
            failures.failed(time + Duration::from_secs(round * 40), barren(0), &restart(), 0.0);
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
                let wait = failures.failed(at, barren(ran), &restart(), chance);
                prop_assert!(wait <= Duration::from_secs(36));
                prop_assert!(ran >= 60 || wait >= Duration::from_millis(400));
            }
        }
    }
}
