//! One line of the log: its message, and as fields of their own what it is about and whose it is.

use kafkavisor::clock::wall_millis;
use kafkavisor::ids::TopicPartition;
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::logger::Speaker;

/// Records of this target are a handler's own output, passed on as it is.
pub const HANDLER: &str = "handler";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Since 1970.
    pub(super) wall_millis: i64,
    pub(super) level: Level,
    /// The module that speaks, or [`HANDLER`].
    pub(super) target: String,
    pub(super) partition: Option<TopicPartition>,
    /// The process that speaks.
    pub(super) pid: i32,
    /// Whether people are shown the process: of the supervisor's lines they know.
    pub(super) shows_pid: bool,
    pub(super) message: String,
}

impl Line {
    /// What `record` says where `speaker` speaks.
    pub(super) fn of(record: &Record<'_>, speaker: &Speaker) -> Self {
        let mut line = Self {
            wall_millis: wall_millis(),
            level: record.level(),
            target: record.target().to_owned(),
            partition: speaker.partition.clone(),
            pid: speaker.pid,
            shows_pid: speaker.partition.is_some(),
            message: record.args().to_string(),
        };
        // Only a visitor of ours could fail, and this one does not.
        let _all_seen = record.key_values().visit(&mut Fields(&mut line));
        line
    }

    /// What it takes of the room for those that wait.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.target.len() + self.message.len()
    }
}

/// What a record says of the fields that a line has.
struct Fields<'a>(&'a mut Line);

impl<'kv> VisitSource<'kv> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kv>, value: Value<'kv>) -> Result<(), Error> {
        match key.as_str() {
            "partition" => self.0.partition = value.to_string().parse().ok(),
            "pid" => self.0.pid = value.to_string().parse().unwrap_or(self.0.pid),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A line of a worker's, or of its handler's.
    pub(in super::super) fn of_a_worker(message: &str) -> Line {
        Line {
            wall_millis: 1_700_000_000_123,
            level: Level::Warn,
            target: "kafkavisor_worker::turn".to_owned(),
            partition: Some("orders:3".parse().unwrap()),
            pid: 4711,
            shows_pid: true,
            message: message.to_owned(),
        }
    }

    /// A line of the supervisor's about nothing but itself.
    pub(in super::super) fn of_the_supervisor(message: &str) -> Line {
        Line { partition: None, shows_pid: false, ..of_a_worker(message) }
    }

    fn line(speaker: &Speaker, fields: &[(&str, Value<'_>)]) -> Line {
        Line::of(
            &Record::builder().args(format_args!("parked")).target(HANDLER).key_values(&fields).build(),
            speaker,
        )
    }

    #[test]
    fn a_record_says_what_it_is_about() {
        let supervisor = Speaker { pid: 7, ..Speaker::default() };
        let said = line(&supervisor, &[("partition", Value::from("orders:3")), ("other", Value::from(1))]);
        assert_eq!((said.partition, said.pid, said.shows_pid), ("orders:3".parse().ok(), 7, false));
        assert_eq!((said.target.as_str(), said.message.as_str()), (HANDLER, "parked"));
        assert_eq!(line(&supervisor, &[]).partition, None);
    }

    #[test]
    fn a_workers_lines_are_about_its_partition_and_a_handlers_are_its_own() {
        let worker = Speaker { partition: "orders:3".parse().ok(), pid: 8, ..Speaker::default() };
        let own = line(&worker, &[]);
        assert_eq!((own.partition, own.pid, own.shows_pid), ("orders:3".parse().ok(), 8, true));
        assert_eq!(line(&worker, &[("pid", Value::from(9))]).pid, 9);
    }
}
