//! A machine's clocks. They run at their own rate, and one of them stands still while the machine is suspended.

use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;

/// True time, in nanoseconds since the schedule began. Nobody inside the simulated group sees it.
pub(crate) type Time = u64;

/// A stretch of true time.
pub(crate) const fn millis(millis: u64) -> Time {
    millis * 1_000_000
}

/// A duration as true time.
pub(crate) fn nanos(duration: Duration) -> Time {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clocks of one machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    base: Instant,
    /// Its seconds in a true second.
    rate: f64,
    /// Its boot time when the schedule began.
    booted: u64,
    /// Of its own time, what it slept through.
    suspended: u64,
    asleep_since: Option<u64>,
}

impl Machine {
    pub(crate) fn new(base: Instant, rate: f64, booted: u64) -> Self {
        Self { base, rate, booted, suspended: 0, asleep_since: None }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an hour in nanoseconds is exact enough"
    )]
    fn local(&self, now: Time) -> u64 {
        (now as f64 * self.rate) as u64
    }

    /// What `Instant` says.
    pub(crate) fn instant(&self, now: Time) -> Instant {
        let awake = self.asleep_since.unwrap_or_else(|| self.local(now)) - self.suspended;
        self.base + Duration::from_nanos(awake)
    }

    /// What `CLOCK_BOOTTIME` says.
    pub(crate) fn boottime(&self, now: Time) -> Boottime {
        Boottime(self.booted + self.local(now))
    }

    /// The true time at which `Instant` will say `deadline`, if the machine stays awake.
    pub(crate) fn when(&self, now: Time, deadline: Instant) -> Time {
        now + self.true_time(deadline.saturating_duration_since(self.instant(now)))
    }

    /// How much true time passes in `local` of this machine's.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an hour in nanoseconds is exact enough"
    )]
    pub(crate) fn true_time(&self, local: Duration) -> Time {
        if local.is_zero() { 0 } else { (nanos(local) as f64 / self.rate) as u64 + 2 }
    }

    pub(crate) fn fall_asleep(&mut self, now: Time) {
        self.asleep_since = Some(self.local(now));
    }

    pub(crate) fn wake_up(&mut self, now: Time) {
        if let Some(since) = self.asleep_since.take() {
            self.suspended += self.local(now) - since;
        }
    }
}
