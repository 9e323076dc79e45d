//! What loads, and as what.

use std::time::Duration;

use log::LevelFilter;

use super::*;

const CONTRACT: &str = "\
group: services.billing
name: billing-1                          # of this instance
topics: [orders, refunds]
cluster:
  brokers: [k1:9092, k2:9092]
  zookeeper: zk1:2181,zk2:2181/kafka     # chroot allowed
  connect_timeout: 10s                   # at start
assignment:
  mode: zookeeper
  group_path: python3
  cooldown: 1s
  session_timeout: 10s
  use_group_sha: true
handler:
  command: [./handler, --verbose]
  protocol: jsonl
  start_timeout: 2m
  timeout: 60s
  max_in_flight: {messages: 100000, bytes: 16MiB, time: 1s}
  poison: {attempts: 5, action: dead-letter, topic: orders.dead, max_per_minute: 60}
offsets:
  reset: latest
  storage: kafka
  commit_interval: 1s
  commit_messages: 10000
restart: {initial: 500ms, max: 30s, healthy_after: 60s}
stop: {timeout: 10s}
admin: {socket: /run/kafkavisor/services.billing/control.sock, http: '[::1]:0', hosts: [kv.internal], details: true}
log: {level: info, format: text}
kafka: {fetch.min.bytes: 1}
";

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_topic_for_dead_letters_alone_means_dead_letter() {
    let text = MINIMAL.replace("[x]}", "[x], poison: {topic: dead}}");
    let poison = Config::load(Some(&source(&text)), &Flags::default()).unwrap().handler.poison;
    assert_eq!(
        (poison.action, poison.topic.as_ref().map(crate::ids::Topic::as_str)),
        (PoisonAction::DeadLetter, Some("dead"))
    );
    let text = MINIMAL.replace("[x]}", "[x], poison: {topic: dead, action: skip}}");
    let poison = Config::load(Some(&source(&text)), &Flags::default()).unwrap().handler.poison;
    assert_eq!(poison.action, PoisonAction::Skip);
}

/// What the contract says holds when a key is left out.
fn assert_defaults(config: &Config) {
    assert_eq!(config.cluster.connect_timeout, seconds(10));
    let zookeeper = Assignment::Zookeeper {
        group_path: GroupPathStyle::Python3,
        cooldown: seconds(1),
        session_timeout: seconds(10),
        use_group_sha: true,
    };
    assert_eq!(config.assignment, zookeeper);
    let handler = &config.handler;
    assert_eq!((handler.protocol, handler.delimiter), (Protocol::Jsonl, Delimiter::Newline));
    assert_eq!((handler.start_timeout, handler.timeout), (seconds(120), seconds(60)));
    assert_eq!(
        handler.max_in_flight,
        MaxInFlight { messages: 100_000, bytes: 16 * 1024 * 1024, time: seconds(1) }
    );
    let poison = &handler.poison;
    assert_eq!((poison.attempts, poison.max_per_minute), (5, 60));
    let dead_letter = poison.topic.is_some();
    let action = if dead_letter { PoisonAction::DeadLetter } else { PoisonAction::Park };
    assert_eq!(poison.action, action, "dead-letter where a topic is given");
    assert_eq!(handler.batch, Batch { messages: 500, wait: Duration::from_millis(100) });
    let offsets = Offsets {
        reset: Reset::Latest,
        storage: OffsetStorage::Kafka,
        commit_interval: seconds(1),
        commit_messages: 10_000,
    };
    assert_eq!(config.offsets, offsets);
    let restart =
        Restart { initial: Duration::from_millis(500), max: seconds(30), healthy_after: seconds(60) };
    assert_eq!(config.restart, restart);
    assert_eq!(config.stop, Stop { timeout: seconds(10) });
    assert_eq!(config.log, Log { level: LevelFilter::Info, format: LogFormat::Text });
}

#[test]
fn the_contracts_example_loads() {
    let config = load(CONTRACT);
    assert_defaults(&config);
    assert_eq!((config.group.as_str(), config.name.as_str()), ("services.billing", "billing-1"));
    assert_eq!(names(&config), ["orders", "refunds"]);
    assert_eq!(servers(&config).brokers, ["k1:9092", "k2:9092"]);
    let zookeeper = servers(&config).zookeeper.as_ref().unwrap();
    assert_eq!(zookeeper.servers, ["zk1:2181", "zk2:2181"]);
    assert_eq!(
        (zookeeper.chroot.as_str(), zookeeper.to_string().as_str()),
        ("/kafka", "zk1:2181,zk2:2181/kafka")
    );
    assert_eq!(config.handler.command, ["./handler", "--verbose"]);
    assert_eq!(config.admin.http.as_deref(), Some("[::1]:0"));
    assert_eq!((config.admin.hosts, config.admin.details), (vec!["kv.internal".to_owned()], true));
    let socket = config.admin.socket.unwrap();
    assert_eq!(socket.to_str(), Some("/run/kafkavisor/services.billing/control.sock"));
    assert_eq!(config.kafka.get("fetch.min.bytes").unwrap(), "1");
}

#[test]
fn the_operators_example_holds_the_defaults_and_every_key() {
    let text = include_str!("../../../../config/kafkavisor.yaml");
    let config = load(text);
    assert_defaults(&config);
    assert_eq!((config.group.as_str(), config.name.as_str()), ("services.billing", "services.billing"));
    assert_eq!(servers(&config).brokers, ["localhost:9092"]);
    assert_eq!(servers(&config).zookeeper.as_ref().unwrap().to_string(), "localhost:2181");
    assert_eq!(config.kafka.get("fetch.min.bytes").unwrap(), "1");
    let keys = "mode group_path cooldown session_timeout use_group_sha partitions command protocol start_timeout timeout \
                max_in_flight messages bytes time poison attempts action max_per_minute delimiter batch wait reset storage \
                commit_interval commit_messages initial max healthy_after socket per_partition statsd realm token interval level format connect_timeout type region superregion \
                url services topology";
    for key in keys.split_whitespace() {
        assert!(
            text.contains(&format!("{key}: ")) || text.contains(&format!("{key}:\n")),
            "{key} is not shown"
        );
    }
}

#[test]
fn what_is_left_out_has_the_contracts_defaults() {
    let config = load(MINIMAL);
    assert_defaults(&config);
    assert_eq!(config.name, "g");
    assert_eq!(config.admin.socket, None);
    assert!(config.kafka == KafkaProperties::default());
}

#[test]
fn everything_that_is_not_a_default_is_read() {
    let config = load(FULL);
    let zookeeper = Assignment::Zookeeper {
        group_path: GroupPathStyle::Path("/mine/here".to_owned()),
        cooldown: Duration::ZERO,
        session_timeout: seconds(30),
        use_group_sha: false,
    };
    assert_eq!(config.assignment, zookeeper);
    let handler = &config.handler;
    assert_eq!(handler.command, ["sleep", "1.50", "0x10", "two words", "true"]);
    assert_eq!((handler.protocol, handler.delimiter), (Protocol::Exec, Delimiter::Nul));
    assert_eq!(handler.batch, Batch { messages: 7, wait: Duration::ZERO });
    assert_eq!(
        handler.max_in_flight,
        MaxInFlight { messages: 9, bytes: 2_000_000, time: Duration::from_millis(1500) }
    );
    assert_eq!(handler.poison.action, PoisonAction::Skip);
    assert_eq!((config.offsets.reset, config.offsets.storage), (Reset::Earliest, OffsetStorage::Dual));
    assert_eq!(config.log, Log { level: LevelFilter::Trace, format: LogFormat::Journald });
    assert_eq!(servers(&config).brokers, ["[::1]:9092", "b-2.example.org:19092"]);
    assert_eq!(config.kafka.get("socket.keepalive.enable").unwrap(), "true");
    assert_eq!(config.kafka.get("client.id").unwrap(), "a \"b\": #c");
}

#[test]
fn partitions_in_the_file_mean_static_and_name_the_topics() {
    let base = "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\n";
    for assignment in ["{partitions: {b: [3, 1], a: [0]}}", "{mode: static, partitions: {b: [3, 1], a: [0]}}"]
    {
        let config = load(&format!("{base}assignment: {assignment}"));
        assert_eq!(names(&config), ["a", "b"]);
        assert_eq!(shares(&config), "a:0 b:1 b:3");
    }
    let config = load(&format!("{base}topics: [b]\nassignment: {{partitions: {{b: [3], a: [0]}}}}"));
    assert_eq!(names(&config), ["b", "a"], "listed first, then the others");
}

#[test]
fn flags_alone_are_enough() {
    let flags = Flags {
        brokers: Some("k1:9092,k2:9092".to_owned()),
        zookeeper: Some("z:2181".to_owned()),
        group: Some("g".to_owned()),
        topics: vec!["b".to_owned(), "a".to_owned()],
        protocol: Some("binary".to_owned()),
        reset: Some("smallest".to_owned()),
        name: Some("n-1".to_owned()),
        command: vec!["./h".to_owned(), String::new()],
        ..Flags::default()
    };
    let config = Config::load(None, &flags).unwrap();
    assert_eq!(names(&config), ["b", "a"]);
    assert_eq!(servers(&config).brokers, ["k1:9092", "k2:9092"]);
    assert_eq!((config.group.as_str(), config.name.as_str()), ("g", "n-1"));
    assert_eq!((config.handler.protocol, config.offsets.reset), (Protocol::Binary, Reset::Earliest));
    assert_eq!(config.handler.command, ["./h", ""]);
}

#[test]
fn flags_win_over_the_file() {
    let flags = Flags {
        brokers: Some("other:1".to_owned()),
        zookeeper: Some("other:2/x".to_owned()),
        group: Some("h".to_owned()),
        topics: vec!["u".to_owned()],
        protocol: Some("jsonl".to_owned()),
        reset: Some("largest".to_owned()),
        command: vec!["y".to_owned()],
        ..Flags::default()
    };
    let file = format!("{MINIMAL}offsets: {{reset: earliest}}\n");
    let config = Config::load(Some(&source(&file)), &flags).unwrap();
    assert_eq!((config.group.as_str(), config.name.as_str()), ("h", "h"));
    assert_eq!(names(&config), ["u"]);
    assert_eq!(servers(&config).brokers, ["other:1"]);
    assert_eq!(servers(&config).zookeeper.as_ref().unwrap().to_string(), "other:2/x");
    assert_eq!(config.offsets.reset, Reset::Latest);
    assert_eq!(config.handler.command, ["y"]);
}

#[test]
fn the_partitions_flag_replaces_assignment_and_topics() {
    let flags = Flags { partitions: vec!["o:0,1,4-6".to_owned(), "p:2".to_owned()], ..Flags::default() };
    let config = Config::load(Some(&source(MINIMAL)), &flags).unwrap();
    assert_eq!(shares(&config), "o:0 o:1 o:4 o:5 o:6 p:2");
    assert_eq!(names(&config), ["o", "p"]);
}

#[test]
fn offsets_in_zookeeper_are_for_static_assignment_too() {
    let file = "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\noffsets: {storage: zookeeper}";
    let partitions = vec!["o:0".to_owned()];
    let flags = Flags { partitions, zookeeper: Some("z:1".to_owned()), ..Flags::default() };
    let config = Config::load(Some(&source(file)), &flags).unwrap();
    assert_eq!((shares(&config), config.offsets.storage), ("o:0".to_owned(), OffsetStorage::Zookeeper));
    assert!(servers(&config).zookeeper.is_some());
}

#[test]
fn the_topics_flag_narrows_the_files_partitions() {
    let file = "group: g\ncluster: {brokers: k:1}\nhandler: {command: [x]}\nassignment: {partitions: {b: [3], a: [0]}}";
    let flags = Flags { topics: vec!["b".to_owned()], ..Flags::default() };
    let config = Config::load(Some(&source(file)), &flags).unwrap();
    assert_eq!((names(&config).join(","), shares(&config)), ("b".to_owned(), "b:3".to_owned()));
}

#[test]
fn a_default_batch_makes_itself_fit_the_window() {
    let config = load(&MINIMAL.replace("[x]}", "[x], protocol: exec, max_in_flight: {messages: 100}}"));
    assert_eq!(config.handler.batch.messages, 100);
}

#[test]
fn what_is_sent_to_workers_comes_back_from_json() {
    let config = load(FULL);
    let parts = (&config.handler, &config.offsets, &config.restart, &config.stop);
    let json = serde_json::to_string(&parts).unwrap();
    let back: (Handler, Offsets, Restart, Stop) = serde_json::from_str(&json).unwrap();
    assert_eq!((&back.0, &back.1, &back.2, &back.3), parts);
}
