//! What operators ask a running instance for: pause, resume, restart, skip, seek.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{unique, zookeeper};
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::kazoo::{KazooMember, folder_of};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::{commit, committed};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use kafkavisor_tests::zookeeper::read_group;
use nix::sys::signal::Signal;

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn asked(instance: &Instance, command: &str, more: &[&str]) -> String {
    let (code, text) = said(&instance.ask(command, more));
    assert_eq!(code, Some(0), "{command} {more:?}: {text}");
    text
}

#[track_caller]
fn refused(instance: &Instance, command: &str, more: &[&str]) -> String {
    let (code, text) = said(&instance.ask(command, more));
    assert_eq!(code, Some(64), "{command} {more:?}: {text}");
    text
}

#[test]
fn a_paused_partition_delivers_nothing_and_goes_on_where_it_was() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 2);
    let first = format!("{}:0", topic.name);
    assert!(asked(&instance, "pause", &[&first]).contains("paused"));
    let status = instance.wait_for("one is paused, the other works", |status| {
        status.state_of(0) == "paused" && status.state_of(1) == "ready"
    });
    assert_eq!(status.partition(0).worker_pid, None);
    let why = status.partition(0).reason.clone().unwrap_or_default();
    assert!(why.starts_with("paused by user ") && why.contains("process"), "{why}");
    assert_eq!(status.partition(0).last_exit.as_deref(), Some("requested: stopped for a pause"));
    instance.wait_for_log(&format!("{why}: nothing is delivered until `kafkavisor resume`"));
    topic.produce(&numbered(2, 10));
    // Its lag stays true; nothing of it is delivered, the other goes on.
    instance.wait_for("lag of the paused one", |status| {
        status.partition(0).lag == Some(5) && status.partition(1).lag == Some(0)
    });
    let before = records.deliveries();
    throughout(Duration::from_millis(500), "nothing is delivered", || records.deliveries() == before);
    assert!(asked(&instance, "resume", &[&first]).contains("resumed"));
    instance.wait_consumed(&topic, 2);
    assert!(refused(&instance, "resume", &[&first]).contains("neither paused nor parked"));
    instance.wait_for_log("pause asked for by user");
    instance.stop();
    instance.wait_for_log("ended: drained");
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn all_of_an_instance_or_a_topic_can_be_paused_restarted_and_resumed() {
    let (topic, records) = (Topic::new(3), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let before = instance.wait_ready(3);
    let flow = topic.flow(3);
    let text = asked(&instance, "restart", &[]);
    assert_eq!(text.lines().count(), 3, "{text}");
    let status = instance.wait_for("three new workers", |status| {
        status.is_ready(3)
            && status.partitions.iter().all(|p| p.worker_pid != before.partition(p.partition).worker_pid)
    });
    assert!(status.partitions.iter().all(|p| p.restarts_total == 1), "{status:#?}");
    asked(&instance, "pause", &[&topic.name]);
    instance.wait_for("all paused", |status| status.partitions.iter().all(|p| p.state == "paused"));
    let first = format!("{}:0", topic.name);
    asked(&instance, "resume", &[&first]);
    instance.wait_for("one goes on", |status| status.state_of(0) == "ready");
    // Of all that are meant, those that need it.
    let text = asked(&instance, "resume", &[]);
    assert!(text.lines().count() == 2 && !text.contains(&first), "{text}");
    instance.wait_ready(3);
    assert_eq!(refused(&instance, "resume", &[]).lines().count(), 3, "nothing needs it");
    flow.stop();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn whoever_asks_after_an_answer_sees_what_was_answered() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    for _ in 0..10 {
        asked(&instance, "pause", &[]);
        assert_ne!(instance.status().unwrap().state_of(0), "ready");
        instance.wait_for("it is paused", |status| status.state_of(0) == "paused");
        asked(&instance, "resume", &[]);
        assert_ne!(instance.status().unwrap().state_of(0), "paused");
        instance.wait_ready(1);
    }
    instance.stop();
}

#[test]
fn a_paused_partition_says_so_before_its_start_is_known() {
    let (topic, missing) = (Topic::new(1), unique("missing"));
    let instance = Builder::fixed(&topic, &[0])
        .set("topics", vec![topic.name.clone(), missing.clone()])
        .set(&format!("assignment.partitions.{missing}"), vec![0])
        .handler([handlers::shell()])
        .start();
    let state = |status: &Status| {
        status.partitions.iter().find(|p| p.topic == missing).map(|p| p.state.clone()).unwrap_or_default()
    };
    instance.wait_for("nobody knows where it begins", |status| state(status) == "starting");
    asked(&instance, "pause", &[&missing]);
    assert_eq!(state(&instance.status().unwrap()), "paused");
    assert!(refused(&instance, "restart", &[&missing]).contains("it is paused: resume it"));
    asked(&instance, "resume", &[&missing]);
    assert_eq!(state(&instance.status().unwrap()), "starting");
    instance.stop();
}

#[test]
fn a_paused_partition_can_be_given_up() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    asked(&instance, "pause", &[]);
    instance.wait_for("it is paused", |status| status.state_of(0) == "paused");
    instance.stop();
}

/// Has its only partition paused and its session lost; `meanwhile` says who is at it then. Offset 5 is committed as by hand.
fn while_a_paused_one_is_away(meanwhile: impl FnOnce(&Topic, &str)) -> Instance {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 10));
    let instance =
        Builder::of(&topic).set("assignment.session_timeout", "4s").handler([handlers::shell()]).start();
    instance.wait_consumed(&topic, 1);
    asked(&instance, "pause", &[]);
    instance.wait_for("it is paused", |status| status.state_of(0) == "paused");
    let session = instance.status().unwrap().assignment.session;
    let path = format!("/yelp-kafka/{}/{}", instance.group(), folder_of(&[&topic.name]));
    instance.signal(Signal::SIGSTOP);
    until("its session is over", || read_group(&zookeeper(), &path).members.is_empty().then_some(()));
    meanwhile(&topic, &path);
    commit(&topic, &instance.group(), 0, 5);
    instance.signal(Signal::SIGCONT);
    instance.wait_for("it has another session and its partition", |status| {
        status.assignment.session != session && status.partitions.iter().any(|p| p.committed >= Some(5))
    });
    instance
}

#[test]
fn a_pause_outlives_a_lost_session_and_an_offset_set_by_hand() {
    let instance = while_a_paused_one_is_away(|_, _| ());
    assert_eq!(instance.status().unwrap().state_of(0), "paused");
    instance.wait_for_log("goes on at the group's offset 5");
    instance.stop();
}

#[test]
fn a_pause_ends_when_a_python_member_has_had_the_partition() {
    let instance = while_a_paused_one_is_away(|topic, path| {
        let partitions = BTreeSet::from([format!("{}-0", topic.name)]);
        let mut python = KazooMember::join(&zookeeper(), path, "python", &partitions);
        until("the Python member has it", || (python.owns() == partitions).then_some(()));
        python.leave();
        until("it has left", || python.has_left().then_some(()));
    });
    instance.wait_ready(1);
    instance.stop();
}

#[test]
fn skip_passes_the_blocking_message_by_and_only_that() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records).reject(4)).start();
    instance.wait_for("it is parked", |status| status.partitions.iter().any(|p| p.state == "parked"));
    let partition = format!("{}:0", topic.name);
    let text = asked(&instance, "skip", &[&partition]);
    assert!(text.contains("offset 4"), "{text}");
    instance.wait_consumed(&topic, 1);
    let text = refused(&instance, "skip", &[&partition]);
    assert!(text.contains("no message blocks it") && text.contains("seek"), "{text}");
    instance.stop();
    topic.forget(|message| message.offset == 4);
    History::of(&records, &topic).assert_acknowledged();
}

#[test]
fn what_hangs_its_handler_can_be_skipped_before_it_times_out() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 10));
    let script = r#"while read -r line; do case $line in
        *'"message","offset":4,'*) sleep 1000;;
        *'"message"'*) offset=${line#*offset\":}; echo "{\"ack\":${offset%%,*}}";;
      esac; done"#;
    let instance = Builder::of(&topic)
        .shell(script)
        .set("handler.poison.action", "skip")
        .set("stop.timeout", "1s")
        .start();
    instance
        .wait_for("its handler hangs", |status| status.partitions.iter().any(|p| p.acknowledged == Some(4)));
    let partition = format!("{}:0", topic.name);
    let text = refused(&instance, "skip", &[&partition]);
    assert!(text.contains("no message blocks it"), "it may be at work still: {text}");
    let (_, text) = until("the skip is accepted", || {
        let (code, text) = said(&instance.ask("skip", &[&partition]));
        (code != Some(64)).then_some((code, text)).filter(|(code, _)| *code == Some(0))
    });
    assert!(text.contains("offset 4 is skipped"), "{text}");
    instance.wait_consumed(&topic, 1);
    instance.stop();
}

#[test]
fn a_parked_partition_is_tried_again_by_resume() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let recorder = Recorder::new(&records);
    let script =
        format!("[ -e mended ] && exec {}; exec {}", recorder.shell(), recorder.clone().reject(4).shell());
    let instance = Builder::of(&topic).shell(&script).start();
    instance.wait_for("it is parked", |status| status.partitions.iter().any(|p| p.state == "parked"));
    std::fs::write(instance.folder().join("mended"), "").unwrap();
    asked(&instance, "resume", &[]);
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_acknowledged();
}

#[test]
fn seek_moves_a_partition_and_the_groups_offset_both_ways() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    let partition = format!("{}:0", topic.name);
    asked(&instance, "seek", &[&partition, "5"]);
    instance.wait_deliveries(&records, 35);
    instance.wait_consumed(&topic, 1);
    records.close_gate();
    topic.produce(&[Message::to(0, "x"), Message::to(0, "y"), Message::to(0, "z")]);
    instance.wait_deliveries(&records, 36);
    records.open_gate();
    instance.wait_consumed(&topic, 1);
    // Beyond the end there is nothing to go on at: refused, with the bounds.
    let refused = instance.ask("seek", &[&partition, "500"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("offset 500 is outside the log, which has 0 to 23"), "{said}");
    assert_eq!(committed(&topic, &instance.group(), 0), Some(23));
    asked(&instance, "seek", &[&partition, "21"]);
    instance.wait_consumed(&topic, 1);
    assert_eq!(committed(&topic, &instance.group(), 0), Some(23));
    instance.stop();
    let history = History::of(&records, &topic);
    let lives: Vec<_> = history.lives(0).iter().map(|life| life.delivered.clone()).collect();
    let expected: Vec<Vec<i64>> = vec![(0..20).collect(), (5..23).collect(), (21..23).collect()];
    assert_eq!(lives.into_iter().filter(|life| !life.is_empty()).collect::<Vec<_>>(), expected);
}

#[test]
fn a_seek_survives_a_kill() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    records.close_gate();
    asked(&instance, "seek", &[&format!("{}:0", topic.name), "5"]);
    instance.wait_for("it is committed", |status| status.partition(0).committed == Some(5));
    instance.kill();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(5));
    records.open_gate();
    instance.start_again();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    assert_eq!(History::of(&records, &topic).lives(0).last().unwrap().delivered, (5..20).collect::<Vec<_>>());
}

#[test]
fn what_is_not_here_is_refused_and_what_is_not_understood_too() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    let (ours, nobodys) = (format!("{}:0", topic.name), format!("{}:99", topic.name));
    let text = refused(&instance, "pause", &[&ours, &nobodys]);
    assert!(text.contains(&nobodys) && !text.contains(&format!("{ours}: paused")), "{text}");
    assert_eq!(instance.status().unwrap().state_of(0), "ready", "all of a command, or nothing");
    let text = refused(&instance, "pause", &["other-topic"]);
    assert!(text.contains("does not have it") && text.contains(&topic.name), "{text}");
    refused(&instance, "seek", &[&format!("{}:7", topic.name), "5"]);
    for bad in [&["x:y"][..], &["a b"], &["orders:-1"]] {
        refused(&instance, "pause", bad);
    }
    for bad in [&["orders:1"][..], &["orders", "5"], &["orders:1", "-5"], &["orders:1", "soon"]] {
        refused(&instance, "seek", bad);
    }
    let output = instance.ask("restart", &["--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer[0]["partition"], format!("{}:0", topic.name));
    assert_eq!(answer[0]["done"], "is being restarted: its handler finishes what it has");
    instance.wait_ready(1);
    instance.stop();
}
