//! What the log says, to people and to programs: whose each line is, how much there is of it, and from which level on.

use std::collections::BTreeSet;

use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Every line of a log in JSON, whole ones only.
fn objects(instance: &Instance) -> Vec<Value> {
    let log = instance.log();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

fn saying<'a>(lines: &'a [Value], words: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"].as_str().unwrap().contains(words)).collect()
}

#[test]
fn json_lines_have_the_same_keys_and_say_in_fields_whose_they_are() {
    let topic = Topic::new(2);
    let instance = Builder::fixed(&topic, &[0, 1])
        .set("log.format", "json")
        .set("log.level", "debug")
        .shell("echo '{\"busy\":1,\"x\":2}'; echo \"of $$\" >&2; echo 'told \"you\"' >&2; [ $KAFKAVISOR_PARTITION = 0 ] || exit 3; exec cat >/dev/null")
        .start();
    instance.wait_for("one is ready, the other in a crash loop", |status| {
        status.partitions.len() == 2
            && status.state_of(0) == "ready"
            && status.partition(1).restarts_total > 0
    });
    let (handler, worker) = (
        instance.status().unwrap().partition(0).handler_pid,
        instance.status().unwrap().partition(0).worker_pid,
    );
    let lines = until("the handler has spoken", || {
        let lines = objects(&instance);
        (!saying(&lines, "told").is_empty()).then_some(lines)
    });
    for line in &lines {
        let keys: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let all = ["level", "message", "partition", "pid", "target", "time", "topic"];
        assert_eq!(keys, all.into(), "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert_eq!(line["topic"].is_null(), line["partition"].is_null(), "{line}");
        assert!(!line["message"].as_str().unwrap().contains(&format!("{}:", topic.name)), "{line}");
    }
    // The handler's own.
    let handlers = |words: &str| {
        let of_handlers = |line: &&Value| line["target"] == "handler" && line["partition"] == 0;
        saying(&lines, words).into_iter().find(of_handlers).cloned().unwrap()
    };
    let told = handlers("told");
    assert_eq!(
        (told["message"].as_str(), told["topic"].as_str()),
        (Some("told \"you\""), Some(&*topic.name))
    );
    assert_eq!(told["pid"].as_i64(), handler.map(i64::from));
    assert_eq!(handlers("of")["message"], format!("of {}", handler.unwrap()));
    // Its worker's, and the supervisor's about a partition and about none.
    let of = |pid: i32, partition: Value| {
        lines
            .iter()
            .any(|line| line["pid"] == pid && line["partition"] == partition && line["target"] != "handler")
    };
    assert!(of(worker.unwrap(), 0.into()) && of(instance.pid(), 1.into()), "{lines:#?}");
    instance.stop();
    assert!(of_none(&objects(&instance), instance.pid()));
}

fn of_none(lines: &[Value], pid: i32) -> bool {
    lines.iter().any(|line| line["pid"] == pid && line["partition"].is_null() && line["topic"].is_null())
}

#[test]
fn a_level_that_is_changed_holds_for_workers_that_run_as_for_the_supervisor() {
    let topic = Topic::new(1);
    let mut instance = Builder::fixed(&topic, &[0])
        .set("log.level", "error")
        .shell("while read -r line; do echo \"heard $line\" >&2; done")
        .start();
    instance.wait_for("it works", |status| status.is_ready(1));
    assert_eq!(instance.log(), "", "nothing is an error");
    instance.reconfigure(|builder| builder.set("log.level", "info"));
    instance.signal(Signal::SIGHUP);
    // Its worker was started before the level was.
    until("the roll is over", || {
        let status = instance.ask("status", &["--json"]).stdout;
        String::from_utf8_lossy(&status).contains("\"done\"").then_some(())
    });
    topic.produce(&numbered(1, 1));
    instance.wait_for_log("heard {\"type\":\"message\"");
    instance.signal(Signal::SIGUSR1);
    instance.wait_for_log(&format!("{}: running", instance.group()));
    instance.kill();
}
