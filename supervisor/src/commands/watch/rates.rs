//! Messages a second of each partition, over the last few looks.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::commands::listing::row::name;
use crate::observe::status::Status;

/// Over so long.
const OVER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pid: u32,
    looks: VecDeque<(Instant, HashMap<String, u64>)>,
}

impl Rates {
    /// Counts of another process have nothing to do with those before.
    pub(super) fn take(&mut self, status: &Status, at: Instant) {
        if self.pid != status.pid {
            *self = Self { pid: status.pid, ..Self::default() };
        }
        let counts = status.partitions.iter().map(|partition| (name(partition), partition.messages_total));
        self.looks.push_back((at, counts.collect()));
        while self.looks.get(1).is_some_and(|(next, _)| at.saturating_duration_since(*next) >= OVER) {
            self.looks.pop_front();
        }
    }

    /// None where it was not seen before.
    pub(super) fn of(&self, name: &str) -> Option<f64> {
        let (at, counts) = self.looks.back()?;
        let seen = |(at, counts): &(Instant, HashMap<String, u64>)| Some((*at, *counts.get(name)?));
        let (since, before) = self.looks.iter().find_map(seen)?;
        let passed = at.saturating_duration_since(since).as_secs_f64();
        let count = counts.get(name)?.checked_sub(before)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
        let count = count as f64;
        (passed > 0.0).then(|| count / passed)
    }

    /// Of all together.
    pub(super) fn sum(&self) -> Option<f64> {
        let (_, counts) = self.looks.back()?;
        let rates: Vec<_> = counts.keys().filter_map(|name| self.of(name)).collect();
        (!rates.is_empty()).then(|| rates.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::Partition;

    fn status(pid: u32, messages_total: u64) -> Status {
        let partition = Partition { topic: "a".to_owned(), messages_total, ..Partition::default() };
        Status { pid, partitions: vec![partition], ..Status::default() }
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds_and_of_one_process() {
        let (mut rates, begin) = (Rates::default(), kafkavisor::clock::now());
        for second in 0..20_u32 {
            let count = if second < 10 { u64::from(second) } else { 10 + 100 * u64::from(second - 10) };
            rates.take(&status(1, count), begin + second * Duration::from_secs(1));
        }
        assert_eq!((rates.of("a:0"), rates.sum(), rates.of("a:1")), (Some(100.0), Some(100.0), None));
        assert!(rates.looks.len() <= 7);
        rates.take(&status(2, 5), begin + Duration::from_secs(21));
        assert_eq!(rates.of("a:0"), None);
    }
}
