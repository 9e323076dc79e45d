//! How many workers may be started in a second, over the whole instance: a thousand that fall together must not take the
//! machine with them when they rise. Pure.

use std::time::{Duration, Instant};

/// Started in a second, lastingly.
const PER_SECOND: u32 = 50;
/// Started at once after a quiet time.
const BURST: u32 = 100;

/// The instance's turns.
#[derive(Debug, Default)]
pub(crate) struct Spawns {
    /// When all that was started would have been, one after the other.
    even: Option<Instant>,
}

impl Spawns {
    /// Takes a turn now, or says when there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let each = Duration::from_secs(1) / PER_SECOND;
        let even = self.even.map_or(now, |even| even.max(now));
        let earliest = even.checked_sub(each * (BURST - 1)).unwrap_or(now);
        if earliest > now {
            return Err(earliest);
        }
        self.even = Some(even + each);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_evenly() {
        let mut spawns = Spawns::default();
        let time = now();
        assert!((0..BURST).all(|_| spawns.take(time).is_ok()));
        let next = spawns.take(time).unwrap_err();
        assert_eq!(next, time + Duration::from_millis(20));
        assert_eq!(spawns.take(next), Ok(()));
        assert!(spawns.take(next).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_the_bound_in_any_window(waits in proptest::collection::vec(0u64..60, 1..600)) {
            let mut spawns = Spawns::default();
            let start = now();
            let mut time = start;
            let mut started = Vec::new();
            for wait in waits {
                time += Duration::from_millis(wait);
                if spawns.take(time).is_ok() {
                    started.push(time);
                }
            }
            for (index, first) in started.iter().enumerate() {
                let within = started[index..].iter().filter(|at| **at < *first + Duration::from_secs(1)).count();
                prop_assert!(within <= (BURST + PER_SECOND) as usize);
            }
        }
    }
}
