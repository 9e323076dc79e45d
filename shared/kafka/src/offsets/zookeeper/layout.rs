//! The classic layout, as consumers of old and brokers for them have written it: where an offset's node is, and what its text
//! means. Beside it, where no other program looks, a record of our own for each offset.
//!
//! | node | holds |
//! |---|---|
//! | `/consumers/GROUP/offsets/TOPIC/PARTITION` | the next offset to read, in decimal digits |
//! | `/kafkavisor/offsets/GROUP/TOPIC/PARTITION` | the same, and in further lines the note beside it |

use kafkavisor_types::ids::{Group, Offset, Topic, TopicPartition};
use kafkavisor_types::text::bounded;

use crate::offsets::store::{OffsetError, Stored};

/// As much is shown of what should be an offset and is none.
const SHOWN: usize = 80;

/// Where the nodes of one group are.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    offsets: String,
    records: String,
}

impl Layout {
    /// Within `chroot`: empty, or `/a/b`, with or without slashes around it.
    pub(super) fn new(chroot: &str, group: &Group) -> Self {
        let chroot = chroot.trim_matches('/');
        let root = if chroot.is_empty() { String::new() } else { format!("/{chroot}") };
        Self {
            offsets: format!("{root}/consumers/{group}/offsets"),
            records: format!("{root}/kafkavisor/offsets/{group}"),
        }
    }

    pub(super) fn topics(&self) -> &str {
        &self.offsets
    }

    pub(super) fn partitions(&self, topic: &Topic) -> String {
        format!("{}/{topic}", self.offsets)
    }

    pub(super) fn offset(&self, of: &TopicPartition) -> String {
        format!("{}/{}/{}", self.offsets, of.topic, of.partition)
    }

    pub(super) fn record(&self, of: &TopicPartition) -> String {
        format!("{}/{}/{}", self.records, of.topic, of.partition)
    }
}

/// The offset that a node's text is: decimal digits, blanks around them allowed, as Python's `int` takes them.
pub(super) fn offset_of(path: &str, text: &[u8]) -> Result<Offset, OffsetError> {
    let digits = text.trim_ascii();
    let number = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    number.and_then(|number| number.parse().ok()).map(Offset).ok_or_else(|| OffsetError::NotANumber {
        path: path.to_owned(),
        content: bounded(text, text.len(), SHOWN),
    })
}

/// What the record of an offset holds.
pub(super) fn record_text(stored: &Stored) -> String {
    format!("{}\n{}", stored.offset, stored.note)
}

/// What a record says; none where it is no record.
pub(super) fn record_of(text: &[u8]) -> Option<Stored> {
    let (offset, note) = std::str::from_utf8(text).ok()?.split_once('\n')?;
    Some(Stored { offset: Offset(offset.parse().ok()?), note: note.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_where_other_programs_look_and_records_where_none_does() {
        for (chroot, root) in [("", ""), ("/", ""), ("/kafka", "/kafka"), ("kafka/a/", "/kafka/a")] {
            let layout = Layout::new(chroot, &"services.billing".parse().unwrap());
            let of = "orders:3".parse().unwrap();
            assert_eq!(layout.offset(&of), format!("{root}/consumers/services.billing/offsets/orders/3"));
            assert_eq!(layout.record(&of), format!("{root}/kafkavisor/offsets/services.billing/orders/3"));
        }
    }

    #[test]
    fn decimal_digits_are_an_offset() {
        let largest = i64::MAX.to_string();
        for (text, offset) in [("0", 0), ("42", 42), ("007", 7), (" 42\n", 42), (&largest, i64::MAX)] {
            assert_eq!(offset_of("/n", text.as_bytes()), Ok(Offset(offset)), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_none_and_is_named() {
        let long = "9".repeat(1000);
        for text in ["", " ", "-1", "+1", "1.0", "1_0", "0x1", "12 13", "None", "9223372036854775808", &long]
        {
            let error = offset_of("/consumers/g/offsets/t/0", text.as_bytes()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("/consumers/g/offsets/t/0") && said.len() < 250, "{said}");
        }
        let raw = offset_of("/n", b"\x1b[31m\xff").unwrap_err().to_string();
        assert!(!raw.contains('\x1b') && raw.contains("31m"), "{raw}");
    }

    /// What stands in ensembles for years: rows are added and never changed.
    #[test]
    fn a_record_is_read_as_it_is_written() {
        for (text, offset, note) in [("42\n{\"format\":1}", 42, "{\"format\":1}"), ("0\n", 0, "")] {
            let stored = Stored { offset: Offset(offset), note: note.to_owned() };
            assert_eq!(record_text(&stored), text);
            assert_eq!(record_of(text.as_bytes()), Some(stored));
        }
        for none in ["", "42", "x\n", "\n", "-\n"] {
            assert_eq!(record_of(none.as_bytes()), None, "{none:?}");
        }
    }
}
