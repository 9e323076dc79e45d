//! Why Kafka did not do what it was asked.

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;

use crate::trouble::Trouble;

/// Why a request, or one partition or topic of it, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// A property is refused.
    #[error("librdkafka refuses the configuration: {0}")]
    Configuration(String),
    /// There is no such topic or partition, or not any more.
    #[error("Kafka has no such topic or partition now")]
    Unknown,
    /// Nobody leads the partition.
    #[error("the partition has no leader: the brokers that hold it are away")]
    NoLeader,
    /// A right on the topic is missing.
    #[error("not allowed to read the topic: give this user READ on it")]
    TopicDenied,
    /// ... that to write to it.
    #[error("not allowed to write to the topic: give this user WRITE on it")]
    WriteDenied,
    /// A right on the group is missing.
    #[error("not allowed to use the group: give this user READ on it")]
    GroupDenied,
    /// Somebody is subscribed under the group, and only members may commit.
    #[error("Kafka refuses it while other consumers are subscribed under this group: stop them first")]
    Subscribed,
    /// Who answered is not the group's coordinator.
    #[error("the group's coordinator has moved")]
    CoordinatorMoved,
    /// We and a broker don't come together, for a reason that has a name.
    #[error(transparent)]
    Security(#[from] Box<Trouble>),
    /// No answer in the time that there was.
    #[error("no answer from Kafka in time")]
    TimedOut,
    /// Anything else that Kafka or librdkafka says.
    #[error("{0}")]
    Other(Code),
    /// Something that has no code.
    #[error("{0}")]
    Client(String),
}

impl KafkaError {
    /// Whether asking again is no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Configuration(_)
            | Self::GroupDenied
            | Self::TopicDenied
            | Self::WriteDenied
            | Self::Security(_)
            | Self::Client(_) => true,
            Self::Other(code) => {
                matches!(code, Code::UnsupportedFeature | Code::ClusterAuthorizationFailed)
            }
            Self::Unknown | Self::NoLeader | Self::Subscribed | Self::CoordinatorMoved | Self::TimedOut => {
                false
            }
        }
    }

    /// This, or what is behind it, which is worth a look where asking again may help.
    #[must_use]
    pub fn or_behind_it(self, look: impl FnOnce() -> Option<Trouble>) -> Self {
        if self.is_permanent() {
            return self;
        }
        look().map_or(self, |trouble| Self::Security(Box::new(trouble)))
    }

    /// Whether something of ours must be changed, or a right given, before it goes on.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Configuration(_) | Self::TopicDenied | Self::WriteDenied | Self::GroupDenied => true,
            Self::Security(trouble) => trouble.is_ours(),
            Self::Unknown
            | Self::NoLeader
            | Self::Subscribed
            | Self::CoordinatorMoved
            | Self::TimedOut
            | Self::Other(_)
            | Self::Client(_) => false,
        }
    }

    /// Whether a right is missing, or we and the brokers don't come together.
    pub fn is_security(&self) -> bool {
        matches!(self, Self::TopicDenied | Self::WriteDenied | Self::GroupDenied | Self::Security(_))
    }

    /// What a code says; none where nothing is wrong.
    pub(crate) fn of(code: RDKafkaRespErr) -> Option<Self> {
        (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| Self::from(Code::from(code)))
    }
}

impl From<Code> for KafkaError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has some two hundred errors")]
    fn from(code: Code) -> Self {
        match code {
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicId => Self::Unknown,
            Code::LeaderNotAvailable => Self::NoLeader,
            Code::TopicAuthorizationFailed => Self::TopicDenied,
            Code::GroupAuthorizationFailed => Self::GroupDenied,
            Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress => Self::Subscribed,
            Code::NotCoordinator => Self::CoordinatorMoved,
            Code::OperationTimedOut => Self::TimedOut,
            other => Self::Other(other),
        }
    }
}

impl From<ClientError> for KafkaError {
    fn from(error: ClientError) -> Self {
        error.rdkafka_error_code().map_or_else(|| Self::Client(error.to_string()), Self::from)
    }
}
