//! Where reading begins and how often progress is committed: `offsets`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::errors::Problems;
use super::reader::Section;

const KEYS: &[&str] = &["reset", "storage", "commit_interval", "commit_messages"];
const COMMIT_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(300);
const COMMIT_MESSAGES: RangeInclusive<u64> = 1..=1_000_000_000;

/// Where reading begins, by name; yelp_kafka's words too.
pub(super) const RESETS: &[(&str, Reset)] = &[
    ("earliest", Reset::Earliest),
    ("latest", Reset::Latest),
    ("smallest", Reset::Earliest),
    ("largest", Reset::Latest),
];

/// Where reading begins and how often progress is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets {
    /// Where to begin in a topic for which the group has no offset at all.
    pub reset: Reset,
    /// Longest time between an acknowledgement and its commit.
    pub commit_interval: Duration,
    /// So many acknowledged messages are committed sooner.
    pub commit_messages: u64,
}

/// An end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reset {
    /// The oldest message.
    Earliest,
    /// The next message to come.
    Latest,
}

impl Default for Offsets {
    fn default() -> Self {
        Self { reset: Reset::Latest, commit_interval: Duration::from_secs(1), commit_messages: 10_000 }
    }
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Offsets {
    let section = root.section("offsets", KEYS, p);
    let default = Offsets::default();
    section.choice("storage", &[("kafka", ())], (), p);
    Offsets {
        reset: section.choice("reset", RESETS, default.reset, p),
        commit_interval: section.duration("commit_interval", &COMMIT_INTERVALS, default.commit_interval, p),
        commit_messages: section.integer("commit_messages", &COMMIT_MESSAGES, default.commit_messages, p),
    }
}
