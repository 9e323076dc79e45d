//! A group of yelp_kafka's is taken over where it is, whatever its storage, and given back: `docs/migrating.md`. Its nodes are as the
//! original was seen to write them (`script/original --record`).

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{project, zookeeper};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::kazoo::folder_of;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::nodes::{Node, tree, write};
use kafkavisor_tests::offsets::{all_committed, committed};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;

/// What the original leaves when it has handled ten messages in each of two partitions and has stopped.
fn left_by_the_original(group: &str, topic: &Topic) -> Vec<Node> {
    let text = std::fs::read(project().join("tests/fixtures/yelp_kafka.json")).unwrap();
    let nodes: Vec<Node> = serde_json::from_slice(&text).unwrap();
    let folder = folder_of(&[&topic.name]);
    let names = [("{group}", group), ("{topic}", &*topic.name), ("{folder}", &*folder)];
    nodes.iter().filter(|node| !node.ephemeral).map(|node| node.with(&names)).collect()
}

fn consumer_nodes(group: &str) -> Vec<Node> {
    tree(&zookeeper(), &format!("/consumers/{group}"))
}

/// The original's nodes, with other offsets.
fn with_offsets(nodes: &[Node], offset: &str) -> Vec<Node> {
    let of_consumers = nodes.iter().filter(|node| node.path.starts_with("/consumers/"));
    let moved = of_consumers.map(|node| {
        let data = if node.data.is_empty() { String::new() } else { offset.to_owned() };
        Node { data, ..node.clone() }
    });
    moved.collect()
}

#[test]
fn a_group_goes_on_where_the_original_left_it_and_is_given_back_as_it_would_leave_it() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    topic.forget(|_| true);
    topic.produce(&numbered(2, 10));
    let builder = Builder::of(&topic).set("offsets.storage", "zookeeper").recorder(&Recorder::new(&records));
    let left = left_by_the_original(&builder.group_name(), &topic);
    write(&zookeeper(), &left);
    let instance = builder.start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    for partition in 0..2 {
        let delivered: Vec<i64> =
            history.lives(partition).iter().flat_map(|life| life.delivered.clone()).collect();
        assert_eq!(delivered, (10..15).collect::<Vec<_>>(), "partition {partition}");
    }
    assert_eq!(consumer_nodes(&instance.group()), with_offsets(&left, "15"), "and nothing beside them");
    assert_eq!(committed(&topic, &instance.group(), 0), None, "no offset in Kafka");
    let group = tree(&zookeeper(), &format!("/yelp-kafka/{}", instance.group()));
    let expected: Vec<_> =
        left.iter().filter(|node| node.path.starts_with("/yelp-kafka/")).cloned().collect();
    assert_eq!(group, expected, "its folders as the original leaves them, and no node of ours");
}

#[test]
fn offsets_move_from_zookeeper_to_kafka_without_losing_a_place() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    topic.forget(|_| true);
    let of = |storage: &str, builder: Builder| builder.set("offsets.storage", storage);
    let builder = Builder::of(&topic).recorder(&Recorder::new(&records));
    let left = left_by_the_original(&builder.group_name(), &topic);
    write(&zookeeper(), &left);
    let mut instance = of("dual", builder).start();
    topic.produce(&numbered(2, 10));
    instance.wait_consumed(&topic, 2);
    instance.stop();
    assert_eq!(consumer_nodes(&instance.group()), with_offsets(&left, "15"));
    assert_eq!(all_committed(&topic, &instance.group(), 2), [(0, 15), (1, 15)].into());
    instance.reconfigure(|builder| of("kafka", builder));
    instance.start_again();
    topic.produce(&numbered(2, 10));
    instance.wait_consumed(&topic, 2);
    instance.stop();
    assert_eq!(consumer_nodes(&instance.group()), with_offsets(&left, "15"), "nobody writes these any more");
    assert_eq!(all_committed(&topic, &instance.group(), 2), [(0, 20), (1, 20)].into());
    History::of(&records, &topic).assert_exactly_once();
}
