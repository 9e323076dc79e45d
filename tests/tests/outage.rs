//! What handlers need is away: it is no message's fault, and nothing is given up for it.

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::json;

/// While there is a file `down`, a handler dies of the first message that it gets.
const DIES_WHILE_DOWN: &str = "if [ -e down ]; then while IFS= read -r line; do \
     case $line in '{\"type\":\"message\",'*) exit 1 ;; esac; done; fi; exec ";

/// With how many messages a process was started while there is a file `down`.
const NOTES_A_TRY: &str = "[ -e down ] && echo $KAFKAVISOR_COUNT >>tries-$KAFKAVISOR_PARTITION";

fn builder(topic: &Topic, attempts: u32) -> Builder {
    impatient(Builder::of(topic), attempts)
}

fn impatient(builder: Builder, attempts: u32) -> Builder {
    builder
        .set("restart", json!({"initial": "50ms", "max": "500ms"}))
        .set("handler.poison", json!({"attempts": attempts, "action": "skip"}))
}

fn go_down(instance: &Instance) {
    std::fs::write(instance.folder().join("down"), "").unwrap();
    assert!(instance.ask("restart", &[]).status.success());
}

fn come_back(instance: &Instance) {
    std::fs::remove_file(instance.folder().join("down")).unwrap();
}

fn wait_looping(instance: &Instance, partitions: i32) {
    instance.wait_for("handlers die again and again", |status| {
        (0..partitions).all(|partition| status.state_of(partition) == "crash_loop")
    });
}

#[test]
fn while_the_handlers_of_all_partitions_die_nothing_is_skipped() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 10));
    let script = format!("{DIES_WHILE_DOWN}{}", Recorder::new(&records).shell());
    let instance = builder(&topic, 3).shell(&script).start();
    instance.wait_consumed(&topic, 2);
    go_down(&instance);
    topic.produce(&numbered(2, 10));
    wait_looping(&instance, 2);
    let status = instance.wait_for("each message has had more attempts than it may have", |status| {
        (0..2).all(|partition| status.partition(partition).restarts_total >= 7)
    });
    for partition in 0..2 {
        assert_eq!(status.partition(partition).acknowledged, Some(5), "{status:#?}");
    }
    come_back(&instance);
    instance.wait_consumed(&topic, 2);
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_same_for_a_process_for_each_batch() {
    let topic = Topic::new(2);
    let instance = builder(&topic, 3)
        .set("handler.protocol", "exec")
        .set("handler.batch", json!({"messages": 5, "wait": "10ms"}))
        .shell(&format!("{NOTES_A_TRY}; [ ! -e down ] && cat >>done-$KAFKAVISOR_PARTITION"))
        .start();
    topic.produce(&numbered(2, 10));
    instance.wait_consumed(&topic, 2);
    go_down(&instance);
    topic.produce(&numbered(2, 10));
    wait_looping(&instance, 2);
    let tries = |partition: i32| {
        let tries = std::fs::read_to_string(instance.folder().join(format!("tries-{partition}")));
        tries.unwrap_or_default().lines().filter(|count| *count == "1").count()
    };
    until("each has been tried alone more often than it may be", || {
        (0..2).all(|partition| tries(partition) >= 7).then_some(())
    });
    let status = instance.status().expect("it answers");
    for partition in 0..2 {
        let partition = status.partition(partition);
        assert_eq!(partition.acknowledged, Some(5), "it is not given up: {status:#?}");
        assert!(partition.last_exit.as_deref().is_some_and(|how| how.contains("status 1")), "{status:#?}");
    }
    come_back(&instance);
    instance.wait_consumed(&topic, 2);
    for partition in 0..2 {
        let done = std::fs::read_to_string(instance.folder().join(format!("done-{partition}"))).unwrap();
        assert_eq!(done.lines().count(), 10, "partition {partition}");
    }
}

#[test]
fn with_one_partition_alone_one_message_is_given_up_and_then_none_until_something_works() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    let script = format!("{DIES_WHILE_DOWN}{}", Recorder::new(&records).shell());
    let instance = builder(&topic, 2).shell(&script).start();
    instance.wait_consumed(&topic, 1);
    go_down(&instance);
    topic.produce(&numbered(1, 5));
    wait_looping(&instance, 1);
    let status = instance.wait_for("the second has had more attempts than it may have", |status| {
        status.partition(0).restarts_total >= 9
    });
    assert_eq!(status.partition(0).acknowledged, Some(6), "{status:#?}");
    come_back(&instance);
    instance.wait_consumed(&topic, 1);
    topic.forget(|produced| produced.offset == 5);
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn no_restart_of_the_supervisor_within_the_outage_gives_up_another_one() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    let script = format!("{DIES_WHILE_DOWN}{}", Recorder::new(&records).shell());
    let instance = impatient(Builder::fixed(&topic, &[0]), 2).shell(&script).start();
    instance.wait_consumed(&topic, 1);
    go_down(&instance);
    topic.produce(&numbered(1, 5));
    instance.wait_for("one is given up", |status| status.partition(0).acknowledged == Some(6));
    for end in [Instance::kill, Instance::stop] {
        end(&instance);
        instance.start_again();
        let status = instance.wait_for("the next has had more attempts than it may have", |status| {
            status.partitions.first().is_some_and(|partition| partition.restarts_total >= 4)
        });
        assert_eq!(status.partition(0).acknowledged, Some(6), "{status:#?}");
    }
    come_back(&instance);
    instance.wait_consumed(&topic, 1);
    topic.forget(|produced| produced.offset == 5);
    History::of(&records, &topic).assert_exactly_once();
}
