//! librdkafka's producer, with a thread that hears what it has to say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor_kafka::trouble::Signs;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;

use super::Produced;
use super::call::Slot;
use crate::ids::{Offset, Partition};
use crate::metrics::Reporter;

/// How long it listens before it looks whether it is over.
const LISTEN: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Client {
    producer: Arc<BaseProducer<Listener>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoClient {
    /// librdkafka's word.
    #[error(transparent)]
    Refused(#[from] ClientError),
    /// The system's.
    #[error("no thread can be started: {0}")]
    Thread(#[from] io::Error),
}

impl Client {
    /// Makes it; asks nobody yet.
    pub(super) fn new(config: &ClientConfig, reporter: Option<Arc<Reporter>>) -> Result<Self, NoClient> {
        let listener = Listener { reporter, signs: Signs::default() };
        let producer: Arc<BaseProducer<Listener>> = Arc::new(config.create_with_context(listener)?);
        let over = Arc::<AtomicBool>::default();
        let listening = (Arc::clone(&producer), Arc::clone(&over));
        let thread = thread::Builder::new().name("kafka-producer".to_owned()).spawn(move || {
            let (producer, over) = listening;
            while !over.load(Ordering::Acquire) {
                producer.poll(LISTEN);
            }
        })?;
        Ok(Self { producer, over, thread: Some(thread) })
    }

    /// Takes a message into its queue. What becomes of it the slot is told, unless it is refused at once; then the slot comes back.
    pub(super) fn enqueue(
        &self,
        record: BaseRecord<'_, [u8], [u8], Box<Slot>>,
    ) -> Result<(), (ClientError, Box<Slot>)> {
        self.producer.send(record).map_err(|(error, record)| (error, record.delivery_opaque))
    }

    /// What Kafka says of a topic.
    pub(super) fn metadata(&self, topic: &str, within: Duration) -> Result<Metadata, ClientError> {
        self.producer.client().fetch_metadata(Some(topic), within)
    }

    /// What it has heard of trouble with brokers.
    pub(super) fn signs(&self) -> &Signs {
        &self.producer.context().signs
    }

    /// Why it has given up for good, as librdkafka does where it can't keep messages in order, or may not.
    pub(super) fn fatal(&self) -> Option<Code> {
        self.producer.client().fatal_error().map(|(code, _)| code)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Hears what librdkafka has to say.
struct Listener {
    reporter: Option<Arc<Reporter>>,
    signs: Signs,
}

impl ClientContext for Listener {
    fn error(&self, error: ClientError, reason: &str) {
        // Why a message is not confirmed is said with it.
        log::debug!("a producer: {error}: {reason}");
        self.signs.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(reporter) = &self.reporter {
            reporter.statistics(statistics);
        }
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Box<Slot>) {
        let outcome = match result {
            // librdkafka takes a message for delivered that the broker says it has already, though that may be one which was sent
            // after it and overtook it. Only who says where a message stands has it.
            Ok(message) if message.offset() < 0 => {
                Err(ClientError::MessageProduction(Code::DuplicateSequenceNumber))
            }
            Ok(message) => {
                self.signs.forget();
                Ok(Produced { partition: Partition(message.partition()), offset: Offset(message.offset()) })
            }
            Err((error, _)) => Err(error.clone()),
        };
        slot.fill(outcome);
    }
}
