//! How many messages may be in flight: the window follows the handler's pace, so that a drain, and what is repeated
//! after a crash, stay near `max_in_flight.time` of work however slow the handler is.
//!
//! | measured | then |
//! |---|---|
//! | a full window emptied within `time`, or would have | it doubles, up to `max_in_flight.messages` |
//! | what was in flight took longer | it halves, down to 1 (`exec`: the batch) |
//! | a halving did not shorten the wait | it is taken back and kept: the cost is per batch, not per message |
//!
//! Pure. One measurement at a time: from a moment until all that was in flight then is acknowledged.

use std::time::{Duration, Instant};

use kafkavisor::ids::Offset;

/// The first window.
const INITIAL: u32 = 4;

/// A halving and what the wait was before it.
#[derive(Debug, Clone, Copy)]
struct Halved {
    from: u32,
    wait: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Measurement {
    since: Instant,
    until: Offset,
    in_flight: u32,
    full: bool,
}

/// The window's size and how it got there.
#[derive(Debug)]
pub(crate) struct Pace {
    window: u32,
    floor: u32,
    ceiling: u32,
    time: Duration,
    measurement: Option<Measurement>,
    halved: Option<Halved>,
    /// The wait at which a halving was taken back: no other is tried while it stays near that.
    fixed_cost: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(floor: u32, ceiling: u32, time: Duration) -> Self {
        let floor = floor.clamp(1, ceiling);
        let window = INITIAL.clamp(floor, ceiling);
        Self { window, floor, ceiling, time, measurement: None, halved: None, fixed_cost: None }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// `in_flight` messages, the last of them `last`, are with the handler now.
    pub(crate) fn delivered(&mut self, now: Instant, in_flight: u32, last: Offset) {
        if self.measurement.is_none() {
            let full = in_flight >= self.window;
            self.measurement = Some(Measurement { since: now, until: last, in_flight, full });
        }
    }

    /// Everything up to and including `offset` is acknowledged.
    pub(crate) fn acknowledged(&mut self, now: Instant, offset: Offset) {
        match self.measurement {
            Some(measured) if offset >= measured.until => {
                self.measurement = None;
                self.judge(&measured, now.saturating_duration_since(measured.since));
            }
            _ => {}
        }
    }

    /// Time stood still for us: what is being measured says nothing.
    pub(crate) fn forget(&mut self) {
        self.measurement = None;
    }

    fn judge(&mut self, measured: &Measurement, wait: Duration) {
        let halved = self.halved.take();
        if wait <= self.time {
            self.fixed_cost = None;
            // A handler so fast that the window never fills would still empty a full one in time.
            let whole = wait.mul_f64(f64::from(self.window) / f64::from(measured.in_flight.max(1)));
            if measured.full || whole <= self.time / 2 {
                self.window = self.window.saturating_mul(2).min(self.ceiling);
            }
            return;
        }
        if let Some(before) = halved
            && wait.as_secs_f64() > before.wait.as_secs_f64() * 0.75
        {
            self.window = before.from;
            self.fixed_cost = Some(wait);
            return;
        }
        if self.fixed_cost.is_some_and(|cost| wait < cost.saturating_mul(2)) {
            return;
        }
        self.fixed_cost = None;
        let from = self.window.min(measured.in_flight.max(1));
        let to = (from / 2).max(self.floor);
        if to < self.window {
            // Only a halving of a full window can be compared with the wait before it.
            self.halved = (measured.full && to < from).then_some(Halved { from, wait });
            self.window = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Fills the window, waits as long as `cost` says for it, and again; returns the windows.
    fn run(pace: &mut Pace, rounds: usize, cost: impl Fn(u32) -> Duration) -> Vec<u32> {
        let mut time = now();
        let mut last = 0;
        let mut windows = Vec::new();
        for _ in 0..rounds {
            let window = pace.window();
            last += i64::from(window);
            pace.delivered(time, window, Offset(last));
            time += cost(window);
            pace.acknowledged(time, Offset(last));
            windows.push(pace.window());
        }
        windows
    }

    #[test]
    fn a_fast_handler_gets_the_whole_window() {
        let mut pace = Pace::new(1, 100_000, SECOND);
        let windows = run(&mut pace, 20, |n| Duration::from_micros(2) * n);
        assert_eq!(windows.last(), Some(&100_000));
    }

    #[test]
    fn a_slow_handler_has_about_a_second_of_work() {
        for per_message in [Duration::from_millis(10), Duration::from_millis(300), Duration::from_secs(2)] {
            let mut pace = Pace::new(1, 100_000, SECOND);
            let windows = run(&mut pace, 40, |n| per_message * n);
            let work = per_message * *windows.last().unwrap();
            assert!(work <= (2 * SECOND).max(per_message), "{per_message:?}: {windows:?}");
            assert!(work >= (SECOND / 2).min(per_message), "{per_message:?}: {windows:?}");
        }
    }

    #[test]
    fn a_fixed_cost_a_batch_does_not_shrink_the_window() {
        let mut pace = Pace::new(1, 1000, SECOND);
        run(&mut pace, 20, |_| Duration::from_millis(600));
        assert_eq!(pace.window(), 1000);
        let windows = run(&mut pace, 20, |_| Duration::from_millis(1500));
        assert_eq!(windows.first(), Some(&500));
        assert!(windows.iter().skip(1).all(|w| *w == 1000), "{windows:?}");
        let slower = run(&mut pace, 20, |n| Duration::from_millis(20) * n);
        assert!(*slower.last().unwrap() <= 100, "{slower:?}");
    }

    #[test]
    fn a_batch_is_the_floor() {
        let mut pace = Pace::new(500, 100_000, SECOND);
        assert_eq!(run(&mut pace, 20, |n| SECOND * n).last(), Some(&500));
    }
}
