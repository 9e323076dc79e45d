//! How dead letters are produced, there and back.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::Offset;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::error::KafkaError;
use crate::tokens::{Attached, attach, board_in};

/// How long one attempt to produce lasts.
const ATTEMPT_MS: &str = "15000";
/// Whether a message is too large is for the topic's brokers to say: the client's own limit is lower than theirs.
const MAX_BYTES: &str = "1000000000";

/// What keeps a message is looked for when it is not confirmed after so long.
const SLOW: Duration = Duration::from_secs(1);
/// ... and by a question that takes no longer.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// A confirmation is looked for so often: looking lasts as long, though the confirmation is there.
const LOOK: Duration = Duration::from_millis(1);

/// Produces one message at a time, and waits until all that must have it do.
pub struct Producer {
    // Before the client.
    _attached: Option<Attached>,
    client: BaseProducer<Confirmations>,
}

impl Debug for Producer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes it; asks nobody yet.
    pub fn new(properties: &BTreeMap<String, String>) -> Result<Self, ClientError> {
        let mut config = producer_config(properties);
        // Each is waited for: no other comes that it could go with.
        config.set("linger.ms", "0").set_log_level(RDKafkaLogLevel::Critical);
        let client: BaseProducer<Confirmations> = config.create_with_context(Confirmations)?;
        let attached = attach(board_in(properties), client.client().native_ptr());
        Ok(Self { _attached: attached, client })
    }

    /// Sends it and waits for the confirmation, which comes within the message's time-out; its offset. What keeps it meanwhile is
    /// told once it is known: librdkafka itself says nothing for half a minute.
    pub fn produce(
        &self,
        record: BaseRecord<'_, [u8], [u8]>,
        mut kept: impl FnMut(KafkaError),
    ) -> Result<Offset, ClientError> {
        let confirmation: Arc<Confirmation> = Arc::default();
        let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque: () } = record;
        let delivery_opaque = Arc::clone(&confirmation);
        let record = BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque };
        self.client.send(record).map_err(|(error, _)| self.cause(error))?;
        let mut look_at = Some(now() + SLOW);
        loop {
            self.client.poll(LOOK);
            if let Some(result) = confirmation.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return result.map_err(|error| self.cause(error));
            }
            if look_at.is_some_and(|at| now() >= at) {
                let obstacle = self.obstacle(topic);
                look_at = obstacle.is_none().then(|| now() + SLOW);
                obstacle.map(&mut kept);
            }
        }
    }

    /// Whether it has given up for good, as librdkafka's does where a right is missing: another one has to be made.
    pub fn is_over(&self) -> bool {
        self.client.client().fatal_error().is_some()
    }

    /// What it comes of, where a producer that has given up for good only says that it has.
    fn cause(&self, error: ClientError) -> ClientError {
        match error.rdkafka_error_code() {
            Some(Code::Fatal | Code::PurgeQueue | Code::PurgeInflight) => {
                let fatal = self.client.client().fatal_error();
                fatal.map_or(error, |(code, _)| ClientError::MessageProduction(code))
            }
            Some(_) | None => error,
        }
    }

    /// What keeps messages from the topic for now.
    fn obstacle(&self, topic: &str) -> Option<KafkaError> {
        let metadata = match self.client.client().fetch_metadata(Some(topic), LOOK_WITHIN) {
            Ok(metadata) => metadata,
            Err(error) => return Some(error.into()),
        };
        let topic = metadata.topics().iter().find(|found| found.name() == topic)?;
        let partitions = topic.partitions().iter().filter_map(MetadataPartition::error);
        match topic.error().into_iter().chain(partitions).find_map(KafkaError::of) {
            Some(KafkaError::TopicDenied) => Some(KafkaError::WriteDenied),
            obstacle => obstacle,
        }
    }
}

type Confirmation = Mutex<Option<Result<Offset, ClientError>>>;

/// Hears what became of what was sent.
struct Confirmations;

impl ClientContext for Confirmations {
    /// Why a message is not confirmed is said with it.
    fn error(&self, error: ClientError, reason: &str) {
        log::debug!("the producer of dead letters: {error}: {reason}");
    }
}

impl ProducerContext for Confirmations {
    type DeliveryOpaque = Arc<Confirmation>;

    fn delivery(&self, result: &DeliveryResult<'_>, confirmation: Self::DeliveryOpaque) {
        let result =
            result.as_ref().map(|message| Offset(message.offset())).map_err(|(error, _)| error.clone());
        *confirmation.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

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
