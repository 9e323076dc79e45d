//! How long messages took from delivery to acknowledgement: a histogram that grows over all workers of a page.

use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds; above the last there is one more. From a message that is only counted to one
/// that nearly runs into the default `handler.timeout`, three a decade where most handlers are.
pub const BOUNDS_MILLIS: [u64; 16] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000];

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// How many were at most as long as each bound, and no shorter than the one before; the last: longer than any.
    pub counts: [u64; BOUNDS_MILLIS.len() + 1],
    /// All of them together, in microseconds.
    pub sum_micros: u64,
}

impl Latencies {
    /// One more.
    pub fn note(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MILLIS.partition_point(|bound| bound.saturating_mul(1000) < micros);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    /// These and those.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let counts = self.counts.iter_mut().zip(other.counts);
        counts.for_each(|(count, more)| *count = count.saturating_add(more));
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
        self
    }

    /// These without those.
    #[must_use]
    pub fn minus(mut self, other: &Self) -> Self {
        let counts = self.counts.iter_mut().zip(other.counts);
        counts.for_each(|(count, less)| *count = count.saturating_sub(less));
        self.sum_micros = self.sum_micros.saturating_sub(other.sum_micros);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_in_the_first_bucket_that_holds_it() {
        let mut latencies = Latencies::default();
        for millis in [0, 1, 3, 300_000, 300_001] {
            latencies.note(Duration::from_millis(millis));
        }
        let mut expected = [0; 17];
        (expected[0], expected[2], expected[15], expected[16]) = (2, 1, 1, 1);
        assert_eq!(latencies, Latencies { counts: expected, sum_micros: 600_005_000 });
        let twice = latencies.plus(&latencies);
        assert_eq!((twice.minus(&latencies), latencies.minus(&twice)), (latencies, Latencies::default()));
    }
}
