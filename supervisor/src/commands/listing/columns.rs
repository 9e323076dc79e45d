//! Columns: which of them fit, how wide they are, and what is cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::row::Row;
use crate::commands::table::{grouped, number, offset};
use crate::observe::ages::brief;

/// What stands between two.
pub(in crate::commands) const GAP: usize = 2;
/// The last column has so much, if it has so much to say, before others are left out for it.
const WHY: usize = 28;
/// A partition's name has so much before others are left out for it.
const NAME: usize = 25;
/// With less it says nothing.
const WHY_AT_LEAST: usize = 8;

/// What is said of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Column {
    Partition,
    State,
    Worker,
    Handler,
    Committed,
    Rate,
    Lag,
    Behind,
    InFlight,
    Restarts,
    Why,
}

/// Of `status`.
pub(in crate::commands) const PRINTED: [Column; 10] = [
    Column::Partition,
    Column::State,
    Column::Worker,
    Column::Handler,
    Column::Committed,
    Column::Lag,
    Column::Behind,
    Column::InFlight,
    Column::Restarts,
    Column::Why,
];
/// Of `status --watch`.
pub(in crate::commands) const WATCHED: [Column; 8] = [
    Column::Partition,
    Column::State,
    Column::Rate,
    Column::Lag,
    Column::Behind,
    Column::InFlight,
    Column::Restarts,
    Column::Why,
];
/// Left out where the room is short, the first first.
const LEFT_OUT: [Column; 8] = [
    Column::Handler,
    Column::Worker,
    Column::Committed,
    Column::Restarts,
    Column::Rate,
    Column::InFlight,
    Column::Behind,
    Column::Lag,
];

impl Column {
    pub(in crate::commands) const fn heading(self) -> &'static str {
        match self {
            Self::Partition => "PARTITION",
            Self::State => "STATE",
            Self::Worker => "WORKER",
            Self::Handler => "HANDLER",
            Self::Committed => "COMMITTED",
            Self::Rate => "RATE/S",
            Self::Lag => "LAG",
            Self::Behind => "BEHIND",
            Self::InFlight => "IN FLIGHT",
            Self::Restarts => "RESTARTS",
            Self::Why => "LAST EXIT, OR WHY AND WHAT NEXT",
        }
    }

    /// What it has for a live table, so that it does not jump.
    const fn least(self) -> usize {
        match self {
            Self::State => "crash_loop".len(),
            Self::Lag => 7,
            Self::Behind => "119 min".len(),
            Self::InFlight => "10 for 119 s".len(),
            Self::Partition
            | Self::Worker
            | Self::Handler
            | Self::Committed
            | Self::Rate
            | Self::Restarts
            | Self::Why => 0,
        }
    }

    fn text(self, row: &Row<'_>) -> String {
        let partition = row.partition;
        let pid = |pid: Option<i64>| pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        match self {
            Self::Partition => row.name(),
            Self::State => row.kind().to_owned(),
            Self::Worker => pid(partition.worker_pid.map(i64::from)),
            Self::Handler => pid(partition.handler_pid.and_then(|pid| i64::try_from(pid).ok())),
            Self::Committed => offset(partition.committed),
            Self::Rate => row.rate.map_or_else(|| "-".to_owned(), rate),
            Self::Lag => number(partition.lag),
            Self::Behind => brief(partition.lag_seconds),
            Self::InFlight => in_flight(row),
            Self::Restarts => partition.restarts_total.to_string(),
            Self::Why => row.why(),
        }
    }

    const fn is_text(self) -> bool {
        matches!(self, Self::Partition | Self::State | Self::Why)
    }
}

fn rate(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn in_flight(row: &Row<'_>) -> String {
    let partition = row.partition;
    let count = grouped(i64::try_from(partition.in_flight).unwrap_or(i64::MAX));
    if partition.in_flight == 0 || partition.oldest_in_flight_seconds < 1.0 {
        return count;
    }
    format!("{count} for {}", brief(partition.oldest_in_flight_seconds))
}

/// Columns and their widths.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Columns(Vec<(Column, usize)>);

impl Columns {
    /// Those of `wanted` that fit into `room`, all of them without; live ones do not jump.
    pub(in crate::commands) fn fit(
        wanted: &[Column],
        rows: &[Row<'_>],
        room: Option<usize>,
        live: bool,
    ) -> Self {
        let width = |column: Column| {
            let texts = rows.iter().map(|row| column.text(row).width()).max().unwrap_or(0);
            let least = if live { column.least() } else { 0 };
            // With nothing in it the last one's heading needs no room.
            if column == Column::Why { texts } else { texts.max(least).max(column.heading().width()) }
        };
        let mut columns: Vec<_> = wanted.iter().map(|column| (*column, width(*column))).collect();
        let Some(room) = room else { return Self(columns) };
        let why = columns.last().map_or(0, |(_, width)| (*width).min(WHY));
        let name = columns.first().map_or(0, |(_, width)| *width);
        let rest = |columns: &[(Column, usize)]| fixed(columns) - name;
        for left_out in LEFT_OUT {
            if rest(&columns) + name.min(NAME) + why <= room {
                break;
            }
            columns.retain(|(column, _)| *column != left_out);
        }
        // It has what the others leave, and if nothing else is left to leave out, less than it should have.
        let (beside, without) = (rest(&columns) + why, rest(&columns).saturating_sub(GAP));
        if let Some((_, first)) = columns.first_mut() {
            let least = name.min(NAME).min(room.saturating_sub(without)).max(1);
            *first = name.min(room.saturating_sub(beside)).max(least);
        }
        let left = room.saturating_sub(fixed(&columns));
        columns.retain(|(column, _)| *column != Column::Why || left >= WHY_AT_LEAST);
        if let Some((Column::Why, last)) = columns.last_mut() {
            *last = left;
        }
        Self(columns)
    }

    /// The line above them.
    pub(in crate::commands) fn headings(&self) -> String {
        let texts = self.0.iter().map(|(column, width)| {
            let width = if *column == Column::Why { (*width).max(column.heading().len()) } else { *width };
            padded(*column, &cut(column.heading(), width), width)
        });
        texts.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }

    /// A row: what stands before its state, its state, and what stands behind.
    pub(in crate::commands) fn row(&self, row: &Row<'_>) -> [String; 3] {
        let mut parts = [String::new(), String::new(), String::new()];
        let [before, state, behind] = &mut parts;
        for (column, width) in &self.0 {
            let text = column.text(row);
            if *column == Column::Partition {
                *before = format!("{}  ", padded(*column, &cut_name(&text, *width), *width));
            } else if *column == Column::State {
                *state = padded(*column, &cut(&text, *width), *width);
            } else {
                behind.push_str("  ");
                behind.push_str(&padded(*column, &cut(&text, *width), *width));
            }
        }
        behind.truncate(behind.trim_end().len());
        parts
    }

    /// As the last one is left open where there is room for all.
    #[cfg(test)]
    fn names(&self) -> Vec<Column> {
        self.0.iter().map(|(column, _)| *column).collect()
    }
}

/// What all but the last take, with what stands between.
fn fixed(columns: &[(Column, usize)]) -> usize {
    columns.iter().filter(|(column, _)| *column != Column::Why).map(|(_, width)| width + GAP).sum()
}

fn padded(column: Column, text: &str, width: usize) -> String {
    let fill = " ".repeat(width.saturating_sub(text.width()));
    if column.is_text() { format!("{text}{fill}") } else { format!("{fill}{text}") }
}

/// No wider than `width`, with a mark where something is missing.
pub(in crate::commands) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        kept.push(c);
    }
    if width > 0 { kept + "…" } else { String::new() }
}

/// The same of a partition's name, whose number stays, and of its topic both ends: where many topics are alike, they differ there.
fn cut_name(name: &str, width: usize) -> String {
    match name.rsplit_once(':') {
        // Topics are of letters that take one column each.
        Some((topic, number)) if name.width() > width => {
            let room = width.saturating_sub(number.width() + 1);
            let end = room.saturating_sub(1) / 2;
            let tail = topic.char_indices().rev().take(end).last().map_or("", |(at, _)| &topic[at..]);
            format!("{}{tail}:{number}", cut(topic, room - end))
        }
        _ => name.to_owned(),
    }
}

/// Lines no wider than `width`, whole: what is too long goes on in the next.
pub(in crate::commands) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let (mut kept, mut used) = (String::new(), 0);
        for c in line.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width && used > 0 {
                lines.push(std::mem::take(&mut kept));
                used = 0;
            }
            kept.push(c);
            used += wide;
        }
        lines.push(kept);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::Partition;

    fn partition(why: &str) -> Partition {
        Partition {
            topic: "orders".to_owned(),
            partition: 12,
            state: "ready".to_owned(),
            lag: Some(1_234),
            in_flight: 3,
            oldest_in_flight_seconds: 75.0,
            last_exit: Some(why.to_owned()),
            ..Partition::default()
        }
    }

    fn fit(room: usize, why: &str) -> (Columns, Partition) {
        let partition = partition(why);
        let columns = Columns::fit(&PRINTED, &[Row { partition: &partition, rate: None }], Some(room), false);
        (columns, partition)
    }

    #[test]
    fn what_is_least_needed_is_left_out_first_and_no_line_is_too_long() {
        for room in 1..200 {
            let (columns, partition) = fit(room, &"worker was killed by SIGKILL ".repeat(9));
            let line = columns.row(&Row { partition: &partition, rate: None }).concat();
            assert!(line.width() <= room.max(18), "{room}: {line}");
            let names = columns.names();
            assert!(names.starts_with(&[Column::Partition, Column::State]), "{room}: {names:?}");
            assert!(!names.contains(&Column::Worker) || names.contains(&Column::Restarts), "{room}");
        }
        assert_eq!(fit(150, "x").0.names(), PRINTED);
        let narrow = fit(62, "worker was killed by SIGKILL").0.names();
        assert_eq!(narrow, [Column::Partition, Column::State, Column::Lag, Column::Behind, Column::Why]);
    }

    #[test]
    fn a_long_name_pushes_nothing_out_and_has_what_is_left() {
        let topic = "region-west1.billing.invoices-with-lines.v2.compacted".to_owned();
        let partition = Partition { topic, ..partition("") };
        let row = Row { partition: &partition, rate: None };
        let line = |room| {
            let columns = Columns::fit(&PRINTED, std::slice::from_ref(&row), Some(room), false);
            (columns.names(), columns.row(&row)[0].trim_end().to_owned())
        };
        assert_eq!(line(99), (PRINTED[..9].to_vec(), "region-west….compacted:12".to_owned()));
        assert_eq!(line(98).0.len(), 8, "the handler's pid");
        assert!(line(69).0.contains(&Column::InFlight));
        assert_eq!(line(113), (PRINTED[..9].to_vec(), "region-west1.billi…ines.v2.compacted:12".to_owned()));
        assert_eq!(line(160).1, row.name());
    }

    #[test]
    fn where_nothing_is_said_at_the_end_the_others_have_its_room() {
        assert_eq!(fit(96, "").0.names(), PRINTED);
    }

    #[test]
    fn what_is_cut_says_so_and_a_name_keeps_its_number() {
        assert_eq!(
            [cut("abcdef", 4), cut("abc", 3), cut("äöü", 2), cut("日本", 2), cut("x", 0)],
            ["abc…", "abc", "ä…", "…", ""]
        );
        assert_eq!(cut_name("a-long-topic:12", 9), "a-l…ic:12");
        assert_eq!(cut_name("a-long-topic:12", 14), "a-lon…topic:12");
        assert_eq!(wrapped("abcdef\n\nx", 4), ["abcd", "ef", "", "x"]);
    }

    #[test]
    fn an_offset_can_be_given_to_other_commands_as_it_is_shown() {
        let partition = Partition { committed: Some(1_234_567), ..partition("") };
        let row = Row { partition: &partition, rate: None };
        let line = Columns::fit(&PRINTED, std::slice::from_ref(&row), None, false).row(&row).concat();
        assert!(
            line.contains(" 1234567 ") && line.contains(" 1,234 ") && line.contains(" 3 for 75 s "),
            "{line}"
        );
    }
}
