//! A group's offsets in a file: `{group, storage, offsets: {TOPIC: {PARTITION: OFFSET}}}` as YAML.
//!
//! The file is read as strictly as a configuration: every error at once, with line and column.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::config::document::{Node, Value, parse};
use crate::config::errors::Problems;
use crate::config::reader::Field;
use crate::config::source::Limit;
use crate::config::{Errors, Place, Source};
use crate::ids::{Group, Offset, Partition, Topic};
use crate::offset_storage::OffsetStorage;

const KEYS: &[&str] = &["group", "storage", "offsets"];
/// Some hundred thousand partitions.
const LIMIT: Limit = Limit { bytes: 16 << 20, question: "is this what `kafkavisor offsets save` wrote?" };

/// Offsets of a group as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedOffsets {
    /// Whose they were.
    pub group: Group,
    /// Where they were kept.
    pub storage: OffsetStorage,
    /// The next offset to read, by topic and partition.
    pub offsets: BTreeMap<Topic, BTreeMap<Partition, Offset>>,
}

impl SavedOffsets {
    /// Reads the file at `path`. Fails when it can't be read, is larger than 16 MiB, or is not UTF-8, and with all that is wrong in it.
    pub fn open(path: &Path) -> Result<Self, Errors> {
        Source::read_within(LIMIT, path).and_then(|file| Self::read(&file))
    }

    /// Reads a file's text. Fails with all that is wrong in it.
    pub fn read(file: &Source) -> Result<Self, Errors> {
        let mut problems = Problems::default();
        let read = match parse(&file.text, LIMIT) {
            Ok(Some(node)) => Self::of(&node, &mut problems),
            Ok(None) => Self::of(&nothing(), &mut problems),
            Err((place, message)) => {
                problems.at(place, message);
                None
            }
        };
        match read {
            Some(saved) if problems.is_empty() => Ok(saved),
            _ => Err(problems.into_errors(Some(file.name.clone()))),
        }
    }

    fn of(node: &Node, p: &mut Problems) -> Option<Self> {
        let Value::Map(_) = node.value else {
            let found = node.value.found();
            p.at(node.place, format!("expected what `kafkavisor offsets save` writes, found {found}"));
            return None;
        };
        let root = Field { path: String::new(), key: node.place, node }.section(KEYS, p);
        let mut needed = |key: &str, missing: &str| {
            let field = root.get(key);
            if field.is_none() {
                p.at(Place::WholeFile, missing);
            }
            field
        };
        let group = needed("group", "no `group`: whose offsets were these?");
        let storage = needed("storage", "no `storage`: kafka, zookeeper or dual");
        let offsets = needed("offsets", "no `offsets`: expected {TOPIC: {PARTITION: OFFSET}}");
        let group = group.and_then(|field| field.parsed("a group", Group::new, p));
        let storage = storage.and_then(|field| field.parsed("a storage", str::parse, p));
        let offsets = offsets.map(|field| topics(field, p));
        Some(Self { group: group?, storage: storage?, offsets: offsets? })
    }

    /// The file's text.
    pub fn to_yaml(&self) -> String {
        let mut text = format!("group: {}\nstorage: {}\n", plain(self.group.as_str()), self.storage);
        if self.offsets.is_empty() {
            text.push_str("offsets: {}\n");
            return text;
        }
        text.push_str("offsets:\n");
        // Writing to a string never fails.
        for (topic, partitions) in &self.offsets {
            let _written = writeln!(text, "  {}:", plain(topic.as_str()));
            for (partition, offset) in partitions {
                let _written = writeln!(text, "    {partition}: {offset}");
            }
        }
        text
    }
}

fn nothing() -> Node {
    Node { place: Place::WholeFile, value: Value::Null }
}

fn topics(field: &Field<'_>, p: &mut Problems) -> BTreeMap<Topic, BTreeMap<Partition, Offset>> {
    let mut topics = BTreeMap::new();
    for (name, field) in field.entries("a map of topics", p) {
        match Topic::new(name) {
            Ok(topic) => drop(topics.insert(topic, partitions(&field, p))),
            Err(error) => p.at(field.key, error.to_string()),
        }
    }
    topics
}

fn partitions(field: &Field<'_>, p: &mut Problems) -> BTreeMap<Partition, Offset> {
    let mut partitions = BTreeMap::new();
    for (name, field) in field.entries("a map of partitions to offsets", p) {
        let Some(partition) = digits(name).and_then(|number| i32::try_from(number).ok()) else {
            p.at(field.key, format!("{name:?} is no partition: expected a number from 0 on"));
            continue;
        };
        let offset = match &field.node.value {
            Value::Number(text, _) => digits(text),
            Value::Null | Value::Boolean(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let Some(offset) = offset else {
            field.expected("an offset: a whole number from 0 on", p);
            continue;
        };
        if partitions.insert(Partition(partition), Offset(offset)).is_some() {
            p.at(field.key, format!("partition {partition} is given twice; keep one"));
        }
    }
    partitions
}

/// A number in decimal digits alone.
fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// A name as YAML: in quotes where a reader, this one or another, could take it for something else than text.
fn plain(name: &str) -> String {
    const WORDS: [&str; 12] =
        ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];
    let word = WORDS.contains(&name.to_lowercase().as_str());
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !word {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<SavedOffsets, Errors> {
        SavedOffsets::read(&Source { name: "saved.yaml".to_owned(), text: text.to_owned() })
    }

    fn wrong(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_written_as_people_would() {
        let text = "group: services.billing\nstorage: kafka\noffsets:\n  orders:\n    0: 42\n    11: 0\n  \"1.0\":\n    3: 7\n";
        let saved = read(text).unwrap();
        assert_eq!(saved.offsets[&Topic::new("orders").unwrap()][&Partition(11)], Offset(0));
        assert_eq!(read(&saved.to_yaml()).unwrap(), saved);
        let json = r#"{"group":"g","storage":"dual","offsets":{"t":{"0":5}}}"#;
        assert_eq!(read(json).unwrap().to_yaml(), "group: g\nstorage: dual\noffsets:\n  t:\n    0: 5\n");
        let none = "group: g\nstorage: zookeeper\noffsets: {}\n";
        assert_eq!(read(none).unwrap().to_yaml(), none);
    }

    #[test]
    fn whatever_is_wrong_is_said_at_once_with_its_place() {
        let said = wrong(
            "group: a b\nstorage: both\noffsets:\n  t:\n    0: -5\n    x: 1\n    1: 2\n    01: 3\n  a/b: {}\nmore: 1\n",
        );
        for expected in [
            "saved.yaml:1:8: `group`: group \"a b\" holds ' '",
            "saved.yaml:2:10: `storage`: \"both\" is no storage of offsets",
            "saved.yaml:5:8: `offsets.t.0`: expected an offset: a whole number from 0 on, found the number -5",
            "saved.yaml:6:5: \"x\" is no partition",
            "saved.yaml:8:5: partition 1 is given twice",
            "saved.yaml:9:3: topic \"a/b\" holds '/'",
            "saved.yaml:10:1: unknown key `more`",
        ] {
            assert!(said.contains(expected), "{expected:?} in\n{said}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for (text, expected) in [
            ("", "found nothing"),
            ("# nothing\n", "found nothing"),
            ("[1]", "found a list"),
            ("group: g\nstorage: kafka\n", "no `offsets`"),
            ("storage: kafka\noffsets: {}\n", "no `group`"),
            ("group: g\noffsets: {}\n", "no `storage`"),
            ("group: g\nstorage: kafka\noffsets: {t: 5}\n", "expected a map of partitions to offsets"),
            ("group: g\nstorage: kafka\noffsets: {t: {0: 1.5}}\n", "found the number 1.5"),
            ("group: g\nstorage: kafka\noffsets: {t: {0: 9223372036854775808}}\n", "expected an offset"),
            ("group: g\nstorage: kafka\noffsets: {t: {99999999999: 1}}\n", "is no partition"),
            ("group: g\nstorage: kafka\noffsets: {t: {0: 1, 0: 2}}\n", "is given twice"),
            ("group: g\nstorage: kafka\noffsets: {t: {0: 1}\n", "not valid YAML"),
            ("group: [\0", "NUL"),
        ] {
            let said = wrong(text);
            assert!(said.contains(expected) && said.starts_with("saved.yaml"), "{text:?}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            group in "[a-zA-Z0-9._-]{1,12}", topics in prop::collection::btree_map("[a-zA-Z0-9._-]{1,8}|true|null|0x1f|1e3|~?", prop::collection::btree_map(0..i32::MAX, 0..i64::MAX, 0..4), 0..4),
        ) {
            prop_assume!(Group::new(&group).is_ok());
            let offsets = topics.into_iter().filter_map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(|(p, o)| (Partition(p), Offset(o))).collect();
                Some((Topic::new(&topic).ok()?, partitions))
            });
            let offsets: BTreeMap<_, BTreeMap<_, _>> = offsets.filter(|(_, p): &(_, BTreeMap<_, _>)| !p.is_empty()).collect();
            let saved = SavedOffsets { group: Group::new(&group).unwrap(), storage: OffsetStorage::Kafka, offsets };
            prop_assert_eq!(read(&saved.to_yaml()).unwrap(), saved);
        }

        #[test]
        fn whatever_a_file_holds_is_an_answer(text in "[ -~\\n]{0,200}") {
            let _answered = read(&text);
        }
    }
}
