//! How long a message that failed alone under protocol `exec` waits for its next process, as `restart` says: at once after a
//! healthy run, or as the first failure in `healthy_after` with something acknowledged since the worker's start; else longer
//! each time. Pure.

use std::time::{Duration, Instant};

use kafkavisor::config::Restart;
use kafkavisor_link::process::Exit;

/// A wait is this much longer or shorter, so that what fell together does not rise together.
const JITTER: f64 = 0.2;

/// A process that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) exit: Exit,
    pub(super) lasted: Duration,
    /// Between 0 and 1, for jitter.
    pub(super) chance: f64,
}

/// The waits of one worker.
#[derive(Debug)]
pub(super) struct Backoff {
    restart: Restart,
    repeats: u32,
    acknowledged: bool,
    last_failure: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(restart: Restart) -> Self {
        Self { restart, repeats: 0, acknowledged: false, last_failure: None }
    }

    /// Something is done.
    pub(super) fn acknowledged(&mut self) {
        self.acknowledged = true;
        self.repeats = 0;
    }

    /// A message alone has failed: how long it waits.
    pub(super) fn failed(&mut self, now: Instant, run: Run) -> Duration {
        let healthy = self.restart.healthy_after;
        let before = self.last_failure.replace(now);
        let first = before.is_none_or(|before| now.saturating_duration_since(before) >= healthy);
        if run.lasted >= healthy || (first && self.acknowledged) {
            self.repeats = 0;
            return Duration::ZERO;
        }
        self.pause(run.chance)
    }

    /// How long to wait for what can't be done now; longer each time.
    pub(super) fn pause(&mut self, chance: f64) -> Duration {
        let doubled = self.restart.initial.saturating_mul(2u32.saturating_pow(self.repeats.min(20)));
        self.repeats = self.repeats.saturating_add(1);
        doubled.min(self.restart.max).mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn backoff() -> Backoff {
        Backoff::new(Restart {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(4),
            healthy_after: MINUTE,
        })
    }

    fn run(lasted: Duration) -> Run {
        Run { exit: Exit::Status(1), lasted, chance: 0.5 }
    }

    #[test]
    fn before_anything_is_done_it_waits_longer_each_time() {
        let mut backoff = backoff();
        let time = now();
        let waits: Vec<_> = (0..5).map(|_| backoff.failed(time, run(MOMENT)).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 4000]);
    }

    #[test]
    fn the_first_failure_after_progress_waits_for_nothing() {
        let mut backoff = backoff();
        let time = now();
        backoff.acknowledged();
        let waits: Vec<_> = (0..3).map(|_| backoff.failed(time, run(MOMENT)).as_millis()).collect();
        assert_eq!(waits, [0, 500, 1000]);
        backoff.acknowledged();
        assert_eq!(backoff.failed(time, run(MOMENT)).as_millis(), 500, "not the first in so long");
        assert_eq!(backoff.failed(time + MINUTE, run(MOMENT)), Duration::ZERO, "the first in so long");
    }

    #[test]
    fn a_healthy_run_waits_for_nothing() {
        let mut backoff = backoff();
        let time = now();
        assert_eq!(backoff.failed(time, run(MINUTE)), Duration::ZERO);
        assert_eq!(backoff.failed(time, run(MOMENT)).as_millis(), 500);
    }

    #[test]
    fn chance_makes_a_wait_a_fifth_longer_or_shorter() {
        for (chance, millis) in [(0.0, 400), (1.0, 600), (7.0, 600)] {
            assert_eq!(backoff().pause(chance), Duration::from_millis(millis));
        }
    }
}
