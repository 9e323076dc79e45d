//! What there is: a group's offsets beside the ends of the logs, one row a partition.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor::offsets::{KafkaError, Log, OffsetError, OffsetStorage};
use serde::Serialize;

use super::super::table::{Style, number, offset};
use super::super::{note, print};
use super::live::live;
use super::target::{Target, all, failure};
use crate::cli::LookArgs;
use crate::exit::{Exit, Failure};

/// One partition, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::commands) struct Row {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// None where the group has no offset, or it can't be told.
    pub(super) committed: Option<i64>,
    /// None where the partition is not there any more, or nobody can tell.
    pub(super) low_watermark: Option<i64>,
    pub(super) high_watermark: Option<i64>,
    /// From the log's start where the group has no offset.
    pub(in crate::commands) lag: Option<i64>,
}

/// A row, and what has to be said about it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    row: Row,
    /// What is odd, though all that there is has been told.
    note: Option<String>,
    /// What could not be told.
    trouble: Option<String>,
}

/// Prints them; as a table with `summary` below it.
pub(in crate::commands) fn show(
    args: &LookArgs,
    summary: impl Fn(&[Row], Style) -> String,
) -> Result<Exit, Failure> {
    let target = Target::reach(&args.group, OffsetStorage::Kafka)?;
    let seen = look(&target, &args.topics)?;
    let rows: Vec<Row> = seen.iter().map(|seen| seen.row.clone()).collect();
    let style = Style::of_stdout();
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| Failure::bug(error.to_string()))?;
        print(&format!("{text}\n"))?;
    } else if rows.is_empty() {
        note(&without_offsets(&target)?);
    } else {
        print(&format!("{}{}", table(&rows, style), summary(&rows, style)))?;
    }
    seen.iter().filter_map(|seen| seen.note.as_deref()).for_each(note);
    let trouble: Vec<_> = seen.into_iter().filter_map(|seen| seen.trouble).collect();
    if trouble.is_empty() { Ok(Exit::Clean) } else { Err(Failure::failed(trouble.join("\n"))) }
}

/// What to say of a group that has none: it may have just begun.
fn without_offsets(target: &Target) -> Result<String, Failure> {
    let (group, place) = (&target.group, target.place());
    let members = live(target)?;
    if members.is_empty() {
        return Ok(format!("group {group} has no offsets in {place}"));
    }
    let members = members.join(", ");
    Ok(format!(
        "group {group} has members and has committed nothing yet in {place}: {members}. With -t TOPIC a topic is shown all the same"
    ))
}

/// All partitions of the topics, and what the group has besides.
fn look(target: &Target, topics: &[Topic]) -> Result<Vec<Seen>, Failure> {
    let known = target.client.partitions_with_offsets(&target.group, target.storage).map_err(failure)?;
    let (there, wanted) = if topics.is_empty() {
        let topics: BTreeSet<_> = known.iter().map(|key| key.topic.clone()).collect();
        let there = all(&target.counts(&topics.into_iter().collect::<Vec<_>>())?);
        (there.clone(), &there | &known)
    } else {
        let there = target.partitions(topics)?;
        let of_them = known.into_iter().filter(|key| topics.contains(&key.topic));
        (there.clone(), there.into_iter().chain(of_them).collect())
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut committed = target.client.committed(&target.group, target.storage, &wanted).map_err(failure)?;
    let mut logs = target.logs(&there);
    let one = |key: TopicPartition| {
        let committed = committed.remove(&key).unwrap_or(Ok(None));
        let log = there.contains(&key).then(|| logs.remove(&key).unwrap_or(Err(KafkaError::TimedOut)));
        seen(&key, committed, log)
    };
    Ok(wanted.into_iter().map(one).collect())
}

/// One row. `log` is none where there is no such partition.
fn seen(
    key: &TopicPartition,
    committed: Result<Option<Offset>, OffsetError>,
    log: Option<Result<Log, KafkaError>>,
) -> Seen {
    let offset = committed.as_ref().ok().copied().flatten();
    let known = log.as_ref().and_then(|log| log.as_ref().ok()).copied();
    let note = match (&log, known, offset) {
        (None, _, _) => {
            Some(format!("{key}: Kafka has no such partition now, and the group has an offset of it"))
        }
        (_, Some(log), Some(offset)) if offset > log.end => Some(format!(
            "{key}: the group's offset is beyond the log's end: set it to where it should go on"
        )),
        (_, Some(log), Some(offset)) if offset < log.start => {
            Some(format!("{key}: the group's offset is below the log's start: messages are gone"))
        }
        _ => None,
    };
    let unread = committed.as_ref().err().map(|error| format!("{key}: {error}"));
    let unknown = log.and_then(Result::err).map(|error| format!("{key}: {error}"));
    let lag = known.filter(|_| unread.is_none()).map(|log| lag(offset, &log));
    let row = Row {
        topic: key.topic.to_string(),
        partition: key.partition.0,
        committed: offset.map(|offset| offset.0),
        low_watermark: known.map(|log| log.start.0),
        high_watermark: known.map(|log| log.end.0),
        lag,
    };
    Seen { row, note, trouble: unread.or(unknown) }
}

/// How far behind the log's end.
fn lag(committed: Option<Offset>, log: &Log) -> i64 {
    log.end.0.saturating_sub(committed.unwrap_or(log.start).0).max(0)
}

fn table(rows: &[Row], style: Style) -> String {
    let name = |row: &Row| format!("{}:{}", row.topic, row.partition);
    let width = rows.iter().map(|row| name(row).len()).max().unwrap_or(0).max("PARTITION".len());
    let heading =
        format!("{:<width$}  {:>15}  {:>15}  {:>15}  {:>12}", "PARTITION", "COMMITTED", "LOW", "HIGH", "LAG");
    // Writing to a string never fails.
    let mut text = format!("{}\n", style.dim(&heading));
    for row in rows {
        let [committed, low, high] = [row.committed, row.low_watermark, row.high_watermark].map(offset);
        let lag = number(row.lag);
        let _written =
            writeln!(text, "{:<width$}  {committed:>15}  {low:>15}  {high:>15}  {lag:>12}", name(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TopicPartition {
        "orders:3".parse().unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as it is asked for")]
    fn log(start: i64, end: i64) -> Option<Result<Log, KafkaError>> {
        Some(Ok(Log { start: Offset(start), end: Offset(end), stable_end: Offset(end) }))
    }

    #[track_caller]
    fn shows(seen: &Seen, numbers: [Option<i64>; 4]) {
        let Row { committed, low_watermark, high_watermark, lag, .. } = seen.row;
        assert_eq!([committed, low_watermark, high_watermark, lag], numbers);
    }

    #[test]
    fn lag_is_to_the_end_and_from_the_start_without_an_offset() {
        let read = seen(&key(), Ok(Some(Offset(70))), log(10, 100));
        shows(&read, [Some(70), Some(10), Some(100), Some(30)]);
        assert_eq!((read.note, read.trouble), (None, None));
        shows(&seen(&key(), Ok(None), log(10, 100)), [None, Some(10), Some(100), Some(90)]);
    }

    #[test]
    fn an_offset_outside_the_log_is_said() {
        let beyond = seen(&key(), Ok(Some(Offset(101))), log(10, 100));
        shows(&beyond, [Some(101), Some(10), Some(100), Some(0)]);
        assert!(beyond.note.unwrap().contains("beyond"));
        let below = seen(&key(), Ok(Some(Offset(9))), log(10, 100));
        shows(&below, [Some(9), Some(10), Some(100), Some(91)]);
        assert!(below.note.unwrap().contains("below"));
    }

    #[test]
    fn what_there_is_not_any_more_is_shown_and_what_cant_be_told_is_trouble() {
        let gone = seen(&key(), Ok(Some(Offset(5))), None);
        shows(&gone, [Some(5), None, None, None]);
        assert!(gone.note.is_some() && gone.trouble.is_none());
        let leaderless = seen(&key(), Ok(Some(Offset(5))), Some(Err(KafkaError::NoLeader)));
        shows(&leaderless, [Some(5), None, None, None]);
        assert!(leaderless.trouble.unwrap().starts_with("orders:3: "));
        let node = OffsetError::NotANumber { path: "/n".to_owned(), content: "x".to_owned() };
        let unread = seen(&key(), Err(node), log(10, 100));
        shows(&unread, [None, Some(10), Some(100), None]);
        assert!(unread.trouble.unwrap().contains("/n"));
    }
}
