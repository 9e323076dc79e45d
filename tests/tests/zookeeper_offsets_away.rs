//! Offsets in ZooKeeper while it goes away and comes back, and while a member is stopped beyond its session: nothing hangs,
//! nothing is lost, and what a former owner writes is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::cluster::Cluster;
use kafkavisor_tests::environment::zookeeper;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::throughout;
use kafkavisor_tests::zookeeper::classic_offset;
use nix::sys::signal::Signal;

const WINDOW: usize = 50;

fn stored(topic: &Topic, records: &Records, storage: &str) -> Builder {
    Builder::of(topic)
        .set("assignment.session_timeout", "4s")
        .set("offsets.storage", storage)
        .set("handler.max_in_flight.messages", WINDOW)
        .recorder(&Recorder::new(records).delay_ms(1))
}

#[test]
fn away_for_longer_than_the_session_it_comes_back_by_itself() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 2), Records::new());
    let instance =
        stored(&topic, &records, "zookeeper").set("cluster.zookeeper", cluster.zookeeper.as_str()).start();
    instance.wait_ready(2);
    let flow = topic.flow(2);
    instance.wait_deliveries(&records, 100);
    cluster.server("stop", "zookeeper1");
    instance.wait_for("its workers are gone", |status| {
        status.partitions.iter().all(|partition| partition.worker_pid.is_none())
    });
    let seen = records.deliveries();
    throughout(Duration::from_secs(8), "it waits, and answers", || instance.status().is_some());
    cluster.server("start", "zookeeper1");
    instance.wait_ready(2);
    instance.wait_deliveries(&records, seen + 100);
    flow.stop();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(WINDOW, &BTreeMap::new());
    let node = classic_offset(&cluster.zookeeper, &instance.group(), &topic.name, 0);
    assert_eq!(node, Some(topic.watermarks(0).1.to_string()));
}

#[test]
fn with_one_of_two_places_away_delivery_stops_at_ten_windows_and_goes_on_by_itself() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 1), Records::new());
    topic.produce(&numbered(1, 5000));
    let instance = Builder::fixed(&topic, &[0])
        .set("cluster.zookeeper", cluster.zookeeper.as_str())
        .set("offsets.storage", "dual")
        .set("handler.max_in_flight.messages", 20)
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_consumed(&topic, 1);
    cluster.server("stop", "zookeeper1");
    topic.produce(&numbered(1, 5000));
    instance.wait_deliveries(&records, 5200);
    let seen = records.deliveries();
    let status = instance.wait_for("status says which place is away", |status| {
        let said = instance.ask("status", &["--json"]);
        String::from_utf8_lossy(&said.stdout).contains("ZooKeeper") || status.partitions.is_empty()
    });
    assert_eq!(status.partition(0).committed, Some(5000), "written is what both have");
    throughout(Duration::from_secs(2), "ten windows, and no more", || records.deliveries() <= 5000 + 11 * 20);
    assert!(seen >= 5200 && instance.log().contains("no answer from ZooKeeper"), "{}", instance.log());
    cluster.server("start", "zookeeper1");
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(10_000));
    let node = classic_offset(&cluster.zookeeper, &instance.group(), &topic.name, 0);
    assert_eq!(node.as_deref(), Some("10000"));
}

#[test]
fn a_member_that_was_stopped_beyond_its_session_sets_nothing_back() {
    let (topic, records) = (Topic::new(2), Records::new());
    let builder = stored(&topic, &records, "zookeeper");
    let first = builder.start();
    first.wait_ready(2);
    let second = builder.name("second").start();
    first.wait_ready(1);
    second.wait_ready(1);
    let flow = topic.flow(2);
    let mut last = BTreeMap::new();
    let mut look = |seconds| {
        throughout(Duration::from_secs(seconds), "no offset goes back", || {
            (0..2).all(|number| {
                let text = classic_offset(&zookeeper(), &first.group(), &topic.name, number);
                let offset: i64 = text.map_or(0, |text| text.parse().expect("a number"));
                let before = last.insert(number, offset).unwrap_or(0);
                assert!(offset >= before, "partition {number} went back from {before} to {offset}");
                true
            })
        });
    };
    look(1);
    first.signal(Signal::SIGSTOP);
    second.wait_ready(2);
    look(2);
    first.signal(Signal::SIGCONT);
    look(4);
    first.wait_ready(1);
    second.wait_ready(1);
    flow.stop();
    first.wait_drained(1);
    second.wait_drained(1);
    first.stop();
    second.stop();
    History::of(&records, &topic).assert_nothing_lost();
}
