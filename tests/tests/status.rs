//! `status` says the truth at each step.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use kafkavisor_tests::environment::{kafkavisor, unique};
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

fn raw(instance: &Instance) -> Value {
    let output = instance.ask("status", &["--json"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "nothing but the result: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Asserts that each key is there with one of these types: `s`tring, `i`nteger, `f`loat, `a`rray, `o`bject, `n`ull.
#[track_caller]
fn assert_types(object: &Value, keys: &[(&str, &str)]) {
    for (key, types) in keys {
        let value = object.get(key).unwrap_or_else(|| panic!("no key {key} in {object:#}"));
        let found = match value {
            Value::Null => 'n',
            Value::String(_) => 's',
            Value::Number(number) if number.is_f64() => 'f',
            Value::Number(_) => 'i',
            Value::Array(_) => 'a',
            Value::Object(_) => 'o',
            Value::Bool(_) => 'b',
        };
        assert!(types.contains(found), "{key} is {value}, not one of {types}");
    }
}

const TOP: &[(&str, &str)] = &[
    ("group", "s"),
    ("topics", "a"),
    ("state", "s"),
    ("generation", "i"),
    ("pid", "i"),
    ("uptime_seconds", "f"),
    ("assignment", "o"),
    ("partitions", "a"),
];
const PARTITION: &[(&str, &str)] = &[
    ("topic", "s"),
    ("partition", "i"),
    ("state", "s"),
    ("worker_pid", "in"),
    ("handler_pid", "in"),
    ("position", "in"),
    ("acknowledged", "in"),
    ("committed", "in"),
    ("high_watermark", "in"),
    ("lag", "in"),
    ("in_flight", "i"),
    ("oldest_in_flight_seconds", "fin"),
    ("lag_seconds", "fin"),
    ("fencing_token", "in"),
    ("messages_total", "i"),
    ("bytes_total", "i"),
    ("restarts_total", "i"),
    ("dead_lettered_total", "i"),
    ("last_exit", "sn"),
];

#[test]
fn all_keys_are_there_with_their_types() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 4));
    let records = Records::new();
    let recorder = Recorder::new(&records);
    let zookeeper = Builder::of(&topic).recorder(&recorder).start();
    zookeeper.wait_consumed(&topic, 2);
    let status = raw(&zookeeper);
    assert_types(&status, TOP);
    let words = [("mode", "s"), ("state", "s"), ("session", "s"), ("member", "s"), ("members", "i")];
    assert_types(&status["assignment"], &words);
    assert!(status["assignment"]["session"].as_str().unwrap().starts_with("0x"));
    for partition in status["partitions"].as_array().unwrap() {
        assert_types(partition, PARTITION);
        assert_types(
            partition,
            &[("fencing_token", "i"), ("position", "i"), ("committed", "i"), ("lag", "i")],
        );
    }
    zookeeper.stop();

    let fixed = Builder::fixed(&topic, &[1]).recorder(&recorder).start();
    fixed.wait_for("it is consumed", |status| status.is_drained(1));
    let status = raw(&fixed);
    assert_types(&status, TOP);
    assert_eq!(
        status["assignment"].as_object().unwrap().iter().filter(|(_, value)| value.is_null()).count(),
        2,
        "{status:#}"
    );
    assert_types(
        &status["assignment"],
        &[("mode", "s"), ("session", "n"), ("member", "n"), ("members", "i")],
    );
    assert_eq!(status["partitions"].as_array().unwrap().len(), 1);
    assert_types(&status["partitions"][0], PARTITION);
    assert_types(&status["partitions"][0], &[("fencing_token", "n")]);
    fixed.stop();
}

#[test]
fn it_follows_each_message() {
    let (topic, records) = (Topic::new(1), Records::new());
    records.close_gate();
    let before = kafkavisor::clock::now();
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records).batch(2)).start();
    let status = instance.wait_ready(1);
    let partition = status.partition(0);
    assert_eq!(
        (status.group.as_str(), &status.topics),
        (instance.group().as_str(), &vec![topic.name.clone()])
    );
    assert_eq!((status.pid, status.assignment.members), (instance.pid(), 1));
    assert!(
        status.uptime_seconds > 0.0 && status.uptime_seconds <= before.elapsed().as_secs_f64(),
        "{status:#?}"
    );
    assert!(status.generation >= 1);
    assert_eq!((partition.in_flight, partition.messages_total, partition.restarts_total), (0, 0, 0));
    assert_eq!((partition.committed, partition.lag), (Some(0), Some(0)), "{partition:#?}");
    let worker = partition.worker_pid.unwrap();
    assert_eq!(processes::workers(status.pid), [worker], "its guardian's child");

    // Two are with the handler, which holds back its answer.
    let produced = topic.produce(&[Message::to(0, "12345").key("678"), Message::to(0, "9")]);
    assert_eq!(produced.len(), 2);
    let status = instance.wait_for("two are in flight", |status| {
        let p = status.partition(0);
        p.in_flight == 2 && p.lag == Some(2) && p.oldest_in_flight_seconds > Some(0.2)
    });
    let partition = status.partition(0);
    assert_eq!(
        (partition.position, partition.acknowledged, partition.committed, partition.high_watermark),
        (Some(2), Some(0), Some(0), Some(2))
    );
    assert!(partition.lag_seconds > Some(0.0), "{partition:#?}");
    let handler = partition.handler_pid.unwrap();
    assert!(processes::children(worker).iter().any(|(child, _)| *child == handler), "its worker's child");

    records.open_gate();
    let status = instance.wait_drained(1);
    let partition = status.partition(0);
    assert_eq!(
        (partition.position, partition.acknowledged, partition.committed, partition.high_watermark),
        (Some(2), Some(2), Some(2), Some(2))
    );
    assert_eq!((partition.messages_total, partition.bytes_total), (2, 9), "keys and values");
    assert_eq!(partition.lag_seconds, Some(0.0), "0 without lag");
    assert_eq!((partition.handler_pid, partition.last_exit.as_deref()), (Some(handler), None));

    // Totals count over all workers.
    processes::signal(handler, Signal::SIGKILL);
    let status = instance.wait_for("it has a successor", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == 1
    });
    assert!(status.partition(0).last_exit.as_deref().unwrap().contains("handler"), "{status:#?}");
    assert_ne!(status.partition(0).worker_pid, Some(worker));
    topic.produce(&[Message::to(0, "0"), Message::to(0, "0")]);
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!((status.partition(0).messages_total, status.partition(0).bytes_total), (4, 11));
}

#[test]
fn lag_stays_true_while_nothing_is_fetched() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 6));
    let recorder = Recorder::new(&records);
    // Partition 0 is parked by a rejected message, partition 1 backs off.
    let script = format!("[ $KAFKAVISOR_PARTITION = 0 ] || exit 3; exec {} --reject 1", recorder.shell());
    let instance =
        Builder::of(&topic).set("restart", json!({"initial": "20s", "max": "60s"})).shell(&script).start();
    instance.wait_for("one is parked, one backs off", |status| {
        status.state_of(0) == "parked" && status.state_of(1) == "backing_off"
    });
    topic.produce(&numbered(2, 4));
    let status = instance.wait_for("both know of the new messages", |status| {
        status.partition(0).high_watermark == Some(5) && status.partition(1).high_watermark == Some(5)
    });
    assert_eq!((status.partition(0).lag, status.partition(1).lag), (Some(4), Some(5)));
    assert!(status.partition(0).lag_seconds > Some(0.0), "{status:#?}");
    let earlier = status.partition(0).lag_seconds;
    instance.wait_for("the oldest grows older", |status| status.partition(0).lag_seconds > earlier);
    assert_eq!(status.partition(1).worker_pid, None);
    assert!(status.partition(1).last_exit.as_deref().unwrap().contains("status 3"), "{status:#?}");
}

#[test]
fn the_table_shows_it_to_people() {
    let (topic, records) = (Topic::new(3), Records::new());
    topic.produce(&numbered(3, 30));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let status = instance.wait_consumed(&topic, 3);
    let output = instance.ask("status", &[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "no colour where it is no terminal: {text:?}");
    assert!(text.contains(&instance.group()), "{text}");
    for partition in &status.partitions {
        let name = format!("{}:{}", topic.name, partition.partition);
        let row =
            text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {text}"));
        for word in ["ready", &partition.worker_pid.unwrap().to_string(), "10"] {
            assert!(row.split_whitespace().any(|found| found == word), "{word} in {row:?}");
        }
    }
}

#[test]
fn it_is_found_by_name_group_and_being_the_only_one() {
    let topic = Topic::new(1);
    let name = unique("name");
    let instance = Builder::of(&topic).name(&name).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let group = instance.group();
    for which in [vec![], vec!["-g", &group], vec!["--name", &name]] {
        let output = instance.command([vec!["status", "--json"], which.clone()].concat());
        assert!(output.status.success(), "{which:?}: {output:?}");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(status["pid"], json!(instance.pid()));
    }
    let output = instance.command(["status", "-g", "nobody"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[test]
fn watching_goes_on_one_object_a_line() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let mut child = Command::new(kafkavisor())
        .args(["status", "--watch", "--json", "--socket"])
        .arg(instance.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let uptimes: Vec<f64> = lines
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("an object a line")["uptime_seconds"].as_f64().unwrap()
        })
        .collect();
    assert!(uptimes.len() == 2 && uptimes[0] < uptimes[1], "{uptimes:?}");
}

#[test]
fn the_socket_and_its_folder_are_private_and_a_name_runs_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&instance.socket()), mode(instance.socket().parent().unwrap())), (0o600, 0o700));
    let second = instance.command(["run", "-c", "kafkavisor.yaml"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(78), "{said}");
    assert!(said.contains(&instance.group()) && said.contains("name"), "{said}");
    assert!(instance.status().unwrap().is_ready(1), "the first did not notice");
    instance.stop();
}
