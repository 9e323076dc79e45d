//! What is in a Kafka in memory: logs, committed offsets, and what is to fail.

#[cfg(any(feature = "consumer", feature = "producer"))]
use std::collections::VecDeque;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::MemoryMessage;
use crate::clock::wall_millis;
#[cfg(feature = "consumer")]
use crate::consumer::ConsumerError;
use crate::ids::{Group, Offset, Partition, Topic, TopicPartition};
#[cfg(feature = "producer")]
use crate::producer::ProduceCause;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Broker {
    logs: BTreeMap<TopicPartition, Vec<MemoryMessage>>,
    /// How often messages without a key were sent to each topic.
    turns: BTreeMap<Topic, usize>,
    pub(super) committed: BTreeMap<(Group, TopicPartition), Offset>,
    /// Partitions that were taken from a group's consumer.
    pub(super) revoked: BTreeSet<(Group, TopicPartition)>,
    /// How often each was taken: what was begun before is no more.
    pub(super) revocations: BTreeMap<(Group, TopicPartition), u64>,
    #[cfg(feature = "producer")]
    pub(super) produce_failures: VecDeque<ProduceCause>,
    #[cfg(feature = "consumer")]
    pub(super) consume_failures: VecDeque<ConsumerError>,
}

impl Broker {
    /// Gives the topic so many partitions; it never gets fewer.
    pub(super) fn create(&mut self, topic: &Topic, partitions: i32) {
        for partition in 0..partitions.max(1) {
            self.logs.entry(TopicPartition::new(topic.clone(), partition)).or_default();
        }
    }

    pub(super) fn partitions(&self, topic: &Topic) -> impl Iterator<Item = &TopicPartition> {
        self.logs.keys().filter(move |partition| partition.topic == *topic)
    }

    pub(super) fn log(&self, partition: &TopicPartition) -> &[MemoryMessage] {
        self.logs.get(partition).map_or(&[], Vec::as_slice)
    }

    /// Where the messages of one call go.
    pub(super) fn place(&mut self, topic: &Topic, key: Option<&[u8]>) -> Partition {
        if self.partitions(topic).next().is_none() {
            self.create(topic, 1);
        }
        let count = self.partitions(topic).count();
        let number = if let Some(key) = key {
            hash(key) % u64::try_from(count).unwrap_or(1)
        } else {
            let turn = self.turns.entry(topic.clone()).or_default();
            let number = *turn % count;
            *turn = turn.wrapping_add(1);
            u64::try_from(number).unwrap_or(0)
        };
        Partition(i32::try_from(number).unwrap_or(0))
    }

    /// Appends a message, and says where it stands.
    pub(super) fn append(
        &mut self,
        topic: &Topic,
        partition: Partition,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<(String, Option<Vec<u8>>)>,
    ) -> Offset {
        let log = self.logs.entry(TopicPartition { topic: topic.clone(), partition }).or_default();
        let offset = Offset(i64::try_from(log.len()).unwrap_or(i64::MAX));
        log.push(MemoryMessage {
            topic: topic.clone(),
            partition,
            offset,
            timestamp: wall_millis(),
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers,
        });
        offset
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
