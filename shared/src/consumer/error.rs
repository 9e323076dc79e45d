//! What can go wrong while messages are consumed.

use std::time::Duration;

use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::offsets::OffsetError;

use crate::ids::{Offset, TopicPartition};

/// Why a consumer has no message, or could not do what it was asked. In yelp_kafka and kafka-python each is a class of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// No message came in time: ask again. From kafka-python: `ConsumerTimeout`.
    #[error("no message within {0:?}")]
    #[doc(alias = "ConsumerTimeout")]
    Timeout(Duration),
    /// Membership of the group is lost or could not be had: start again. From yelp_kafka: `PartitionerError`.
    #[error(transparent)]
    Partitioner(#[from] PartitionerError),
    /// The partition is not this consumer's any more: somebody else may be at the message, or will be.
    #[error("{partition} is not this consumer's any more: its message at {offset} comes again where it is")]
    NotOurs {
        /// The partition of the message.
        partition: TopicPartition,
        /// The message.
        offset: Offset,
    },
    /// A partition can't begin before somebody does what the text says; told once, and the other partitions go on.
    #[error("{partition}: {why}")]
    Parked {
        /// Which.
        partition: TopicPartition,
        /// Why, and what to do.
        why: String,
    },
    /// Kafka does not do what it is asked; whether that is worth trying again, [`ConsumerError::is_retriable`] says.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    /// Kafka was not reached. From kafka-python: `KafkaUnavailableError`.
    #[error("Kafka at {brokers} was not reached ({error}): is it running, and is the address right?")]
    #[doc(alias = "KafkaUnavailableError")]
    KafkaUnavailable {
        /// Who was asked.
        brokers: String,
        /// What was heard.
        error: KafkaError,
    },
    /// The group's offset could not be read.
    #[error("the offset of {partition}: {error}")]
    Offset {
        /// Of which partition.
        partition: TopicPartition,
        /// Why.
        error: OffsetError,
    },
    /// An offset could not be committed.
    #[error("the offset of {partition} was not committed: {error}")]
    NotCommitted {
        /// Which partition, the first where there are several.
        partition: TopicPartition,
        /// Why.
        error: OffsetError,
    },
}

/// Why a group has no partitions to consume. From yelp_kafka: `yelp_kafka.error.PartitionerError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionerError {
    /// ZooKeeper is lost, or was not reached. From yelp_kafka: `PartitionerZookeeperError`.
    #[error("ZooKeeper at {servers}: {why}")]
    #[doc(alias = "PartitionerZookeeperError")]
    Zookeeper {
        /// Who was asked.
        servers: String,
        /// What is wrong.
        why: String,
    },
    /// None of the topics has a partition.
    #[error("no partition in any of the topics {}: create them, or wait until they are there", .0.join(", "))]
    NoPartitions(Vec<String>),
    /// The group's own thread is gone.
    #[error("the group's thread has ended, for a callback has panicked: start the group again")]
    Ended,
    /// The configuration can't be used.
    #[error("{0}")]
    Configuration(String),
}

impl ConsumerError {
    /// Whether no message came in time, which most programs pass over.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether the same may well work in a moment: a leader changes, a broker is down, an answer was late. What was refused for
    /// good (a right, a property) is not, and neither is a lost membership, after which one starts again.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Kafka(error) | Self::KafkaUnavailable { error, .. } => !error.is_permanent(),
            // Its topic is gone.
            Self::NotCommitted { error: OffsetError::Gone, .. } => false,
            Self::NotCommitted { error, .. } | Self::Offset { error, .. } => !error.is_barred(),
            Self::Partitioner(_) | Self::NotOurs { .. } | Self::Parked { .. } => false,
        }
    }

    /// Whether the group has to be started again. What is wrong with the configuration would be so again, and is not.
    pub fn is_partitioner(&self) -> bool {
        matches!(self, Self::Partitioner(error) if !matches!(error, PartitionerError::Configuration(_)))
    }
}
