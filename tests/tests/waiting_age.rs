//! `lag_seconds` is the age of the oldest message not acknowledged, whoever has fetched it, and if nobody has.

use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;

fn wait_for_age(instance: &Instance) {
    instance.wait_for("the oldest message's age is known, and grows", |status| {
        let age = status.partitions.first().and_then(|partition| partition.lag_seconds);
        age.is_some_and(|age| age > 1.0 && age < 300.0)
    });
}

#[test]
fn of_a_partition_that_was_paused_while_idle() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    assert!(instance.ask("pause", &[]).status.success());
    instance.wait_for("it is paused", |status| {
        status.state_of(0) == "paused" && status.partition(0).worker_pid.is_none()
    });
    topic.produce(&numbered(1, 3));
    wait_for_age(&instance);
    assert!(instance.ask("resume", &[]).status.success());
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).lag_seconds, Some(0.0));
    instance.stop();
}

#[test]
fn of_a_partition_whose_handler_exits_at_once() {
    let topic = Topic::new(1);
    topic.produce(&[Message::to(0, "poor")]);
    let instance = Builder::of(&topic).shell("exit 1").start();
    wait_for_age(&instance);
    instance.stop();
}

#[test]
fn of_a_paused_partition_that_was_sent_back() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    assert!(instance.ask("pause", &[]).status.success());
    instance.wait_for("it is paused", |status| {
        status.state_of(0) == "paused" && status.partition(0).worker_pid.is_none()
    });
    let partition = format!("{}:0", topic.name);
    assert!(instance.ask("seek", &[&partition, "4"]).status.success());
    wait_for_age(&instance);
    instance.stop();
}
