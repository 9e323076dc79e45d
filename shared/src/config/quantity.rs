//! Durations and sizes as they are written: a whole number and its unit, `500ms`, `16MiB`.
//!
//! A bare number is refused: nobody has to know whether a key means seconds or milliseconds.

use std::time::Duration;

use super::document::shown;

/// What a duration looks like.
pub(super) const DURATION: &str = "a duration such as `500ms`, `10s`, `2m` or `1h`";
/// What a size looks like.
pub(super) const SIZE: &str = "a size such as `512B`, `64KiB`, `16MiB` or `1GiB`";

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Reads a duration; the error says what was expected.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    quantity(text, DURATION, DURATION_UNITS, "10s").map(Duration::from_millis)
}

/// Reads a size in bytes; the error says what was expected.
pub(super) fn size(text: &str) -> Result<u64, String> {
    quantity(text, SIZE, SIZE_UNITS, "16MiB")
}

fn quantity(text: &str, expected: &str, units: &[(&str, u64)], example: &str) -> Result<u64, String> {
    let known = || units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", ");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    if digits.is_empty() || unit.starts_with(['.', ',']) {
        return Err(format!("expected {expected} (a whole number and a unit), found {:?}", shown(text)));
    }
    if unit.is_empty() {
        return Err(format!(
            "expected {expected}, found {}: add a unit ({}), as in `{example}`",
            shown(text),
            known()
        ));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "expected {expected}, found {:?}: the unit is one of {}, right after the number",
            shown(text),
            known()
        ));
    };
    let number: Option<u64> = digits.parse().ok();
    number.and_then(|n| n.checked_mul(*factor)).ok_or_else(|| format!("{} is too large", shown(text)))
}

/// Writes a duration the way [`duration`] reads it, in the largest unit that is exact (a minute stays `60s`).
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) && ms > 60_000 => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

/// Writes a size the way [`size`] reads it, in the largest binary unit that is exact.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}
