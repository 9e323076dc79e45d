//! How far a group is behind.

use std::collections::{BTreeMap, BTreeSet};

use super::client::KafkaClient;
use super::error::OffsetsError;
use super::reading::{current_consumer_offsets, topics_watermarks};
use super::topics::Topics;
use crate::ids::{Group, Offset, Partition, Topic};
use crate::offset_storage::OffsetStorage;

/// A group in a partition. From yelp_kafka: `yelp_kafka.monitoring.ConsumerPartitionOffsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPartitionOffsets {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// The group's offset; 0 where it has never committed one.
    pub current: Offset,
    /// Behind the last message.
    pub highmark: Offset,
    /// The earliest message.
    pub lowmark: Offset,
}

impl ConsumerPartitionOffsets {
    /// How many offsets are between the group's and the end of the log; negative where it is beyond that.
    pub fn distance(&self) -> i64 {
        self.highmark.0.saturating_sub(self.current.0)
    }
}

/// The group's offset and the log's ends for each partition. Arguments as for [`current_consumer_offsets`]; a partition of
/// which something can't be told is an error, or left out. From yelp_kafka: `yelp_kafka.monitoring.get_consumer_offsets_metadata`.
#[doc(alias = "get_consumer_offsets_metadata")]
pub fn consumer_offsets_metadata(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
) -> Result<BTreeMap<Topic, Vec<ConsumerPartitionOffsets>>, OffsetsError> {
    let topics = topics.into();
    let offsets = current_consumer_offsets(client, group, topics.clone(), raise_on_error, offset_storage)?;
    let marks = topics_watermarks(client, topics, raise_on_error)?;
    let of_topic = |(topic, partitions): (Topic, BTreeMap<Partition, Offset>)| {
        let marks = marks.get(&topic)?;
        let known = partitions.into_iter().filter_map(|(partition, current)| {
            let marks = marks.get(&partition)?;
            let (topic, highmark, lowmark) = (topic.clone(), marks.highmark, marks.lowmark);
            Some(ConsumerPartitionOffsets { topic, partition, current, highmark, lowmark })
        });
        Some((topic.clone(), known.collect()))
    };
    Ok(offsets.into_iter().filter_map(of_topic).collect())
}

/// How far the group is from the ends of the logs, by topic and partition. What is missing is an error.
/// From yelp_kafka: `yelp_kafka.monitoring.topics_offset_distance`.
pub fn topics_offset_distance(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    offset_storage: OffsetStorage,
) -> Result<BTreeMap<Topic, BTreeMap<Partition, i64>>, OffsetsError> {
    let known = consumer_offsets_metadata(client, group, topics, true, offset_storage)?;
    let distances = |partitions: Vec<ConsumerPartitionOffsets>| {
        partitions.into_iter().map(|one| (one.partition, one.distance())).collect()
    };
    Ok(known.into_iter().map(|(topic, partitions)| (topic, distances(partitions))).collect())
}

/// ... for one topic; no partitions named means all of it. From yelp_kafka: `yelp_kafka.monitoring.offset_distance`.
pub fn offset_distance(
    client: &KafkaClient,
    group: &Group,
    topic: &Topic,
    partitions: BTreeSet<Partition>,
    offset_storage: OffsetStorage,
) -> Result<BTreeMap<Partition, i64>, OffsetsError> {
    let topics = BTreeMap::from([(topic.clone(), partitions)]);
    let mut distances = topics_offset_distance(client, group, topics, offset_storage)?;
    Ok(distances.remove(topic).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_to_the_end_of_the_log() {
        let one = |current, highmark| ConsumerPartitionOffsets {
            topic: Topic::new("t").unwrap(),
            partition: Partition(0),
            current: Offset(current),
            highmark: Offset(highmark),
            lowmark: Offset(0),
        };
        assert_eq!(one(3, 10).distance(), 7);
        assert_eq!(one(12, 10).distance(), -2);
        assert_eq!(one(i64::MAX, -5).distance(), i64::MIN);
    }
}
