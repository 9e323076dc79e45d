//! A message on its way back: key, value and headers as they were, confirmed by all that must have it.

use std::collections::BTreeMap;

use kafkavisor::ids::Offset;
use kafkavisor_kafka::dead_letter::{Letter, Producer, passes, refusal};
use kafkavisor_kafka::properties::reason;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::exit::Failure;

/// Why a message is not back.
pub(super) enum Unsent {
    /// Kafka does not take it.
    Refused(String),
    /// Kafka has not said, in the time that there is.
    Unknown(String),
}

/// Sends one at a time.
pub(super) struct Sender {
    properties: BTreeMap<String, String>,
    producer: Producer,
}

impl Sender {
    pub(super) fn new(properties: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let refused = |error| {
            Failure::configuration(format!("librdkafka refuses the configuration: {}", reason(&error)))
        };
        let producer = Producer::new(properties).map_err(refused)?;
        Ok(Self { properties: properties.clone(), producer })
    }

    /// Sends it and waits for the confirmation; the message's new offset.
    pub(super) fn send(&mut self, letter: &Letter) -> Result<Offset, Unsent> {
        if self.producer.is_over() {
            self.producer =
                Producer::new(&self.properties).map_err(|error| Unsent::Refused(reason(&error)))?;
        }
        let mut record = BaseRecord::to(letter.from.topic.as_str()).partition(letter.from.partition.0);
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        record.headers = headers(letter);
        self.producer.produce(record, drop).map_err(|error| {
            if passes(&error) { Unsent::Unknown(error.to_string()) } else { Unsent::Refused(refusal(&error)) }
        })
    }
}

fn headers(letter: &Letter) -> Option<OwnedHeaders> {
    let insert = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
        headers.insert(Header { key: name, value: value.as_deref() })
    };
    let headers = letter.headers.iter().fold(OwnedHeaders::new(), insert);
    (!letter.headers.is_empty()).then_some(headers)
}
