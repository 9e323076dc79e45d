//! Handlers in each protocol: the very examples that handler authors start from, and what they are told.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::project;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until, until_within};
use serde_json::{Value, json};

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// Consumes `count` messages of two partitions with an example handler, and gives what it wrote to `$OUT`.
fn consumed_by_example(protocol: &str, command: &str, count: usize) -> Vec<String> {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, count));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let instance = Builder::of(&topic)
        .set("handler.protocol", protocol)
        .handler([command])
        .variable("OUT", &out)
        .start();
    let status = instance.wait_consumed(&topic, 2);
    assert_eq!(status.partitions.iter().map(|p| p.restarts_total).sum::<u64>(), 0, "{status:#?}");
    instance.stop();
    for partition in 0..2 {
        assert_eq!(committed(&topic, &instance.group(), partition), Some(i64::try_from(count / 2).unwrap()));
    }
    lines(&out)
}

/// "partition offset", each once.
#[track_caller]
fn assert_each_once(lines: &[String], count: usize) {
    let expected: BTreeSet<String> = (0..2)
        .flat_map(|partition| (0..count / 2).map(move |offset| format!("{partition} {offset}")))
        .collect();
    let found: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!((lines.len(), found), (count, expected));
}

#[test]
fn the_shell_example_consumes() {
    let lines = consumed_by_example("jsonl", &handlers::shell(), 60);
    let mut offsets: Vec<i64> = lines
        .iter()
        .map(|line| {
            let message: Value = serde_json::from_str(line).expect("a whole line of JSON");
            assert_eq!(message["type"], "message");
            message["offset"].as_i64().unwrap()
        })
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..30).flat_map(|offset| [offset, offset]).collect::<Vec<_>>());
}

#[test]
fn the_python_example_consumes() {
    assert_each_once(&consumed_by_example("jsonl", &handlers::python(), 5050), 5050);
}

#[test]
fn the_rust_example_consumes_in_jsonl() {
    assert_each_once(&consumed_by_example("jsonl", &handlers::rust(), 5050), 5050);
}

#[test]
fn the_rust_example_consumes_in_binary() {
    assert_each_once(&consumed_by_example("binary", &handlers::rust(), 5050), 5050);
}

#[test]
fn the_example_of_exec_consumes() {
    let mut lines = consumed_by_example("exec", &handlers::words(), 1200);
    let mut expected: Vec<String> = (0..1200).map(|number| format!("value {number}")).collect();
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn a_single_message_is_never_held_back() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    for count in 1..=3 {
        topic.produce(&numbered(1, 1));
        // Milliseconds, where the machine is not busy.
        until_within(Duration::from_secs(5), "it comes by itself", || {
            (records.deliveries() == count).then_some(())
        });
    }
    instance.wait_consumed(&topic, 1);
}

/// The environment in which the recorder began.
fn environment_of(records: &Records) -> std::collections::BTreeMap<String, String> {
    let found = records.read().into_iter().find_map(|record| match record.event {
        Event::Started { environment } => Some(environment),
        _ => None,
    });
    found.expect("a handler has started")
}

fn init_of(records: &Records) -> Option<Value> {
    records.read().into_iter().find_map(|record| match record.event {
        Event::Init(init) => Some(init),
        _ => None,
    })
}

/// Runs the recorder on one partition that begins at offset 3, and checks all that it is told at its start.
fn told_at_the_start(builder: Builder, topic: &Topic, token_expected: bool) {
    let records = Records::new();
    topic.produce(&numbered(1, 5));
    topic.delete_before(0, 3);
    let instance = builder
        .recorder(&Recorder::new(&records))
        .variable("NOTIFY_SOCKET", "/nowhere")
        .variable("WATCHDOG_USEC", "100000000")
        .variable("LISTEN_FDS", "0")
        .start();
    let status = instance.wait_consumed(topic, 1);
    let init = init_of(&records).expect("init came");
    let environment = environment_of(&records);
    let variable = |name: &str| environment.get(&format!("KAFKAVISOR_{name}")).map(String::as_str);
    let token = status.partition(0).fencing_token;
    assert_eq!(token.is_some(), token_expected, "{status:#?}");
    assert_eq!(
        (&init["type"], &init["group"], &init["topic"], &init["partition"], &init["offset"]),
        (&json!("init"), &json!(instance.group()), &json!(topic.name), &json!(0), &json!(3))
    );
    assert_eq!(init.as_object().unwrap().len(), 7, "exactly the contract's keys: {init}");
    assert_eq!((&init["fencing_token"], &init["generation"]), (&json!(token), &json!(status.generation)));
    assert_eq!(
        (variable("GROUP"), variable("TOPIC")),
        (Some(instance.group().as_str()), Some(topic.name.as_str()))
    );
    assert_eq!(variable("PARTITION"), Some("0"));
    assert_eq!(variable("GENERATION"), Some(status.generation.to_string().as_str()));
    assert_eq!(
        variable("FENCING_TOKEN"),
        Some(token.map(|token| token.to_string()).unwrap_or_default().as_str())
    );
    let foreign: Vec<_> = environment.keys().filter(|name| !name.starts_with("KAFKAVISOR_")).collect();
    assert!(foreign.is_empty(), "taken out of the environment: {foreign:?}");
}

#[test]
fn a_handler_is_told_where_it_is() {
    let topic = Topic::new(1);
    told_at_the_start(Builder::of(&topic), &topic, true);
}

#[test]
fn a_handler_is_told_where_it_is_in_binary() {
    let topic = Topic::new(1);
    told_at_the_start(Builder::of(&topic).set("handler.protocol", "binary"), &topic, true);
}

#[test]
fn without_zookeeper_there_is_no_fencing_token() {
    let topic = Topic::new(1);
    told_at_the_start(Builder::fixed(&topic, &[0]), &topic, false);
}

#[test]
fn a_handler_that_batches_is_asked_to_flush() {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 10));
        let instance = Builder::of(&topic)
            .set("handler.protocol", protocol)
            .recorder(&Recorder::new(&records).batch(1_000_000))
            .start();
        instance.wait_consumed(&topic, 1);
        let events: Vec<Event> = records.read().into_iter().map(|record| record.event).collect();
        let flush = events.iter().position(|event| *event == Event::Flush).expect("a flush came");
        let first = events.iter().position(|event| matches!(event, Event::Acknowledging(_))).unwrap();
        assert!(flush < first, "{protocol}: only a flush makes it acknowledge");
        // With nothing in flight no flush comes: the next belongs to the next message.
        let flushes = || records.count(|record| record.event == Event::Flush);
        let before = flushes();
        throughout(Duration::from_millis(500), "there is nothing to flush", || flushes() == before);
        topic.produce(&numbered(1, 1));
        instance.wait_consumed(&topic, 1);
        assert!(flushes() > before);
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn the_working_directory_and_the_environment_are_the_supervisors() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let instance = Builder::of(&topic)
        .variable("SOME_SETTING", "its value")
        .shell("pwd > seen; echo \"$SOME_SETTING\" >> seen; cat >&2")
        .start();
    let seen = instance.folder().join("seen");
    until("the handler has written", || (lines(&seen).len() == 2).then_some(()));
    let folder = instance.folder().canonicalize().unwrap();
    assert_eq!(lines(&seen), [folder.to_str().unwrap(), "its value"]);
}

#[test]
fn what_a_handler_prints_is_logged_with_topic_partition_and_pid() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script = format!("echo to stdout; echo to stderr >&2; echo $$ > pid; exec {}", handlers::shell());
    let instance = Builder::of(&topic).shell(&script).start();
    instance.wait_consumed(&topic, 1);
    let pid = lines(&instance.folder().join("pid")).remove(0);
    for words in ["to stdout", "to stderr"] {
        instance.wait_for_log(words);
        let log = instance.log();
        let line = log.lines().find(|line| line.contains(words)).unwrap();
        for part in [&format!("{}:0", topic.name), &pid] {
            assert!(line.contains(part), "{part} in {line:?}");
        }
    }
}

#[test]
fn a_rejected_message_parks_its_partition_alone() {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::new(2), Records::new());
        topic.produce(&(0..10).map(|n| Message::to(0, format!("{n}"))).collect::<Vec<_>>());
        let instance = Builder::of(&topic)
            .set("handler.protocol", protocol)
            .recorder(&Recorder::new(&records).batch(100).reject(4))
            .start();
        let status = instance.wait_for("partition 0 is parked", |status| {
            status.state_of(0) == "parked" && status.partition(0).committed == Some(4)
        });
        assert_eq!(status.partition(0).acknowledged, Some(4), "what came before it is acknowledged");
        assert_eq!(status.partition(0).lag, Some(6));
        assert!(instance.log().contains("told to"), "the reason is in the log:\n{}", instance.log());
        topic.produce(&[Message::to(1, "another partition goes on")]);
        instance.wait_for("partition 1 is consumed", |status| {
            status.partition(1).committed == Some(1) && status.state_of(0) == "parked"
        });
        instance.stop();
        assert_eq!(committed(&topic, &instance.group(), 0), Some(4));
    }
}

#[test]
fn busy_gives_a_slow_handler_its_time() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 2));
    let instance = Builder::of(&topic)
        .set("handler.timeout", "1s")
        .recorder(&Recorder::new(&records).delay_ms(3000).busy_every_ms(200))
        .start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).restarts_total, 0, "{status:#?}");
    History::of(&records, &topic).assert_exactly_once();
}

/// Waits until the handler of partition 0 was replaced for its silence, then lets everything go on.
fn replaced_for_its_silence(topic: &Topic, records: &Records, instance: &Instance, how: &str) {
    let status = instance.wait_for("it is replaced", |status| {
        status.partitions.iter().any(|partition| partition.restarts_total > 0)
    });
    let last = status.partition(0).last_exit.clone().expect("how it ended is known");
    assert!(last.contains("no answer for 1s with 1 messages in flight"), "the time-out is named: {last}");
    assert!(last.contains(how), "{how:?} is named: {last}");
    records.open_gate();
    instance.wait_consumed(topic, 1);
    History::of(records, topic).assert_nothing_lost();
}

#[test]
fn a_handler_that_says_nothing_more_is_replaced() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 1));
    let instance = Builder::of(&topic)
        .set("handler.timeout", "1s")
        .recorder(&Recorder::new(&records).batch(1000))
        .start();
    instance.wait_consumed(&topic, 1);
    records.close_gate();
    topic.produce(&numbered(1, 1));
    replaced_for_its_silence(&topic, &records, &instance, "the flush it was sent is unanswered too");
}

#[test]
fn a_handler_that_never_says_anything_is_replaced() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 1));
    records.close_gate();
    let instance =
        Builder::of(&topic).set("handler.start_timeout", "1s").recorder(&Recorder::new(&records)).start();
    replaced_for_its_silence(&topic, &records, &instance, "from offset 0 on");
}

// ---- exec ----

/// A command that appends "FIRST LAST COUNT payload|payload|" to `$OUT`, then `then` decides how it ends.
fn exec_script(then: &str) -> String {
    format!(
        r#"batch=$(tr '\n' '|'); echo "$KAFKAVISOR_FIRST_OFFSET $KAFKAVISOR_LAST_OFFSET $KAFKAVISOR_COUNT $KAFKAVISOR_ATTEMPT $batch" >> "$OUT"; {then}"#
    )
}

struct Batch {
    first: i64,
    last: i64,
    count: i64,
    attempt: u64,
    payloads: Vec<String>,
}

fn batches(out: &Path) -> Vec<Batch> {
    let read = |line: &String| {
        let mut words = line.splitn(5, ' ');
        let mut number =
            || words.next().unwrap().parse::<i64>().unwrap_or_else(|error| panic!("{error}: {line}"));
        let (first, last, count, attempt) = (number(), number(), number(), number());
        let payloads = words.next().unwrap().split_terminator('|').map(str::to_owned).collect();
        Batch { first, last, count, attempt: attempt.unsigned_abs(), payloads }
    };
    lines(out).iter().map(read).collect()
}

fn exec_instance(topic: &Topic, then: &str) -> (Instance, std::path::PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let instance = Builder::of(topic)
        .set("handler.protocol", "exec")
        .set("handler.batch", json!({"messages": 8, "wait": "50ms"}))
        .variable("OUT", &out)
        .shell(&exec_script(then))
        .start();
    (instance, out, folder)
}

#[test]
fn exec_is_given_batches_and_told_where_they_lie() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 50));
    let (instance, out, _folder) = exec_instance(&topic, "exit 0");
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let mut next = 0;
    for batch in batches(&out) {
        assert_eq!((batch.first, batch.attempt), (next, 1));
        assert_eq!(batch.last - batch.first + 1, batch.count);
        assert!(batch.count <= 8, "no more than handler.batch.messages");
        let expected: Vec<String> =
            (batch.first..=batch.last).map(|number| format!("value {number}")).collect();
        assert_eq!(batch.payloads, expected);
        next = batch.last + 1;
    }
    assert_eq!(next, 50);
}

#[test]
fn exec_takes_another_delimiter_and_null_payloads() {
    let topic = Topic::new(1);
    topic.produce(&[Message::to(0, "two\nlines"), Message::null(0), Message::to(0, "last")]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let instance = Builder::of(&topic)
        .set("handler.protocol", "exec")
        .set("handler.delimiter", "nul")
        .variable("OUT", &out)
        .shell("cat >> \"$OUT\"")
        .start();
    instance.wait_consumed(&topic, 1);
    assert_eq!(std::fs::read(&out).unwrap(), b"two\nlines\0\0last\0");
}

#[test]
fn exec_halves_a_failing_batch_until_the_message_that_fails_is_alone() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 8));
    let (instance, out, _folder) = exec_instance(&topic, "case $batch in *'value 5|'*) exit 65;; esac");
    let status = instance.wait_for("the message that fails parks the partition", |status| {
        status.state_of(0) == "parked" && status.partition(0).committed == Some(5)
    });
    assert_eq!(status.partition(0).lag, Some(3), "what lies behind it waits: {status:#?}");
    let all = batches(&out);
    assert_eq!((all[0].first, all[0].count), (0, 8));
    let alone = all.iter().filter(|batch| batch.count == 1 && batch.first == 5).count();
    assert_eq!(alone, 1, "65 for a single message rejects it at once");
    let done: BTreeSet<i64> = all
        .iter()
        .filter(|batch| !(batch.first..=batch.last).contains(&5))
        .flat_map(|batch| batch.first..=batch.last)
        .collect();
    assert_eq!(done, (0..5).collect(), "in order: nothing behind it was tried");
}

#[test]
fn exec_counts_only_what_was_alone_as_an_attempt() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 8));
    let (instance, out, _folder) = exec_instance(&topic, "case $batch in *'value 5|'*) exit 1;; esac");
    let status = instance.wait_for("the message that fails parks the partition", |status| {
        status.state_of(0) == "parked" && status.partition(0).committed == Some(5)
    });
    assert_eq!(status.partition(0).lag, Some(3), "{status:#?}");
    let all = batches(&out);
    let alone: Vec<u64> =
        all.iter().filter(|batch| (batch.first, batch.count) == (5, 1)).map(|batch| batch.attempt).collect();
    assert_eq!(alone, [1, 2, 3, 4, 5], "halving used none up");
    assert!(all.iter().filter(|batch| batch.first != 5).all(|batch| batch.attempt == 1));
}

#[test]
fn exec_tries_later_without_counting() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 4));
    let (instance, out, _folder) = exec_instance(&topic, "[ -e open ] || exit 75");
    until("it was tried several times", || (batches(&out).len() >= 3).then_some(()));
    let status = instance.wait_ready(1);
    assert_eq!((status.partition(0).committed.unwrap_or(0), status.partition(0).restarts_total), (0, 0));
    let exit = status.partition(0).last_exit.clone();
    assert_eq!(exit.as_deref(), Some("handler exited with status 75"), "what it waits for is no secret");
    std::fs::write(instance.folder().join("open"), "").unwrap();
    instance.wait_consumed(&topic, 1);
    assert!(
        batches(&out).iter().all(|batch| batch.first == 0 && batch.attempt == 1),
        "whole, and not counted"
    );
}

#[test]
fn exec_is_null_between_batches() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 4));
    let (instance, _out, _folder) = exec_instance(&topic, "exit 0");
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).handler_pid, None, "{status:#?}");
    assert!(status.partition(0).worker_pid.is_some());
}

#[test]
fn the_example_of_the_contract_is_where_it_should_be() {
    for example in [handlers::shell(), handlers::python(), handlers::words()] {
        assert!(Path::new(&example).starts_with(project()) && Path::new(&example).is_file(), "{example}");
    }
}
