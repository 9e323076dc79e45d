//! How dead letters are produced, there and back.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

use crate::error::KafkaError;

/// How long one attempt to produce lasts.
const ATTEMPT_MS: &str = "15000";
/// Whether a message is too large is for the topic's brokers to say: the client's own limit is lower than theirs.
const MAX_BYTES: &str = "1000000000";

/// The producer's configuration.
pub fn producer_config(theirs: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("message.max.bytes", MAX_BYTES);
    for (key, value) in theirs {
        config.set(key, value);
    }
    config.remove("group.id");
    // Not theirs to set: a letter must not be lost, nor come twice because of a retry.
    for (key, value) in [("acks", "all"), ("enable.idempotence", "true"), ("message.timeout.ms", ATTEMPT_MS)]
    {
        config.set(key, value);
    }
    config
}

/// Why it can't be produced: a right that is missing, by its name.
pub fn refusal(error: &ClientError) -> String {
    match error.rdkafka_error_code() {
        Some(Code::TopicAuthorizationFailed) => KafkaError::WriteDenied.to_string(),
        Some(_) | None => error.to_string(),
    }
}

/// Whether it goes by when Kafka is well again.
pub fn passes(error: &ClientError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| {
        matches!(
            code,
            Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::OperationTimedOut
                | Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::NetworkException
                | Code::QueueFull
        )
    })
}
