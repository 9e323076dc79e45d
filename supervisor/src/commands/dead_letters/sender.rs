//! A message on its way back: key, value and headers as they were, confirmed by all that must have it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafkavisor::ids::Offset;
use kafkavisor_kafka::dead_letter::{Letter, passes, producer_config, refusal};
use kafkavisor_kafka::properties::reason;
use kafkavisor_kafka::tokens::{Attached, attach, board_in};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::exit::Failure;

/// A confirmation is looked for so often: looking lasts as long, though the confirmation is there.
const LOOK: Duration = Duration::from_millis(1);

/// Why a message is not back.
pub(super) enum Unsent {
    /// Kafka does not take it.
    Refused(String),
    /// Kafka has not said, in the time that there is.
    Unknown(String),
}

/// Sends one at a time.
pub(super) struct Sender {
    // Before the client.
    _attached: Option<Attached>,
    producer: BaseProducer<Confirmations>,
}

impl Sender {
    pub(super) fn new(properties: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut config = producer_config(properties);
        // Each is waited for: no other comes that it could go with.
        config.set("linger.ms", "0").set_log_level(RDKafkaLogLevel::Critical);
        let producer: BaseProducer<Confirmations> =
            config.create_with_context(Confirmations).map_err(|error| {
                Failure::configuration(format!("librdkafka refuses the configuration: {}", reason(&error)))
            })?;
        let attached = attach(board_in(properties), producer.client().native_ptr());
        Ok(Self { _attached: attached, producer })
    }

    /// Sends it and waits for the confirmation, which comes within the message's time-out; the message's new offset.
    pub(super) fn send(&self, letter: &Letter) -> Result<Offset, Unsent> {
        let confirmation: Arc<Confirmation> = Arc::default();
        let topic = letter.from.topic.as_str();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Arc::clone(&confirmation));
        record.partition = Some(letter.from.partition.0);
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        record.headers = headers(letter);
        self.producer.send(record).map_err(|(error, _)| unsent(&error))?;
        loop {
            self.producer.poll(LOOK);
            if let Some(result) = confirmation.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return result.map(Offset).map_err(|error| unsent(&error));
            }
        }
    }
}

fn unsent(error: &KafkaError) -> Unsent {
    if passes(error) { Unsent::Unknown(error.to_string()) } else { Unsent::Refused(refusal(error)) }
}

fn headers(letter: &Letter) -> Option<OwnedHeaders> {
    let insert = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
        headers.insert(Header { key: name, value: value.as_deref() })
    };
    let headers = letter.headers.iter().fold(OwnedHeaders::new(), insert);
    (!letter.headers.is_empty()).then_some(headers)
}

type Confirmation = Mutex<Option<Result<i64, KafkaError>>>;

/// Hears what became of what was sent.
struct Confirmations;

impl ClientContext for Confirmations {
    /// Why a message is not confirmed is said with it.
    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("sending back: {error}: {reason}");
    }
}

impl ProducerContext for Confirmations {
    type DeliveryOpaque = Arc<Confirmation>;

    fn delivery(&self, result: &DeliveryResult<'_>, confirmation: Self::DeliveryOpaque) {
        let result = result.as_ref().map(Message::offset).map_err(|(error, _)| error.clone());
        *confirmation.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}
