//! What can go wrong while messages are produced.

use kafkavisor_kafka::error::KafkaError;

use super::Produced;

/// Which messages of a call were not produced, and why.
///
/// What has been confirmed stays so: to try again is to send what [`failed`](Self::failed) names, and not the whole call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceError {
    topic: String,
    failed: Vec<Failed>,
    confirmed: Vec<(usize, Produced)>,
}

/// A message that was not produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which message of the call, from 0.
    pub index: usize,
    /// Why. Whatever it is but `TooLarge`, `InvalidTopic` or `Configuration`: a broker may have taken the message before that, so sent
    /// again it may come twice.
    pub cause: ProduceCause,
}

/// Why a message was not produced. In kafka-python (`kafka.common`) each is a class of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceCause {
    /// It was sent and not confirmed in time, or a connection broke off. **It may stand in Kafka all the same**: sent again, it may
    /// come twice. From kafka-python: `FailedPayloadsError`.
    #[error("no confirmation came: {0}; it may be in Kafka all the same")]
    #[doc(alias = "FailedPayloadsError")]
    FailedPayloads(String),
    /// No broker is reached, or the last one was lost: what was sent before that may stand in Kafka all the same. From kafka-python: `KafkaUnavailableError`.
    #[error("no broker at {0} answers")]
    #[doc(alias = "KafkaUnavailableError")]
    KafkaUnavailable(String),
    /// Nobody leads the partition for now: one is elected within seconds, where a copy is in sync. From kafka-python:
    /// `LeaderNotAvailableError`.
    #[error("the partition has no leader: the brokers that hold it are away")]
    #[doc(alias = "LeaderNotAvailableError")]
    LeaderNotAvailable,
    /// Somebody else leads the partition by now. From kafka-python: `NotLeaderForPartitionError`.
    #[error("another broker leads the partition by now")]
    #[doc(alias = "NotLeaderForPartitionError")]
    NotLeaderForPartition,
    /// There is no such topic, or not yet everywhere. From kafka-python: `UnknownTopicOrPartitionError`.
    #[error("Kafka has no such topic or partition now: create it, or correct the name")]
    #[doc(alias = "UnknownTopicOrPartitionError")]
    UnknownTopicOrPartition,
    /// Larger than the topic takes. From kafka-python: `MessageSizeTooLargeError`.
    #[error("the message is larger than the topic takes: raise its max.message.bytes, or send less")]
    #[doc(alias = "MessageSizeTooLargeError")]
    TooLarge,
    /// Kafka takes no topic of this name.
    #[error("{0}")]
    InvalidTopic(String),
    /// librdkafka refuses a property, or it is not the caller's to set.
    #[error("{0}")]
    Configuration(String),
    /// Everything else: a right that is missing, a password that is wrong, what brokers say.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
}

impl ProduceCause {
    /// Whether the same may well work in a moment. Rights that are missing, messages that are too large and what is wrong with the
    /// configuration need somebody to change something.
    ///
    /// From the original's document: failed payloads, Kafka unavailable, leader not available, not leader for partition, unknown topic
    /// or partition.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::FailedPayloads(_)
            | Self::KafkaUnavailable(_)
            | Self::LeaderNotAvailable
            | Self::NotLeaderForPartition
            | Self::UnknownTopicOrPartition => true,
            Self::TooLarge | Self::InvalidTopic(_) | Self::Configuration(_) => false,
            Self::Kafka(error) => super::causes::passes(error),
        }
    }
}

impl ProduceError {
    /// An error of a call that sent messages to `topic`: which of them failed, and which were confirmed. For producers of one's own.
    ///
    /// ```
    /// use kafkavisor::producer::{Failed, ProduceCause, ProduceError};
    ///
    /// let failed = vec![Failed { index: 0, cause: ProduceCause::LeaderNotAvailable }];
    /// let error = ProduceError::new("my_topic", failed, Vec::new());
    /// assert!(error.is_retriable());
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the message to my_topic was not produced: the partition has no leader: the brokers that hold it are away"
    /// );
    /// ```
    pub fn new(topic: impl Into<String>, failed: Vec<Failed>, confirmed: Vec<(usize, Produced)>) -> Self {
        Self { topic: topic.into(), failed, confirmed }
    }

    /// None of so many messages was produced.
    pub fn all(topic: impl Into<String>, messages: usize, cause: &ProduceCause) -> Self {
        let failed = (0..messages).map(|index| Failed { index, cause: cause.clone() }).collect();
        Self::new(topic, failed, Vec::new())
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The messages that were not produced, in their order.
    pub fn failed(&self) -> &[Failed] {
        &self.failed
    }

    /// The messages that were: which of the call, from 0, and where they stand.
    pub fn confirmed(&self) -> &[(usize, Produced)] {
        &self.confirmed
    }

    /// Why the first of those failed that did.
    pub fn cause(&self) -> Option<&ProduceCause> {
        self.failed.first().map(|failed| &failed.cause)
    }

    /// Whether all that failed may well work in a moment, see [`ProduceCause::is_retriable`].
    pub fn is_retriable(&self) -> bool {
        self.failed.iter().all(|failed| failed.cause.is_retriable())
    }
}

impl std::fmt::Display for ProduceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, failed, confirmed } = self;
        match failed.len() + confirmed.len() {
            1 => write!(f, "the message to {topic} was not produced")?,
            all => write!(f, "{} of {all} messages to {topic} were not produced", failed.len())?,
        }
        self.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ProduceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().map(|cause| cause as _)
    }
}
