//! Why a message was not produced, by what librdkafka says.

use kafkavisor_kafka::error::KafkaError;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

use super::ProduceCause;

/// Why a message failed, or a question about a topic; `brokers` are those to begin with.
pub(super) fn cause(error: &ClientError, brokers: &str) -> ProduceCause {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code, brokers),
        None => ProduceCause::Kafka(KafkaError::from(error.clone())),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has some two hundred errors")]
pub(super) fn of_code(code: Code, brokers: &str) -> ProduceCause {
    match code {
        Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::BrokerTransportFailure
        | Code::PurgeInflight
        | Code::PurgeQueue
        | Code::DuplicateSequenceNumber => ProduceCause::FailedPayloads(code.to_string()),
        Code::AllBrokersDown | Code::Resolve | Code::BrokerNotAvailable | Code::OperationTimedOut => {
            ProduceCause::KafkaUnavailable(brokers.to_owned())
        }
        Code::LeaderNotAvailable => ProduceCause::LeaderNotAvailable,
        Code::NotLeaderForPartition => ProduceCause::NotLeaderForPartition,
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicId => ProduceCause::UnknownTopicOrPartition,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => ProduceCause::TooLarge,
        // That to the cluster is wanted of whoever may write nowhere.
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            ProduceCause::Kafka(KafkaError::WriteDenied)
        }
        other => ProduceCause::Kafka(KafkaError::from(other)),
    }
}

/// Of what brokers say besides: whether it may well be otherwise in a moment.
pub(super) fn passes(error: &KafkaError) -> bool {
    match error {
        KafkaError::Unknown | KafkaError::NoLeader | KafkaError::CoordinatorMoved | KafkaError::TimedOut => {
            true
        }
        KafkaError::Other(code) => matches!(
            code,
            Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::ReplicaNotAvailable
                | Code::KafkaStorageError
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OutOfOrderSequenceNumber
                | Code::UnknownProducerId
                | Code::InvalidProducerEpoch
                | Code::Fatal
                | Code::QueueFull
        ),
        KafkaError::Configuration(_)
        | KafkaError::TopicDenied
        | KafkaError::WriteDenied
        | KafkaError::GroupDenied
        | KafkaError::Subscribed
        | KafkaError::Security(_)
        | KafkaError::Client(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_calls_worth_a_retry_is() {
        for code in [
            Code::MessageTimedOut,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::LeaderNotAvailable,
            Code::NotLeaderForPartition,
            Code::UnknownTopicOrPartition,
            Code::UnknownPartition,
            Code::NotEnoughReplicas,
        ] {
            assert!(of_code(code, "k:9092").is_retriable(), "{code}");
        }
        assert_eq!(of_code(Code::AllBrokersDown, "k:9092").to_string(), "no broker at k:9092 answers");
    }

    #[test]
    fn what_somebody_has_to_change_is_not() {
        for code in [
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::MessageSizeTooLarge,
            Code::MessageBatchTooLarge,
            Code::InvalidTopic,
            Code::PolicyViolation,
            Code::InvalidRecord,
        ] {
            assert!(!of_code(code, "k:9092").is_retriable(), "{code}");
        }
        assert!(!ProduceCause::Configuration("no such property".to_owned()).is_retriable());
    }
}
