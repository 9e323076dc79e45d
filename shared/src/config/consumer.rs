//! `consumer`: the settings of a yelp_kafka service, as they are. What they become stands in the keys of other sections, where it
//! is the default: a key of ours beside `consumer` wins. As soon as `consumer` is there, even empty, yelp_kafka's own defaults hold.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

use super::assignment;
use super::document::{Node, Value};
use super::errors::{Place, Problems};
use super::kafka::first_name;
use super::lifecycle::Stop;
use super::offsets::Offsets;
use super::properties::KafkaProperties;
use super::reader::{Field, Section};
use super::words::nearest;
use crate::consumer_config::{ConsumerOption, Given, NotSet, Values};

const COMMITS: &str = "kafkavisor commits what the handler has acknowledged, and nothing else: let the handler acknowledge where the \
                       service called `commit()`, and remove it";

/// What else stands in the settings of such services, and where it belongs.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bootstrap_servers", "set `cluster.brokers` instead"),
    ("broker_list", "set `cluster.brokers` instead"),
    ("buffer_size", "no more than `fetch_message_max_bytes` is fetched of a partition at once; remove it"),
    ("cluster", "set the key `cluster` beside `consumer`"),
    ("cluster_type", "set `cluster.type` instead"),
    ("fetch_wait_max_ms", "set `kafka.fetch.wait.max.ms` instead"),
    ("group", "set the key `group` beside `consumer`"),
    ("group_id", "set the key `group` beside `consumer`"),
    ("refresh_leader_backoff_ms", "set `kafka.topic.metadata.refresh.fast.interval.ms` instead"),
    ("socket_timeout_ms", "set `kafka.socket.timeout.ms` instead"),
    ("topics", "set the key `topics` beside `consumer`"),
    ("zookeeper", "set `cluster.zookeeper` instead"),
];

/// The section, where it is there.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    /// Where the section begins.
    place: Option<Place>,
    pub(super) given: Given,
    /// Where each value stands, by the name it was given under.
    places: BTreeMap<String, Place>,
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Option<Consumer> {
    let field = root.get("consumer")?;
    let mut consumer = Consumer { place: Some(field.key), ..Consumer::default() };
    if matches!(field.node.value, Value::Null) {
        return Some(consumer);
    }
    for (name, field) in
        field.entries("a map of yelp_kafka's options such as {auto_offset_reset: smallest}", p)
    {
        consumer.read(name, &field, p);
    }
    if !consumer.values().auto_commit_enable {
        let (name, place) = consumer.stands(ConsumerOption::AutoCommitEnable);
        p.value(&format!("consumer.{name}: false"), place, COMMITS);
    }
    Some(consumer)
}

impl Consumer {
    fn read(&mut self, name: &str, field: &Field<'_>, p: &mut Problems) {
        match self.given.set(name, &json(field.node)) {
            Ok(()) => {
                self.places.insert(name.to_owned(), field.place());
            }
            Err(NotSet::Expected(_, expected)) => field.expected(&expected, p),
            Err(NotSet::Unknown) => {
                let elsewhere = ELSEWHERE.iter().find(|(setting, _)| *setting == name);
                let hint = elsewhere.map_or_else(
                    || nearest(name, &ConsumerOption::names()),
                    |(_, place)| (*place).to_owned(),
                );
                p.at(field.key, format!("unknown key `{}`; {hint}", field.path));
            }
        }
    }

    /// The name an option was given under, and where; its new name, and nowhere, if it was not.
    pub(super) fn stands(&self, option: ConsumerOption) -> (&'static str, Place) {
        let names = std::iter::once(option.name()).chain(option.old_name());
        let mut given = names.filter_map(|name| Some((name, *self.places.get(name)?)));
        given.next().unwrap_or((option.name(), Place::Nowhere))
    }

    /// Where it says where offsets are kept, if only by being there.
    pub(super) fn storage_place(&self) -> Place {
        match self.stands(ConsumerOption::OffsetStorage).1 {
            Place::Nowhere => self.place.unwrap_or(Place::Nowhere),
            place @ (Place::File { .. } | Place::WholeFile | Place::Flag(_)) => place,
        }
    }

    /// Where the value stands that was given under `name`.
    pub(super) fn place_of(&self, name: &str) -> Place {
        self.places.get(name).copied().unwrap_or(Place::Nowhere)
    }

    fn values(&self) -> &Values {
        &self.given.values
    }

    pub(super) fn offsets(&self) -> Offsets {
        let values = self.values();
        let default = Offsets::default();
        Offsets {
            reset: values.auto_offset_reset,
            storage: values.offset_storage,
            commit_interval: values.auto_commit_interval,
            commit_messages: values.auto_commit_interval_messages.unwrap_or(default.commit_messages),
        }
    }

    pub(super) fn stop(&self) -> Stop {
        Stop { timeout: self.values().max_termination_timeout }
    }

    pub(super) fn assignment(&self) -> assignment::Defaults {
        let values = self.values();
        assignment::Defaults { cooldown: values.partitioner_cooldown, use_group_sha: values.use_group_sha }
    }

    /// Adds librdkafka's properties, but those that stand under `kafka`, by whatever name.
    pub(super) fn add_properties(&self, kafka: &mut KafkaProperties) {
        let values = self.values();
        for (name, value) in [
            ("client.id", values.client_id.clone()),
            ("fetch.message.max.bytes", values.fetch_message_max_bytes.to_string()),
            ("fetch.min.bytes", values.fetch_min_bytes.to_string()),
        ] {
            if !kafka.names().any(|given| first_name(given) == name) {
                kafka.set(name, value);
            }
        }
    }
}

/// The value as JSON has it; a number that JSON has not (a date, infinity) as text.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::Bool(*value),
        Value::Number(_, Some(number)) => Json::from(*number),
        Value::Number(text, None) => {
            let number = text.parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| Json::from(text.as_str()), Json::Number)
        }
        Value::Text(text) => Json::from(text.as_str()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), json(node))).collect())
        }
    }
}
