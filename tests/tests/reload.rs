//! HUP: the configuration is read again, and the workers are rolled.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::throughout;
use nix::sys::signal::Signal;

type Change = fn(Builder) -> Builder;

/// Puts a handler there that leaves a file with `version` in its name, and records.
fn install(path: &Path, version: &str, recorder: &Recorder) {
    let script =
        format!("#!/bin/sh\n: >\"ran-{version}-$KAFKAVISOR_PARTITION\"\nexec {}\n", recorder.shell());
    let new = path.with_extension("new");
    std::fs::write(&new, script).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn ran(instance: &Instance, version: &str) -> usize {
    let names = std::fs::read_dir(instance.folder()).unwrap().flatten().map(|e| e.file_name());
    names.filter(|name| name.to_string_lossy().starts_with(&format!("ran-{version}-"))).count()
}

#[test]
fn a_handler_changed_on_disk_is_rolled_out_without_a_duplicate() {
    let (topic, records) = (Topic::new(4), Records::new());
    let folder = tempfile::tempdir().unwrap();
    let handler = folder.path().join("handler");
    install(&handler, "old", &Recorder::new(&records));
    let instance = Builder::of(&topic).handler([handler.to_str().unwrap()]).start();
    instance.wait_ready(4);
    let flow = topic.flow(4);
    install(&handler, "new", &Recorder::new(&records));
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over: 4 of 4 workers are replaced");
    let status = instance.wait_ready(4);
    assert_eq!((ran(&instance, "old"), ran(&instance, "new")), (4, 4));
    assert!(status.partitions.iter().all(|p| p.restarts_total == 1), "{status:#?}");
    flow.stop();
    instance.wait_consumed(&topic, 4);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_canary_that_fails_stops_the_roll_and_the_others_never_notice() {
    let (topic, records) = (Topic::new(4), Records::new());
    let folder = tempfile::tempdir().unwrap();
    let handler = folder.path().join("handler");
    install(&handler, "old", &Recorder::new(&records));
    let instance = Builder::of(&topic).handler([handler.to_str().unwrap()]).start();
    let before = instance.wait_ready(4);
    install(&handler, "bad", &Recorder::new(&records));
    std::fs::write(&handler, "#!/bin/sh\nexit 3\n").unwrap();
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("The roll stops");
    let three_old = |status: &kafkavisor_tests::status::Status| {
        let kept = |p: &&kafkavisor_tests::status::Partition| {
            p.worker_pid.is_some() && p.worker_pid == before.partition(p.partition).worker_pid
        };
        status.partitions.iter().filter(kept).count() == 3
    };
    // What status says may be a tenth of a second old.
    instance.wait_for("the canary is not", three_old);
    throughout(Duration::from_secs(1), "three of four are the old ones", || {
        three_old(&instance.status().unwrap())
    });
    topic.produce(&numbered(4, 20));
    let text = String::from_utf8(instance.ask("status", &["--json"]).stdout).unwrap();
    assert!(text.contains("\"roll\"") && text.contains("stopped"), "{text}");
    let table = String::from_utf8(instance.ask("status", &[]).stdout).unwrap();
    assert!(table.contains("reload: 0 of 4 workers replaced, stopped by"), "{table}");
    // Mended, and rolled once more.
    install(&handler, "new", &Recorder::new(&records));
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over");
    instance.wait_consumed(&topic, 4);
    assert_eq!(ran(&instance, "new"), 4);
    instance.stop();
    History::of(&records, &topic).assert_acknowledged();
}

#[test]
fn what_is_changed_in_the_file_is_taken_up() {
    let (topic, records) = (Topic::new(2), Records::new());
    let mut instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(2);
    let recorder = Recorder::new(&records).reject(3);
    let skip = serde_json::json!({"action": "skip"});
    instance.reconfigure(|builder| builder.recorder(&recorder).set("handler.poison", skip));
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over");
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(&topic, 2);
    assert!(instance.log().contains("it is skipped"), "{}", instance.log());
    instance.stop();
}

#[test]
fn an_invalid_configuration_changes_nothing_and_says_why() {
    let (topic, records) = (Topic::new(2), Records::new());
    let mut instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let before = instance.wait_ready(2);
    let changes: [(Change, &str); 6] = [
        (|builder| builder.set("handler.protocl", "jsonl"), "did you mean `protocol`"),
        (|builder| builder.handler(["./not-there"]), "not-there"),
        (
            |builder| builder.set("admin", serde_json::json!({"socket": "/nowhere/x"})),
            "control socket /nowhere/x",
        ),
        (|builder| builder.set("kafka", serde_json::json!({"fetch.min.bytse": 1})), "fetch.min.bytse"),
        (
            |builder| builder.set("kafka", serde_json::json!({"reconnect.backoff.ms": 5000})),
            "reconnect.backoff.max.ms",
        ),
        (|builder| builder.set("kafka", serde_json::json!({"topic.acks": 1})), "kafka.topic.acks"),
    ];
    let original = instance.text();
    for (change, said) in changes {
        instance.reconfigure(change);
        instance.signal(Signal::SIGHUP);
        instance.wait_for_log(said);
        instance.write_text(&original);
    }
    let file = instance.folder().join("kafkavisor.yaml");
    std::fs::remove_file(&file).unwrap();
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("kafkavisor.yaml: can't be read");
    std::fs::create_dir(&file).unwrap();
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("kafkavisor.yaml: can't be read: Is a directory");
    std::fs::remove_dir(&file).unwrap();
    instance.write_text(&original);
    assert_eq!(instance.log().matches("nothing is changed").count(), 8, "{}", instance.log());
    let after = instance.status().unwrap();
    let pids = |status: &kafkavisor_tests::status::Status| {
        status.partitions.iter().map(|p| p.worker_pid).collect::<Vec<_>>()
    };
    assert_eq!(pids(&before), pids(&after), "nobody was replaced");
    instance.stop();
}

#[test]
fn what_only_a_start_takes_up_is_named_and_the_rest_is_applied() {
    let (topic, records) = (Topic::new(1), Records::new());
    let mut instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let group = instance.group();
    instance.wait_ready(1);
    let recorder = Recorder::new(&records).reject(3);
    instance.reconfigure(|builder| {
        builder
            .group("another")
            .name("another")
            .set("topics", serde_json::json!(["another"]))
            .set("cluster.connect_timeout", "7s")
            .set("assignment.cooldown", "3s")
            .set("offsets.reset", "latest")
            .set("log", serde_json::json!({"format": "json"}))
            .set("kafka", serde_json::json!({"client.id": "another"}))
            .recorder(&recorder)
            .set("handler.poison", serde_json::json!({"action": "skip"}))
    });
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log(
        "group, name, cluster, topics, assignment, offsets.reset, log.format keep their values: only a restart",
    );
    instance.wait_for_log("the roll is over");
    topic.produce(&numbered(1, 20));
    instance.wait_consumed(&topic, 1);
    assert!(instance.log().contains("it is skipped"), "{}", instance.log());
    assert_eq!(instance.status().unwrap().group, group);
    instance.stop();
}

#[test]
fn two_in_a_row_end_with_the_last() {
    let (topic, records) = (Topic::new(2), Records::new());
    let mut instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(2);
    let recorder = Recorder::new(&records).reject(3);
    instance.reconfigure(|builder| builder.set("stop.timeout", "5s"));
    instance.signal(Signal::SIGHUP);
    instance.reconfigure(|builder| {
        builder.recorder(&recorder).set("handler.poison", serde_json::json!({"action": "skip"}))
    });
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over");
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(&topic, 2);
    assert!(instance.log().contains("it is skipped"), "{}", instance.log());
    instance.stop();
}
