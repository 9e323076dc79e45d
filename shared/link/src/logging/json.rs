//! Lines for programs: one JSON object each, always with the same keys.

use serde::Serialize;

use super::line::Line;
use super::timestamp::timestamp;

/// The keys, in this order.
#[derive(Debug, Serialize)]
struct Object<'a> {
    /// RFC 3339, UTC.
    time: String,
    /// error, warn, info, debug or trace.
    level: &'static str,
    /// The module that speaks, or `handler`: what a handler wrote.
    target: &'a str,
    /// Null where it is about no partition.
    topic: Option<&'a str>,
    partition: Option<i32>,
    /// The process that speaks: the supervisor, a worker or a handler.
    pid: i32,
    message: &'a str,
}

/// One line.
pub(super) fn render(line: &Line) -> String {
    let partition = line.partition.as_ref();
    let object = Object {
        time: timestamp(line.wall_millis),
        level: level(line.level),
        target: &line.target,
        topic: partition.map(|partition| partition.topic.as_str()),
        partition: partition.map(|partition| partition.partition.0),
        pid: line.pid,
        message: &line.message,
    };
    // Texts and numbers are always JSON.
    let mut json = escaped(serde_json::to_string(&object).unwrap_or_default());
    json.push('\n');
    json
}

fn level(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "error",
        log::Level::Warn => "warn",
        log::Level::Info => "info",
        log::Level::Debug => "debug",
        log::Level::Trace => "trace",
    }
}

/// JSON must escape only the first thirty-two control characters; a terminal obeys others too. They stand in strings only.
fn escaped(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::{of_a_worker, of_the_supervisor};
    use super::*;

    #[test]
    fn programs_find_each_thing_under_its_key_and_nothing_of_it_in_the_message() {
        assert_eq!(
            render(&of_a_worker("slow")),
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"target\":\"kafkavisor_worker::turn\",\
             \"topic\":\"orders\",\"partition\":3,\"pid\":4711,\"message\":\"slow\"}\n"
        );
        let read: serde_json::Value = serde_json::from_str(&render(&of_the_supervisor("slow"))).unwrap();
        assert!(read["topic"].is_null() && read["partition"].is_null() && read["pid"] == 4711, "{read}");
        assert_eq!(read.as_object().unwrap().len(), 7, "the keys are always the same");
    }

    #[test]
    fn one_record_is_one_line_that_no_terminal_obeys_and_every_program_reads_whole() {
        let message = "a\tb \u{1b}[2J \u{9b}5n \u{7f}\r \"quoted\"\ntwo";
        let line = render(&of_a_worker(message));
        assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], message);
    }
}
