//! Properties handed to librdkafka as they are: `kafka`.
//!
//! Those that Kafkavisor sets itself are refused and the key to use is named. Whether librdkafka knows a property is
//! asked of librdkafka, by whoever makes the client.

use std::collections::BTreeMap;

use super::document::Value;
use super::errors::Problems;
use super::reader::{Field, Section};
use super::unavailable;

const COMMIT: &str =
    "progress is committed as `offsets.commit_interval` and `offsets.commit_messages` say; remove it";
const MEMBERSHIP: &str = "partitions are assigned as `assignment` says; remove it";
const INSIDE: &str = "kafkavisor sets it itself; remove it";

/// Properties that are set elsewhere, and where.
const ELSEWHERE: &[(&str, &str)] = &[
    ("auto.commit.enable", COMMIT),
    ("auto.commit.interval.ms", COMMIT),
    ("auto.offset.reset", "set `offsets.reset` instead"),
    ("bootstrap.servers", "set `cluster.brokers` instead"),
    ("default_topic_conf", INSIDE),
    ("enable.auto.commit", COMMIT),
    ("enable.auto.offset.store", COMMIT),
    ("enable.partition.eof", INSIDE),
    ("enabled_events", INSIDE),
    ("group.id", "set `group` instead"),
    ("group.instance.id", MEMBERSHIP),
    ("group.protocol", MEMBERSHIP),
    ("group.protocol.type", MEMBERSHIP),
    ("group.remote.assignor", MEMBERSHIP),
    ("interceptors", INSIDE),
    ("log.queue", INSIDE),
    ("metadata.broker.list", "set `cluster.brokers` instead"),
    ("offset.store.method", COMMIT),
    ("offset.store.path", COMMIT),
    ("offset.store.sync.interval.ms", COMMIT),
    ("opaque", INSIDE),
    ("partition.assignment.strategy", MEMBERSHIP),
    ("plugin.library.paths", "plug-ins can't be loaded; remove it"),
];

/// Words in the name of a property whose value nobody should read in a terminal.
const SECRET: &[&str] =
    &["password", "secret", "token", "private", "credential", "key.pem", "oauthbearer.config"];

/// Whether the property's value is masked where the configuration is shown.
pub(super) fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    SECRET.iter().any(|word| property.contains(word))
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> BTreeMap<String, String> {
    let Some(field) = root.get("kafka") else { return BTreeMap::new() };
    let mut properties = BTreeMap::new();
    for (name, field) in field.entries("a map of librdkafka properties such as {fetch.min.bytes: 1}", p) {
        if let Some(reason) = refusal(name) {
            p.value(&field.path, field.key, reason);
        } else if let Some(value) = scalar(&field, p) {
            properties.insert(name.to_owned(), value);
        }
    }
    properties
}

fn refusal(name: &str) -> Option<&'static str> {
    let elsewhere = ELSEWHERE.iter().find(|(property, _)| *property == name).map(|(_, reason)| *reason);
    let named = (name.is_empty() || name.contains('\0')).then_some("not the name of a librdkafka property");
    let callback = name.ends_with("_cb").then_some(INSIDE);
    elsewhere.or(callback).or(named).or_else(|| unavailable::kafka_property(name))
}

/// The value as librdkafka takes it: text, as written.
fn scalar(field: &Field<'_>, p: &mut Problems) -> Option<String> {
    match &field.node.value {
        Value::Text(text) if text.contains('\0') => {
            field.wrong("a value can't hold a NUL character", p);
            None
        }
        Value::Text(text) | Value::Number(text, _) => Some(text.clone()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Map(_) => {
            field.wrong("expected text, a number, `true` or `false`, found a map: write the property's whole name with its dots", p);
            None
        }
        Value::Null | Value::List(_) => {
            field.expected("text, a number, `true` or `false`", p);
            None
        }
    }
}
