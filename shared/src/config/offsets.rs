//! Where reading begins and how often progress is committed: `offsets`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use kafkavisor_group::start::Reset;

use super::consumer::Consumer;
use super::errors::{Place, Problems};
use super::reader::{Field, Section};
use crate::offset_storage::{OffsetStorage, STORAGES};

const KEYS: &[&str] = &["reset", "storage", "commit_interval", "commit_messages"];
const COMMIT_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(300);
const COMMIT_MESSAGES: RangeInclusive<u64> = 1..=1_000_000_000;

/// Where reading begins, by name; yelp_kafka's words too.
pub(crate) const RESETS: &[(&str, Reset)] = &[
    ("earliest", Reset::Earliest),
    ("latest", Reset::Latest),
    ("smallest", Reset::Earliest),
    ("largest", Reset::Latest),
];

/// Where reading begins, where that is kept, and how often progress is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets {
    /// Where to begin in a topic for which the group has no offset at all.
    pub reset: Reset,
    /// Where the group's offsets are kept.
    pub storage: OffsetStorage,
    /// Longest time between an acknowledgement and its commit.
    pub commit_interval: Duration,
    /// So many acknowledged messages are committed sooner.
    pub commit_messages: u64,
}

impl Default for Offsets {
    fn default() -> Self {
        Self {
            reset: Reset::Latest,
            storage: OffsetStorage::Kafka,
            commit_interval: Duration::from_secs(1),
            commit_messages: 10_000,
        }
    }
}

/// `offsets` as far as the file says.
#[derive(Debug)]
pub(super) struct OffsetsDraft {
    pub(super) offsets: Offsets,
    /// Where `storage` stands.
    pub(super) storage_place: Option<Place>,
}

pub(super) fn read(root: &Section<'_>, default: Offsets, p: &mut Problems) -> OffsetsDraft {
    let section = root.section("offsets", KEYS, p);
    let offsets = Offsets {
        reset: section.choice("reset", RESETS, default.reset, p),
        storage: section.choice("storage", STORAGES, default.storage, p),
        commit_interval: section.duration("commit_interval", &COMMIT_INTERVALS, default.commit_interval, p),
        commit_messages: section.integer("commit_messages", &COMMIT_MESSAGES, default.commit_messages, p),
    };
    OffsetsDraft { offsets, storage_place: section.get("storage").map(Field::place) }
}

impl OffsetsDraft {
    /// Whether they need ZooKeeper, whoever assigns partitions.
    pub(super) fn in_zookeeper(&self) -> bool {
        match self.offsets.storage {
            OffsetStorage::Kafka => false,
            OffsetStorage::Zookeeper | OffsetStorage::Dual => true,
        }
    }

    /// Notes that they need it, and there is none. Without a key of ours it is yelp_kafka's default.
    pub(super) fn without_zookeeper(&self, consumer: Option<&Consumer>, p: &mut Problems) {
        const REMEDY: &str = "need its address: set `cluster.zookeeper` in the file or pass -z ZOOKEEPER";
        match (self.storage_place, consumer) {
            (None, Some(consumer)) => {
                let message = format!(
                    "offsets in ZooKeeper, yelp_kafka's default, {REMEDY}, or set `offset_storage: kafka`"
                );
                p.value("consumer", consumer.storage_place(), message);
            }
            (place, _) => p.at(place.unwrap_or(Place::Nowhere), format!("offsets in ZooKeeper {REMEDY}")),
        }
    }
}
