//! What is refused, with the place and the words.

use super::*;

/// The errors of a file, each as `LINE:COLUMN: message`.
pub(super) fn complaints(text: &str) -> Vec<String> {
    let errors = match Config::load(Some(&source(text)), &Flags::default()) {
        Ok(config) => panic!("loads:\n{text}\n{config:?}"),
        Err(errors) => errors,
    };
    assert!(!errors.only_flags(), "a file is a matter of configuration");
    errors.to_string().lines().map(|line| line.strip_prefix("k.yaml:").unwrap_or(line).to_owned()).collect()
}

/// Asserts that `MINIMAL` with `line` as its fifth has one error: at this column, with these words.
#[track_caller]
pub(super) fn refused(line: &str, column: usize, words: &str) {
    let found = complaints(&format!("{MINIMAL}{line}\n"));
    assert_eq!(found.len(), 1, "{line}: {found:#?}");
    let place = format!("5:{column}: ");
    assert!(
        found[0].starts_with(&place) && found[0].contains(words),
        "{line}: expected {place}...{words}..., found {}",
        found[0]
    );
}

#[test]
fn keys_of_their_own_section() {
    let cases = [
        ("name: a b", 7, "`name`: name \"a b\" holds ' '; use letters"),
        ("name: ..", 7, "name \"..\" can't be used"),
        ("name: ''", 7, "a name must not be empty"),
        ("name: 5", 7, "expected a name, found the number 5: put it in quotes"),
        ("name: true", 7, "found `true`: put it in quotes"),
        ("name:", 1, "`name`: expected a name, found nothing"),
        ("naem: x", 1, "unknown key `naem`; did you mean `name`?"),
        (
            "assignment: {partitioner_cooldown: 30}",
            14,
            "unknown key `assignment.partitioner_cooldown`; yelp_kafka's options stand under `consumer`",
        ),
        (
            "auto_commit_every_t: 1",
            1,
            "unknown key `auto_commit_every_t`; yelp_kafka's options stand under `consumer`",
        ),
        ("xyz: x", 1, "unknown key `xyz`; known here: group, name, topics"),
        ("group: h", 1, "`group` is given twice, first on line 1; keep one"),
        ("1: x", 1, "unknown key `1`"),
        ("offsets: 5", 10, "`offsets`: expected a map, found the number 5"),
        ("offsets:", 1, "`offsets`: expected a map, found nothing"),
        ("offsets: [latest]", 10, "expected a map, found a list"),
        (
            "offsets: {reset: newest}",
            18,
            "`offsets.reset`: expected `earliest`, `latest`, `smallest` or `largest`, found \"newest\"",
        ),
        ("offsets: {reset: latst}", 18, "did you mean `latest`?"),
        ("offsets: {reset: [latest]}", 18, "found a list"),
        ("offsets: {commit_interval: 1000}", 28, "found 1000: add a unit (ms, s, m, h), as in `10s`"),
        ("offsets: {commit_interval: 1ms}", 28, "expected 10ms to 5m, found 1ms"),
        (
            "offsets: {commit_messages: 0}",
            28,
            "expected a whole number from 1 to 1000000000, found the number 0",
        ),
        ("offsets: {commit_messages: -1}", 28, "found the number -1"),
        ("offsets: {commit_messages: 1.5}", 28, "found the number 1.5"),
        ("offsets: {commit_messages: many}", 28, "found the text \"many\""),
        (
            "offsets: {commit-interval: 1s}",
            11,
            "unknown key `offsets.commit-interval`; did you mean `commit_interval`?",
        ),
        ("restart: {initial: 1m, max: 10s}", 29, "`restart.max` (10s) is below `restart.initial` (60s)"),
        ("restart: {initial: 1m}", 20, "`restart.max` (30s) is below `restart.initial` (60s)"),
        ("restart: {initial: 0s}", 20, "expected 1ms to 24h, found 0s"),
        ("restart: {initial: 1 s}", 20, "right after the number"),
        ("restart: {initial: 1.5s}", 20, "a whole number and a unit"),
        ("restart: {initial: -1s}", 20, "a whole number and a unit"),
        ("restart: {initial: 1d}", 20, "the unit is one of ms, s, m, h"),
        ("restart: {initial: 99999999999999999999h}", 20, "is too large"),
        ("restart: {initial: true}", 20, "expected a duration such as"),
        ("stop: {timeout: 0s}", 17, "expected 1ms to 1h, found 0s"),
        ("stop: {timeout: 2h}", 17, "expected 1ms to 1h, found 2h"),
        ("stop: {timeout: }", 8, "expected a duration such as"),
        ("admin: {socket: run/x}", 17, "expected a path that begins with '/'"),
        ("admin: {http: box}", 15, "has no port from 0 (the system chooses) to 65535"),
        ("admin: {hosts: [a b]}", 17, "is no HOST:PORT; a host name has letters"),
        ("admin: {details: yes please}", 18, "expected `true` or `false`"),
        ("admin: {sockt: /x}", 9, "did you mean `socket`?"),
        ("log: {level: loud}", 14, "expected `off`, `error`, `warn`, `info`, `debug` or `trace`"),
        ("log: {level: off, format: xml}", 27, "expected `text`, `json` or `journald`, found \"xml\""),
        ("log: {level: info, level: warn}", 20, "`log.level` is given twice, first on line 5"),
    ];
    for (line, column, words) in cases {
        refused(line, column, words);
    }
}

#[test]
fn assignment() {
    let cases = [
        ("{mode: auto}", 20, "expected `zookeeper` or `static`, found \"auto\""),
        ("{mode: static}", 20, "needs partitions: set `assignment.partitions` or pass --partitions"),
        (
            "{mode: zookeeper, partitions: {t: [0]}}",
            31,
            "is for static assignment: set `assignment.mode: static` or remove it",
        ),
        ("{partitions: {t: [0]}}", 14, "is for static assignment"),
        ("{mode: static, partitions: {u: [0]}}", 9, "topic t has no partitions"),
        ("{mode: static, partitions: {}}", 40, "expected a map of topics to partitions"),
        (
            "{mode: static, partitions: [0]}",
            40,
            "expected a map of topics to partitions such as {orders: [0, 1]}, found a list",
        ),
        ("{mode: static, partitions: {t: []}}", 44, "found an empty list"),
        (
            "{mode: static, partitions: {t: 0}}",
            44,
            "expected a list of partitions such as [0, 1], found the number 0",
        ),
        (
            "{mode: static, partitions: {t: [0, 0]}}",
            48,
            "`assignment.partitions.t[1]`: partition 0 is listed twice",
        ),
        (
            "{mode: static, partitions: {t: [-1]}}",
            45,
            "expected a partition from 0 to 999999, found the number -1",
        ),
        ("{mode: static, partitions: {t: [9999999]}}", 45, "found the number 9999999"),
        ("{mode: static, partitions: {t: ['0']}}", 45, "found the text \"0\""),
        ("{mode: static, partitions: {t: [0], a/b: [0]}}", 49, "topic \"a/b\" holds '/'"),
        (
            "{group_path: python2}",
            26,
            "expected `python3`, `python2-unicode` or a path that begins with '/', found \"python2\"",
        ),
        ("{group_path: /a//b}", 26, "is no path in ZooKeeper"),
        ("{group_path: /a/}", 26, "is no path in ZooKeeper"),
        ("{group_path: /}", 26, "is no path in ZooKeeper"),
        ("{cooldown: 11m}", 24, "expected 0s to 10m, found 11m"),
        ("{session_timeout: 500ms}", 31, "expected 1s to 60s, found 500ms"),
        ("{session_timeout: 61s}", 31, "expected 1s to 60s, found 61s"),
        ("{use_group_sha: yes}", 29, "expected `true` or `false`, found the text \"yes\""),
        ("{use_group_sha: 1}", 29, "expected `true` or `false`, found the number 1"),
        ("{use_sha: true}", 14, "unknown key `assignment.use_sha`"),
    ];
    for (section, column, words) in cases {
        let found = complaints(&format!("{MINIMAL}assignment: {section}\n"));
        let line = if words.starts_with("topic t has") { 2 } else { 5 };
        assert_eq!(found.len(), 1, "{section}: {found:#?}");
        let place = format!("{line}:{column}: ");
        assert!(
            found[0].starts_with(&place) && found[0].contains(words),
            "{section}: expected {place}{words}, found {}",
            found[0]
        );
    }
}

#[test]
fn the_handler() {
    let start = "group: g\ntopics: [t]\ncluster: {brokers: k:1, zookeeper: z:1}\nhandler: ";
    let cases = [
        (
            "{command: ./h -v}",
            20,
            "`handler.command`: expected a list such as [./handler, --verbose], found the text",
        ),
        ("{command: []}", 20, "found an empty list"),
        ("{command: ['']}", 20, "the program's name is empty"),
        (
            "{command: [x, true]}",
            24,
            "`handler.command[1]`: expected text (in quotes if in doubt), found `true`",
        ),
        ("{command: [x, ~]}", 24, "found nothing"),
        ("{command: [x, [y]]}", 24, "found a list"),
        ("{command: [x, \"\\0\"]}", 24, "can't hold a NUL"),
        ("{command: [x], comand: [y]}", 25, "unknown key `handler.comand`; did you mean `command`?"),
        (
            "{command: [x], protocol: json}",
            35,
            "expected `jsonl`, `binary` or `exec`, found \"json\"; did you mean `jsonl`?",
        ),
        ("{command: [x], timeout: 10}", 34, "found 10: add a unit"),
        ("{command: [x], timeout: 50ms}", 34, "expected 100ms to 24h, found 50ms"),
        ("{command: [x], start_timeout: 25h}", 40, "expected 100ms to 24h, found 25h"),
        ("{command: [x], max_in_flight: 5}", 40, "expected a map, found the number 5"),
        ("{command: [x], max_in_flight: {messages: 0}}", 51, "expected a whole number from 1 to 10000000"),
        (
            "{command: [x], max_in_flight: {bytes: 16}}",
            48,
            "found 16: add a unit (B, kB, KiB, MB, MiB, GB, GiB), as in `16MiB`",
        ),
        ("{command: [x], max_in_flight: {bytes: 16mb}}", 48, "the unit is one of B, kB"),
        ("{command: [x], max_in_flight: {bytes: 1B}}", 48, "expected 1KiB to 4GiB, found 1B"),
        ("{command: [x], max_in_flight: {bytes: 99999999999GiB}}", 48, "99999999999GiB is too large"),
        ("{command: [x], max_in_flight: {time: 0s}}", 47, "expected 1ms to 1h, found 0s"),
        ("{command: [x], poison: {attempts: 0}}", 44, "expected a whole number from 1 to 1000"),
        ("{command: [x], poison: {max_per_minute: 0}}", 50, "expected a whole number from 1 to 1000000"),
        (
            "{command: [x], poison: {action: retry}}",
            42,
            "expected `dead-letter`, `skip` or `park`, found \"retry\"",
        ),
        (
            "{command: [x], poison: {attemps: 3}}",
            34,
            "unknown key `handler.poison.attemps`; did you mean `attempts`?",
        ),
        ("{command: [x], delimiter: nul}", 25, "`handler.delimiter` is for protocol exec only"),
        ("{command: [x], batch: {messages: 5}}", 25, "`handler.batch` is for protocol exec only"),
        ("{command: [x], protocol: exec, delimiter: tab}", 52, "expected `newline` or `nul`, found \"tab\""),
        ("{command: [x], protocol: exec, batch: {messages: 0}}", 59, "from 1 to 100000"),
        ("{command: [x], protocol: exec, batch: {wait: 61s}}", 55, "expected 0s to 60s, found 61s"),
        (
            "{command: [x], protocol: exec, batch: {messages: 9}, max_in_flight: {messages: 8}}",
            59,
            "(9) is above `handler.max_in_flight.messages` (8)",
        ),
    ];
    for (section, column, words) in cases {
        let found = complaints(&format!("{start}{section}\n"));
        assert_eq!(found.len(), 1, "{section}: {found:#?}");
        let place = format!("4:{column}: ");
        assert!(
            found[0].starts_with(&place) && found[0].contains(words),
            "{section}: expected {place}{words}, found {}",
            found[0]
        );
    }
}

#[test]
fn the_cluster_and_topics() {
    let end = "\ngroup: g\nhandler: {command: [x]}\ncluster: {zookeeper: z:1, brokers: k:1}\n";
    let topics = [
        ("[]", 9, "expected a list of topics such as [orders, refunds], found an empty list"),
        ("orders", 9, "expected a list of topics such as [orders, refunds], found the text \"orders\""),
        ("[a, b, a]", 16, "`topics[2]`: topic a is listed twice; keep one"),
        ("[a b]", 10, "topic \"a b\" holds ' '"),
        ("[a, 5]", 13, "expected a topic, found the number 5: put it in quotes"),
    ];
    for (value, column, words) in topics {
        let found = complaints(&format!("topics: {value}{end}"));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("1:{column}: ")) && found[0].contains(words),
            "{found:#?}"
        );
    }
    let end = "\ngroup: g\ntopics: [t]\nhandler: {command: [x]}\n";
    let clusters = [
        (
            "{zookeeper: z:1, brokers: k}",
            36,
            "`cluster.brokers`: \"k\" has no port from 1 to 65535; write HOST:PORT",
        ),
        ("{zookeeper: z:1, brokers: []}", 36, "no server named"),
        ("{zookeeper: z:1, brokers: ''}", 36, "no server named"),
        ("{zookeeper: z:1, brokers: 9092}", 36, "found the number 9092"),
        ("{zookeeper: z:1, brokers: [k:1, k:0]}", 42, "`cluster.brokers[1]`: \"k:0\" has no port"),
        ("{zookeeper: z:1, brokers: [k:1, k:1]}", 42, "\"k:1\" is listed twice"),
        ("{zookeeper: z:1, brokers: 'k:1,k:1'}", 36, "\"k:1\" is listed twice"),
        ("{zookeeper: z:1, brokers: 'k:1,'}", 36, "is no HOST:PORT"),
        ("{zookeeper: z:1, brokers: ['::1:9092']}", 37, "an IPv6 address stands in brackets"),
        ("{zookeeper: z:1, brokers: ['kafka://k:9092']}", 37, "is no HOST:PORT"),
        ("{zookeeper: z:1, brokers: ['k:65536']}", 37, "has no port"),
        ("{zookeeper: z:1, brokers: ['k:+1']}", 37, "has no port"),
        ("{zookeeper: z:1, brokers: [{k: 1}]}", 37, "expected HOST:PORT, found a map"),
        ("{brokers: k:1, zookeeper: z}", 36, "`cluster.zookeeper`: \"z\" has no port"),
        ("{brokers: k:1, zookeeper: 'z:1/a/'}", 36, "\"/a/\" is no path in ZooKeeper"),
        ("{brokers: k:1, zookeeper: 'z:1/a,y:1'}", 36, "is no path in ZooKeeper"),
        (
            "{brokers: k:1, zookeeper: [z:1]}",
            36,
            "expected text such as zk1:2181,zk2:2181/kafka, found a list",
        ),
        ("{brokers: k:1, zookeeper: z:1, connect_timeout: 1ms}", 58, "expected 100ms to 1h, found 1ms"),
        ("{brokers: k:1, zookeeper: z:1, borkers: k:2}", 41, "did you mean `brokers`?"),
    ];
    for (value, column, words) in clusters {
        let found = complaints(&format!("cluster: {value}{end}"));
        let place = format!("1:{column}: ");
        assert!(
            found.len() == 1 && found[0].starts_with(&place) && found[0].contains(words),
            "{place}{words}: {found:#?}"
        );
    }
}

#[test]
fn kafka_properties_that_are_set_elsewhere() {
    let cases = [
        ("bootstrap.servers: k:1", "set `cluster.brokers` instead"),
        ("metadata.broker.list: k:1", "set `cluster.brokers` instead"),
        ("group.id: g", "set `group` instead"),
        ("auto.offset.reset: latest", "set `offsets.reset` instead"),
        ("enable.auto.commit: true", "`offsets.commit_interval`"),
        ("auto.commit.interval.ms: 5", "`offsets.commit_interval`"),
        ("enable.auto.offset.store: true", "`offsets.commit_interval`"),
        ("enable.partition.eof: true", "sets it itself"),
        ("group.instance.id: a", "as `assignment` says"),
        ("partition.assignment.strategy: range", "as `assignment` says"),
        ("rebalance_cb: x", "sets it itself"),
        ("topic.auto.offset.reset: latest", "set `offsets.reset` instead"),
        ("auto.commit.enable: true", "`offsets.commit_interval`"),
        ("topic.auto.commit.enable: true", "`offsets.commit_interval`"),
        ("offset.store.path: /tmp", "`offsets.commit_interval`"),
        ("group.protocol: consumer", "as `assignment` says"),
        ("transactional.id: t", "without transactions"),
        ("enable.idempotence: false", "once all replicas have it"),
        ("acks: 1", "once all replicas have it"),
        ("request.required.acks: 0", "once all replicas have it"),
        ("topic.acks: 1", "once all replicas have it"),
        ("message.timeout.ms: 1", "once all replicas have it"),
        ("delivery.report.only.error: true", "once all replicas have it"),
        ("enable.gapless.guarantee: true", "once all replicas have it"),
        ("topic.blacklist: orders", "what is consumed stands in `topics`"),
        ("test.mock.num.brokers: 3", "for tests of librdkafka"),
        ("plugin.library.paths: x", "plug-ins can't be loaded"),
        ("internal.termination.signal: 29", "sets it itself"),
        ("allow.auto.create.topics: true", "would be made again"),
    ];
    for (property, words) in cases {
        refused(&format!("kafka: {{{property}}}"), 9, words);
    }
    refused("kafka: {fetch: {min.bytes: 1}}", 16, "write the property's whole name with its dots");
    refused(
        "kafka: {client.id: }",
        9,
        "expected text, a number, `true`, `false`, {file: PATH} or {env: NAME}, found nothing",
    );
    refused(
        "kafka: {linger.ms: 1, queue.buffering.max.ms: 2}",
        23,
        "is `linger.ms`, first on line 5, by another name",
    );
    refused("kafka: [a]", 8, "expected a map of librdkafka properties");
    refused("kafka: {client.id: a, client.id: b}", 23, "`kafka.client.id` is given twice");
}

#[test]
fn where_figures_are_sent() {
    refused("metrics: {per_partition: 1}", 26, "expected `true` or `false`");
    refused("metrics: {statsd: nowhere}", 19, "no port from 1 to 65535");
    refused("metrics: {signalfx: {token: t}}", 11, "`metrics.signalfx` needs `realm` or `url`: set it");
    refused("metrics: {signalfx: {realm: us1}}", 11, "`metrics.signalfx` needs `token`: set it");
    refused("metrics: {signalfx: {realm: us1.x, token: t}}", 29, "expected a realm such as us1: letters");
    refused(
        "metrics: {signalfx: {url: ftp://x, token: t}}",
        27,
        "expected an address such as https://ingest",
    );
    refused(
        "metrics: {signalfx: {realm: us1, token: {file: /no/such}}}",
        48,
        "the file /no/such can't be read",
    );
    refused("metrics: {signalfx: {realm: us1, token: t, interval: 1ms}}", 54, "expected 1s to 1h, found 1ms");
}

#[test]
fn parts_that_are_not_available_yet() {
    refused("assignment: {mode: kafka}", 20, "`assignment.mode: kafka` is not available yet");
    refused("offsets: {storage: mysql}", 20, "expected `kafka`, `zookeeper` or `dual`, found \"mysql\"");
    let handler = |rest: &str| complaints(&MINIMAL.replace("[x]}", &format!("[x], {rest}}}")));
    assert_eq!(
        handler("protocol: kcl"),
        ["4:35: `handler.protocol: kcl` is not available yet in this version; use another or remove it"]
    );
    for key in
        ["order: key", "null_keys: free", "processes: 2", "retry: {attempts: 3}", "rate: {messages: 5/s}"]
    {
        let found = handler(key);
        let expected =
            key.split_once(':').map(|(name, _)| format!("4:25: `handler.{name}` is not available yet"));
        assert!(found.len() == 1 && found[0].starts_with(&expected.unwrap()), "{found:#?}");
    }
}

#[test]
fn offsets_in_zookeeper_need_its_address() {
    for storage in ["zookeeper", "dual"] {
        let static_assignment = format!(
            "group: g\noffsets: {{storage: {storage}}}\ncluster: {{brokers: k:1}}\nhandler: {{command: [x]}}\nassignment: {{mode: static, partitions: {{t: [0]}}}}\n"
        );
        let found = complaints(&static_assignment);
        assert!(found.len() == 1 && found[0].starts_with("2:20: "), "{found:#?}");
        assert!(found[0].contains("set `cluster.zookeeper` in the file or pass -z"), "{found:#?}");
        let with = static_assignment.replace("brokers: k:1", "brokers: k:1, zookeeper: z:1");
        assert!(servers(&load(&with)).zookeeper.is_some());
        assert_eq!(load(&static_assignment.replace(storage, "kafka")).offsets.storage, OffsetStorage::Kafka);
    }
}

#[test]
fn dead_letters_need_a_topic_of_their_own() {
    let handler = |rest: &str| complaints(&MINIMAL.replace("[x]}", &format!("[x], {rest}}}"))).join("\n");
    assert!(
        handler("poison: {action: dead-letter}")
            .contains("4:42: `handler.poison.action: dead-letter` needs `handler.poison.topic`")
    );
    assert!(
        handler("poison: {topic: t}")
            .contains("4:41: `handler.poison.topic`: t is consumed by this instance")
    );
}

#[test]
fn what_is_no_yaml() {
    let cases = [
        ("group: [a\nname: b", "2:", "not valid YAML"),
        ("group: 'a", "", "not valid YAML"),
        ("group: a\n\tname: b", "1:8: ", "not valid YAML"),
        ("group: g\n---\ngroup: h", "2:1: ", "a second document begins here"),
        ("group: !x g", "1:8: ", "what begins with `!` is a tag"),
        ("topics: !!set {a}", "1:9: ", "none is supported"),
        ("group: !!int g", "1:8: ", "does not fit its tag"),
        ("? [a]\n: b", "1:3: ", "expected a key, found a list"),
        ("- a", "1:1: ", "expected keys such as `group: services.billing`, found a list"),
        ("text", "1:1: ", "expected keys such as `group: services.billing`, found a text"),
        ("group: g\0", "1:9: ", "a NUL character"),
    ];
    for (text, place, words) in cases {
        let found = complaints(text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].contains(words),
            "{text:?}: {found:#?}"
        );
    }
}

#[test]
fn every_error_is_reported_at_once_in_the_files_order() {
    let text = "\
groop: g
topics: [a, a, 'b c']
cluster:
  brokers: [k1, 'k2:9092']
  zookeeper: zk/x/
handler:
  command: ./h
  timeout: 10
  max_in_flight: {bytes: 5, messages: none}
log: {level: loud, level: info}
";
    let found = complaints(text);
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["1:1", "2:13", "2:16", "4:13", "5:14", "7:12", "8:12", "9:26", "9:39", "10:14", "10:20", "no group"],
        "{found:#?}"
    );
    assert_eq!(found.last().unwrap(), "no group: set `group` in the file or pass -g GROUP");
}

#[test]
fn what_is_missing_names_key_and_flag() {
    for text in ["", "# nothing\n", "---\n", "{}", "~"] {
        let found = complaints(text);
        assert_eq!(found.len(), 5, "{found:#?}");
        for words in [
            "no group: set `group` in the file or pass -g GROUP",
            "no topics: set `topics` in the file or pass -t TOPIC",
            "no brokers: set `cluster.brokers` in the file or pass -b BROKERS",
            "no ZooKeeper: set `cluster.zookeeper` in the file or pass -z ZOOKEEPER (or --partitions, which needs none)",
            "no handler: set `handler.command` in the file or give the handler after --",
        ] {
            assert!(found.iter().any(|line| line == words), "{words}: {found:#?}");
        }
    }
}
