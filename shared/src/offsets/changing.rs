//! Setting a group's offsets. Nobody is asked whether the group has members: whoever calls makes sure that it has none, for they
//! would commit over it, and Kafka refuses it while a consumer is subscribed.

use std::collections::BTreeMap;

use super::client::KafkaClient;
use super::error::{OffsetCommitError, OffsetsError};
use super::reading::{PartitionOffsets, topics_watermarks};
use super::topics::Topics;
use crate::ids::{Group, Offset, Partition, Topic, TopicPartition};
use crate::offset_storage::OffsetStorage;

/// Sets the group's offsets; whether they are in the logs is the caller's to know. Gives those that could not be set.
///
/// With `raise_on_error` a topic or partition that there is not is an error, and nothing is set; else it is left out.
/// `Dual` writes to Kafka, and to ZooKeeper what Kafka has taken; the original gave the errors of Kafka alone.
/// From yelp_kafka: `yelp_kafka.offsets.set_consumer_offsets`.
pub fn set_consumer_offsets(
    client: &KafkaClient,
    group: &Group,
    new_offsets: &BTreeMap<Topic, BTreeMap<Partition, Offset>>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
) -> Result<Vec<OffsetCommitError>, OffsetsError> {
    // A topic with no partition named means none here.
    let named = new_offsets.iter().filter(|(_, offsets)| !offsets.is_empty());
    let topics: BTreeMap<_, _> =
        named.map(|(topic, offsets)| (topic.clone(), offsets.keys().copied().collect())).collect();
    let partitions = Topics::from(topics).verified(client, raise_on_error)?;
    let wanted = partitions.into_iter().filter_map(|key| {
        let offset = *new_offsets.get(&key.topic)?.get(&key.partition)?;
        Some((key, offset))
    });
    let (valid, negative): (BTreeMap<_, _>, Vec<_>) = split(wanted);
    let mut errors = negative;
    if !valid.is_empty() {
        let answers = client.commit(group, offset_storage, &valid)?;
        errors.extend(answers.into_iter().filter_map(|(key, answer)| Some(not_set(key, answer.err()?))));
    }
    Ok(errors)
}

/// Sets the group's offsets to the ends of the logs. Arguments and answer as for [`set_consumer_offsets`].
/// From yelp_kafka: `yelp_kafka.offsets.advance_consumer_offsets`.
pub fn advance_consumer_offsets(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
) -> Result<Vec<OffsetCommitError>, OffsetsError> {
    set_to(client, group, topics, raise_on_error, offset_storage, |marks| marks.highmark)
}

/// Sets the group's offsets to the starts of the logs. Arguments and answer as for [`set_consumer_offsets`].
/// From yelp_kafka: `yelp_kafka.offsets.rewind_consumer_offsets`.
pub fn rewind_consumer_offsets(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
) -> Result<Vec<OffsetCommitError>, OffsetsError> {
    set_to(client, group, topics, raise_on_error, offset_storage, |marks| marks.lowmark)
}

fn set_to(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
    which: fn(&PartitionOffsets) -> Offset,
) -> Result<Vec<OffsetCommitError>, OffsetsError> {
    let marks = topics_watermarks(client, topics, raise_on_error)?;
    let offsets = marks.into_iter().map(|(topic, partitions)| {
        (topic, partitions.into_iter().map(|(partition, marks)| (partition, which(&marks))).collect())
    });
    set_consumer_offsets(client, group, &offsets.collect(), raise_on_error, offset_storage)
}

/// Those that can be asked for, and those that nobody would take.
fn split(
    wanted: impl Iterator<Item = (TopicPartition, Offset)>,
) -> (BTreeMap<TopicPartition, Offset>, Vec<OffsetCommitError>) {
    let (mut valid, mut negative) = (BTreeMap::new(), Vec::new());
    for (key, offset) in wanted {
        if offset.0 < 0 {
            negative.push(not_set(key, format!("{offset} is no offset: it is negative")));
        } else {
            valid.insert(key, offset);
        }
    }
    (valid, negative)
}

fn not_set(key: TopicPartition, error: impl ToString) -> OffsetCommitError {
    OffsetCommitError { topic: key.topic, partition: key.partition, error: error.to_string() }
}
