//! What stands beside every offset that is committed: who has committed it, and of which topic. Notes outlive versions, so their
//! format has rules (docs/architecture.md, *From version to version*).

use serde::Serialize;
use serde_json::Value;

/// The format of a note, as `format` in it; a new key is a new number. Keys keep their meaning and the form of their values from
/// format to format, and unknown ones are ignored, so that a higher number is read like this one. A note without a number is of
/// format 0, which had no `instance_id`.
const FORMAT: u64 = 1;
/// Longer metadata is none of ours: brokers take 4096 bytes unless told otherwise.
const LONGEST: usize = 16 * 1024;
/// No name is longer, and so no note.
const LONGEST_NAME: usize = 249;

/// What stands beside every offset we commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitNote {
    /// Of which format it is.
    pub format: u64,
    /// The name of the instance that committed, for people: other hosts may have an instance of that name.
    #[serde(rename = "kafkavisor")]
    pub instance: String,
    /// Which instance committed: a random number of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Kafka's id of the topic, where it could be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
}

impl CommitNote {
    /// A note of the instance `name`, whose random id is `id`.
    pub fn new(name: &str, id: &str, topic_id: Option<String>) -> Self {
        let instance = name.chars().take(LONGEST_NAME).collect();
        Self { format: FORMAT, instance, instance_id: Some(id.to_owned()), topic_id }
    }

    /// As the metadata of a commit.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What stands beside a commit, if it is one of ours. Anybody may have written it: what is of another type than it should be
    /// counts as not there.
    pub fn of(metadata: &str) -> Option<Self> {
        if metadata.len() > LONGEST {
            return None;
        }
        let value: Value = serde_json::from_str(metadata).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            format: value.get("format").and_then(Value::as_u64).unwrap_or(0),
            instance: text("kafkavisor")?,
            instance_id: text("instance_id"),
            topic_id: text("topic_id"),
        })
    }
}

/// Notes as there are in the world.
#[cfg(test)]
pub(crate) mod written {
    /// Format, instance's id, topic's id.
    pub(crate) type Row = (&'static str, u64, Option<&'static str>, Option<&'static str>);

    /// Notes as versions have written them, which stand beside offsets for years: format, instance's id, topic's id. Where this
    /// version does not read them so any more, it is this version that is wrong: rows are added and never changed.
    pub(crate) const WRITTEN: [Row; 4] = [
        (r#"{"kafkavisor":"orders-1"}"#, 0, None, None),
        (r#"{"kafkavisor":"orders-1","topic_id":"AAAAAAAAAAAAAAAAAAAAAQ"}"#, 0, None, Some(TOPIC)),
        (r#"{"format":1,"kafkavisor":"orders-1","instance_id":"5eed"}"#, 1, Some("5eed"), None),
        (
            r#"{"format":1,"kafkavisor":"orders-1","instance_id":"5eed","topic_id":"AAAAAAAAAAAAAAAAAAAAAQ"}"#,
            1,
            Some("5eed"),
            Some(TOPIC),
        ),
    ];
    pub(crate) const TOPIC: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
    /// As later versions may write them, and what this one reads of each.
    pub(crate) const LATER: [(&str, Row); 3] = [
        (r#"{"format":2,"kafkavisor":"orders-1","instance_id":"5eed","done":[{"a":1}]}"#, WRITTEN[2]),
        (
            r#"{"done":"4-7","instance_id":"5eed","format":9007199254740993,"kafkavisor":"orders-1"}"#,
            WRITTEN[2],
        ),
        // A number that can't be one; who signed it still counts.
        (r#"{"format":"two","kafkavisor":"orders-1","instance_id":"5eed"}"#, WRITTEN[2]),
    ];
}

#[cfg(test)]
mod tests {
    use super::written::{LATER, Row, TOPIC, WRITTEN};
    use super::*;

    fn note((_, format, instance_id, topic_id): Row) -> CommitNote {
        CommitNote {
            format,
            instance: "orders-1".to_owned(),
            instance_id: instance_id.map(str::to_owned),
            topic_id: topic_id.map(str::to_owned),
        }
    }

    #[test]
    fn what_earlier_versions_wrote_is_read() {
        for row in WRITTEN {
            assert_eq!(CommitNote::of(row.0), Some(note(row)), "{}", row.0);
        }
    }

    /// A change of what is written is a new row, with the next number.
    #[test]
    fn what_this_version_writes_is_the_last_that_is_known() {
        for (row, topic_id) in [(WRITTEN[2], None), (WRITTEN[3], Some(TOPIC.to_owned()))] {
            let written = CommitNote::new("orders-1", "5eed", topic_id);
            assert_eq!((written.to_text().as_str(), written.format), (row.0, FORMAT));
        }
    }

    #[test]
    fn what_later_versions_add_is_passed_over() {
        for (text, row) in LATER {
            let read = CommitNote::of(text).unwrap();
            assert_eq!(CommitNote { format: 1, ..read }, note(row), "{text}");
        }
    }

    #[test]
    fn what_others_wrote_counts_for_nothing() {
        let long = format!(r#"{{"kafkavisor":"{}"}}"#, "x".repeat(LONGEST));
        let deep = "[".repeat(LONGEST);
        for foreign in
            ["", "x", "null", "[]", "7", r#"{"kafkavisor":7}"#, r#"{"topic_id":"now"}"#, &long, &deep]
        {
            assert_eq!(CommitNote::of(foreign), None, "{}", &foreign[..foreign.len().min(40)]);
        }
    }

    #[test]
    fn a_note_fits_beside_an_offset() {
        let note = CommitNote::new(&"\u{1}".repeat(9999), &"f".repeat(32), Some("A".repeat(22)));
        assert!(note.to_text().len() < 4096, "brokers take no more");
    }
}
