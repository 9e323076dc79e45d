//! Status as a table for people.

use std::fmt::Write;

use crate::observe::status::{Partition, Status};

/// How a table may look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
}

impl Style {
    /// Colour only on a terminal, and not where `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        use std::io::IsTerminal;
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !unwanted }
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

    pub(super) fn state(self, state: &str, width: usize) -> String {
        let padded = format!("{state:<width$}");
        match state {
            "ready" => self.paint("32", &padded),
            "starting" | "draining" | "paused" | "backing_off" => self.paint("33", &padded),
            _ => self.paint("31", &padded),
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

/// The whole status.
pub(super) fn table(status: &Status, style: Style) -> String {
    let mut text = String::new();
    let assignment = &status.assignment;
    let members =
        if assignment.members == 1 { "1 member" } else { &format!("{} members", assignment.members) };
    // Writing to a string can't fail.
    let _written = writeln!(
        text,
        "{}  {}  {} {}, {members}, generation {}, pid {}, up {}",
        style.bold(&status.group),
        status.state,
        assignment.mode,
        assignment.state,
        status.generation,
        status.pid,
        duration(status.uptime_seconds),
    );
    let of_partitions = assignment.troubles.iter().map(|(partition, why)| format!("{partition}: {why}"));
    for trouble in status.troubles.iter().chain(&assignment.trouble).cloned().chain(of_partitions) {
        let _written = writeln!(text, "{} {trouble}", style.paint("31", "trouble:"));
    }
    for (partition, by) in &assignment.blocked {
        let _written = writeln!(text, "{partition} waits: its lock is held by {by}");
    }
    for partition in status.partitions.iter().filter(|partition| !partition.left_behind.is_empty()) {
        let (name, left) = (name(partition), partition.left_behind.join(", "));
        let _written =
            writeln!(text, "{name}: a worker has left what can't be ended (another user's?): {left}");
    }
    if let Some(roll) = &status.roll {
        let why = roll.error.as_ref().map_or_else(String::new, |error| format!(" by {error}"));
        let _written =
            writeln!(text, "reload: {} of {} workers replaced, {}{why}", roll.rolled, roll.of, roll.state);
    }
    if status.partitions.is_empty() {
        text.push_str(match assignment.state.as_str() {
            "acquired" => "no partitions: an idle member, ready to take over\n",
            _ => "no partitions\n",
        });
        return text;
    }
    let width = status.partitions.iter().map(|p| name(p).len()).max().unwrap_or(0).max("PARTITION".len());
    let heading = format!(
        "{:<width$}  {:<11}  {:>8}  {:>8}  {:>12}  {:>10}  {:>9}  {:>8}  LAST EXIT",
        "PARTITION", "STATE", "WORKER", "HANDLER", "COMMITTED", "LAG", "IN FLIGHT", "RESTARTS"
    );
    let _written = writeln!(text, "{}", style.dim(&heading));
    for partition in &status.partitions {
        let _written = writeln!(text, "{}", row(partition, width, style));
    }
    text
}

fn name(partition: &Partition) -> String {
    format!("{}:{}", partition.topic, partition.partition)
}

fn row(partition: &Partition, width: usize, style: Style) -> String {
    let pid = |pid: Option<i64>| pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let why = partition.commit_error.as_ref().map(|error| format!("not committed: {error}"));
    format!(
        "{:<width$}  {}  {:>8}  {:>8}  {:>12}  {:>10}  {:>9}  {:>8}  {}",
        name(partition),
        style.state(&partition.state, 11),
        pid(partition.worker_pid.map(i64::from)),
        pid(partition.handler_pid.and_then(|pid| i64::try_from(pid).ok())),
        offset(partition.committed),
        number(partition.lag),
        grouped(i64::try_from(partition.in_flight).unwrap_or(i64::MAX)),
        partition.restarts_total,
        partition
            .reason
            .as_deref()
            .filter(|_| why.is_none())
            .or(why.as_deref())
            .or(partition.last_exit.as_deref())
            .unwrap_or(""),
    )
    .trim_end()
    .to_owned()
}

fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an uptime in whole seconds")]
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::Assignment;

    #[test]
    fn numbers_and_durations_read_well() {
        assert_eq!(
            (grouped(0).as_str(), grouped(1_234_567).as_str(), grouped(-1000).as_str()),
            ("0", "1,234,567", "-1,000")
        );
        assert_eq!(
            (duration(59.9).as_str(), duration(61.0).as_str(), duration(90_000.0).as_str()),
            ("59 s", "1 min 1 s", "1 d 1 h")
        );
    }

    #[test]
    fn only_who_is_in_its_group_is_ready_to_take_over() {
        let with = |state: &str| {
            let assignment = Assignment { state: state.to_owned(), ..Assignment::default() };
            table(&Status { assignment, ..Status::default() }, Style { colour: false })
        };
        assert!(with("acquired").contains("ready to take over"));
        for state in ["joining", "allocating", "suspended", "something new"] {
            let shown = with(state);
            assert!(shown.ends_with("no partitions\n"), "{shown}");
        }
    }

    #[test]
    fn an_offset_can_be_given_to_other_commands_as_it_is_shown() {
        let partition = Partition { committed: Some(1_234_567), lag: Some(1_234), ..Partition::default() };
        let row = row(&partition, 10, Style { colour: false });
        assert!(row.contains(" 1234567 ") && row.contains(" 1,234 "), "{row}");
    }
}
