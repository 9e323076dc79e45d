//! Troubles with logins and rights that come up while an instance runs: said in the partitions concerned, at the top of `status`
//! and in the log; the others go on, and all goes on by itself when the trouble is over.

use std::fs;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::secure::{User, instance, topic};
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;
use serde_json::json;

/// librdkafka and we try again less and less often.
const LONG: Duration = Duration::from_secs(60);

/// Those of a topic are stopped for this.
#[track_caller]
fn wait_stopped(instance: &Instance, topic: &Topic, words: &str) {
    let status = instance.wait_for_within(LONG, &format!("{} is stopped: {words}", topic.name), |status| {
        let mut of_topic = status.partitions.iter().filter(|partition| partition.topic == topic.name);
        of_topic.all(|p| p.state != "ready" && p.reason.as_ref().is_some_and(|reason| reason.contains(words)))
            && status.troubles.iter().any(|trouble| trouble.contains(words))
    });
    println!("status: {:?}, {:?}", status.troubles, status.partitions[0].reason);
    let shown = instance.ask("status", &[]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    println!("{shown}");
    assert!(shown.lines().nth(1).is_some_and(|line| line.contains(words)), "{shown}");
}

#[track_caller]
fn wait_over(instance: &Instance) {
    instance.wait_for_within(LONG, "all is well again", |status| {
        let fine = status.partitions.iter().all(|p| p.state == "ready" && p.reason.is_none());
        fine && status.troubles.is_empty()
    });
}

#[test]
fn a_right_that_goes_stops_that_topic_alone_until_it_comes_back() {
    let (left, right, records) = (topic(1), topic(1), Records::new());
    let user = User::reading(&left);
    let of_right = format!("topic:{}", right.name);
    user.allow("read", &of_right);
    user.allow("describe", &of_right);
    let running = instance(&left, &[0], "SASL_TLS", user.scram())
        .set("topics", json!([left.name, right.name]))
        .set("assignment.partitions", json!({&left.name: [0], &right.name: [0]}))
        .recorder(&Recorder::new(&records))
        .start();
    running.wait_ready(2);
    left.produce(&numbered(1, 10));
    right.produce(&numbered(1, 10));
    running.wait_for("all is consumed", |status| {
        status.is_drained(2) && status.partitions.iter().all(|p| p.committed == Some(10))
    });

    user.revoke("read", &of_right);
    right.produce(&numbered(1, 10));
    wait_stopped(&running, &right, "not allowed to read the topic");
    left.produce(&numbered(1, 10));
    let status = running.wait_for("the other one goes on", |status| {
        let other = status.partitions.iter().find(|p| p.topic == left.name).unwrap();
        other.state == "ready" && other.committed == Some(20) && other.reason.is_none()
    });
    assert!(status.partitions.iter().all(|p| p.state != "crash_loop" && p.dead_lettered_total == 0));

    user.allow("read", &of_right);
    wait_over(&running);
    running
        .wait_for("the rest is consumed", |status| status.partitions.iter().all(|p| p.committed == Some(20)));
    let log = running.log();
    assert_eq!(log.matches("stopped: not allowed to read the topic").count(), 1, "{log}");
    assert_eq!(log.matches("Kafka lets us in again").count(), 1, "{log}");
    running.stop();
    for topic in [&left, &right] {
        History::of(&records, topic).assert_exactly_once();
    }
}

#[test]
fn a_stop_while_a_right_is_missing_says_what_it_could_not_commit() {
    let (topic, records) = (topic(1), Records::new());
    let user = User::new();
    let right = format!("topic:{}", topic.name);
    user.allow("read", &right);
    user.allow("describe", &right);
    user.allow("read", "group:*");
    let running = instance(&topic, &[0], "SASL_TLS", user.scram())
        .set("offsets.commit_interval", "5m")
        .set("stop.timeout", "5s")
        .recorder(&Recorder::new(&records))
        .start();
    running.wait_ready(1);
    topic.produce(&numbered(1, 10));
    running.wait_for("all is handled", |status| status.partition(0).acknowledged == Some(10));
    user.revoke("read", &right);
    wait_stopped(&running, &topic, "not allowed to read the topic");
    let status = running.status().unwrap();
    let (acknowledged, committed) = (status.partition(0).acknowledged, status.partition(0).committed);
    println!("{:?}", status.troubles);
    assert_eq!((acknowledged, committed, status.troubles.len()), (Some(10), Some(0), 1), "{status:?}");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait_exit(LONG), 75);
    let said = "released although its storage did not confirm offset 10";
    assert!(running.log().contains(said), "{}", running.log());
}

#[test]
fn a_right_on_the_group_that_goes_is_said_and_nothing_is_lost() {
    let (topic, records) = (topic(1), Records::new());
    let user = User::new();
    let builder = instance(&topic, &[0], "SASL_TLS", user.scram()).recorder(&Recorder::new(&records));
    let group = format!("group:{}", builder.group_name());
    user.allow("read", &format!("topic:{}", topic.name));
    user.allow("read", &group);
    let running = builder.start();
    topic.produce(&numbered(1, 10));
    running.wait_consumed(&topic, 1);

    user.revoke("read", &group);
    topic.produce(&numbered(1, 10));
    let words = "not allowed to use the group";
    let status = running.wait_for_within(LONG, "commits are refused, and that is said", |status| {
        status.partition(0).reason.as_ref().is_some_and(|reason| reason.contains(words))
            && status.troubles.iter().any(|trouble| trouble.contains(words))
    });
    println!("{:?}, {:?}", status.troubles, status.partition(0).reason);
    user.allow("read", &group);
    wait_over(&running);
    running.wait_consumed(&topic, 1);
    running.stop();
    History::of(&records, &topic).assert_exactly_once();
}

/// An instance whose password stands in a file, which is in its folder.
fn with_password_in_a_file(topic: &Topic, user: &User, records: &Records) -> Instance {
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("password");
    fs::write(&file, &user.password).unwrap();
    let mut kafka = user.scram();
    kafka["sasl.password"] = json!({"file": file});
    let builder: Builder = instance(topic, &[0], "SASL_TLS", kafka);
    builder.recorder(&Recorder::new(records)).start()
}

fn password_file(instance: &Instance) -> std::path::PathBuf {
    let config: serde_json::Value = serde_json::from_str(&instance.text()).unwrap();
    config["kafka"]["sasl.password"]["file"].as_str().unwrap().into()
}

#[test]
fn a_password_that_was_rotated_away_is_no_broker_that_is_down() {
    let (topic, records) = (topic(1), Records::new());
    let mut user = User::reading(&topic);
    let running = with_password_in_a_file(&topic, &user, &records);
    topic.produce(&numbered(1, 10));
    let status = running.wait_consumed(&topic, 1);

    user.rotate();
    // Whoever is logged in stays so; a worker that is started now has to log in.
    processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    wait_stopped(&running, &topic, "`kafka.sasl.password`");
    let status = running.status().unwrap();
    assert!(status.partition(0).reason.as_ref().unwrap().contains("refuses to let us in"), "{status:?}");
    assert_ne!(status.partition(0).state, "crash_loop");

    topic.produce(&numbered(1, 10));
    fs::write(password_file(&running), &user.password).unwrap();
    wait_over(&running);
    running.wait_consumed(&topic, 1);
    let log = running.log();
    assert_eq!(log.matches("stopped: Kafka refuses to let us in").count(), 1, "{log}");
    assert_eq!(log.matches("Kafka lets us in again").count(), 1, "{log}");
    assert!(!log.contains(&user.password), "{log}");
    running.stop();
    History::of(&records, &topic).assert_gapless();
}
