//! Producing, with the offset of each message as the broker confirmed it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use crate::environment::unique;
use crate::message::{Content, Message, Produced};
use crate::waiting::WITHIN;

/// What the broker said about message number `.0`.
type Confirmed = (usize, Result<(i32, i64), KafkaError>);

#[derive(Debug, Default, Clone)]
struct Confirmations(Arc<Mutex<Vec<Confirmed>>>);

impl ClientContext for Confirmations {}

impl ProducerContext for Confirmations {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
        let placed = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap().push((*number, placed));
    }
}

/// A producer to one topic.
pub struct Producer {
    topic: String,
    client: BaseProducer<Confirmations>,
    confirmed: Confirmations,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Producer({})", self.topic)
    }
}

impl Producer {
    /// To `topic`, with librdkafka's `properties` besides the usual ones.
    pub fn new(brokers: &str, topic: &str, properties: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("message.max.bytes", "4000000")
            .set("linger.ms", "5")
            .set("message.timeout.ms", "60000");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let confirmed = Confirmations::default();
        let client = config.create_with_context(confirmed.clone()).expect("a producer can be made");
        Self { topic: topic.to_owned(), client, confirmed }
    }

    /// Produces all and waits for the broker's word on each.
    pub fn send(&self, messages: &[Message]) -> Vec<Produced> {
        for (number, message) in messages.iter().enumerate() {
            self.enqueue(number, message);
        }
        self.client.flush(WITHIN).expect("Kafka takes the messages in time");
        let mut confirmed = std::mem::take(&mut *self.confirmed.0.lock().unwrap());
        assert_eq!(confirmed.len(), messages.len(), "each message is confirmed once");
        confirmed.sort_by_key(|(number, _)| *number);
        let produced = confirmed.into_iter().zip(messages).map(|((_, placed), message)| {
            let (partition, offset) = placed.expect("Kafka takes the message");
            Produced { partition, offset, content: Content::from(message) }
        });
        produced.collect()
    }

    fn enqueue(&self, number: usize, message: &Message) {
        let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(KafkaHeader { key: name, value: value.as_ref() })
        });
        let mut record = BaseRecord::<[u8], [u8], Box<usize>>::with_opaque_to(&self.topic, Box::new(number))
            .partition(message.partition)
            .headers(headers);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp;
        loop {
            match self.client.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.client.poll(Duration::from_millis(20));
                    record = again;
                }
                Err((error, _)) => panic!("can't produce: {error}"),
            }
        }
    }
}

/// A transaction that is open: its messages are in the log, and nobody may read them or what comes behind them.
#[derive(Debug)]
pub struct Transaction {
    producer: Producer,
    sent: Vec<Produced>,
}

impl Transaction {
    /// Begins one and produces all within it.
    pub fn begin(brokers: &str, topic: &str, messages: &[Message]) -> Self {
        let id = unique("transaction");
        let producer = Producer::new(brokers, topic, &[("transactional.id", &id)]);
        producer.client.init_transactions(WITHIN).expect("transactions begin");
        producer.client.begin_transaction().expect("a transaction begins");
        let sent = producer.send(messages);
        Self { producer, sent }
    }

    /// Ends it, which leaves a marker behind the last message in each partition; gives what counts as produced.
    pub fn end(self, commit: bool) -> Vec<Produced> {
        if commit {
            self.producer.client.commit_transaction(WITHIN).expect("the transaction is committed");
            self.sent
        } else {
            self.producer.client.abort_transaction(WITHIN).expect("the transaction is aborted");
            Vec::new()
        }
    }
}
