//! One partition's trouble stays its own: a topic that is deleted, a partition that nobody leads, while others go on.

use std::time::Duration;

use kafkavisor_tests::cluster::Cluster;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal, until_within};
use nix::sys::signal::Signal;

/// Far more than ten windows of ten messages: beyond those nothing is delivered without a commit.
const MANY: usize = 1000;

fn goes_on_beside_a_deleted_topic(builder: impl Fn(&Topic, &Topic) -> Builder) {
    let (kept, deleted) = (Topic::new(1), Topic::new(1));
    let records = Records::new();
    kept.produce(&numbered(1, 5));
    deleted.produce(&numbered(1, MANY));
    let instance = builder(&kept, &deleted)
        .set("handler.max_in_flight.messages", 10)
        .recorder(&Recorder::new(&records).delay_ms(5))
        .start();
    // In the middle: what is still acknowledged of it can't be committed any more, ever.
    instance.wait_deliveries(&records, 100);
    deleted.delete();
    until("status says what is not committed", || {
        let table = instance.ask("status", &[]).stdout;
        let table = String::from_utf8_lossy(&table).into_owned();
        let mut rows = table.lines().filter(|line| line.contains("not committed: "));
        rows.any(|row| row.contains(&deleted.name)).then_some(())
    });
    assert!(instance.log().contains(" is not committed: "), "{}", instance.log());
    kept.produce(&numbered(1, MANY));
    until_equal("all of the other topic is committed: 5 and 1000", &Some(1005), || {
        committed(&kept, &instance.group(), 0)
    });
    instance.kill();
}

#[test]
fn a_deleted_topic_holds_no_other_back_with_static_assignment() {
    goes_on_beside_a_deleted_topic(|kept, deleted| {
        Builder::fixed(kept, &[0])
            .set("topics", vec![kept.name.clone(), deleted.name.clone()])
            .set(&format!("assignment.partitions.{}", deleted.name), vec![0])
    });
}

#[test]
fn a_deleted_topic_holds_no_other_back_with_zookeeper() {
    goes_on_beside_a_deleted_topic(|kept, deleted| {
        Builder::of(kept).set("topics", vec![kept.name.clone(), deleted.name.clone()])
    });
}

fn ends_without_its_topic(builder: impl Fn(&Topic) -> Builder) {
    let topic = Topic::new(1);
    let records = Records::new();
    topic.produce(&numbered(1, MANY));
    let instance = builder(&topic)
        .set("stop.timeout", "60s")
        .set("handler.max_in_flight.messages", 10)
        .recorder(&Recorder::new(&records).delay_ms(5))
        .start();
    instance.wait_deliveries(&records, 100);
    topic.delete();
    instance.wait_for_log("there is no such topic or partition any more");
    instance.signal(Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0, "nothing is lost with an offset of no topic");
    instance.wait_for_log("its topic is gone");
}

#[test]
fn an_instance_whose_topic_is_gone_stops_at_once_and_clean() {
    ends_without_its_topic(|topic| Builder::fixed(topic, &[0]));
}

#[test]
fn a_member_whose_topic_is_gone_stops_at_once_and_clean() {
    ends_without_its_topic(Builder::of);
}

#[test]
fn a_partition_without_a_leader_delays_no_other() {
    let cluster = Cluster::of_brokers(2);
    let topic = Topic::named(&cluster.brokers, "spread");
    topic.create_on(&[1, 2]);
    let records = Records::new();
    cluster.server("kill", "kafka2");
    topic.await_leaderless(1);
    topic.produce(&numbered(1, 20));
    let instance: Instance = Builder::fixed(&topic, &[0, 1]).recorder(&Recorder::new(&records)).start();
    // Not even the first answer waits for the other's.
    until_within(Duration::from_secs(10), "the partition that is led is read", || {
        // It may not have its partitions yet.
        instance.status().filter(|status| {
            status
                .partitions
                .iter()
                .any(|partition| partition.partition == 0 && partition.committed == Some(20))
        })
    });
    let status = instance.status().unwrap();
    assert_ne!(status.state_of(1), "ready", "{status:#?}");
    instance.wait_for_log("no leader");
    cluster.server("start", "kafka2");
    instance.wait_ready(2);
    instance.stop();
}
