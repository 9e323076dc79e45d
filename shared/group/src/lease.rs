//! How long a partition is surely ours.

use std::time::Duration;

use kafkavisor_types::clock::Boottime;

/// When a worker must stop delivering, and when it must be gone, on `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Nothing is written to the handler from here on.
    pub deliver_until: Boottime,
    /// Every process of the worker is dead from here on.
    pub dead_by: Boottime,
}

impl Lease {
    /// A lease that has ended.
    pub const NONE: Self = Self { deliver_until: Boottime(0), dead_by: Boottime(0) };
    /// In parts of the session's time.
    const DELIVER: f64 = 0.6;
    const DEAD: f64 = 0.75;

    /// The lease that follows from a proof that the session lives. It counts from before the proof was `sent`: ZooKeeper gives
    /// a partition to somebody else after the whole of the session's `timeout` from then at the soonest. `Duration::MAX` never ends.
    pub fn from_evidence(sent: Boottime, timeout: Duration) -> Self {
        Self {
            deliver_until: sent.after(timeout.mul_f64(Self::DELIVER)),
            dead_by: sent.after(timeout.mul_f64(Self::DEAD)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_before_the_session_does_and_never_where_that_has_no_end() {
        let lease = Lease::from_evidence(Boottime(1_000), Duration::from_secs(10));
        assert_eq!(lease.deliver_until, Boottime(6_000_001_000));
        assert_eq!(lease.dead_by, Boottime(7_500_001_000));
        let endless = Lease { deliver_until: Boottime(u64::MAX), dead_by: Boottime(u64::MAX) };
        assert_eq!(Lease::from_evidence(Boottime(1_000), Duration::MAX), endless);
    }
}
