//! Consumers of the library, for its tests: set up as quick as a test wants it, from the beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::Reset;
use kafkavisor::consumer::{ConsumerError, KafkaConsumerGroup, Message, StartedConsumerGroup};
use kafkavisor::consumer_config::{Builder, KafkaConsumerConfig};
use kafkavisor::offset_storage::OffsetStorage;

use crate::environment::{brokers, zookeeper};
use crate::topic::Topic;
use crate::waiting::until;

/// The shared Kafka and ZooKeeper.
pub fn cluster() -> ClusterConfig {
    ClusterConfig::new("standard", "tests", brokers(), zookeeper())
}

/// From the beginning, in Kafka, with a short cooldown.
pub fn config_in(group: &str, cluster: ClusterConfig) -> Builder {
    KafkaConsumerConfig::builder(group, cluster)
        .auto_offset_reset(Reset::Earliest)
        .offset_storage(OffsetStorage::Kafka)
        .partitioner_cooldown(Duration::from_millis(300))
}

/// ... in the shared cluster.
pub fn config(group: &str) -> Builder {
    config_in(group, cluster())
}

/// A group that consumes this topic.
pub fn group(topic: &Topic, config: Builder) -> KafkaConsumerGroup {
    KafkaConsumerGroup::new([&topic.name], config.build().unwrap()).unwrap()
}

/// Takes so many messages, and is done with each.
pub fn take(consumer: &mut StartedConsumerGroup, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    until("the messages have come", || {
        while taken.len() < count {
            match consumer.next() {
                Ok(message) => {
                    consumer.task_done(&message).unwrap();
                    taken.push(message);
                }
                Err(ConsumerError::Timeout(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
        Some(())
    });
    taken
}

/// Takes so many messages, and is not done with any.
pub fn hold(consumer: &StartedConsumerGroup, count: usize) -> Vec<Message> {
    let mut held = Vec::new();
    until("the messages have come", || {
        held.extend(consumer.next());
        (held.len() == count).then_some(())
    });
    held
}

/// The offsets of messages, by partition, in their order.
pub fn offsets(messages: &[Message]) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    messages.iter().for_each(|m| offsets.entry(m.partition.0).or_default().push(m.offset.0));
    offsets
}
