//! Properties handed to librdkafka as they are: `kafka`.
//!
//! Those that Kafkavisor sets itself, and those that would break it without a word, are refused, naming the key to use or why;
//! under whatever name librdkafka knows them. Whether librdkafka takes the rest is asked of librdkafka, by whoever makes the
//! clients.

use super::document::Value;
use super::errors::Problems;
use super::kafka_security::{Given, Property, named_file};
use super::properties::KafkaProperties;
use super::reader::{Field, Section, on_line};
use super::secret::Secret;

const COMMIT: &str =
    "progress is committed as `offsets.commit_interval` and `offsets.commit_messages` say; remove it";
const MEMBERSHIP: &str = "partitions are assigned as `assignment` says; remove it";
const INSIDE: &str = "kafkavisor sets it itself; remove it";
const TRANSACTIONS: &str = "dead letters are produced without transactions; remove it";
const CONFIRMED: &str = "a dead letter counts once all replicas have it, and is tried until then; remove it";
/// Our asking for a topic that was deleted would make it again, empty.
const MAKES_TOPICS: &str = "a topic that is deleted would be made again; make topics by hand and remove it";
const TESTS: &str = "it is for tests of librdkafka; remove it";

/// Properties that are not the operator's to set, each by its first name, and why or where it is set.
const REFUSED: &[(&str, &str)] = &[
    ("acks", CONFIRMED),
    ("auto.commit.interval.ms", COMMIT),
    ("auto.offset.reset", "set `offsets.reset` instead"),
    ("bootstrap.servers", "set `cluster.brokers` instead"),
    ("default_topic_conf", INSIDE),
    ("delivery.report.only.error", CONFIRMED),
    ("delivery.timeout.ms", CONFIRMED),
    ("enable.auto.commit", COMMIT),
    ("enable.auto.offset.store", COMMIT),
    ("enable.gapless.guarantee", CONFIRMED),
    ("enable.idempotence", CONFIRMED),
    ("enable.partition.eof", INSIDE),
    ("enabled_events", INSIDE),
    ("group.id", "set `group` instead"),
    ("group.instance.id", MEMBERSHIP),
    ("group.protocol", MEMBERSHIP),
    ("group.protocol.type", MEMBERSHIP),
    ("group.remote.assignor", MEMBERSHIP),
    ("interceptors", INSIDE),
    ("internal.termination.signal", INSIDE),
    ("log.queue", INSIDE),
    ("msg_order_cmp", INSIDE),
    ("offset.store.method", COMMIT),
    ("offset.store.path", COMMIT),
    ("offset.store.sync.interval.ms", COMMIT),
    ("opaque", INSIDE),
    ("partition.assignment.strategy", MEMBERSHIP),
    ("plugin.library.paths", "plug-ins can't be loaded; remove it"),
    ("topic.blacklist", "what is consumed stands in `topics`; remove it"),
    ("transaction.timeout.ms", TRANSACTIONS),
    ("transactional.id", TRANSACTIONS),
];

/// Other names of a property, and its first one.
const ALIASES: &[(&str, &str)] = &[
    ("auto.commit.enable", "enable.auto.commit"),
    ("compression.type", "compression.codec"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

/// The properties that begin with `topic.` themselves; any other is a topic's under its longer name.
const OF_TOPICS: &[&str] = &["topic.blacklist", "topic.metadata."];

/// The first name of a property.
pub(super) fn first_name(name: &str) -> &str {
    let short = name.strip_prefix("topic.").filter(|_| !OF_TOPICS.iter().any(|own| name.starts_with(own)));
    let name = short.unwrap_or(name);
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, first)| first)
}

/// Words in the name of a property whose value nobody should read in a terminal.
const SECRET: &[&str] =
    &["password", "secret", "token", "private", "credential", "key.pem", "oauthbearer.config"];

/// Whether the property's value is masked where the configuration is shown.
pub(super) fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    // What names a place is none, though a token may come from there.
    !property.contains("endpoint.url") && SECRET.iter().any(|word| property.contains(word))
}

/// What stands under `kafka`.
#[derive(Debug, Default)]
pub(super) struct Kafka {
    /// What can be used.
    pub(super) properties: KafkaProperties,
    /// Whether tokens are shown; none where that can't be told.
    pub(super) wants_tokens: Option<bool>,
    /// Something of logins or TLS was refused.
    pub(super) security_refused: bool,
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Kafka {
    let Some(section) = root.get("kafka") else {
        return Kafka { wants_tokens: Some(false), ..Kafka::default() };
    };
    let mut properties = KafkaProperties::default();
    let mut given = Given::default();
    for (name, field) in section.entries("a map of librdkafka properties such as {fetch.min.bytes: 1}", p) {
        let first = first_name(name);
        if let Some(reason) = refusal(first) {
            p.value(&field.path, field.key, reason);
            continue;
        }
        if let Some(Property { name: other, place, .. }) = given.0.get(first) {
            let message = format!("is `{other}`{}, by another name; keep one", on_line(*place));
            p.value(&field.path, field.key, message);
            continue;
        }
        let value = value(&field, p).and_then(|value| match named_file(first, &value) {
            Ok(()) => Some(value),
            Err(error) => {
                field.wrong(error, p);
                None
            }
        });
        let value = value.filter(|value| {
            let blank = is_secret(first) && value.expose().starts_with([' ', '\t']);
            if blank {
                field.wrong("begins with a blank, which librdkafka takes away: it must be another", p);
            }
            !blank
        });
        let text = value.as_ref().map(|value| value.expose().to_owned());
        given.0.insert(first.to_owned(), Property { name: name.to_owned(), place: field.key, value: text });
        if let Some(value) = value {
            if first == "allow.auto.create.topics" && value.expose() != "false" {
                p.value(&field.path, field.key, MAKES_TOPICS);
            }
            properties.insert(name, value);
        }
    }
    let before = p.count();
    given.check(section.key, p);
    let security_refused = given.lacks_security() || p.count() > before;
    Kafka { properties, wants_tokens: given.wants_tokens(), security_refused }
}

/// Why the property of this first name can't be used.
fn refusal(name: &str) -> Option<&'static str> {
    let table = REFUSED.iter().find(|(property, _)| *property == name).map(|(_, reason)| *reason);
    let named = (name.is_empty() || name.contains(['\0', ':', '=', ' ']))
        .then_some("not the name of a librdkafka property");
    let callback = (name.ends_with("_cb") || name.ends_with("_callback_data")).then_some(INSIDE);
    let tests = (name.starts_with("test.") || name.starts_with("ut_")).then_some(TESTS);
    table.or(callback).or(tests).or(named)
}

/// The value as librdkafka takes it: text, as written, here or in a file or a variable.
fn value(field: &Field<'_>, p: &mut Problems) -> Option<Secret> {
    match &field.node.value {
        Value::Text(text) if text.contains('\0') => {
            field.wrong("a value can't hold a NUL character", p);
            None
        }
        Value::Text(text) | Value::Number(text, _) => Some(Secret::text(text.as_str())),
        Value::Boolean(value) => Some(Secret::text(value.to_string())),
        Value::Map(entries)
            if entries.iter().any(|(key, _)| !matches!(key.name.as_str(), "file" | "env")) =>
        {
            field.wrong(
                "expected text, a number, `true`, `false`, {file: PATH} or {env: NAME}, found another map: write the property's \
                 whole name with its dots",
                p,
            );
            None
        }
        Value::Map(_) => Secret::take_elsewhere(field, p),
        Value::Null | Value::List(_) => {
            field.expected("text, a number, `true`, `false`, {file: PATH} or {env: NAME}", p);
            None
        }
    }
}
