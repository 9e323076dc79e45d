//! Everything that a first try needs can be said with flags, and flags win over the file.

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;

/// `run` with these flags and the recorder behind `--`.
fn run(flags: &[&str], records: &Records) -> Vec<String> {
    let words = ["run"].iter().chain(flags).chain(&["--"]).map(|word| (*word).to_owned());
    words.chain(Recorder::new(records).command()).collect()
}

/// Whether the handlers were given descriptors of their own, as `binary` does.
fn spoke_binary(records: &Records) -> Vec<bool> {
    let started = records.read().into_iter().filter_map(|record| match record.event {
        Event::Started { environment } => Some(environment.contains_key("KAFKAVISOR_IN_FD")),
        _ => None,
    });
    started.collect()
}

#[test]
fn flags_alone_are_enough() {
    let (one, two, records) = (Topic::new(2), Topic::new(1), Records::new());
    one.produce(&numbered(2, 20));
    two.produce(&numbered(1, 10));
    let (brokers, zookeeper, group) = (brokers(), zookeeper(), unique("group"));
    let flags = [
        "-b",
        &brokers,
        "-z",
        &zookeeper,
        "-g",
        &group,
        "-t",
        &one.name,
        "-t",
        &two.name,
        "--from",
        "earliest",
        "--protocol",
        "binary",
    ];
    let instance = Builder::of(&one).group(&group).arguments(run(&flags, &records)).start();
    let status = instance.wait_drained(3);
    assert_eq!((&status.group, &status.topics), (&group, &vec![one.name.clone(), two.name.clone()]));
    instance.stop();
    assert_eq!(spoke_binary(&records), [true; 3]);
    History::of(&records, &one).assert_exactly_once();
    History::of(&records, &two).assert_exactly_once();
}

#[test]
fn static_partitions_need_neither_zookeeper_nor_topics() {
    let (topic, records) = (Topic::new(6), Records::new());
    topic.produce(&numbered(6, 60));
    topic.forget(|message| message.partition == 3);
    let (brokers, group) = (brokers(), unique("group"));
    let partitions = format!("{}:0,1,2,4-5", topic.name);
    let flags = ["-b", &brokers, "-g", &group, "--partitions", &partitions, "--from", "earliest"];
    let instance = Builder::of(&topic).group(&group).arguments(run(&flags, &records)).start();
    let status = instance.wait_drained(5);
    assert_eq!(status.numbers(), [0, 1, 2, 4, 5]);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_exactly_once();
    assert!(history.lives(3).is_empty(), "a partition that was not named");
}

#[test]
fn flags_win_over_the_file() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let (brokers, zookeeper, group, name) = (brokers(), zookeeper(), unique("group"), unique("name"));
    let flags = [
        "-c",
        "kafkavisor.yaml",
        "-b",
        &brokers,
        "-z",
        &zookeeper,
        "-g",
        &group,
        "-t",
        &topic.name,
        "--from",
        "earliest",
        "--protocol",
        "jsonl",
        "--name",
        &name,
    ];
    let instance = Builder::of(&topic)
        .group("another")
        .name("another")
        .set("topics", vec!["another"])
        .set("cluster.brokers", "127.0.0.1:1")
        .set("cluster.zookeeper", "127.0.0.1:1")
        .set("offsets.reset", "latest")
        .set("handler.protocol", "binary")
        .handler(["./missing"])
        .arguments(run(&flags, &records))
        .start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.group, group);
    instance.stop();
    assert_eq!(spoke_binary(&records), [false]);
    History::of(&records, &topic).assert_exactly_once();
}
