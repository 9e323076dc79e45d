//! Messages that can't be handled and go to the dead-letter topic: by poison, by rejection, by an operator's word.

use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, unique};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::processes;
use kafkavisor_tests::reading::{Read, read};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;
use serde_json::json;

fn dead_lettering(topic: &Topic, dead: &Topic) -> Builder {
    Builder::of(topic).set("handler.poison", json!({"attempts": 3, "topic": dead.name}))
}

/// What every dead letter says of the message at `offset` of partition 0.
#[track_caller]
fn assert_letter(letter: &Read, topic: &Topic, offset: i64, attempts: &str, error: &str) {
    let texts = letter.texts();
    let expected = [
        ("kafkavisor.topic", topic.name.as_str()),
        ("kafkavisor.partition", "0"),
        ("kafkavisor.offset", &offset.to_string()),
        ("kafkavisor.attempts", attempts),
    ];
    for (name, value) in expected {
        assert_eq!(texts.get(name).map(String::as_str), Some(value), "{name} in {texts:?}");
    }
    assert!(texts["kafkavisor.error"].contains(error), "{texts:?}");
    assert!(texts["kafkavisor.timestamp"].parse::<i64>().unwrap() > 1_600_000_000_000, "{texts:?}");
    assert!(texts.contains_key("kafkavisor.group") && !texts["kafkavisor.host"].is_empty(), "{texts:?}");
    assert!(texts.contains_key("kafkavisor.stderr"), "{texts:?}");
}

/// Why it is one, is among the events.
#[track_caller]
fn assert_told(instance: &Instance, words: &str) {
    let events = String::from_utf8(instance.ask("events", &[]).stdout).unwrap();
    assert!(events.contains(words), "{words:?} in {events}");
}

#[test]
fn the_message_that_kills_its_handlers_is_dead_lettered_alone() {
    let (topic, dead, records) = (Topic::new(1), Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let poison = Message::to(0, [0xff, 0, 1]).key("key").header("mine", Some(b"yes")).header("null", None);
    topic.produce(&[poison]);
    topic.produce(&numbered(1, 20));
    let recorder = Recorder::new(&records).die_at(20);
    let script = format!("echo words before death >&2; exec {}", recorder.shell());
    let instance = dead_lettering(&topic, &dead).shell(&script).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).dead_lettered_total, 1, "{status:#?}");
    assert_eq!(status.partition(0).restarts_total, 3, "{status:#?}");
    assert_told(&instance, "dead_lettered: offset 20 killed its handler 3 times, the last time");
    instance.stop();
    let letters = read(&dead, 1);
    assert_eq!(letters.len(), 1, "no other is dead-lettered with it: {letters:#?}");
    let letter = &letters[0];
    assert_eq!(
        (letter.key.as_deref(), letter.value.as_deref()),
        (Some(&b"key"[..]), Some(&[0xff, 0, 1][..]))
    );
    assert_eq!(letter.headers[..2], [("mine".to_owned(), Some(b"yes".to_vec())), ("null".to_owned(), None)]);
    assert_letter(letter, &topic, 20, "3", "handler exited with status 1");
    assert!(letter.texts()["kafkavisor.stderr"].contains("words before death"), "{letter:?}");
    // All others are acknowledged by a handler.
    topic.forget(|message| message.offset == 20);
    History::of(&records, &topic).assert_acknowledged();
}

#[test]
fn a_signal_is_named_and_a_null_stays_null() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    topic.produce(&[Message::to(0, "first"), Message::null(0)]);
    let script = r#"while IFS= read -r line; do
        case $line in
            *'"value":null'*) kill -SEGV $$ ;;
            '{"type":"message","offset":0,'*) echo '{"ack":0}' ;;
        esac
    done"#;
    let instance = dead_lettering(&topic, &dead).shell(script).start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let letters = read(&dead, 1);
    assert_eq!((letters.len(), letters[0].value.clone(), letters[0].key.clone()), (1, None, None));
    assert_letter(&letters[0], &topic, 1, "3", "SIGSEGV");
}

#[test]
fn a_rejected_message_is_dead_lettered_at_once_and_its_handler_goes_on() {
    let (topic, dead, records) = (Topic::new(1), Topic::new(1), Records::new());
    topic.produce(&numbered(1, 30));
    let instance = dead_lettering(&topic, &dead).recorder(&Recorder::new(&records).reject(7)).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!((status.partition(0).dead_lettered_total, status.partition(0).restarts_total), (1, 0));
    assert_told(&instance, "dead_lettered: offset 7: its handler rejected it: told to");
    instance.stop();
    let letters = read(&dead, 1);
    assert_eq!(letters.len(), 1);
    assert_letter(&letters[0], &topic, 7, "1", "told to");
    let history = History::of(&records, &topic);
    history.assert_no_duplicates();
    assert_eq!(history.lives(0).len(), 1);
}

#[test]
fn exec_dead_letters_bad_data_and_what_fails_too_often() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    let values = ["a", "bad", "b", "fatal", "c"];
    topic.produce(&values.map(|value| Message::to(0, value)));
    let script = "while read -r value; do case $value in bad) [ $KAFKAVISOR_COUNT = 1 ] && exit 65; exit 1;; \
                  fatal) echo it is fatal >&2; exit 3;; esac; done";
    let instance = dead_lettering(&topic, &dead).set("handler.protocol", "exec").shell(script).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).dead_lettered_total, 2, "{status:#?}");
    instance.stop();
    let letters = read(&dead, 2);
    let texts: Vec<_> = letters.iter().map(|letter| letter.value.clone().unwrap()).collect();
    assert_eq!(texts, [b"bad".to_vec(), b"fatal".to_vec()]);
    assert!(letters[0].texts()["kafkavisor.error"].contains("65"), "{:?}", letters[0]);
    assert!(letters[1].texts()["kafkavisor.stderr"].contains("it is fatal"), "{:?}", letters[1]);
}

#[test]
fn a_dead_letter_that_cannot_be_produced_parks_its_partition_until_somebody_mends_it() {
    let (topic, dead, records) = (Topic::new(2), Topic::new(1), Records::new());
    topic.produce(&numbered(2, 20));
    // The dead letter is larger than its topic takes.
    let small = Topic::with(1, &[("max.message.bytes", "200")]);
    let instance = dead_lettering(&topic, &small).recorder(&Recorder::new(&records).reject(3)).start();
    let status = instance.wait_for("both are parked", |status| {
        status.state_of(0) == "parked" && status.state_of(1) == "parked"
    });
    let why = status.partition(0).last_exit.clone().unwrap_or_default();
    assert!(why.contains("dead-letter") && why.contains(&small.name), "{why}");
    assert_eq!(status.partition(0).acknowledged, Some(3), "it does not count as done");
    assert_eq!(status.partition(0).dead_lettered_total, 0);
    let mut instance = instance;
    let name = dead.name.clone();
    instance.reconfigure(|builder| builder.set("handler.poison.topic", name));
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over");
    let said = instance.ask("skip", &[&format!("{}:0", topic.name)]);
    assert!(said.status.success(), "{said:?}");
    let said = instance.ask("resume", &[&format!("{}:1", topic.name)]);
    assert!(said.status.success(), "{said:?}");
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let letters = read(&dead, 2);
    assert_eq!(letters.len(), 2);
}

#[test]
fn a_missing_dead_letter_topic_is_said_at_once_and_holds_up_neither_a_seek_nor_the_end() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let missing = Topic::named(&brokers(), &unique("no-topic"));
    let records = Records::new();
    let instance = dead_lettering(&topic, &missing).recorder(&Recorder::new(&records).reject(2)).start();
    let status = instance.wait_for_within(Duration::from_secs(10), "it says so", |status| {
        status.is_ready(1) && status.partition(0).reason.is_some()
    });
    let why = format!("offset 2 is not dead-lettered yet: topic {}: Kafka has no such topic", missing.name);
    let reason = status.partition(0).reason.clone().unwrap();
    assert!(reason.starts_with(&why) && reason.ends_with("tried again"), "{reason}");
    assert_eq!(status.state_of(0), "ready", "{status:#?}");
    assert!(status.troubles.iter().any(|trouble| trouble.contains(&missing.name)), "{status:#?}");
    assert_told(&instance, &format!("dead_letter_kept: {why}"));
    assert!(instance.log().contains(&why), "{}", instance.log());
    let place = format!("{}:0", topic.name);
    let said = instance.ask("skip", &[&place]);
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(64) && words.contains(&why) && words.contains("`seek`"), "{said:?}");
    let began = now();
    assert!(instance.ask("seek", &[&place, "3"]).status.success());
    instance.wait_consumed(&topic, 1);
    assert!(instance.ask("seek", &[&place, "2"]).status.success());
    instance
        .wait_for("it is there again", |status| status.is_ready(1) && status.partition(0).reason.is_some());
    instance.stop();
    assert!(began.elapsed() < Duration::from_secs(15), "no drain waits for it: {:?}", began.elapsed());
}

/// Kills the worker that can't send its dead letter of offset 4 and waits for the next one.
#[track_caller]
fn kill_on_the_way(instance: &Instance, dead: &Topic) {
    let status = instance.status().expect("it answers");
    let first = status.partition(0).worker_pid.expect("there is a worker");
    processes::signal(first, Signal::SIGKILL);
    instance.wait_for("another worker is at it", |status| {
        status.partition(0).worker_pid.is_some_and(|pid| pid != first)
    });
    throughout(Duration::from_millis(500), "it counts as done only once it is sent", || {
        let status = instance.status().expect("it answers");
        status.partition(0).acknowledged == Some(4) && status.partition(0).dead_lettered_total == 0
    });
    assert_eq!(dead.watermarks(0), (0, 0));
}

/// All is consumed, with one dead letter.
#[track_caller]
fn assert_sent_once(instance: &Instance, topic: &Topic, dead: &Topic, records: &Records) {
    let status = instance.wait_consumed(topic, 1);
    assert_eq!(status.partition(0).dead_lettered_total, 1, "{status:#?}");
    instance.stop();
    let letters = read(dead, 1);
    assert_eq!((letters.len(), letters[0].texts()["kafkavisor.offset"].as_str()), (1, "4"));
    topic.forget(|message| message.offset == 4);
    History::of(records, topic).assert_acknowledged();
}

#[test]
fn a_dead_letter_outlives_the_death_of_the_worker_that_was_to_send_it() {
    let (topic, records, dead) = (Topic::new(1), Records::new(), Topic::without_a_replica());
    topic.produce(&numbered(1, 10));
    let instance = dead_lettering(&topic, &dead).recorder(&Recorder::new(&records).reject(4)).start();
    let rejected = || records.count(|record| record.event == Event::Rejected(4));
    until("it is rejected", || (rejected() == 1).then_some(()));
    kill_on_the_way(&instance, &dead);
    until("it is rejected again", || (rejected() == 2).then_some(()));
    dead.take_messages();
    assert_sent_once(&instance, &topic, &dead, &records);
}

#[test]
fn a_dead_letter_of_a_poison_message_outlives_its_worker_and_no_handler_sees_the_message_again() {
    let (topic, records, dead) = (Topic::new(1), Records::new(), Topic::without_a_replica());
    topic.produce(&numbered(1, 10));
    let instance = dead_lettering(&topic, &dead).recorder(&Recorder::new(&records).die_at(4)).start();
    let deliveries = || records.count(|record| matches!(record.event, Event::Message { offset: 4, .. }));
    until("it has killed often enough", || (deliveries() == 3).then_some(()));
    instance.wait_for("a worker without a handler is at it", |status| {
        let partition = status.partition(0);
        partition.restarts_total == 3 && partition.worker_pid.is_some() && partition.handler_pid.is_none()
    });
    kill_on_the_way(&instance, &dead);
    dead.take_messages();
    assert_sent_once(&instance, &topic, &dead, &records);
    assert_eq!(deliveries(), 3, "its attempts were over");
}

#[test]
fn past_the_rate_it_parks() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    topic.produce(&numbered(1, 10));
    let script = r#"while IFS= read -r line; do
        case $line in '{"type":"message",'*) offset=${line#*'"offset":'}; echo "{\"reject\":${offset%%,*},\"error\":\"never\"}" ;; esac
    done"#;
    let instance =
        dead_lettering(&topic, &dead).set("handler.poison.max_per_minute", 3).shell(script).start();
    let status = instance.wait_for("it is parked", |status| {
        status.partitions.iter().any(|partition| partition.state == "parked")
    });
    assert_eq!(status.partition(0).dead_lettered_total, 3, "{status:#?}");
    assert_eq!(status.partition(0).acknowledged, Some(3));
    instance.stop();
    assert_eq!(read(&dead, 3).len(), 3);
}

#[test]
fn a_marker_before_a_poison_message_does_not_hide_it() {
    let (topic, dead, records) = (Topic::new(1), Topic::new(1), Records::new());
    // 0 to 2 and a marker at 3; the poison message is 4.
    topic.produce_transaction(&numbered(1, 3), true);
    topic.produce(&numbered(1, 3));
    let instance = dead_lettering(&topic, &dead).recorder(&Recorder::new(&records).die_at(4)).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).dead_lettered_total, 1, "{status:#?}");
    instance.stop();
    assert_letter(&read(&dead, 1)[0], &topic, 4, "3", "status 1");
}
