//! What `check` prints loads again.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

#[test]
fn the_resolved_configuration_loads_again() {
    let list = "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\nassignment: {partitions: {b: [3, 1], a: [0]}}";
    for text in [MINIMAL, FULL, list, include_str!("../../../../config/kafkavisor.yaml")] {
        let config = load(text);
        assert_eq!(load(&config.to_yaml()), config, "{}", config.to_yaml());
    }
}

#[test]
fn yaml_and_json_have_the_contracts_shape_and_units() {
    let config = load(MINIMAL);
    let yaml = config.to_yaml();
    for line in [
        "topics: [t]",
        "  brokers: [k:1]",
        "  zookeeper: z:1",
        "  start_timeout: 2m",
        "  timeout: 60s",
        "    bytes: 16MiB",
        "  initial: 500ms",
        "  use_group_sha: true",
        "  reset: latest",
        "kafka: {}",
    ] {
        assert!(yaml.lines().any(|have| have == line), "{line} is not in\n{yaml}");
    }
    assert!(!yaml.contains("batch"), "without exec there are no batches:\n{yaml}");
    let json = config.to_json();
    assert_eq!(json["handler"]["max_in_flight"]["bytes"], "16MiB");
    assert_eq!(json["handler"]["max_in_flight"]["messages"], 100_000);
    assert_eq!(json["assignment"]["use_group_sha"], true);
    assert_eq!(json["handler"]["command"][0], "x");
}

#[test]
fn secrets_are_masked() {
    let config =
        load(&format!("{MINIMAL}kafka: {{my.Password: hunter2, some.token: hunter2, client.id: seen}}"));
    assert_eq!(config.kafka.get("some.token").unwrap(), "hunter2");
    for text in [config.to_yaml(), config.to_json().to_string()] {
        assert!(!text.contains("hunter2") && text.contains("********") && text.contains("seen"), "{text}");
    }
    assert_eq!(load(&config.to_yaml()).kafka.get("some.token").unwrap(), "********");
}

proptest! {
    #[test]
    fn any_text_survives(words in proptest::collection::vec(any::<String>(), 1..4), value in any::<String>()) {
        // What may be in an address is masked.
        prop_assume!(!value.contains("://"));
        let mut config = load(MINIMAL);
        let clean = |text: &str| text.replace('\0', "");
        config.handler.command = std::iter::once("x".to_owned()).chain(words.iter().map(|word| clean(word))).collect();
        config.kafka.set("client.id", clean(&value));
        config.admin.socket = Some(PathBuf::from(format!("/{}", clean(&value).chars().take(20).collect::<String>())));
        prop_assert_eq!(load(&config.to_yaml()), config);
    }

    #[test]
    fn any_word_survives(word in "[a-zA-Z0-9_./:~+-]{0,8}") {
        let mut config = load(MINIMAL);
        config.handler.command.push(word.clone());
        config.kafka.set("client.id", word);
        prop_assert_eq!(load(&config.to_yaml()), config);
    }
}
