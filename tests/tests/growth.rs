//! Topics that do not exist yet, and partitions that are added, are picked up without a restart.

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, unique};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::throughout;
use serde_json::json;

#[test]
fn a_topic_that_does_not_exist_yet_is_picked_up_when_it_is_made() {
    let (topic, records) = (Topic::named(&brokers(), &unique("topic")), Records::new());
    // Even under `latest` nothing is lost that is produced before the supervisor has noticed the topic.
    let instance =
        Builder::of(&topic).set("offsets.reset", "latest").recorder(&Recorder::new(&records)).start();
    instance.wait_for("it runs without partitions", |status| {
        status.state == "running" && status.partitions.is_empty() && status.assignment.state == "acquired"
    });
    instance.wait_for_log(&topic.name);
    topic.create(2, &[]);
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_missing_topic_does_not_hold_back_another() {
    let (topic, missing, records) = (Topic::new(1), unique("missing"), Records::new());
    topic.produce(&numbered(1, 5));
    let instance = Builder::of(&topic)
        .set("topics", json!([missing, topic.name]))
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_consumed(&topic, 1);
    throughout(Duration::from_secs(1), "it goes on", || instance.exited().is_none());
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn added_partitions_are_shared_by_all_members() {
    let (topic, records, group) = (Topic::new(2), Records::new(), unique("group"));
    let member =
        |name: &str| Builder::of(&topic).group(&group).name(name).recorder(&Recorder::new(&records)).start();
    let (first, second) = (member("first"), member("second"));
    first.wait_ready(1);
    second.wait_ready(1);
    topic.grow(4);
    topic.produce(&numbered(4, 80));
    first.wait_ready(2);
    second.wait_ready(2);
    first.wait_drained(2);
    second.wait_drained(2);
    first.stop();
    second.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_static_partition_that_does_not_exist_yet_begins_when_it_does() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::fixed(&topic, &[0, 1]).recorder(&Recorder::new(&records)).start();
    topic.produce(&numbered(1, 5));
    instance.wait_for("partition 0 is consumed", |status| {
        status.partitions.iter().any(|p| p.partition == 0 && p.committed == Some(5))
    });
    topic.grow(2);
    topic.produce(&numbered(2, 10));
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}
