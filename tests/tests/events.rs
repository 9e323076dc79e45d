//! What happened, and one partition in detail: what, why, what comes next.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::Value;

fn events(instance: &Instance) -> Vec<Value> {
    let output = instance.ask("events", &["--json"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// The last of this name.
#[track_caller]
fn last(events: &[Value], name: &str) -> Value {
    let found = events.iter().rfind(|event| event["event"] == name);
    found.unwrap_or_else(|| panic!("{name} in {events:#?}")).clone()
}

fn detail(instance: &Instance, partition: &str) -> Value {
    let output = instance.ask("status", &[partition, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_hanging_handler_is_told_of_with_its_message_and_what_comes_next() {
    let topic = Topic::new(1);
    topic.produce(&[Message::to(0, "12345").key("order-4711"), Message::to(0, "x")]);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i >&2; done; exec sleep 600";
    let instance = Builder::fixed(&topic, &[0]).shell(script).set("handler.start_timeout", "60s").start();
    instance.wait_for("it is at work", |status| status.is_ready(1));
    let one = format!("{}:0", topic.name);
    let seen = until("it hangs", || Some(detail(&instance, &one)).filter(|seen| seen["hanging"] == true));
    let (head, next) = (&seen["head"], seen["next"].as_str().unwrap());
    assert_eq!(
        (&head["offset"], &head["key"], &head["size"], &head["attempt"]),
        (&0.into(), &"order-4711".into(), &15.into(), &1.into())
    );
    assert!(head["age_seconds"].as_f64().unwrap() > 4.9 && next.contains("handler_timeout in 5"), "{seen:#}");
    assert_eq!(seen["state"], "ready");
    assert_eq!(seen["stderr"].as_array().unwrap().len(), 10);
    assert_eq!((&seen["stderr"][9], &seen["exits"]), (&"line 11".into(), &Value::Array(Vec::new())));
    assert!(seen["worker_age_seconds"].as_f64() >= seen["handler_age_seconds"].as_f64(), "{seen:#}");
    until("it is an event", || {
        events(&instance).iter().any(|event| event["event"] == "hanging").then_some(())
    });
    let text = String::from_utf8(instance.ask("status", &[&one]).stdout).unwrap();
    for words in ["hanging", "order-4711", "handler_timeout in", "line 11"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    instance.signal(nix::sys::signal::Signal::SIGKILL);
    instance.assert_gone();
}

#[test]
fn a_handler_that_fails_again_and_again_is_in_a_crash_loop_and_hangs_not() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 3));
    let instance = Builder::fixed(&topic, &[0])
        .set("handler.protocol", "exec")
        .set("handler.poison", serde_json::json!({"attempts": 100}))
        .set("handler.timeout", "10s")
        .shell("exit 1")
        .start();
    instance.wait_for("it has messages", |status| status.partition(0).in_flight == 3);
    let one = format!("{}:0", topic.name);
    // Longer than a handler may take that runs.
    let seen = until("messages are in flight for long, and none runs", || {
        let seen = detail(&instance, &one);
        assert_ne!(seen["hanging"], true, "{seen:#}");
        let old = seen["oldest_in_flight_seconds"].as_f64() > Some(12.0);
        Some(seen).filter(|seen| old && seen["handler_pid"].is_null())
    });
    assert_eq!((&seen["state"], &seen["in_flight"]), (&"crash_loop".into(), &3.into()), "{seen:#}");
    assert_eq!(seen["next"], "its handler is started with what is in flight");
    assert_eq!(instance.log().matches("crash loop: handler exited with status 1").count(), 1);
    assert!(events(&instance).iter().all(|event| event["event"] != "hanging"));
    instance.stop();
}

#[test]
fn each_end_of_a_handler_is_remembered_with_its_last_words() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 3));
    let script = "echo I can not >&2; read init; read message; exit 7";
    let instance = Builder::fixed(&topic, &[0])
        .shell(script)
        .set("handler.poison", serde_json::json!({"attempts": 100}))
        .start();
    instance.wait_for("it has ended often", |status| status.partition(0).restarts_total >= 6);
    let one = format!("{}:0", topic.name);
    let seen = until("a worker is awaited", || {
        Some(detail(&instance, &one))
            .filter(|seen| seen["state"] == "crash_loop" && seen["worker_pid"].is_null())
    });
    let exits = seen["exits"].as_array().unwrap();
    assert_eq!(exits.len(), 5, "{seen:#}");
    assert!(exits.iter().all(|exit| exit["how"] == "handler exited with status 7"
        && exit["at"].as_str() <= exits[4]["at"].as_str()));
    assert_eq!((&seen["stderr"], &seen["head"]), (&serde_json::json!(["I can not"]), &Value::Null));
    assert!(seen["next"].as_str().unwrap().starts_with("its worker starts in "), "{seen:#}");
    let told = events(&instance);
    let reason = last(&told, "crash_loop")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("handler exited with status 7; started again in "), "{reason}");
    assert_eq!(instance.ask("status", &["orders:9"]).status.code(), Some(64));
    instance.stop();
}

#[test]
fn what_operators_ask_for_names_them_and_who_joins_and_leaves_is_told() {
    let topic = Topic::new(2);
    let instance = Builder::of(&topic).handler([handlers::shell()]).start();
    instance.wait_ready(2);
    assert!(instance.ask("pause", &[&format!("{}:1", topic.name)]).status.success());
    let paused = last(&events(&instance), "pause");
    assert!(paused["by"].as_str().unwrap().starts_with("user "), "{paused}");
    assert_eq!((&paused["topic"], &paused["partition"]), (&topic.name.clone().into(), &1.into()));

    let other =
        Builder::of(&topic).group(&instance.group()).name("second").handler([handlers::shell()]).start();
    other.wait_ready(1);
    let joined = last(&events(&instance), "member_joined")["reason"].clone();
    let status: Value = serde_json::from_slice(&instance.ask("status", &["--json"]).stdout).unwrap();
    let members = status["assignment"]["group_members"].as_array().unwrap();
    assert!(members.len() == 2 && members.contains(&joined), "{members:?}, {joined}");
    other.stop();
    until("it is told that the other has left", || {
        events(&instance)
            .iter()
            .any(|event| event["event"] == "member_left" && event["reason"] == joined)
            .then_some(())
    });
    let few = String::from_utf8(instance.ask("events", &["--count", "3"]).stdout).unwrap();
    assert_eq!(few.lines().count(), 3, "{few}");
    instance.stop();
}

#[test]
fn following_goes_on_until_the_supervisor_ends() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0]).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let mut follower = Command::new(kafkavisor())
        .args(["events", "--follow", "--json", "--socket"])
        .arg(instance.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut until_event = |name: &str| {
        for line in lines.by_ref() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if event["event"] == name {
                return event;
            }
        }
        panic!("it ended before {name}")
    };
    until_event("ready");
    instance.ask("restart", &[]);
    until_event("restart");
    instance.stop();
    until_event("released");
    assert!(follower.wait().unwrap().success());
}

#[test]
fn the_level_of_the_log_is_set_while_it_runs() {
    let topic = Topic::new(1);
    let instance =
        Builder::fixed(&topic, &[0]).handler([handlers::shell()]).set("log.level", "error").start();
    instance.wait_ready(1);
    assert!(!instance.log().contains("INFO"), "{}", instance.log());
    assert_eq!(instance.ask("log-level", &["loud"]).status.code(), Some(64));
    assert_eq!(instance.ask("log-level", &["info"]).status.code(), Some(0));
    instance.ask("restart", &[]);
    instance.wait_for_log("INFO");
    assert!(last(&events(&instance), "log_level")["by"].is_string());
    instance.stop();
}
