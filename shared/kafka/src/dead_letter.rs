//! How dead letters are produced, and what stands beside them: a message's own headers, and ours, which tell where it came from
//! and why it is here.

use std::collections::BTreeMap;

use kafkavisor_types::ids::{Offset, TopicPartition};
use kafkavisor_types::message::Message;
use kafkavisor_types::text;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};

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

/// Where a message came from and why it could not be handled.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The partition that it was read from.
    pub partition: &'a TopicPartition,
    /// Its own offset there.
    pub offset: Offset,
    /// The group that could not handle it.
    pub group: &'a str,
    /// How often it was given to a handler.
    pub attempts: u32,
    /// The reason, or how the handler ended.
    pub error: &'a str,
    /// The handler's last lines.
    pub stderr: &'a str,
    /// The machine.
    pub host: &'a str,
}

impl Origin<'_> {
    /// The headers of the dead letter of `message`: its own as they were, then ours; numbers as decimal text.
    pub fn headers(&self, message: &Message<'_>) -> OwnedHeaders {
        let theirs = message.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            // librdkafka's names are C strings.
            let name = String::from_utf8_lossy(header.name).replace('\0', "\u{fffd}");
            headers.insert(Header { key: &name, value: header.value })
        });
        let ours = [
            ("kafkavisor.topic", self.partition.topic.to_string()),
            ("kafkavisor.partition", self.partition.partition.to_string()),
            ("kafkavisor.offset", self.offset.to_string()),
            ("kafkavisor.timestamp", message.timestamp.to_string()),
            ("kafkavisor.group", self.group.to_owned()),
            ("kafkavisor.attempts", self.attempts.to_string()),
            ("kafkavisor.error", text::kept(self.error)),
            ("kafkavisor.stderr", text::escaped(self.stderr, &['\n', '\t']).into_owned()),
            ("kafkavisor.host", self.host.to_owned()),
        ];
        ours.iter().fold(theirs, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}
