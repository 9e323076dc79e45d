//! Who gives this instance its partitions: `assignment`, by ZooKeeper or by a fixed list.
//!
//! Whether what is needed for the mode is there is checked with the other sections, in `load`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{Partition, Topic};

use super::address::{InvalidAddress, zookeeper_path};
use super::document::{Value, shown};
use super::errors::Problems;
use super::reader::{Field, Section, Setting};
use super::topics;

const KEYS: &[&str] = &["mode", "group_path", "cooldown", "session_timeout", "use_group_sha", "partitions"];
const COOLDOWNS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
const SESSION_TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const PARTITIONS: &str = "a map of topics to partitions such as {orders: [0, 1]}";
/// Highest partition number that is taken.
pub(super) const MAX_PARTITION: i32 = 999_999;

/// Partitions by topic.
pub(super) type Partitions = BTreeMap<Topic, BTreeSet<Partition>>;

/// Who gives this instance its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignment {
    /// The group, through ZooKeeper.
    Zookeeper {
        /// How the group's folder is named.
        group_path: GroupPathStyle,
        /// How long the members must stay the same before partitions are dealt out: kazoo's `time_boundary`.
        cooldown: Duration,
        /// The session time asked for; ZooKeeper may give another. 1 s to 60 s.
        session_timeout: Duration,
        /// Whether the folder's name holds the SHA-1 of the topics.
        use_group_sha: bool,
    },
    /// This list, without ZooKeeper.
    Static {
        /// Partitions by topic: at least one topic, and at least one partition each.
        partitions: Partitions,
    },
}

/// How the group's folder in ZooKeeper is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupPathStyle {
    /// As members on Python 3 name it.
    Python3,
    /// As members on Python 2 with unicode topics name it.
    Python2Unicode,
    /// This absolute path.
    Path(String),
}

/// How partitions are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Zookeeper,
    Static,
}

/// `assignment` as far as the file says.
#[derive(Debug)]
pub(super) struct AssignmentDraft {
    pub(super) mode: Option<Setting<Mode>>,
    pub(super) partitions: Option<Setting<Partitions>>,
    /// What holds when ZooKeeper assigns.
    pub(super) zookeeper: Assignment,
}

/// What holds where the file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Defaults {
    pub(super) cooldown: Duration,
    pub(super) use_group_sha: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { cooldown: Duration::from_secs(1), use_group_sha: true }
    }
}

pub(super) fn read(root: &Section<'_>, default: Defaults, p: &mut Problems) -> AssignmentDraft {
    let section = root.section("assignment", KEYS, p);
    let modes = [("zookeeper", Mode::Zookeeper), ("static", Mode::Static)];
    let style = section
        .get("group_path")
        .and_then(|field| field.parsed("`python3`, `python2-unicode` or a path", group_path, p));
    AssignmentDraft {
        mode: section
            .get("mode")
            .map(|field| Setting { place: field.place(), value: field.choice(&modes, p) }),
        partitions: section
            .get("partitions")
            .map(|field| Setting { place: field.key, value: partitions(field, p) }),
        zookeeper: Assignment::Zookeeper {
            group_path: style.unwrap_or(GroupPathStyle::Python3),
            cooldown: section.duration("cooldown", &COOLDOWNS, default.cooldown, p),
            session_timeout: section.duration("session_timeout", &SESSION_TIMEOUTS, SESSION_TIMEOUT, p),
            use_group_sha: section.boolean("use_group_sha", default.use_group_sha, p),
        },
    }
}

fn group_path(text: &str) -> Result<GroupPathStyle, String> {
    match text {
        "python3" => Ok(GroupPathStyle::Python3),
        "python2-unicode" => Ok(GroupPathStyle::Python2Unicode),
        path if path.starts_with('/') => zookeeper_path(path)
            .map(|()| GroupPathStyle::Path(path.to_owned()))
            .map_err(|error: InvalidAddress| error.to_string()),
        other => Err(format!(
            "expected `python3`, `python2-unicode` or a path that begins with '/', found {:?}",
            shown(other)
        )),
    }
}

fn partitions(field: &Field<'_>, p: &mut Problems) -> Option<Partitions> {
    if !matches!(&field.node.value, Value::Map(entries) if !entries.is_empty()) {
        field.expected(PARTITIONS, p);
        return None;
    }
    let mut all = Partitions::new();
    for (name, field) in field.entries(PARTITIONS, p) {
        match topics::topic(name) {
            Ok(topic) => {
                all.insert(topic, numbers(&field, p));
            }
            Err(error) => p.value(&field.path, field.key, error),
        }
    }
    Some(all)
}

fn numbers(field: &Field<'_>, p: &mut Problems) -> BTreeSet<Partition> {
    let mut set = BTreeSet::new();
    let Some(items) = field.list("a list of partitions such as [0, 1]", p) else { return set };
    if items.is_empty() {
        field.wrong("expected a list of partitions such as [0, 1], found an empty list", p);
    }
    for item in &items {
        let number = match &item.node.value {
            Value::Number(_, Some(number)) => {
                i32::try_from(*number).ok().filter(|n| (0..=MAX_PARTITION).contains(n))
            }
            Value::Null
            | Value::Boolean(_)
            | Value::Number(_, None)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => None,
        };
        match number {
            None => item.expected(&format!("a partition from 0 to {MAX_PARTITION}"), p),
            Some(number) if !set.insert(Partition(number)) => {
                item.wrong(format!("partition {number} is listed twice; keep one"), p);
            }
            Some(_) => {}
        }
    }
    set
}
