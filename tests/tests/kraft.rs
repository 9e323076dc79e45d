//! A smaller run on today's Kafka, which has no ZooKeeper: with static assignment.

use std::collections::BTreeMap;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::kraft_brokers;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::{
    Subscriber, commit, commit_with_metadata, committed, committed_with_metadata,
};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until_equal;
use nix::sys::signal::Signal;

#[test]
fn everything_is_consumed_once_over_a_stop_and_a_start() {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::on(&kraft_brokers(), 3), Records::new());
        let instance = Builder::fixed(&topic, &[0, 1, 2])
            .set("handler.protocol", protocol)
            .recorder(&Recorder::new(&records).delay_ms(1))
            .start();
        let status = instance.wait_ready(3);
        assert_eq!((status.assignment.mode.as_str(), status.assignment.members), ("static", 1));
        assert_eq!((&status.assignment.session, &status.assignment.member), (&None, &None));
        let flow = topic.flow(3);
        instance.wait_deliveries(&records, 300);
        instance.stop();
        instance.start_again();
        instance.wait_deliveries(&records, 600);
        flow.stop();
        for codec in ["lz4", "zstd", "gzip", "snappy"] {
            topic.produce_with(&numbered(3, 60), &[("compression.codec", codec)]);
        }
        topic.produce(&[Message::null(0), Message::to(1, vec![0xff; 100_000])]);
        topic.produce_transaction(&numbered(3, 9), true);
        topic.produce_transaction(&numbered(3, 9), false);
        instance.wait_consumed(&topic, 3);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn a_killed_worker_and_a_killed_supervisor_lose_nothing() {
    let (topic, records) = (Topic::on(&kraft_brokers(), 2), Records::new());
    let instance = Builder::fixed(&topic, &[0, 1])
        .set("handler.max_in_flight.messages", 50)
        .recorder(&Recorder::new(&records).delay_ms(1))
        .start();
    instance.wait_ready(2);
    let flow = topic.flow(2);
    instance.wait_deliveries(&records, 200);
    let worker = instance.status().unwrap().partition(0).worker_pid.unwrap();
    processes::signal(worker, Signal::SIGKILL);
    instance.wait_deliveries(&records, 400);
    instance.kill();
    instance.start_again();
    instance.wait_deliveries(&records, 600);
    flow.stop();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(50, &BTreeMap::new());
}

#[test]
fn a_topic_made_again_begins_at_its_earliest() {
    let (topic, records) = (Topic::on(&kraft_brokers(), 1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = Builder::fixed(&topic, &[0])
        .set("offsets.reset", "latest")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_drained(1);
    instance.stop();
    let old = committed_with_metadata(&topic, &instance.group(), 0).unwrap();
    topic.delete();
    topic.create(1, &[]);
    topic.produce(&numbered(1, 30));
    until_equal("Kafka has deleted the offset", &None, || committed(&topic, &instance.group(), 0));
    commit_with_metadata(&topic, &instance.group(), 0, old);
    instance.start_again();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    let delivered: Vec<i64> = history.lives(0).iter().flat_map(|life| life.delivered.clone()).collect();
    assert_eq!(delivered, (0..30).collect::<Vec<_>>());
}

#[test]
fn an_offset_beyond_the_end_is_parked_and_a_foreign_subscriber_refused() {
    let (topic, records) = (Topic::on(&kraft_brokers(), 1), Records::new());
    let builder = Builder::fixed(&topic, &[0]).recorder(&Recorder::new(&records));
    commit(&topic, &builder.group_name(), 0, 50);
    let instance = builder.start();
    instance.wait_for("it is parked", |status| status.state_of(0) == "parked");
    instance.stop();
    let _foreign = Subscriber::join(&topic, &builder.group_name(), "somebody-else");
    assert!(builder.expect_exit(78).contains("somebody-else"));
}
