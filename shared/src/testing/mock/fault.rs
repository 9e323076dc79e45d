//! Which requests a mock broker lets fail, and how.

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

/// A kind of request, by Kafka's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKey {
    /// Messages are produced.
    Produce,
    /// Messages are fetched.
    Fetch,
    /// A log's start or end is asked for.
    ListOffsets,
    /// Brokers, topics and leaders are asked for.
    Metadata,
    /// A group's offsets are committed.
    OffsetCommit,
    /// ... and read.
    OffsetFetch,
    /// The broker that looks after a group or transaction is asked for.
    FindCoordinator,
    /// A consumer joins a group.
    JoinGroup,
    /// ... and is given partitions.
    SyncGroup,
    /// ... and stays.
    Heartbeat,
    /// ... and leaves.
    LeaveGroup,
    /// A producer is given an id, for idempotence.
    InitProducerId,
}

/// What a broker answers instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerError {
    /// It answers nothing: the connection is cut.
    Disconnect,
    /// `LEADER_NOT_AVAILABLE`.
    LeaderNotAvailable,
    /// `NOT_LEADER_FOR_PARTITION`.
    NotLeaderForPartition,
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    UnknownTopicOrPartition,
    /// `REQUEST_TIMED_OUT`.
    RequestTimedOut,
    /// `NOT_ENOUGH_REPLICAS`.
    NotEnoughReplicas,
    /// `NOT_ENOUGH_REPLICAS_AFTER_APPEND`: the message is in the log all the same.
    NotEnoughReplicasAfterAppend,
    /// `MESSAGE_TOO_LARGE`.
    MessageTooLarge,
    /// `OFFSET_OUT_OF_RANGE`.
    OffsetOutOfRange,
    /// `COORDINATOR_LOAD_IN_PROGRESS`.
    CoordinatorLoadInProgress,
    /// `COORDINATOR_NOT_AVAILABLE`.
    CoordinatorNotAvailable,
    /// `NOT_COORDINATOR`.
    NotCoordinator,
    /// `ILLEGAL_GENERATION`.
    IllegalGeneration,
    /// `UNKNOWN_MEMBER_ID`.
    UnknownMemberId,
    /// `REBALANCE_IN_PROGRESS`.
    RebalanceInProgress,
    /// `TOPIC_AUTHORIZATION_FAILED`.
    TopicAuthorizationFailed,
    /// `GROUP_AUTHORIZATION_FAILED`.
    GroupAuthorizationFailed,
}

impl ApiKey {
    pub(super) fn native(self) -> RDKafkaApiKey {
        match self {
            Self::Produce => RDKafkaApiKey::Produce,
            Self::Fetch => RDKafkaApiKey::Fetch,
            Self::ListOffsets => RDKafkaApiKey::ListOffsets,
            Self::Metadata => RDKafkaApiKey::Metadata,
            Self::OffsetCommit => RDKafkaApiKey::OffsetCommit,
            Self::OffsetFetch => RDKafkaApiKey::OffsetFetch,
            Self::FindCoordinator => RDKafkaApiKey::FindCoordinator,
            Self::JoinGroup => RDKafkaApiKey::JoinGroup,
            Self::SyncGroup => RDKafkaApiKey::SyncGroup,
            Self::Heartbeat => RDKafkaApiKey::Heartbeat,
            Self::LeaveGroup => RDKafkaApiKey::LeaveGroup,
            Self::InitProducerId => RDKafkaApiKey::InitProducerId,
        }
    }
}

impl BrokerError {
    pub(super) fn native(self) -> RDKafkaRespErr {
        use RDKafkaRespErr as Native;
        match self {
            Self::Disconnect => Native::RD_KAFKA_RESP_ERR__TRANSPORT,
            Self::LeaderNotAvailable => Native::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            Self::NotLeaderForPartition => Native::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Self::UnknownTopicOrPartition => Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Self::RequestTimedOut => Native::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Self::NotEnoughReplicas => Native::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            Self::NotEnoughReplicasAfterAppend => Native::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            Self::MessageTooLarge => Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Self::OffsetOutOfRange => Native::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
            Self::CoordinatorLoadInProgress => Native::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            Self::CoordinatorNotAvailable => Native::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            Self::NotCoordinator => Native::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Self::IllegalGeneration => Native::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            Self::UnknownMemberId => Native::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            Self::RebalanceInProgress => Native::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
            Self::TopicAuthorizationFailed => Native::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Self::GroupAuthorizationFailed => Native::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        }
    }
}
