//! What stands beside a dead letter: where its message came from, and why it is here.

use kafkavisor_types::ids::{Offset, TopicPartition};
use kafkavisor_types::message::Message;
use kafkavisor_types::text;
use rdkafka::message::{Header, OwnedHeaders};

/// The names of our headers.
pub(super) const TOPIC: &str = "kafkavisor.topic";
pub(super) const PARTITION: &str = "kafkavisor.partition";
pub(super) const OFFSET: &str = "kafkavisor.offset";
pub(super) const TIMESTAMP: &str = "kafkavisor.timestamp";
pub(super) const GROUP: &str = "kafkavisor.group";
pub(super) const ATTEMPTS: &str = "kafkavisor.attempts";
pub(super) const ERROR: &str = "kafkavisor.error";
pub(super) const STDERR: &str = "kafkavisor.stderr";
pub(super) const HOST: &str = "kafkavisor.host";
pub(super) const NAMES: [&str; 9] =
    [TOPIC, PARTITION, OFFSET, TIMESTAMP, GROUP, ATTEMPTS, ERROR, STDERR, HOST];

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
            (TOPIC, self.partition.topic.to_string()),
            (PARTITION, self.partition.partition.to_string()),
            (OFFSET, self.offset.to_string()),
            (TIMESTAMP, message.timestamp.to_string()),
            (GROUP, self.group.to_owned()),
            (ATTEMPTS, self.attempts.to_string()),
            (ERROR, text::kept(self.error)),
            (STDERR, text::escaped(self.stderr, &['\n', '\t']).into_owned()),
            (HOST, self.host.to_owned()),
        ];
        ours.iter().fold(theirs, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}
