//! Times as people write them: RFC 3339, with the zone.

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no time: write it with its zone, as in 2026-03-01T12:00:00Z or 2026-03-01T12:00:00.5+01:00"
)]
pub struct NotATime {
    /// As given.
    pub given: String,
}

/// Milliseconds since 1970, rounded up; negative before it.
pub fn parse(text: &str) -> Result<i64, NotATime> {
    read(text).ok_or_else(|| NotATime { given: text.chars().take(60).collect() })
}

fn read(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let (fraction, zone) = fraction(rest)?;
    let leap = second == 60;
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && (second < 60 || leap);
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    valid.then_some(seconds * 1000 + fraction)
}

/// The fraction of a second in milliseconds, rounded up, and what follows it.
fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(digits) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    let (digits, zone) = digits.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    let milliseconds: i64 = format!("{digits:0<3}").get(..3)?.parse().ok()?;
    let more = digits.bytes().skip(3).any(|digit| digit != b'0');
    Some((milliseconds + i64::from(more), zone))
}

/// How many seconds the zone is ahead.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, behind) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = numbers(behind, ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))?;
    }
    parts.next().is_none().then_some(found)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the Gregorian calendar: years begin in March here, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_zone() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2001-09-09T01:46:40Z", 1_000_000_000_000),
            ("2026-03-01T12:00:00Z", 1_772_366_400_000),
            ("2026-03-01T13:30:00+01:30", 1_772_366_400_000),
            ("2026-03-01t04:00:00.000-08:00", 1_772_366_400_000),
            ("2026-03-01 12:00:00z", 1_772_366_400_000),
            ("2024-02-29T23:59:60Z", 1_709_251_200_000),
            ("2026-03-01T12:00:00.5Z", 1_772_366_400_500),
            ("2026-03-01T12:00:00.0010Z", 1_772_366_400_001),
            ("2026-03-01T12:00:00.000001Z", 1_772_366_400_001),
            ("1969-12-31T23:59:59Z", -1000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_has_no_zone_is_refused() {
        for text in [
            "",
            "now",
            "earliest",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-03-01T12:00Z",
            "2026-3-1T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-03-00T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:60:00Z",
            "2026-03-01T12:00:61Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00.5",
            "2026-03-01T12:00:00+1",
            "2026-03-01T12:00:00+24:00",
            "2026-03-01T12:00:00+0100",
            "2026-03-01T12:00:00ZZ",
            "+026-03-01T12:00:00Z",
            "2026-03-01T-1:00:00Z",
            "1772366400000",
            "２０２６-03-01T12:00:00Z",
            "2026-03-01T12:00:00é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
