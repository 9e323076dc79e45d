//! The one place where clocks are read. Decisions take time as an input; only shells call these.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// The present, for everything but leases.
#[expect(clippy::disallowed_methods, reason = "the one place where the monotonic clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

/// So long from now; where no clock goes so far, in some hundred years.
pub fn in_time(by: Duration) -> Instant {
    let begun = now();
    begun.checked_add(by).unwrap_or_else(|| begun + Duration::from_secs(100 * 365 * 24 * 3600))
}

/// How long this thread has had a processor: what something costs it, whoever else wants one meanwhile.
pub fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Milliseconds since 1970 by the wall clock: for what people read and for the age of messages, never for a decision.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
pub fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment on `CLOCK_BOOTTIME`, in nanoseconds: unlike [`Instant`] it goes on while the machine is suspended, and
/// processes of one boot can compare theirs. Leases are kept on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Boottime(pub u64);

impl Boottime {
    /// The present.
    pub fn now() -> Self {
        // The call fails only for a clock the kernel does not have; this one is older than every kernel we run on.
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// This moment and `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was, zero if it is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Boottime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after boot", Duration::from_nanos(self.0))
    }
}
