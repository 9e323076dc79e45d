//! How many lines of handlers' logs are passed on: so many a second over the whole instance, shared by its partitions. A worker
//! that is started again soon gets no more at first than its predecessor has left, so that a crash loop does not flood. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::ids::TopicPartition;
use kafkavisor_link::message::LogAllowance;

/// In a second, over all partitions.
const OVERALL: u32 = 10_000;
/// ... of one, at most and at least.
const MOST: u32 = 1000;
const LEAST: u32 = 10;

/// When the last worker of each partition was started.
#[derive(Debug, Default)]
pub(crate) struct LogShares {
    started: BTreeMap<TopicPartition, Instant>,
}

impl LogShares {
    /// What a worker may pass on that is started now, where there are so many `partitions`.
    pub(crate) fn take(
        &mut self,
        partition: &TopicPartition,
        partitions: usize,
        now: Instant,
    ) -> LogAllowance {
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX).max(1);
        let per_second = (OVERALL / partitions).clamp(LEAST, MOST);
        let before = self.started.insert(partition.clone(), now);
        let millis = before.map_or(Duration::MAX, |before| now.saturating_duration_since(before)).as_millis();
        let millis = u32::try_from(millis).unwrap_or(u32::MAX).min(1000);
        LogAllowance { at_first: per_second * millis / 1000, per_second }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    fn key(number: i32) -> TopicPartition {
        TopicPartition::new("orders".parse().unwrap(), number)
    }

    #[test]
    fn what_all_partitions_pass_on_in_a_second_has_a_bound() {
        for (partitions, each) in [(0, 1000), (1, 1000), (10, 1000), (200, 50), (1000, 10), (5000, 10)] {
            let allowance = LogShares::default().take(&key(0), partitions, now());
            assert_eq!(allowance, LogAllowance { at_first: each, per_second: each }, "{partitions}");
        }
    }

    #[test]
    fn thirty_workers_in_a_second_pass_on_what_one_would() {
        let (mut shares, time) = (LogShares::default(), now());
        shares.take(&key(0), 1, time);
        let lines: u32 =
            (1..=30).map(|n| shares.take(&key(0), 1, time + n * Duration::from_millis(33)).at_first).sum();
        assert_eq!(lines, 990);
        assert_eq!(shares.take(&key(1), 1, time).at_first, 1000, "another partition's does not matter");
        assert_eq!(shares.take(&key(0), 1, time + Duration::from_secs(60)).at_first, 1000);
    }
}
