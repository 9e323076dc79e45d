//! What can go wrong: each error names what was asked of whom.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::offsets::OffsetError;

use crate::config::InvalidAddress;
use crate::ids::{Partition, Topic, TopicPartition};
use crate::offset_storage::InvalidOffsetStorageError;

/// Why offsets could not be read or written at all. In yelp_kafka each is a class below `YelpKafkaError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OffsetsError {
    /// The original's `UnknownTopic`.
    #[error("there is no topic {topic} in Kafka at {brokers}")]
    UnknownTopic {
        /// The topic.
        topic: Topic,
        /// Who was asked.
        brokers: String,
    },
    /// The original's `UnknownPartitions`.
    #[error("topic {topic} in Kafka at {brokers} has no partition {}: it has {count}, from 0 on", listed(.partitions))]
    UnknownPartitions {
        /// The topic.
        topic: Topic,
        /// Those that there are not.
        partitions: BTreeSet<Partition>,
        /// How many there are.
        count: i32,
        /// Who was asked.
        brokers: String,
    },
    /// The original's `InvalidOffsetStorageError`.
    #[error(transparent)]
    InvalidOffsetStorage(#[from] InvalidOffsetStorageError),
    /// ZooKeeper's address can't be one.
    #[error("ZooKeeper's address: {0}")]
    Address(#[from] InvalidAddress),
    /// Kafka does not answer.
    #[error(
        "Kafka at {brokers} was not reached within {within:?} ({error}): is it running, and is the address right?"
    )]
    KafkaUnreachable {
        /// Who was asked.
        brokers: String,
        /// The time limit.
        within: Duration,
        /// What its client says.
        error: KafkaError,
    },
    /// Kafka is there, and we don't come together.
    #[error("Kafka at {brokers}: {error}")]
    KafkaRefuses {
        /// Who was asked.
        brokers: String,
        /// What is wrong, and what to do.
        error: KafkaError,
    },
    /// ZooKeeper does not answer.
    #[error(
        "ZooKeeper at {servers} was not reached within {within:?}: is it running, and is the address right?"
    )]
    ZookeeperUnreachable {
        /// Who was asked.
        servers: String,
        /// The time limit.
        within: Duration,
    },
    /// Kafka's answer to a question as a whole.
    #[error("Kafka at {brokers}, asked for {asked}: {error}")]
    Kafka {
        /// Who was asked.
        brokers: String,
        /// For what.
        asked: String,
        /// Its answer.
        error: KafkaError,
    },
    /// Kafka's or ZooKeeper's answer about one partition.
    #[error("{partition}: {error}")]
    Partition {
        /// Which.
        partition: TopicPartition,
        /// What is wrong with it.
        error: OffsetError,
    },
    /// ZooKeeper's answer to a question as a whole.
    #[error(transparent)]
    Offsets(#[from] OffsetError),
    /// The thread for ZooKeeper's client.
    #[error("failed to start a thread: {0}")]
    Thread(String),
}

/// An offset that could not be set. From yelp_kafka: `yelp_kafka.error.OffsetCommitError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the offset of {topic}:{partition} was not set: {error}")]
pub struct OffsetCommitError {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// Why.
    pub error: String,
}

fn listed(partitions: &BTreeSet<Partition>) -> String {
    let numbers: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}
