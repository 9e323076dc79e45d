//! Status as a table for people.

use std::fmt::Write;

use super::listing::columns::{Columns, PRINTED, cut};
use super::listing::head::{self, Line, Tone};
use super::listing::row::Row;
use crate::observe::status::Status;

/// How a table may look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
}

impl Style {
    /// Colour only on a terminal that is not dumb, and not where `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        use std::io::IsTerminal;
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !unwanted && !is_dumb() }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// `text` in the colour of a state.
    pub(super) fn state(self, state: &str, text: &str) -> String {
        match Level::of(state) {
            Level::Good => self.good(text),
            Level::Passing => self.paint("33", text),
            Level::Bad => self.bad(text),
        }
    }
}

/// Whether the terminal can do no more than write one line after the other.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// How a state is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    /// By itself, or at somebody's word.
    Passing,
    Bad,
}

impl Level {
    pub(super) fn of(state: &str) -> Self {
        match state {
            "ready" => Self::Good,
            "starting" | "draining" | "paused" | "backing_off" => Self::Passing,
            _ => Self::Bad,
        }
    }
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number < 0 { format!("-{grouped}") } else { grouped }
}

/// How many, in groups of digits.
pub(super) fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), grouped)
}

/// As other commands take it.
pub(super) fn offset(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |offset| offset.to_string())
}

/// The whole status, in lines no longer than `room`.
pub(super) fn table(status: &Status, style: Style, room: Option<usize>) -> String {
    let mut text = String::new();
    for Line { tone, lead, rest } in head::lines(status, None) {
        let lead = match tone {
            Tone::Title => style.bold(&lead),
            Tone::Trouble => style.bad(&lead),
            Tone::Plain => lead,
        };
        // Writing to a string can't fail. What is wrong is told whole.
        let _written = writeln!(text, "{lead}{rest}");
    }
    if status.partitions.is_empty() {
        return text;
    }
    let rows: Vec<_> = status.partitions.iter().map(|partition| Row { partition, rate: None }).collect();
    let columns = Columns::fit(&PRINTED, &rows, room, false);
    let _written = writeln!(text, "{}", style.dim(&cut(&columns.headings(), room.unwrap_or(usize::MAX))));
    for row in &rows {
        let [before, state, behind] = columns.row(row);
        let line = format!("{before}{}{behind}", style.state(row.kind(), &state));
        let _written = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// How wide the terminal is, if stdout is one.
pub(super) fn room() -> Option<usize> {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (columns, _) = ratatui::crossterm::terminal::size().ok()?;
    (columns > 0).then_some(usize::from(columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::Assignment;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (grouped(0).as_str(), grouped(1_234_567).as_str(), grouped(-1000).as_str()),
            ("0", "1,234,567", "-1,000")
        );
    }

    #[test]
    fn only_who_is_in_its_group_is_ready_to_take_over() {
        let with = |state: &str| {
            let assignment = Assignment { state: state.to_owned(), ..Assignment::default() };
            table(&Status { assignment, ..Status::default() }, Style { colour: false }, None)
        };
        assert!(with("acquired").contains("ready to take over"));
        for state in ["joining", "allocating", "suspended", "something new"] {
            let shown = with(state);
            assert!(shown.ends_with("no partitions\n"), "{shown}");
        }
    }
}
