//! How long something lasts, as people want to read it.

use std::time::Duration;

/// In whole seconds, or less where there are many.
pub(crate) fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// The same, but tenths of a second where it is short.
pub(crate) fn in_words(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        whole(duration)
    }
}

/// An age in a table: `-` where there is none.
pub(crate) fn brief(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age in whole seconds")]
    let whole = seconds.max(0.0) as u64;
    match whole {
        _ if seconds < 0.1 => "-".to_owned(),
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{whole} s"),
        120..7200 => format!("{} min", whole / 60),
        7200..172_800 => format!("{} h", whole / 3600),
        _ => format!("{} d", whole / 86_400),
    }
}

/// What a number of seconds in JSON says; nothing for what can't be.
pub(crate) fn of_seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_a_table_are_short() {
        let ages = [0.0, 0.5, 9.96, 119.0, 7_199.0, 172_799.0, 200_000.0].map(brief);
        assert_eq!(ages, ["-", "0.5 s", "10.0 s", "119 s", "119 min", "47 h", "2 d"]);
    }

    #[test]
    fn durations_read_well() {
        let words = |millis| in_words(Duration::from_millis(millis));
        assert_eq!(
            [words(0), words(9_949), words(10_000), words(61_000)],
            ["0.0 s", "9.9 s", "10 s", "1 min 1 s"]
        );
        assert_eq!([words(3_720_000), words(90_000_000)], ["1 h 2 min", "1 d 1 h"]);
        assert_eq!(whole(Duration::from_millis(59_900)), "59 s");
        assert_eq!(of_seconds(-1.0), Duration::ZERO);
    }
}
