//! Waiting for conditions. The pause between two looks is here and nowhere else.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use kafkavisor::clock;

/// Until then a condition must have come true, however busy the machine is.
pub const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Lets `time` pass, or less.
pub fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// Lets all of `time` pass: for handlers that are to be slow, never for a test that waits for something.
pub fn work_for(time: Duration) {
    let end = clock::now() + time;
    while let Some(left) = left_until(end) {
        pause(left);
    }
}

fn left_until(end: Instant) -> Option<Duration> {
    let left = end.saturating_duration_since(clock::now());
    (!left.is_zero()).then_some(left)
}

/// Looks until there is something, at the latest after [`WITHIN`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(WITHIN, what, look)
}

/// Looks until there is something; fails after `within`.
#[track_caller]
pub fn until_within<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = clock::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(left_until(end).is_some(), "not within {within:?}: {what}");
        pause(LOOK_AGAIN);
    }
}

/// Looks until the value is the one expected; says which it was at last.
#[track_caller]
pub fn until_equal<T: PartialEq + Debug>(what: &str, expected: &T, mut look: impl FnMut() -> T) {
    let end = clock::now() + WITHIN;
    loop {
        let found = look();
        if found == *expected {
            return;
        }
        assert!(
            left_until(end).is_some(),
            "not within {WITHIN:?}: {what}: expected {expected:?}, found {found:?}"
        );
        pause(LOOK_AGAIN);
    }
}

/// Asserts that something stays so for a while.
#[track_caller]
pub fn throughout(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = clock::now() + time;
    while left_until(end).is_some() {
        assert!(holds(), "not throughout {time:?}: {what}");
        pause(LOOK_AGAIN);
    }
}
