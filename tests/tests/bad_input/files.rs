//! Files: 78, with line and column.

use crate::running::*;

/// A fifth line, where it is wrong, and what is said.
const FIFTH_LINES: &[(&str, &str, &[&str])] = &[
    ("naem: x", "5:1", &["unknown key `naem`; did you mean `name`?"]),
    ("xyz: x", "5:1", &["unknown key `xyz`; known here: group"]),
    ("group: h", "5:1", &["`group` is given twice, first on line 1"]),
    ("name: 5", "5:7", &["`name`: expected a name, found the number 5", "quotes"]),
    ("name: a b", "5:7", &["name \"a b\" holds ' '"]),
    ("offsets: [latest]", "5:10", &["`offsets`: expected a map, found a list"]),
    ("offsets: {reset: latst}", "5:18", &["`offsets.reset`: expected `earliest`", "did you mean `latest`?"]),
    ("offsets: {commit_interval: 1000}", "5:28", &["`offsets.commit_interval`", "add a unit"]),
    ("offsets: {commit-interval: 1s}", "5:11", &["did you mean `commit_interval`?"]),
    ("offsets: {commit_messages: 0}", "5:28", &["expected a whole number from 1"]),
    ("offsets: {storage: mysql}", "5:20", &["expected `kafka`, `zookeeper` or `dual`"]),
    (
        "consumer: {auto_ofset_reset: smallest}",
        "5:12",
        &["unknown key `consumer.auto_ofset_reset`; did you mean `auto_offset_reset`?"],
    ),
    (
        "consumer: {auto_commit_interval_ms: 1s}",
        "5:37",
        &["`consumer.auto_commit_interval_ms`: expected a whole number of milliseconds"],
    ),
    (
        "consumer: {auto_commit_enable: false}",
        "5:32",
        &["kafkavisor commits what the handler has acknowledged"],
    ),
    (
        "consumer: {auto_commit: false, partitioner_cooldown: 30s}",
        "5:25",
        &["remove it", "5:54: ", "expected a number of seconds"],
    ),
    ("consumer: [a]", "5:11", &["expected a map of yelp_kafka's options"]),
    (
        "discovery: {url: 'https://a:1'}",
        "5:18",
        &["`discovery.url`: expected an address such as http://127.0.0.1:8888"],
    ),
    ("discovery: {uri: 'http://a:1'}", "5:13", &["did you mean `url`?"]),
    ("restart: {initial: 1m, max: 10s}", "5:29", &["`restart.max` (10s) is below `restart.initial`"]),
    ("stop: {timeout: 10}", "5:17", &["`stop.timeout`", "add a unit", "`10s`"]),
    ("stop: {timeout: 2h}", "5:17", &["expected 1ms to 1h, found 2h"]),
    ("assignment: {mode: auto}", "5:20", &["expected `zookeeper` or `static`"]),
    ("assignment: {mode: static}", "5:20", &["set `assignment.partitions` or pass --partitions"]),
    ("assignment: {partitions: {t: [0]}}", "5:14", &["set `assignment.mode: static` or remove it"]),
    ("assignment: {session_timeout: 61s}", "5:31", &["expected 1s to 60s, found 61s"]),
    ("assignment: {use_group_sha: yes}", "5:29", &["expected `true` or `false`"]),
    ("admin: {socket: run/x}", "5:17", &["`admin.socket`: expected a path that begins with '/'"]),
    ("admin: {http: box}", "5:15", &["has no port from 0 (the system chooses) to 65535"]),
    ("metrics: {per_partition: many}", "5:26", &["`metrics.per_partition`", "expected `true` or `false`"]),
    ("log: {level: loud}", "5:14", &["expected `off`, `error`, `warn`, `info`"]),
    ("kafka: {bootstrap.servers: 'k:1'}", "5:9", &["set `cluster.brokers` instead"]),
    ("kafka: {group.id: x}", "5:9", &["set `group` instead"]),
    ("kafka: {auto.offset.reset: latest}", "5:9", &["set `offsets.reset` instead"]),
    ("kafka: {enable.auto.commit: true}", "5:9", &["`offsets.commit_interval`"]),
    ("kafka: {topic.auto.offset.reset: latest}", "5:9", &["set `offsets.reset` instead"]),
    ("kafka: {transactional.id: t}", "5:9", &["without transactions"]),
    ("kafka: {retries: 3, message.send.max.retries: 4}", "5:21", &["is `retries`, first on line 5"]),
    (
        "kafka: {sasl.password: {file: /no/such}}",
        "5:31",
        &["the file /no/such can't be read", "check the path"],
    ),
    (
        "kafka: {sasl.password: {env: NO_SUCH_VARIABLE}}",
        "5:30",
        &["no environment variable NO_SUCH_VARIABLE"],
    ),
    ("oauth: {token_command: [./t]}", "5:1", &["`oauth` is for `kafka.sasl.mechanism: OAUTHBEARER`"]),
];

/// Whole files: where they are wrong, and what is said.
const FILES: &[(&str, &str, &[&str])] = &[
    ("", "", &["no group", "no topics", "no brokers", "no ZooKeeper", "no handler"]),
    ("group: [a\nname: b\n", ":2:", &["not valid YAML", "k.yaml"]),
    (
        "group: g\ntopics: [t]\ncluster: {type: s, region: a, name: b}\nhandler: {command: [./handler]}\n",
        ":3:31: ",
        &["`cluster.name` beside `cluster.region`", "keep one"],
    ),
    (
        "group: g\ntopics: [t]\ncluster: {region: a}\nhandler: {command: [./handler]}\n",
        ":3:11: ",
        &["`cluster.region` needs `cluster.type`"],
    ),
    (
        "group: g\ntopics: [t]\ncluster: {type: s, brokers: [k:1], zookeeper: 'z:1'}\nhandler: {command: [./handler]}\n",
        ":3:20: ",
        &["`cluster.brokers` beside `cluster.type`", ":3:36: ", "keep one of the two"],
    ),
    ("- a\n", ":1:1: ", &["expected keys such as `group: services.billing`, found a list"]),
    ("group: g\n---\ngroup: h\n", ":2:1: ", &["a second document begins here"]),
    ("a: &a [x]\nb: *a\n", ":2:4: ", &["aliases", "write the value out"]),
    (
        "groop: g\ntopics: [t, t]\ncluster: {brokers: k, zokeeper: 'z:1'}\nhandler: {command: ./h, timeout: 10}\n",
        ":1:1: ",
        &[
            "did you mean `group`?",
            ":2:13: ",
            ":3:20: ",
            ":3:23: ",
            "did you mean `zookeeper`?",
            ":4:20: ",
            ":4:34: ",
        ],
    ),
];

#[test]
fn a_wrong_file_is_78_with_line_and_column() {
    let scene = Scene::new();
    let mut table = Table::default();
    let lines = FIFTH_LINES
        .iter()
        .map(|(line, place, says)| (format!("{RIGHT}{line}\n"), format!("k.yaml:{place}: "), *says));
    let files = FILES.iter().map(|(text, place, says)| ((*text).to_owned(), (*place).to_owned(), *says));
    for (text, place, says) in lines.chain(files) {
        scene.write("k.yaml", &text);
        let says: Vec<&str> = says.iter().copied().chain([place.as_str()]).collect();
        for command in ["check", "run"] {
            let arguments = [command, "-c", "k.yaml"];
            let ran = scene.run(&arguments);
            table.note(&arguments, Some(&text), &ran, &ran.complaints(78, &says));
        }
    }
    assert!(!scene.path("run").exists(), "nothing is made for a file that is wrong");
    table.assert_empty();
}

#[test]
fn a_file_that_can_not_be_read_is_78() {
    let scene = Scene::new();
    scene.write("latin.yaml", b"group: caf\xe9\n");
    scene.write("large.yaml", format!("# {}\n", "x".repeat(2_000_000)));
    let mut table = Table::default();
    for (file, says) in [
        ("missing.yaml", "missing.yaml: can't be read"),
        (".", ".: can't be read"),
        ("handler/below.yaml", "handler/below.yaml: can't be read"),
        ("latin.yaml", "latin.yaml:1:11: a byte that is not UTF-8"),
        ("large.yaml", "large.yaml: larger than"),
        ("/dev/zero", "/dev/zero: larger than"),
    ] {
        for command in ["check", "run"] {
            let ran = scene.run(&[command, "-c", file]);
            let mut wrong = ran.complaints(78, &[says]);
            // A question is an answer, too: "is this the configuration file?"
            wrong.retain(|w| w != "it does not say what to do" || !ran.stderr.contains("is this the"));
            table.note(&[command, "-c", file], None, &ran, &wrong);
        }
    }
    table.assert_empty();
}

/// `check` finds everything that `run` would before it connects.
#[test]
fn a_property_that_librdkafka_refuses_is_78_with_line_and_column() {
    let dead_letters = RIGHT.replace("[./handler]", "[./handler], poison: {topic: dead}");
    let secret = "kafka: {fetch.min.bytes: 1,\n  client.token: hunter2}";
    let cases: [(&str, &str, &[&str]); 13] = [
        (RIGHT, "kafka: {no.such.property: 1}", &["5:9: `kafka.no.such.property`: No such"]),
        (RIGHT, "kafka: {fetch.min.bytes: many}", &["5:9: `kafka.fetch.min.bytes`: "]),
        (RIGHT, "kafka: {fetch.min.bytes: 0}", &["5:9: `kafka.fetch.min.bytes`: "]),
        (RIGHT, "kafka: {compression.codec: brotli}", &["5:9: `kafka.compression.codec`: "]),
        (RIGHT, "kafka:\n  client.id: x\n  acks: 7x\n  a.b: 1\n  c.d: 2", &["7:3: ", "8:3: ", "9:3: "]),
        // What only making a client shows.
        (RIGHT, "kafka: {reconnect.backoff.ms: 5000}", &["5:9: ", "`reconnect.backoff.max.ms` must be >="]),
        (RIGHT, "kafka: {max.poll.interval.ms: 1000}", &["5:9: ", "`session.timeout.ms`"]),
        (RIGHT, "kafka: {fetch.max.bytes: 1000}", &["5:9: ", "`message.max.bytes`"]),
        (RIGHT, "kafka: {receive.message.max.bytes: 1000000}", &["5:9: ", "`fetch.max.bytes` + 512"]),
        (RIGHT, "kafka: {fetch.wait.max.ms: 70000}", &["5:9: ", "below `socket.timeout.ms` (60000)"]),
        (RIGHT, "kafka: {fetch.wait.max.ms: 2000, socket.timeout.ms: 2000}", &["5:9: ", "(2000)"]),
        // What only the producer of dead letters shows.
        (&dead_letters, "kafka: {retries: 0}", &["5:9: ", "`retries` must be set >= 1"]),
        (RIGHT, secret, &["6:3: `kafka.client.token`: librdkafka refuses it or its value"]),
    ];
    let scene = Scene::new();
    let mut table = Table::default();
    for (right, property, says) in cases {
        let text = format!("{right}{property}\n");
        scene.write("k.yaml", &text);
        for command in ["check", "run"] {
            let arguments = [command, "-c", "k.yaml"];
            let ran = scene.run(&arguments);
            let mut wrong = ran.complaints(78, says);
            if ran.stderr.contains("hunter2") {
                wrong.push("a secret is shown".to_owned());
            }
            table.note(&arguments, Some(&text), &ran, &wrong);
        }
    }
    table.assert_empty();
}

/// Errors of the text, of librdkafka, of the machine and of the flags, in one go.
#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "group: g\ntopics: [t, t]\ncluster: {brokers: '127.0.0.1:1', zookeeper: '127.0.0.1:1'}\n\
                handler: {command: [./missing], timeout: 5}\nkafka: {a.b: 1, group.id: x}\n\
                admin: {socket: /nowhere/control.sock}\n";
    let scene = Scene::new();
    scene.write("k.yaml", text);
    let says = [
        "k.yaml:2:13: topic t is listed twice",
        "k.yaml:4:20: `handler.command`: ./missing does not exist",
        "k.yaml:4:42: ",
        "k.yaml:5:9: `kafka.a.b`: ",
        "k.yaml:5:17: `kafka.group.id`: ",
        "k.yaml:6:17: `admin.socket`: control socket /nowhere/control.sock",
        "--from: ",
        "--worker-binary /nowhere/worker: ",
    ];
    let mut table = Table::default();
    for command in ["check", "run"] {
        let line = format!("{command} -c k.yaml --from newest --worker-binary /nowhere/worker");
        let ran = scene.run(&words(&line));
        let says = says.map(|words| words.strip_prefix("k.yaml:2:13: ").unwrap_or(words));
        table.note(&words(&line), Some(text), &ran, &ran.complaints(78, &says));
    }
    let ran = scene.run(&words("check -c missing.yaml --from newest"));
    ran.assert_refused(78, &["missing.yaml: can't be read", "--from: "]);
    table.assert_empty();
}
