//! What the child is told: a configuration file, made of typed values, with every key of yelp_kafka's under `consumer`. It is read
//! here too, as the child will read it, so that what is wrong with it is said before anything is started.

use serde::Serialize;
use serde_json::{Map, Value};

use super::ConsumerGroupError;
use crate::config::{Config, Flags, Protocol, Reset, Source};
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::{Group, Topic};
use crate::offset_storage::OffsetStorage;

/// Keys that have a method or an argument of their own, and which.
const ELSEWHERE: [(&str, &str); 8] = [
    ("cluster.brokers", "it is the cluster of the KafkaConsumerConfig"),
    ("cluster.zookeeper", "it is the cluster of the KafkaConsumerConfig"),
    ("consumer", "it is made of the KafkaConsumerConfig"),
    ("group", "it is the group_id of the KafkaConsumerConfig"),
    ("handler.command", "it is an argument of the group"),
    ("handler.protocol", "use `protocol`"),
    ("name", "use `name`"),
    ("topics", "they are an argument of the group"),
];

/// Who consumes what, and how.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) topics: &'a [Topic],
    pub(super) config: &'a KafkaConsumerConfig,
    pub(super) command: &'a [String],
    pub(super) name: Option<&'a str>,
    pub(super) protocol: Protocol,
    /// Other keys of the file.
    pub(super) settings: &'a [(String, Value)],
}

#[derive(Serialize)]
struct File<'a> {
    group: &'a Group,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    topics: &'a [Topic],
    cluster: Cluster<'a>,
    handler: Handler<'a>,
    consumer: Consumer<'a>,
}

#[derive(Serialize)]
struct Cluster<'a> {
    brokers: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    zookeeper: &'a str,
}

#[derive(Serialize)]
struct Handler<'a> {
    command: &'a [String],
    protocol: Protocol,
}

/// Under yelp_kafka's names and in its units.
#[derive(Serialize)]
struct Consumer<'a> {
    auto_offset_reset: &'static str,
    auto_commit_interval_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_commit_interval_messages: Option<u64>,
    fetch_message_max_bytes: u64,
    fetch_min_bytes: u64,
    client_id: &'a str,
    partitioner_cooldown: f64,
    use_group_sha: bool,
    max_termination_timeout_secs: f64,
    offset_storage: &'static str,
}

impl<'a> Consumer<'a> {
    fn of(config: &'a KafkaConsumerConfig) -> Self {
        Self {
            auto_offset_reset: match config.auto_offset_reset() {
                Reset::Earliest => "smallest",
                Reset::Latest => "largest",
            },
            auto_commit_interval_ms: config.auto_commit_interval().as_millis(),
            auto_commit_interval_messages: config.auto_commit_interval_messages(),
            fetch_message_max_bytes: config.fetch_message_max_bytes(),
            fetch_min_bytes: config.fetch_min_bytes(),
            client_id: config.client_id(),
            partitioner_cooldown: config.partitioner_cooldown().as_secs_f64(),
            use_group_sha: config.use_group_sha(),
            max_termination_timeout_secs: config.max_termination_timeout().as_secs_f64(),
            offset_storage: match config.offset_storage() {
                OffsetStorage::Zookeeper => "zookeeper",
                OffsetStorage::Kafka => "kafka",
                OffsetStorage::Dual => "dual",
            },
        }
    }
}

/// The file's text, and what it means. JSON is YAML, too.
pub(super) fn written(wanted: &Wanted<'_>) -> Result<(String, Config), ConsumerGroupError> {
    let refused = ConsumerGroupError::Configuration;
    if !wanted.config.auto_commit_enable() {
        return Err(refused(
            "auto_commit_enable: what a handler has acknowledged is always committed, and nothing else: let it acknowledge \
             where it would commit, and leave auto_commit_enable true"
                .to_owned(),
        ));
    }
    let Wanted { topics, config, command, name, protocol, settings } = *wanted;
    let file = File {
        group: config.group_id(),
        name,
        topics,
        cluster: Cluster {
            brokers: &config.cluster().broker_list,
            zookeeper: config.cluster().zookeeper.trim(),
        },
        handler: Handler { command, protocol },
        consumer: Consumer::of(config),
    };
    let no_json = |error: serde_json::Error| refused(error.to_string());
    let mut file = serde_json::to_value(file).map_err(no_json)?;
    for (key, value) in settings {
        set(&mut file, key, value.clone()).map_err(refused)?;
    }
    let text = serde_json::to_string_pretty(&file).map_err(no_json)?;
    let source = Source { name: "configuration".to_owned(), text };
    let read = Config::load(Some(&source), &Flags::default()).map_err(|errors| {
        // Where it stands says nothing to whoever has not written it.
        let messages: Vec<_> = errors.iter().map(|error| error.message.clone()).collect();
        refused(messages.join("; "))
    })?;
    Ok((source.text, read))
}

/// Sets `handler.timeout` and its like. A property of librdkafka's has dots in its name.
fn set(file: &mut Value, key: &str, value: Value) -> Result<(), String> {
    let is = |(of, _): &&(&str, &str)| {
        key == *of || key.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some((_, instead)) = ELSEWHERE.iter().find(is) {
        return Err(format!("`{key}` is not to be set so: {instead}"));
    }
    let parts: Vec<&str> = match key.split_once('.') {
        Some(("kafka", property)) => vec!["kafka", property],
        _ => key.split('.').collect(),
    };
    let mut place = file;
    for part in parts {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let section = place.as_object_mut().ok_or_else(|| format!("`{key}`: there is a value above it"))?;
        place = section.entry(part).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::cluster_config::ClusterConfig;
    use crate::consumer_config::Builder;

    fn options() -> Builder {
        let cluster = ClusterConfig::new("standard", "local", "k1:9092,k2:9092", "zk1:2181/kafka");
        KafkaConsumerConfig::builder("services.billing", cluster)
    }

    fn write(config: &KafkaConsumerConfig, settings: &[(&str, Value)]) -> Result<(String, Config), String> {
        let settings: Vec<_> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let (topics, command) =
            (["orders".parse().unwrap()], ["./handler".to_owned(), "--tab\t\u{e9}\u{1f600}".to_owned()]);
        let wanted = Wanted {
            topics: &topics,
            config,
            command: &command,
            name: Some("billing-1"),
            protocol: Protocol::Binary,
            settings: &settings,
        };
        written(&wanted).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_means_for_the_child_what_it_means_here() {
        let config = options()
            .auto_offset_reset(Reset::Earliest)
            .auto_commit_interval(Duration::from_millis(1500))
            .auto_commit_interval_messages(100)
            .fetch_message_max_bytes(1000)
            .fetch_min_bytes(2)
            .client_id("billing \"1\" #{x}: é")
            .partitioner_cooldown(Duration::from_millis(2500))
            .use_group_sha(false)
            .max_termination_timeout(Duration::from_millis(7500))
            .offset_storage(OffsetStorage::Dual)
            .build()
            .unwrap();
        let (_, read) = write(&config, &[]).unwrap();
        assert_eq!((read.group.as_str(), read.name.as_str()), ("services.billing", "billing-1"));
        assert_eq!(read.handler.command, ["./handler", "--tab\t\u{e9}\u{1f600}"]);
        assert_eq!(read.handler.protocol, Protocol::Binary);
        assert_eq!(read.offsets.reset, Reset::Earliest);
        assert_eq!(read.offsets.storage, OffsetStorage::Dual);
        assert_eq!(read.offsets.commit_interval, Duration::from_millis(1500));
        assert_eq!(read.offsets.commit_messages, 100);
        assert_eq!(read.stop.timeout, Duration::from_millis(7500));
        let properties: Vec<_> = read.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for property in
            ["client.id=billing \"1\" #{x}: é", "fetch.message.max.bytes=1000", "fetch.min.bytes=2"]
        {
            assert!(properties.iter().any(|given| given == property), "{property}: {properties:?}");
        }
        let shown = read.to_json();
        assert_eq!(shown["assignment"]["cooldown"], "2500ms", "{shown}");
        assert_eq!(shown["assignment"]["use_group_sha"], false);
        assert_eq!(shown["cluster"]["brokers"], json!(["k1:9092", "k2:9092"]));
    }

    #[test]
    fn the_defaults_are_the_originals() {
        let (_, read) = write(&options().build().unwrap(), &[]).unwrap();
        assert_eq!((read.offsets.storage, read.offsets.reset), (OffsetStorage::Zookeeper, Reset::Latest));
        assert_eq!(read.stop.timeout, Duration::from_secs(10));
    }

    #[test]
    fn other_keys_are_set_where_they_belong_properties_with_their_dots() {
        let settings = [
            ("handler.poison.attempts", json!(3)),
            ("handler.timeout", json!("5s")),
            ("kafka.fetch.wait.max.ms", json!(7)),
            ("stop.timeout", json!("3s")),
        ];
        let (_, read) = write(&options().build().unwrap(), &settings).unwrap();
        assert_eq!((read.handler.poison.attempts, read.handler.timeout), (3, Duration::from_secs(5)));
        assert!(read.kafka.names().any(|name| name == "fetch.wait.max.ms"));
        assert_eq!(read.stop.timeout, Duration::from_secs(3), "a key beside `consumer` wins");
    }

    #[test]
    fn what_is_wrong_is_said_before_anything_is_started() {
        let config = options().build().unwrap();
        for (key, value, words) in [
            ("handler.timeout", json!("soon"), "a duration such as"),
            ("handler.timeuot", json!("5s"), "did you mean `timeout`?"),
            ("group", json!("x"), "group_id"),
            ("consumer.client_id", json!("x"), "KafkaConsumerConfig"),
            ("handler.command", json!(["x"]), "argument"),
            ("name", json!("x"), "use `name`"),
            ("topics", json!(["x"]), "argument"),
            ("handler.protocol.x", json!("x"), "use `protocol`"),
        ] {
            let error = write(&config, &[(key, value)]).unwrap_err();
            assert!(error.contains(words) && error.contains(key), "{key}: {error}");
        }
        let manual = options().auto_commit_enable(false).build().unwrap();
        assert!(write(&manual, &[]).unwrap_err().contains("auto_commit_enable"));
    }
}
