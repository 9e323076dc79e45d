//! Whether librdkafka takes the operator's properties: each by itself, then all together in each of the clients that will be
//! made of them. No client made here knows a broker, so nobody is asked.

use std::collections::BTreeMap;

use kafkavisor::config::Draft;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

type Properties = BTreeMap<String, String>;

/// What kind of client, and what it sets besides.
struct Trial {
    producer: bool,
    /// What the operator's properties win over.
    below: &'static [(&'static str, &'static str)],
    /// What wins over them.
    above: &'static [(&'static str, &'static str)],
}

/// The supervisor's clients; a worker's, which fetches; and a worker's that produces dead letters.
const SUPERVISOR: Trial = Trial {
    producer: false,
    below: &[("reconnect.backoff.max.ms", "1000"), ("socket.timeout.ms", "10000")],
    above: &[("group.id", "check"), ("enable.auto.commit", "false")],
};
const FETCHING: Trial = Trial {
    producer: false,
    below: &[("reconnect.backoff.max.ms", "1000"), ("queued.max.messages.kbytes", "16384")],
    above: &[("group.id", "check"), ("auto.offset.reset", "error"), ("enable.partition.eof", "true")],
};
const DEAD_LETTERS: Trial = Trial {
    producer: true,
    below: &[("reconnect.backoff.max.ms", "1000"), ("message.max.bytes", "1000000000")],
    above: &[("acks", "all"), ("enable.idempotence", "true"), ("message.timeout.ms", "15000")],
};
/// librdkafka's own where nothing is set, in milliseconds.
const SOCKET_TIMEOUT: u64 = 60_000;
/// An answer takes this much longer than it was held back.
const ANSWER: u64 = 1000;

/// Notes every property, and every combination, that can't be used.
pub(super) fn check(draft: &mut Draft) {
    let mut properties = draft.kafka.clone();
    for (name, value) in draft.kafka.clone() {
        if let Err(error) = ClientConfig::from_iter([(name.clone(), value)]).create_native_config() {
            properties.remove(&name);
            draft.refuse_property(&name, &format!("{}; remove or correct it", reason(&error)));
        }
    }
    held_back(&properties, draft);
    for trial in [SUPERVISOR, FETCHING] {
        trial.all(properties.clone(), draft);
    }
    if draft.dead_letters {
        DEAD_LETTERS.all(properties, draft);
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

impl Trial {
    /// Makes the client, without what it was refused for until it is made.
    fn all(&self, mut properties: Properties, draft: &mut Draft) {
        while let Err(error) = self.make(&properties) {
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

    fn make(&self, properties: &Properties) -> Result<(), KafkaError> {
        let mut config = ClientConfig::new();
        for (name, value) in self.below {
            config.set(*name, *value);
        }
        for (name, value) in properties {
            config.set(name, value);
        }
        for (name, value) in self.above {
            config.set(*name, *value);
        }
        config.set_log_level(RDKafkaLogLevel::Emerg);
        if self.producer {
            config.create::<BaseProducer>().map(drop)
        } else {
            config.create::<BaseConsumer>().map(drop)
        }
    }
}

/// What librdkafka says, in its words alone.
fn reason(error: &KafkaError) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others don't come from making a client")]
    match error {
        KafkaError::ClientConfig(_, description, ..) => description.clone(),
        KafkaError::ClientCreation(description) => description.clone(),
        other => other.to_string(),
    }
}
