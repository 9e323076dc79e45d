//! Whether librdkafka takes the operator's properties: each by itself, then all together in each of the clients that will be
//! made of them. No client made here knows a broker, so nobody is asked.

use std::collections::BTreeMap;

use kafkavisor::config::{Draft, is_of_security};
use kafkavisor_kafka::dead_letter::producer_config;
use kafkavisor_kafka::fetch::consumer_properties;
use kafkavisor_kafka::properties::{client_config, client_properties, reason};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use crate::tokens::{self, TokenSource};

type Properties = BTreeMap<String, String>;

/// Makes a client of the operator's properties.
type Make = fn(&Properties) -> Result<(), KafkaError>;

fn supervisors(properties: &Properties) -> Result<(), KafkaError> {
    quiet(client_config(properties, None)).create::<BaseConsumer>().map(drop)
}

fn fetching(properties: &Properties) -> Result<(), KafkaError> {
    let properties = consumer_properties(properties, u64::MAX);
    quiet(ClientConfig::from_iter(properties)).create::<BaseConsumer>().map(drop)
}

fn dead_letters(properties: &Properties) -> Result<(), KafkaError> {
    quiet(producer_config(properties)).create::<BaseProducer>().map(drop)
}

/// What it has to say is in the error.
fn quiet(mut config: ClientConfig) -> ClientConfig {
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// librdkafka's own where nothing is set, in milliseconds.
const SOCKET_TIMEOUT: u64 = 60_000;
/// An answer takes this much longer than it was held back.
const ANSWER: u64 = 1000;

/// Notes every property, and every combination, that can't be used.
pub(super) fn check(draft: &mut Draft) {
    if !draft.security_refused
        && let Err((name, message)) = TokenSource::of(&draft.kafka, None)
    {
        draft.refuse_property(&name, &message);
        draft.security_refused = true;
    }
    let mut properties = tokens::for_clients(&draft.kafka);
    for (name, value) in properties.clone() {
        if let Err(error) = ClientConfig::from_iter([(name.clone(), value)]).create_native_config() {
            properties.remove(&name);
            draft.refuse_property(&name, &format!("{}; remove or correct it", reason(&error)));
        }
    }
    held_back(&properties, draft);
    if draft.security_refused {
        // What librdkafka says of the rest would be the same once more, or not true.
        properties.retain(|name, _| !is_of_security(name));
    }
    for make in [supervisors as Make, fetching] {
        try_out(make, properties.clone(), draft);
    }
    if draft.dead_letters {
        try_out(dead_letters, properties, draft);
    }
}

/// A fetch of a quiet partition is answered after its wait: if nobody waits for that any more, it fails every time.
fn held_back(properties: &Properties, draft: &mut Draft) {
    const WAIT: &str = "fetch.wait.max.ms";
    let number = |name: &str| properties.get(name).and_then(|value| value.parse::<u64>().ok());
    let timeout = number("socket.timeout.ms").unwrap_or(SOCKET_TIMEOUT);
    if number(WAIT).is_some_and(|wait| wait + ANSWER > timeout) {
        let message = format!(
            "must be at least {ANSWER} below `socket.timeout.ms` ({timeout}), or every fetch of a quiet partition times out; \
             lower it or remove it"
        );
        draft.refuse_property(WAIT, &message);
    }
}

/// Makes the client, without what it was refused for until it is made.
fn try_out(make: Make, mut properties: Properties, draft: &mut Draft) {
    while let Err(error) = make(&without_brokers(&properties)) {
        let reason = reason(&error);
        let named = |name: &&String| reason.contains(&format!("`{name}`"));
        let Some(name) = properties.keys().find(named).cloned() else {
            draft.refuse_property("", &format!("{reason}; remove or correct that property"));
            return;
        };
        draft.refuse_property(&name, &format!("{reason}; remove or correct it"));
        properties.remove(&name);
    }
}

/// As every client of an instance has them, but that there is nobody to connect to.
fn without_brokers(theirs: &Properties) -> Properties {
    let mut properties = client_properties(&[], theirs);
    properties.remove("bootstrap.servers");
    properties
}
