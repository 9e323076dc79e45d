//! The settings of a yelp_kafka service under `consumer`.

use std::time::Duration;

use proptest::prelude::*;

use super::super::became::ConsumerNotes;
use super::super::draft::Draft;
use super::*;

/// A file with this under `consumer`.
fn with(consumer: &str) -> String {
    format!("{MINIMAL}consumer: {consumer}\n")
}

/// The configuration, and what the options have become.
#[track_caller]
fn pasted(text: &str) -> (Config, ConsumerNotes) {
    let draft = Draft::of(Some(&source(text)), &Flags::default());
    let notes = draft.consumer.clone();
    (draft.finish().unwrap_or_else(|errors| panic!("{text}\n{errors}")), notes)
}

fn cooldown(config: &Config) -> Duration {
    let Assignment::Zookeeper { cooldown, .. } = config.assignment else { panic!("{:?}", config.assignment) };
    cooldown
}

#[test]
fn as_soon_as_it_is_there_yelp_kafkas_defaults_hold() {
    for empty in ["{}", "", "~"] {
        let (config, _) = pasted(&with(empty));
        assert_eq!(config.offsets.reset, Reset::Latest);
        assert_eq!(config.offsets.storage, OffsetStorage::Zookeeper);
        assert_eq!(config.offsets.commit_interval, Duration::from_secs(1));
        assert_eq!(config.offsets.commit_messages, 10_000, "none is none of ours");
        assert_eq!(cooldown(&config), Duration::from_secs(30));
        assert_eq!(config.stop.timeout, Duration::from_secs(10));
        let kafka: Vec<_> = config.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(kafka, ["client.id=yelp-kafka", "fetch.message.max.bytes=2097152", "fetch.min.bytes=1"]);
    }
    let (config, notes) = pasted(MINIMAL);
    assert_eq!((config.offsets.storage, cooldown(&config)), (OffsetStorage::Kafka, Duration::from_secs(1)));
    assert_eq!((notes.to_yaml().as_str(), notes.to_json(), notes.warnings()), ("", None, Vec::new()));
}

/// Every option, none at its default.
const PASTED: &str = "
  auto_offset_reset: smallest
  auto_commit_enable: true
  auto_commit_interval_ms: 60000
  auto_commit_interval_messages: 100
  consumer_timeout_ms: -1
  fetch_message_max_bytes: 4194304
  fetch_min_bytes: 1024
  client_id: billing
  partitioner_cooldown: 1.5
  use_group_sha: false
  max_termination_timeout_secs: 0.25
  offset_storage: dual
  metrics_reporter: yelp_meteorite
  metrics_dimensions: {team: billing, tier: 1}
  pre_rebalance_callback: billing.consumer.before
  post_rebalance_callback: null
";

#[test]
fn every_option_becomes_what_it_means() {
    let (config, _) = pasted(&with(PASTED));
    assert_eq!((config.offsets.reset, config.offsets.storage), (Reset::Earliest, OffsetStorage::Dual));
    assert_eq!((config.offsets.commit_interval.as_secs(), config.offsets.commit_messages), (60, 100));
    let Assignment::Zookeeper { cooldown, use_group_sha, .. } = config.assignment else { panic!() };
    assert_eq!((cooldown, use_group_sha), (Duration::from_millis(1500), false));
    assert_eq!(config.stop.timeout, Duration::from_millis(250));
    let kafka: Vec<_> = config.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(kafka, ["client.id=billing", "fetch.message.max.bytes=4194304", "fetch.min.bytes=1024"]);
}

#[test]
fn it_is_shown_what_each_has_become() {
    let (_, notes) = pasted(&with(PASTED));
    let yaml = notes.to_yaml();
    for line in [
        "#   auto_offset_reset: smallest -> offsets.reset: earliest",
        "#   auto_commit_enable: true -> what the handler has acknowledged is always committed",
        "#   auto_commit_interval_ms: 60000 -> offsets.commit_interval: 60s",
        "#   auto_commit_interval_messages: 100 -> offsets.commit_messages: 100",
        "#   consumer_timeout_ms: -1 -> means nothing here: a handler is given messages as they come",
        "#   fetch_message_max_bytes: 4194304 -> kafka.fetch.message.max.bytes: \"4194304\"",
        "#   fetch_min_bytes: 1024 -> kafka.fetch.min.bytes: \"1024\"",
        "#   client_id: billing -> kafka.client.id: billing",
        "#   partitioner_cooldown: 1.5 -> assignment.cooldown: 1500ms",
        "#   use_group_sha: false -> assignment.use_group_sha: false",
        "#   max_termination_timeout_secs: 0.25 -> stop.timeout: 250ms",
        "#   offset_storage: dual -> offsets.storage: dual",
        "#   metrics_reporter: yelp_meteorite -> means nothing here: kafkavisor's figures are its own",
        "#   metrics_dimensions: {team: billing, tier: 1} -> means nothing here: kafkavisor's figures are its own",
        "#   pre_rebalance_callback: billing.consumer.before -> means nothing here: a handler is told by `init` and `stop` what \
         it gains and loses",
        "#   group g: by yelp_kafka's convention it would be services.NAME or batch.NAME",
    ] {
        assert!(yaml.lines().any(|have| have == line), "{line} is not in\n{yaml}");
    }
    let json = notes.to_json().unwrap();
    assert_eq!(
        json["auto_commit_interval_ms"],
        serde_json::json!({"value": 60000, "default": false, "key": "offsets.commit_interval", "becomes": "60s", "note": null})
    );
    assert_eq!(json["consumer_timeout_ms"]["key"], serde_json::Value::Null);
    let (_, notes) = pasted(&with("{}").replace("group: g", "group: services.g"));
    let yaml = notes.to_yaml();
    assert!(yaml.contains("#   offset_storage: none (default) -> offsets.storage: zookeeper\n"), "{yaml}");
    assert!(yaml.contains("#   partitioner_cooldown: 30 (default) -> assignment.cooldown: 30s\n"), "{yaml}");
    assert!(
        !yaml.contains("callback") && !yaml.contains("timeout_ms") && !yaml.contains("convention"),
        "{yaml}"
    );
    assert_eq!(notes.warnings(), Vec::<String>::new());
}

#[test]
fn what_means_nothing_here_is_warned_of() {
    let (_, notes) = pasted(&with(
        "{consumer_timeout_ms: 5, post_rebalance_callback: f, metrics_reporter: x, use_group_sha: true}",
    ));
    let places: Vec<_> =
        notes.warnings().iter().map(|line| line[..line.find("`: ").unwrap()].to_owned()).collect();
    assert_eq!(
        places,
        [
            "k.yaml:5:33: `consumer.consumer_timeout_ms",
            "k.yaml:5:61: `consumer.post_rebalance_callback",
            "k.yaml:5:82: `consumer.metrics_reporter"
        ]
    );
}

#[test]
fn a_key_of_ours_beside_it_wins_and_that_is_said() {
    let ours = "offsets: {reset: earliest, storage: kafka}\nstop: {timeout: 3s}\nassignment: {cooldown: 2s}\n\
                kafka: {client.id: ours, max.partition.fetch.bytes: 77}\n";
    let theirs = "{auto_offset_reset: largest, client_id: theirs, fetch_message_max_bytes: 5000000}";
    let (config, notes) = pasted(&format!("{MINIMAL}{ours}consumer: {theirs}\n"));
    assert_eq!((config.offsets.reset, config.offsets.storage), (Reset::Earliest, OffsetStorage::Kafka));
    assert_eq!((config.stop.timeout.as_secs(), cooldown(&config).as_secs()), (3, 2));
    let kafka: Vec<_> = config.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(kafka, ["client.id=ours", "fetch.min.bytes=1", "max.partition.fetch.bytes=77"]);
    let warnings = notes.warnings();
    for words in [
        "k.yaml:9:31: `consumer.auto_offset_reset`: not used: `offsets.reset: earliest` beside it wins",
        "k.yaml:9:51: `consumer.client_id`: not used: `kafka.client.id: ours` beside it wins",
        "`consumer.fetch_message_max_bytes`: not used: `kafka.max.partition.fetch.bytes: \"77\"` beside it wins",
    ] {
        assert!(warnings.iter().any(|line| line.contains(words)), "{words}: {warnings:#?}");
    }
    assert_eq!(warnings.len(), 3, "defaults that are not used are no matter: {warnings:#?}");
    assert!(
        notes
            .to_yaml()
            .contains("offset_storage: none (default) -> not used: `offsets.storage: kafka` beside it wins")
    );
    let flags = Flags { reset: Some("earliest".to_owned()), ..Flags::default() };
    let draft = Draft::of(Some(&source(&with("{auto_offset_reset: largest}"))), &flags);
    assert!(draft.consumer.warnings()[0].contains("beside it wins"), "a flag too");
    assert_eq!(draft.finish().unwrap().offsets.reset, Reset::Earliest);
}

#[test]
fn old_names_mean_the_same_and_name_the_new_ones() {
    let old = "{auto_commit: true, auto_commit_every_t: 5000, auto_commit_every_n: 7, iter_timeout: 0.1, max_buffer_size: 3000000, \
               fetch_size_bytes: 9}";
    let (config, notes) = pasted(&with(old));
    assert_eq!((config.offsets.commit_interval.as_secs(), config.offsets.commit_messages), (5, 7));
    assert_eq!(
        (config.kafka.get("fetch.message.max.bytes").unwrap(), config.kafka.get("fetch.min.bytes").unwrap()),
        ("3000000", "9")
    );
    let warnings = notes.warnings();
    for (old, new) in [
        ("auto_commit", "auto_commit_enable"),
        ("auto_commit_every_t", "auto_commit_interval_ms"),
        ("auto_commit_every_n", "auto_commit_interval_messages"),
        ("iter_timeout", "consumer_timeout_ms"),
        ("max_buffer_size", "fetch_message_max_bytes"),
        ("fetch_size_bytes", "fetch_min_bytes"),
    ] {
        let words = format!("`{old}` is deprecated: use `{new}` instead");
        assert!(
            warnings.iter().any(|line| line.starts_with("k.yaml:5:") && line.ends_with(&words)),
            "{words}: {warnings:#?}"
        );
        assert!(notes.to_yaml().contains(&words));
    }
    assert!(notes.to_yaml().contains("#   auto_commit_every_t: 5000 -> offsets.commit_interval: 5s\n"));
    let json = notes.to_json().unwrap();
    assert_eq!(
        json["fetch_min_bytes"]["note"],
        "`fetch_size_bytes` is deprecated: use `fetch_min_bytes` instead"
    );
}

#[test]
fn a_value_under_the_new_name_wins_in_either_order() {
    for both in [
        "{auto_commit_interval_ms: 2000, auto_commit_every_t: 9000}",
        "{auto_commit_every_t: 9000, auto_commit_interval_ms: 2000}",
        "{auto_commit_interval_ms: 2000, auto_commit_every_t: 9000, auto_commit: false, auto_commit_enable: true}",
    ] {
        let (config, notes) = pasted(&with(both));
        assert_eq!(config.offsets.commit_interval.as_secs(), 2, "{both}");
        let words =
            "`auto_commit_every_t` is deprecated, and not used beside `auto_commit_interval_ms`: remove it";
        assert!(notes.warnings().iter().any(|line| line.ends_with(words)), "{:?}", notes.warnings());
    }
}

#[test]
fn settings_that_old_code_has_as_none_are_none() {
    let none = "{auto_commit_interval_messages: null, offset_storage: null, metrics_reporter: null, metrics_dimensions: null, \
                iter_timeout: null, max_buffer_size: null}";
    let (config, _) = pasted(&with(none));
    assert_eq!((config.offsets.commit_messages, config.offsets.storage), (10_000, OffsetStorage::Zookeeper));
    assert_eq!(config.kafka.get("fetch.message.max.bytes").unwrap(), "2097152");
}

/// What is pasted, the column where it is wrong, and what is said.
const WRONG: &[(&str, usize, &str)] = &[
    (
        "{auto_ofset_reset: smallest}",
        12,
        "unknown key `consumer.auto_ofset_reset`; did you mean `auto_offset_reset`?",
    ),
    (
        "{xyz: 1}",
        12,
        "unknown key `consumer.xyz`; known here: auto_offset_reset, auto_commit_enable, auto_commit,",
    ),
    ("{group_id: g}", 12, "unknown key `consumer.group_id`; set the key `group` beside `consumer`"),
    ("{socket_timeout_ms: 1}", 12, "set `kafka.socket.timeout.ms` instead"),
    (
        "{auto_offset_reset: newest}",
        31,
        "`consumer.auto_offset_reset`: expected `smallest` or `largest` (or `earliest`, `latest`), \
          found the text \"newest\"",
    ),
    ("{auto_commit_enable: 'no'}", 32, "expected `true` or `false`, found the text \"no\""),
    (
        "{auto_commit_enable: false}",
        32,
        "`consumer.auto_commit_enable: false`: kafkavisor commits what the handler has",
    ),
    ("{auto_commit: false}", 25, "`consumer.auto_commit: false`: kafkavisor commits what the handler has"),
    (
        "{auto_commit_interval_ms: 1s}",
        37,
        "expected a whole number of milliseconds from 10 to 300000, found the text \"1s\"",
    ),
    ("{auto_commit_interval_ms: 9}", 37, "from 10 to 300000, found the number 9"),
    ("{auto_commit_interval_ms: 1000.5}", 37, "found the number 1000.5"),
    (
        "{auto_commit_interval_ms: null}",
        12,
        "expected a whole number of milliseconds from 10 to 300000, found nothing",
    ),
    (
        "{auto_commit_interval_messages: 0}",
        43,
        "expected a whole number from 1 to 1000000000, found the number 0",
    ),
    (
        "{consumer_timeout_ms: soon}",
        33,
        "expected a whole number of milliseconds, or a negative one for ever",
    ),
    ("{iter_timeout: -1}", 26, "expected a number of seconds from 0"),
    (
        "{fetch_message_max_bytes: 2MiB}",
        37,
        "expected a whole number of bytes from 1 to 1000000000, found the text \"2MiB\"",
    ),
    ("{fetch_min_bytes: 0}", 29, "expected a whole number of bytes from 1 to 100000000, found the number 0"),
    ("{client_id: 5}", 23, "expected text, found the number 5"),
    ("{partitioner_cooldown: 30s}", 34, "expected a number of seconds from 0 to 600, found the text \"30s\""),
    ("{partitioner_cooldown: .nan}", 34, "expected a number of seconds from 0 to 600"),
    (
        "{max_termination_timeout_secs: 0}",
        42,
        "expected a number of seconds from 0.001 to 3600, found the number 0",
    ),
    ("{offset_storage: disk}", 28, "expected `zookeeper`, `kafka` or `dual`, found the text \"disk\""),
    ("{metrics_dimensions: [a]}", 32, "expected a map of names to texts, found a list"),
    ("{use_group_sha: 1}", 27, "expected `true` or `false`, found the number 1"),
    ("{client_id: a, client_id: b}", 26, "`consumer.client_id` is given twice, first on line 5; keep one"),
    (
        "[auto_offset_reset]",
        11,
        "`consumer`: expected a map of yelp_kafka's options such as {auto_offset_reset: smallest}, found a list",
    ),
    ("smallest", 11, "found the text \"smallest\""),
];

#[test]
fn all_that_is_wrong_is_named_with_line_and_column() {
    for (consumer, column, words) in WRONG {
        let errors = refused(&with(consumer));
        assert!(
            errors.starts_with(&format!("k.yaml:5:{column}: ")) && errors.contains(words),
            "{consumer}: {errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{consumer}: {errors}");
    }
    let many = refused(&with(
        "{auto_offset_reset: x, naem: 1, fetch_min_bytes: -1, offset_storage: 1, auto_commit: false}",
    ));
    assert_eq!(many.lines().count(), 5, "{many}");
}

#[test]
fn without_zookeeper_its_default_storage_is_refused_and_says_whose_it_is() {
    let file =
        "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\nassignment: {partitions: {b: [3]}}\n";
    let words = "offsets in ZooKeeper, yelp_kafka's default, need its address: set `cluster.zookeeper` in the file or pass -z \
                 ZOOKEEPER, or set `offset_storage: kafka`";
    assert_eq!(refused(&format!("{file}consumer: {{}}")), format!("k.yaml:5:1: `consumer`: {words}"));
    let given = refused(&format!("{file}consumer: {{offset_storage: dual}}"));
    assert!(given.starts_with("k.yaml:5:28: `consumer`: offsets in ZooKeeper"), "{given}");
    assert_eq!(
        load(&format!("{file}consumer: {{offset_storage: kafka}}")).offsets.storage,
        OffsetStorage::Kafka
    );
}

#[test]
fn with_static_assignment_what_is_for_zookeeper_means_nothing() {
    let file = "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\nassignment: {partitions: {b: [3]}}\n\
                consumer: {partitioner_cooldown: 5, offset_storage: kafka}";
    let (_, notes) = pasted(file);
    assert!(
        notes.to_yaml().contains("partitioner_cooldown: 5 -> means nothing here: the assignment is static"),
        "{}",
        notes.to_yaml()
    );
    assert_eq!(notes.warnings().len(), 1);
}

/// Any value that YAML has, on one line.
fn value() -> impl Strategy<Value = String> {
    let scraps = [
        "0",
        "-1",
        "1e400",
        "0.5",
        ".inf",
        ".nan",
        "true",
        "~",
        "''",
        "smallest",
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "é",
        "\u{2028}",
        "18446744073709551616",
        "'\\0'",
        "!!int x",
        "2026-01-01",
        "&a ",
        "*a",
        "# ",
        "kafka",
        "0x10",
        "'\u{85}'",
        "\"\\n# x\"",
    ];
    proptest::collection::vec(proptest::sample::select(scraps.to_vec()), 1..4)
        .prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_pasted_is_read_or_refused_and_what_is_shown_loads_again(
        at in proptest::collection::vec((0..22_usize, value()), 0..5),
    ) {
        let names = crate::consumer_config::ConsumerOption::names();
        let lines = at.iter().map(|(at, value)| format!("  {}: {value}\n", names[at % names.len()]));
        let draft = Draft::of(Some(&source(&with(&format!("\n{}", lines.collect::<String>())))), &Flags::default());
        let notes = draft.consumer.clone();
        if let Ok(config) = draft.finish() {
            let shown = format!("{}{}", notes.to_yaml(), config.to_yaml());
            prop_assert!(notes.to_yaml().lines().all(|line| line.starts_with('#')), "{}", shown);
            prop_assert_eq!(load(&shown), config);
        }
    }
}
