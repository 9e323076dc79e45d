//! What a group has committed, and where logs begin and end.

use std::collections::BTreeMap;

use super::client::KafkaClient;
use super::error::OffsetsError;
use super::topics::{Topics, by_topic};
use crate::ids::{Group, Offset, Partition, Topic, TopicPartition};
use crate::offset_storage::OffsetStorage;
use kafkavisor_kafka::offsets::OffsetError;

/// Where a partition's log begins and ends. From yelp_kafka: `yelp_kafka.offsets.PartitionOffsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// Behind its last message.
    pub highmark: Offset,
    /// Its earliest message.
    pub lowmark: Offset,
}

/// The group's offsets, 0 where it has never committed one.
///
/// `topics` is a list of topics, or a map of topics to partitions. With `raise_on_error` a topic or partition that there is not,
/// or whose offset can't be told, is an error; else it is left out. `offset_storage` is ZooKeeper or Kafka.
/// From yelp_kafka: `yelp_kafka.offsets.get_current_consumer_offsets`.
#[doc(alias = "get_current_consumer_offsets")]
pub fn current_consumer_offsets(
    client: &KafkaClient,
    group: &Group,
    topics: impl Into<Topics>,
    raise_on_error: bool,
    offset_storage: OffsetStorage,
) -> Result<BTreeMap<Topic, BTreeMap<Partition, Offset>>, OffsetsError> {
    let storage = offset_storage.for_reading()?;
    let partitions = topics.into().verified(client, raise_on_error)?;
    let committed = client.committed(group, storage, &partitions)?;
    let offsets = told(committed, raise_on_error)?;
    Ok(by_topic(offsets.into_iter().map(|(key, offset)| (key, offset.unwrap_or(Offset(0))))))
}

/// Where the logs of the partitions begin and end.
///
/// Topics and `raise_on_error` as for [`current_consumer_offsets`]; a partition without a leader, for which the original gives
/// -1, is an error or left out. From yelp_kafka: `yelp_kafka.offsets.get_topics_watermarks`.
#[doc(alias = "get_topics_watermarks")]
pub fn topics_watermarks(
    client: &KafkaClient,
    topics: impl Into<Topics>,
    raise_on_error: bool,
) -> Result<BTreeMap<Topic, BTreeMap<Partition, PartitionOffsets>>, OffsetsError> {
    let partitions = topics.into().verified(client, raise_on_error)?;
    let logs = client.logs(&partitions).into_iter();
    let logs = told(logs.map(|(key, answer)| (key, answer.map_err(OffsetError::from))), raise_on_error)?;
    Ok(by_topic(logs.into_iter().map(|(key, log)| {
        let TopicPartition { topic, partition } = key.clone();
        (key, PartitionOffsets { topic, partition, highmark: log.end, lowmark: log.start })
    })))
}

/// What could be told; with `raise_on_error` the first that could not is an error.
fn told<T>(
    answers: impl IntoIterator<Item = (TopicPartition, Result<T, OffsetError>)>,
    raise_on_error: bool,
) -> Result<Vec<(TopicPartition, T)>, OffsetsError> {
    let mut told = Vec::new();
    for (partition, answer) in answers {
        match answer {
            Ok(value) => told.push((partition, value)),
            Err(error) if raise_on_error => return Err(OffsetsError::Partition { partition, error }),
            Err(error) => log::warn!("{partition}: {error}"),
        }
    }
    Ok(told)
}
