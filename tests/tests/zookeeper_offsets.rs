//! Offsets in ZooKeeper's classic layout: written as others write them, and every promise about where reading begins kept.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::zookeeper;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{all_committed, commit, committed};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until_equal};
use kafkavisor_tests::zookeeper::{classic_offset, classic_path, node, remove_node, write_node};

/// In flight at most.
const WINDOW: usize = 50;

fn stored(topic: &Topic, records: &Records, storage: &str) -> Builder {
    Builder::of(topic)
        .set("offsets.storage", storage)
        // Whoever is killed is waited for.
        .set("assignment.session_timeout", "4s")
        .set("handler.max_in_flight.messages", WINDOW)
        .recorder(&Recorder::new(records))
}

fn path(topic: &Topic, group: &str, partition: i32) -> String {
    classic_path(group, &topic.name, partition)
}

/// The texts of the nodes of the first `partitions`.
fn nodes(topic: &Topic, group: &str, partitions: i32) -> Vec<Option<String>> {
    (0..partitions).map(|partition| classic_offset(&zookeeper(), group, &topic.name, partition)).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

/// What was delivered of partition 0 after the first `skipped` messages.
fn delivered(records: &Records, topic: &Topic, skipped: usize) -> Vec<i64> {
    let history = History::of(records, topic);
    let all = history.lives(0).iter().flat_map(|life| life.delivered.clone());
    all.skip(skipped).collect()
}

/// Waits until partition 0 is parked, and gives why.
#[track_caller]
fn wait_parked(instance: &Instance) -> String {
    let status = instance.wait_for("it is parked", |status| status.state_of(0) == "parked");
    status.partition(0).last_exit.clone().expect("a reason")
}

#[test]
fn each_storage_writes_what_is_its_own() {
    for (storage, in_kafka, in_zookeeper) in
        [("zookeeper", false, true), ("dual", true, true), ("kafka", true, false)]
    {
        let (topic, records) = (Topic::new(2), Records::new());
        topic.produce(&numbered(2, 20));
        let instance = stored(&topic, &records, storage).start();
        instance.wait_consumed(&topic, 2);
        instance.stop();
        let group = instance.group();
        let there = all_committed(&topic, &group, 2);
        assert_eq!(there, if in_kafka { [(0, 10), (1, 10)].into() } else { BTreeMap::new() }, "{storage}");
        let there = nodes(&topic, &group, 2);
        assert_eq!(there, if in_zookeeper { some(&["10", "10"]) } else { vec![None, None] }, "{storage}");
        let beside = node(&zookeeper(), &format!("/kafkavisor/offsets/{group}/{}/0", topic.name));
        assert_eq!(beside.is_some(), in_zookeeper, "{storage}");
        // It goes on where it was.
        topic.produce(&numbered(2, 10));
        instance.start_again();
        instance.wait_consumed(&topic, 2);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn the_start_that_is_found_is_in_every_place_before_the_first_delivery() {
    for storage in ["zookeeper", "dual"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 5));
        topic.delete_before(0, 2);
        records.close_gate();
        let instance = stored(&topic, &records, storage).start();
        instance.wait_deliveries(&records, 1);
        assert_eq!(nodes(&topic, &instance.group(), 1), some(&["2"]), "{storage}");
        let in_kafka = committed(&topic, &instance.group(), 0);
        assert_eq!(in_kafka, (storage == "dual").then_some(2), "{storage}");
        instance.kill();
    }
}

#[test]
fn what_others_have_written_while_it_was_down_is_followed() {
    for text in ["3", " 3\n", "003"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 10));
        let instance = stored(&topic, &records, "zookeeper").start();
        instance.wait_consumed(&topic, 1);
        instance.kill();
        write_node(&zookeeper(), &path(&topic, &instance.group(), 0), text);
        instance.start_again();
        instance.wait_consumed(&topic, 1);
        instance.stop();
        assert_eq!(delivered(&records, &topic, 10), (3..10).collect::<Vec<_>>(), "{text:?}");
        assert_eq!(nodes(&topic, &instance.group(), 1), some(&["10"]));
    }
}

#[test]
fn a_foreign_offset_that_says_the_same_number_overrules_an_old_page_too() {
    let (topic, records) = (Topic::new(1), Records::new());
    let builder = stored(&topic, &records, "zookeeper").set("offsets.commit_interval", "300s");
    topic.produce(&numbered(1, 10));
    let instance = builder.start();
    // The start is committed, and nothing after it; its page knows more.
    instance.wait_deliveries(&records, 10);
    instance.wait_for("all is acknowledged", |status| status.partition(0).acknowledged == Some(10));
    instance.kill();
    assert_eq!(nodes(&topic, &instance.group(), 1), some(&["0"]));
    write_node(&zookeeper(), &path(&topic, &instance.group(), 0), "0");
    instance.start_again();
    instance.wait_deliveries(&records, 20);
    instance.stop();
    assert_eq!(delivered(&records, &topic, 10), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_node_that_was_taken_away_means_the_earliest_message_whatever_the_page_says() {
    for storage in ["zookeeper", "dual"] {
        let (topic, records) = (Topic::new(2), Records::new());
        topic.produce(&numbered(2, 20));
        let builder = stored(&topic, &records, storage).set("offsets.reset", "latest");
        write_node(&zookeeper(), &path(&topic, &builder.group_name(), 0), "5");
        let instance = builder.start();
        instance.wait_consumed(&topic, 2);
        instance.kill();
        let group = instance.group();
        (0..2).for_each(|number| remove_node(&zookeeper(), &path(&topic, &group, number)));
        let before = History::of(&records, &topic).lives(0)[0].delivered.len();
        instance.start_again();
        instance.wait_consumed(&topic, 2);
        instance.stop();
        // Where Kafka has the offset still, nothing was taken away.
        let again: Vec<i64> = if storage == "dual" { Vec::new() } else { (0..10).collect() };
        assert_eq!(delivered(&records, &topic, before), again, "{storage}");
        assert_eq!(nodes(&topic, &group, 2), some(&["10", "10"]), "{storage}");
    }
}

#[test]
fn what_is_no_number_parks_its_partition_alone_and_stays_as_it_is() {
    for (storage, text) in
        [("zookeeper", "many"), ("zookeeper", ""), ("zookeeper", "-1"), ("dual", "99999999999999999999")]
    {
        let (topic, records) = (Topic::new(2), Records::new());
        topic.produce(&numbered(2, 20));
        let builder = stored(&topic, &records, storage);
        let garbled = path(&topic, &builder.group_name(), 0);
        write_node(&zookeeper(), &garbled, text);
        if storage == "dual" {
            // Whatever Kafka says: it would be overwritten.
            commit(&topic, &builder.group_name(), 0, 4);
        }
        let instance = builder.start();
        let why = wait_parked(&instance);
        assert!(why.contains(&garbled) && why.contains(&format!("{text:?}")), "{why}");
        instance.wait_for("the other is consumed", |status| status.partition(1).committed == Some(10));
        assert_eq!(nodes(&topic, &instance.group(), 2), some(&[text, "10"]));
        // An operator's word mends it.
        let output = instance.ask("seek", &[&format!("{}:0", topic.name), "8"]);
        assert!(output.status.success(), "{output:?}");
        instance.wait_consumed(&topic, 2);
        instance.stop();
        assert_eq!(delivered(&records, &topic, 0), [8, 9]);
        assert_eq!(nodes(&topic, &instance.group(), 2), some(&["10", "10"]));
    }
}

#[test]
fn offsets_in_kafka_only_park_the_topics_partitions() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let builder = stored(&topic, &records, "zookeeper").set("offsets.reset", "latest");
    commit(&topic, &builder.group_name(), 0, 4);
    let instance = builder.start();
    let why = wait_parked(&instance);
    assert!(why.contains("`offsets.storage: kafka`") && why.contains("`dual`"), "{why}");
    // A topic that was begun there is not new here: under `latest` what waits in its quiet partitions would be passed over.
    let parked = |status: &Status| (0..2).all(|number| status.state_of(number) == "parked");
    instance.wait_for("so is the partition without an offset", parked);
    instance.stop();
    instance.start_again();
    instance.wait_for("both are parked again", parked);
    instance.stop();
    assert_eq!(nodes(&topic, &instance.group(), 2), [None, None]);
    assert_eq!(committed(&topic, &instance.group(), 0), Some(4));
    assert_eq!(committed(&topic, &instance.group(), 1), None);
}

#[test]
fn dual_reads_kafkas_and_else_zookeepers_and_writes_both_before_it_begins() {
    let (topic, records) = (Topic::new(3), Records::new());
    topic.produce(&numbered(3, 30));
    records.close_gate();
    let builder = stored(&topic, &records, "dual");
    let group = builder.group_name();
    commit(&topic, &group, 0, 4);
    commit(&topic, &group, 1, 5);
    for (number, text) in [(1, "9"), (2, "6")] {
        write_node(&zookeeper(), &path(&topic, &group, number), text);
    }
    let instance = builder.start();
    instance.wait_deliveries(&records, 3);
    until_equal("both places have all", &some(&["4", "5", "6"]), || nodes(&topic, &group, 3));
    assert_eq!(all_committed(&topic, &group, 3), [(0, 4), (1, 5), (2, 6)].into());
    records.open_gate();
    instance.wait_consumed(&topic, 3);
    instance.stop();
}

#[test]
fn a_topic_made_again_while_it_was_stopped_begins_at_its_earliest() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = stored(&topic, &records, "zookeeper").start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    topic.delete();
    topic.create(1, &[]);
    topic.produce(&numbered(1, 30));
    instance.start_again();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    assert_eq!(delivered(&records, &topic, 10), (0..30).collect::<Vec<_>>());
}

#[test]
fn operators_words_are_committed_there_too() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let builder = stored(&topic, &records, "zookeeper").recorder(&Recorder::new(&records).die_at(12));
    let instance = builder.set("handler.poison.action", "park").set("handler.poison.attempts", 2).start();
    instance.wait_consumed(&topic, 1);
    let partition = format!("{}:0", topic.name);
    let output = instance.ask("seek", &[&partition, "7"]);
    assert!(output.status.success(), "{output:?}");
    until_equal("it is read again", &vec![7, 8, 9], || delivered(&records, &topic, 10));
    topic.produce(&numbered(1, 5));
    wait_parked(&instance);
    until_equal("what is before it is committed", &some(&["12"]), || nodes(&topic, &instance.group(), 1));
    let output = instance.ask("skip", &[&partition]);
    assert!(output.status.success(), "{output:?}");
    assert_ne!(nodes(&topic, &instance.group(), 1), some(&["12"]), "committed before it is answered");
    instance.wait_consumed(&topic, 1);
    instance.stop();
    assert_eq!(nodes(&topic, &instance.group(), 1), some(&["15"]));
}

#[test]
fn a_killed_supervisor_goes_on_after_the_last_acknowledged() {
    let (topic, records) = (Topic::new(2), Records::new());
    let instance =
        stored(&topic, &records, "zookeeper").recorder(&Recorder::new(&records).delay_ms(1)).start();
    topic.produce(&numbered(2, 4000));
    for round in 1..=3 {
        instance.wait_deliveries(&records, round * 300);
        instance.kill();
        instance.start_again();
    }
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(WINDOW, &BTreeMap::new());
}

#[test]
fn static_assignment_keeps_them_there_without_any_membership() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let instance = Builder::fixed(&topic, &[0, 1])
        .set("cluster.zookeeper", zookeeper())
        .set("offsets.storage", "zookeeper")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    assert_eq!(nodes(&topic, &instance.group(), 2), some(&["10", "10"]));
    assert_eq!(all_committed(&topic, &instance.group(), 2), BTreeMap::new());
}

#[test]
fn nobody_there_ends_the_start_in_time() {
    let topic = Topic::new(1);
    let said = Builder::fixed(&topic, &[0])
        .set("cluster.zookeeper", "127.0.0.1:1")
        .set("cluster.connect_timeout", "2s")
        .set("offsets.storage", "dual")
        .handler(["cat"])
        .expect_exit(69);
    assert!(said.contains("127.0.0.1:1") && said.contains("ZooKeeper"), "{said}");
}

#[test]
fn another_storage_is_taken_up_only_by_a_restart() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let mut instance = stored(&topic, &records, "zookeeper").start();
    instance.wait_consumed(&topic, 1);
    instance.reconfigure(|builder| builder.set("offsets.storage", "kafka"));
    instance.signal(nix::sys::signal::Signal::SIGHUP);
    instance.wait_for_log("offsets.storage keeps its value");
    topic.produce(&numbered(1, 3));
    instance.wait_consumed(&topic, 1);
    throughout(Duration::from_millis(500), "it writes none to Kafka", || {
        committed(&topic, &instance.group(), 0).is_none()
    });
    instance.stop();
    assert_eq!(nodes(&topic, &instance.group(), 1), some(&["13"]));
}
