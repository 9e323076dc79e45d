//! What concerns the whole: who and how, what is wrong, and how many partitions are in which state.

use std::collections::BTreeMap;

use kafkavisor::text::shown;

use super::row::{Row, name};
use crate::commands::table::grouped;
use crate::observe::ages::{of_seconds, whole};
use crate::observe::status::{Assignment, Status};

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Tone {
    Title,
    Trouble,
    Plain,
}

/// A line: its first word stands out.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Line {
    pub(in crate::commands) tone: Tone,
    pub(in crate::commands) lead: String,
    pub(in crate::commands) rest: String,
}

impl Line {
    pub(in crate::commands) fn new(tone: Tone, lead: &str, rest: &str) -> Self {
        Self { tone, lead: lead.to_owned(), rest: shown(rest) }
    }
}

/// All of it; `rate` is that of all partitions, where it is known.
pub(in crate::commands) fn lines(status: &Status, rate: Option<f64>) -> Vec<Line> {
    let mut lines = vec![title(status)];
    let Assignment { trouble, troubles, blocked, .. } = &status.assignment;
    let of_partitions = troubles.iter().map(|(partition, why)| format!("{partition}: {why}"));
    let all = status.troubles.iter().chain(trouble).cloned().chain(of_partitions);
    lines.extend(all.map(|trouble| Line::new(Tone::Trouble, "trouble:", &format!(" {trouble}"))));
    for (partition, by) in blocked.iter() {
        lines.push(Line::new(Tone::Plain, partition, &format!(" waits: its lock is held by {by}")));
    }
    for partition in status.partitions.iter().filter(|partition| !partition.left_behind.is_empty()) {
        let left = partition.left_behind.join(", ");
        let rest = format!(": a worker has left what can't be ended (another user's?): {left}");
        lines.push(Line::new(Tone::Plain, &name(partition), &rest));
    }
    if let Some(roll) = &status.roll {
        let why = roll.error.as_ref().map_or_else(String::new, |error| format!(" by {error}"));
        let rest = format!(" {} of {} workers replaced, {}{why}", roll.rolled, roll.of, roll.state);
        lines.push(Line::new(Tone::Plain, "reload:", &rest));
    }
    lines.push(Line::new(Tone::Plain, "", &partitions(status, rate)));
    lines
}

fn title(status: &Status) -> Line {
    let assignment = &status.assignment;
    let members =
        if assignment.members == 1 { "1 member" } else { &format!("{} members", assignment.members) };
    let rest = format!(
        "  {}  {} {}, {members}, generation {}, pid {}, up {}",
        status.state,
        assignment.mode,
        assignment.state,
        status.generation,
        status.pid,
        whole(of_seconds(status.uptime_seconds)),
    );
    Line::new(Tone::Title, &status.group, &rest)
}

fn partitions(status: &Status, rate: Option<f64>) -> String {
    if status.partitions.is_empty() {
        let idle = status.assignment.state == "acquired";
        return if idle { "no partitions: an idle member, ready to take over" } else { "no partitions" }
            .to_owned();
    }
    let mut kinds: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    let rows: Vec<_> = status.partitions.iter().map(|partition| Row { partition, rate: None }).collect();
    for row in &rows {
        // A ready one that can't commit is ready here.
        let rank = if row.kind() == "ready" { usize::MAX } else { row.rank() };
        *kinds.entry((rank, row.kind())).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.iter().map(|((_, kind), count)| format!("{count} {kind}")).collect();
    let lag: i64 = status.partitions.iter().filter_map(|partition| partition.lag).sum();
    let count = rows.len();
    let noun = if count == 1 { "partition" } else { "partitions" };
    let rate = rate.map_or_else(String::new, |rate| format!(", {rate:.0} messages a second"));
    format!("{count} {noun}: {}; lag {}{rate}", kinds.join(", "), grouped(lag))
}
