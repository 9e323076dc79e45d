//! `KafkaConsumerConfig` as a Rust program meets it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::cluster_config::ClusterConfig;
use crate::config::{OffsetStorage, Reset};
use crate::ids::{Group, Topic};
use crate::partitioner::group_path::TopicsRepr;

fn builder() -> Builder {
    let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181");
    KafkaConsumerConfig::builder("services.billing", cluster)
}

#[test]
fn the_defaults_are_yelp_kafkas() {
    let config = builder().build().unwrap();
    assert_eq!(config.group_id().as_str(), "services.billing");
    assert_eq!(config.cluster().broker_list, ["k1:9092", "k2:9092"]);
    assert_eq!(config.auto_offset_reset(), Reset::Latest);
    assert!(config.auto_commit_enable() && config.use_group_sha());
    assert_eq!(config.auto_commit_interval(), Duration::from_secs(1));
    assert_eq!(config.auto_commit_interval_messages(), None);
    assert_eq!(config.consumer_timeout(), Some(Duration::from_millis(100)));
    assert_eq!((config.fetch_message_max_bytes(), config.fetch_min_bytes()), (2 << 20, 1));
    assert_eq!(config.client_id(), "yelp-kafka");
    assert_eq!(config.partitioner_cooldown(), Duration::from_secs(30));
    assert_eq!(config.max_termination_timeout(), Duration::from_secs(10));
    assert_eq!(config.offset_storage(), OffsetStorage::Zookeeper);
    assert_eq!((config.metrics_reporter(), config.deprecated()), (None, [].as_slice()));
}

#[test]
fn each_option_is_set_in_rust_and_by_its_name() {
    let dimensions = BTreeMap::from([("team".to_owned(), "billing".to_owned())]);
    let typed = builder()
        .auto_offset_reset(Reset::Earliest)
        .auto_commit_enable(false)
        .auto_commit_interval(Duration::from_secs(60))
        .auto_commit_interval_messages(100)
        .consumer_timeout(None)
        .fetch_message_max_bytes(1 << 20)
        .fetch_min_bytes(9)
        .client_id("billing")
        .partitioner_cooldown(Duration::from_millis(1500))
        .use_group_sha(false)
        .max_termination_timeout(Duration::from_millis(250))
        .offset_storage(OffsetStorage::Dual)
        .metrics_reporter("yelp_meteorite")
        .metrics_dimensions(dimensions)
        .build()
        .unwrap();
    let named = json!({
        "auto_offset_reset": "earliest", "auto_commit_enable": false, "auto_commit_interval_ms": 60_000,
        "auto_commit_interval_messages": 100, "consumer_timeout_ms": -5, "fetch_message_max_bytes": 1 << 20, "fetch_min_bytes": 9,
        "client_id": "billing", "partitioner_cooldown": 1.5, "use_group_sha": false, "max_termination_timeout_secs": 0.25,
        "offset_storage": "dual", "metrics_reporter": "yelp_meteorite", "metrics_dimensions": {"team": "billing"},
    });
    let named = builder().options(named.as_object().unwrap().clone()).build().unwrap();
    assert_eq!(typed, named);
    assert_eq!((typed.offset_storage(), typed.consumer_timeout()), (OffsetStorage::Dual, None));
    assert_ne!(typed, builder().build().unwrap());
}

#[test]
fn old_names_are_taken_with_a_warning_and_the_new_name_wins() {
    let old = json!({"auto_commit": false, "auto_commit_every_t": 500, "auto_commit_every_n": 7, "iter_timeout": 2.5,
        "max_buffer_size": 4096, "fetch_size_bytes": 3});
    let config = builder().options(old.as_object().unwrap().clone()).build().unwrap();
    assert!(!config.auto_commit_enable());
    assert_eq!(
        (config.auto_commit_interval().as_millis(), config.auto_commit_interval_messages()),
        (500, Some(7))
    );
    assert_eq!(config.consumer_timeout(), Some(Duration::from_millis(2500)), "seconds");
    assert_eq!((config.fetch_message_max_bytes(), config.fetch_min_bytes()), (4096, 3));
    assert_eq!(config.deprecated().len(), 6);
    assert_eq!(
        config.deprecated()[0].to_string(),
        "`auto_commit` is deprecated: use `auto_commit_enable` instead"
    );
    for names in [["fetch_min_bytes", "fetch_size_bytes"], ["fetch_size_bytes", "fetch_min_bytes"]] {
        let value = |name: &str| if name == "fetch_min_bytes" { 8 } else { 9 };
        let both = names.iter().fold(builder(), |builder, name| builder.option(*name, value(name)));
        let config = both.build().unwrap();
        assert_eq!(config.fetch_min_bytes(), 8, "{names:?}");
        let used: Vec<_> =
            config.deprecated().iter().map(|deprecated| (deprecated.old, deprecated.used)).collect();
        assert_eq!(used, [("fetch_size_bytes", false)]);
    }
}

#[test]
fn a_wrong_value_names_its_option_what_was_expected_and_what_was_found() {
    for (name, value, error) in [
        (
            "auto_offset_reset",
            json!("newest"),
            "auto_offset_reset: expected `smallest` or `largest` (or `earliest`, `latest`), found \"newest\"",
        ),
        (
            "auto_commit_every_t",
            json!("1s"),
            "auto_commit_every_t: expected a whole number of milliseconds from 10 to 300000, found \"1s\"",
        ),
        (
            "fetch_min_bytes",
            json!(-1),
            "fetch_min_bytes: expected a whole number of bytes from 1 to 100000000, found -1",
        ),
        (
            "partitioner_cooldown",
            json!(601),
            "partitioner_cooldown: expected a number of seconds from 0 to 600, found 601",
        ),
        (
            "offset_storage",
            json!("disk"),
            "offset_storage: expected `zookeeper`, `kafka` or `dual`, found \"disk\"",
        ),
        ("client_id", json!("a\0"), "client_id: expected text, found \"a\\u0000\""),
        (
            "auto_ofset_reset",
            json!("x"),
            "unknown option \"auto_ofset_reset\"; did you mean `auto_offset_reset`?",
        ),
        (
            "pre_rebalance_callback",
            json!("f"),
            "pre_rebalance_callback: expected no value (a consumer group is given its callbacks itself), found \"f\"",
        ),
    ] {
        assert_eq!(builder().option(name, value).build().unwrap_err().to_string(), error);
    }
    let cluster = builder().build().unwrap().cluster().clone();
    let error = KafkaConsumerConfig::builder("a b", cluster).build().unwrap_err();
    assert!(matches!(error, ConfigurationError::GroupId(_)), "{error}");
}

#[test]
fn metrics_always_say_group_and_cluster() {
    let given = BTreeMap::from([
        ("team".to_owned(), "billing".to_owned()),
        ("group_id".to_owned(), "other".to_owned()),
    ]);
    let dimensions = builder().metrics_dimensions(given).build().unwrap().metrics_dimensions();
    let all: Vec<_> = dimensions.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(
        all,
        ["cluster_name=uswest2-prod", "cluster_type=standard", "group_id=services.billing", "team=billing"]
    );
}

#[test]
fn it_becomes_the_properties_of_a_client() {
    let config = builder().auto_offset_reset(Reset::Earliest).build().unwrap();
    let properties: Vec<_> =
        config.kafka_properties().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        properties,
        [
            "auto.commit.interval.ms=1000",
            "auto.offset.reset=earliest",
            "bootstrap.servers=k1:9092,k2:9092",
            "client.id=yelp-kafka",
            "enable.auto.commit=true",
            "fetch.message.max.bytes=2097152",
            "fetch.min.bytes=1",
            "group.id=services.billing",
        ]
    );
}

#[test]
fn the_groups_folder_is_named_as_use_group_sha_says() {
    let topics = [Topic::new("a").unwrap()];
    let path = |sha| {
        let config = builder().use_group_sha(sha).build().unwrap();
        config.group_folder(&topics, TopicsRepr::Python3).path().to_owned()
    };
    assert_eq!(path(false), "/yelp-kafka/services.billing");
    assert!(
        path(true).starts_with("/yelp-kafka/services.billing/") && path(true).len() == path(false).len() + 41
    );
}

#[test]
fn groups_are_named_after_services_and_batches() {
    for (name, follows) in [
        ("services.billing", true),
        ("batch.nightly.1", true),
        ("services.", false),
        ("billing", false),
        ("service.billing", false),
    ] {
        assert_eq!(follows_naming_convention(&Group::new(name).unwrap()), follows, "{name}");
    }
}

proptest! {
    #[test]
    fn no_value_panics(at in 0..22_usize, number in any::<f64>(), whole in any::<i64>(), text in any::<String>()) {
        let names = ConsumerOption::names();
        let name = names[at % names.len()];
        for value in [json!(number), json!(whole), json!(text), json!([text]), json!({"a": whole}), Value::Null, json!(true)] {
            let _ = builder().option(name, value).build();
        }
    }
}
