//! yelp_kafka's functions for offsets and monitoring, under their own names, on a real Kafka and ZooKeeper.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::ids::{Group, Offset, Partition, Topic, TopicPartition};
use kafkavisor::offsets::OffsetStorage::{Dual, Kafka, Zookeeper};
use kafkavisor::offsets::{
    InvalidOffsetStorageError, KafkaClient, OffsetsError, Topics, advance_consumer_offsets,
    consumer_offsets_metadata, current_consumer_offsets, offset_distance, rewind_consumer_offsets,
    set_consumer_offsets, topics_offset_distance, topics_watermarks,
};
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{Subscriber, all_committed, commit, committed};
use kafkavisor_tests::topic::{self, block_on};
use kafkavisor_tests::zookeeper::{classic_offset, classic_path, write_classic_offset, write_node};

const WITHIN: Duration = Duration::from_secs(20);

fn client() -> KafkaClient {
    let cluster = ClusterConfig::new("standard", "tests", brokers(), zookeeper());
    KafkaClient::connect(&cluster, &BTreeMap::new(), WITHIN).expect("Kafka is reached")
}

fn group() -> Group {
    Group::new(&unique("group")).unwrap()
}

/// A topic with ten messages in each of its partitions, and its name.
fn topic_of(partitions: i32) -> (topic::Topic, Topic) {
    let topic = topic::Topic::new(partitions);
    topic.produce(&numbered(partitions, usize::try_from(partitions).unwrap() * 10));
    let name = Topic::new(&topic.name).unwrap();
    (topic, name)
}

fn map<T>(
    topic: &Topic,
    values: impl IntoIterator<Item = (i32, T)>,
) -> BTreeMap<Topic, BTreeMap<Partition, T>> {
    let values = values.into_iter().map(|(partition, value)| (Partition(partition), value));
    BTreeMap::from([(topic.clone(), values.collect())])
}

fn offsets(topic: &Topic, values: &[(i32, i64)]) -> BTreeMap<Topic, BTreeMap<Partition, Offset>> {
    map(topic, values.iter().map(|(partition, offset)| (*partition, Offset(*offset))))
}

fn some(topic: &Topic, partitions: &[i32]) -> Topics {
    let partitions: BTreeSet<_> = partitions.iter().copied().map(Partition).collect();
    BTreeMap::from([(topic.clone(), partitions)]).into()
}

#[test]
fn current_offsets_are_read_from_either_place_and_0_where_there_is_none() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(2));
    let current = |storage| current_consumer_offsets(&client, &group, [name.clone()], true, storage);
    assert_eq!(current(Kafka), Ok(offsets(&name, &[(0, 0), (1, 0)])));
    commit(&topic, group.as_str(), 1, 4);
    write_classic_offset(&zookeeper(), group.as_str(), &topic.name, 0, 6);
    assert_eq!(current(Kafka), Ok(offsets(&name, &[(0, 0), (1, 4)])));
    assert_eq!(current(Zookeeper), Ok(offsets(&name, &[(0, 6), (1, 0)])));
    let one = current_consumer_offsets(&client, &group, some(&name, &[1]), true, Kafka);
    assert_eq!(one, Ok(offsets(&name, &[(1, 4)])));
}

#[test]
fn watermarks_are_low_and_high() {
    let (client, (topic, name)) = (client(), topic_of(2));
    topic.delete_before(0, 3);
    let marks = topics_watermarks(&client, [name.clone()], true).unwrap();
    let found: Vec<_> =
        marks[&name].values().map(|m| (m.topic.clone(), m.partition.0, m.lowmark.0, m.highmark.0)).collect();
    assert_eq!(found, [(name.clone(), 0, 3, 10), (name, 1, 0, 10)]);
}

#[test]
fn offsets_advance_rewind_and_are_set_in_each_place() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(2));
    topic.delete_before(0, 3);
    let classic = |partition| classic_offset(&zookeeper(), group.as_str(), &topic.name, partition);
    let in_kafka = || all_committed(&topic, group.as_str(), 2);

    assert_eq!(advance_consumer_offsets(&client, &group, [name.clone()], true, Kafka), Ok(vec![]));
    assert_eq!((in_kafka(), classic(0)), ([(0, 10), (1, 10)].into(), None));
    assert_eq!(rewind_consumer_offsets(&client, &group, some(&name, &[0]), true, Zookeeper), Ok(vec![]));
    assert_eq!((in_kafka(), classic(0), classic(1)), ([(0, 10), (1, 10)].into(), Some("3".to_owned()), None));
    let new = offsets(&name, &[(0, 5), (1, 6)]);
    assert_eq!(set_consumer_offsets(&client, &group, &new, true, Dual), Ok(vec![]));
    assert_eq!(in_kafka(), [(0, 5), (1, 6)].into());
    assert_eq!([classic(0), classic(1)], [Some("5".to_owned()), Some("6".to_owned())]);
    assert_eq!(set_consumer_offsets(&client, &group, &BTreeMap::new(), true, Dual), Ok(vec![]));
    assert_eq!(set_consumer_offsets(&client, &group, &offsets(&name, &[]), true, Dual), Ok(vec![]));
}

#[test]
fn what_can_not_be_set_is_a_list_of_errors() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(2));
    let _subscriber = Subscriber::join(&topic, group.as_str(), "some-consumer");
    let new = offsets(&name, &[(0, -1), (1, 6)]);
    for storage in [Kafka, Dual] {
        let errors = set_consumer_offsets(&client, &group, &new, true, storage).unwrap();
        let found: Vec<_> = errors.iter().map(|error| (error.topic.clone(), error.partition.0)).collect();
        assert_eq!(found, [(name.clone(), 0), (name.clone(), 1)], "{errors:?}");
        assert!(errors[0].error.contains("negative") && !errors[1].error.is_empty(), "{errors:?}");
    }
    assert_eq!(committed(&topic, group.as_str(), 1), None);
    assert_eq!(classic_offset(&zookeeper(), group.as_str(), &topic.name, 1), None, "Kafka has not taken it");
}

#[test]
fn what_there_is_not_is_an_error_or_left_out() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(2));
    let missing = Topic::new(&unique("topic")).unwrap();
    let unknown =
        |error: OffsetsError| matches!(error, OffsetsError::UnknownTopic { topic, .. } if topic == missing);
    let both = || [name.clone(), missing.clone()];
    assert!(unknown(current_consumer_offsets(&client, &group, both(), true, Kafka).unwrap_err()));
    assert!(unknown(topics_watermarks(&client, both(), true).unwrap_err()));
    assert!(unknown(advance_consumer_offsets(&client, &group, both(), true, Kafka).unwrap_err()));
    assert!(unknown(topics_offset_distance(&client, &group, both(), Kafka).unwrap_err()));
    let mut new = offsets(&name, &[(0, 5)]);
    new.extend(offsets(&missing, &[(0, 5)]));
    assert!(unknown(set_consumer_offsets(&client, &group, &new, true, Kafka).unwrap_err()));
    assert_eq!(committed(&topic, group.as_str(), 0), None, "nothing was set");

    let error = topics_watermarks(&client, some(&name, &[1, 2]), true).unwrap_err();
    assert!(
        matches!(error, OffsetsError::UnknownPartitions { ref partitions, .. } if *partitions == [Partition(2)].into())
    );
    let left = topics_watermarks(&client, some(&name, &[1, 2]), false).unwrap();
    assert_eq!(left[&name].keys().copied().collect::<Vec<_>>(), [Partition(1)]);
    assert_eq!(set_consumer_offsets(&client, &group, &new, false, Kafka), Ok(vec![]));
    assert_eq!(committed(&topic, group.as_str(), 0), Some(5));
}

#[test]
fn a_storage_that_is_none_is_an_error() {
    let (client, group, (_, name)) = (client(), group(), topic_of(1));
    let both = current_consumer_offsets(&client, &group, [name.clone()], true, Dual);
    assert_eq!(both, Err(InvalidOffsetStorageError::ReadingBoth.into()));
    let cluster = ClusterConfig::new("standard", "tests", brokers(), "");
    let without = KafkaClient::connect(&cluster, &BTreeMap::new(), WITHIN).unwrap();
    let error = rewind_consumer_offsets(&without, &group, [name], true, Dual);
    assert_eq!(error, Err(InvalidOffsetStorageError::WithoutZookeeper.into()));
}

#[test]
fn distances_count_to_the_ends_of_the_logs() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(3));
    commit(&topic, group.as_str(), 0, 4);
    commit(&topic, group.as_str(), 1, 10);
    let metadata = consumer_offsets_metadata(&client, &group, [name.clone()], true, Kafka).unwrap();
    let found: Vec<_> =
        metadata[&name].iter().map(|m| (m.partition.0, m.current.0, m.lowmark.0, m.highmark.0)).collect();
    assert_eq!(found, [(0, 4, 0, 10), (1, 10, 0, 10), (2, 0, 0, 10)]);
    let all = topics_offset_distance(&client, &group, [name.clone()], Kafka);
    assert_eq!(all, Ok(map(&name, [(0, 6), (1, 0), (2, 10)])));
    let two = offset_distance(&client, &group, &name, [Partition(0), Partition(2)].into(), Kafka);
    assert_eq!(two, Ok([(Partition(0), 6), (Partition(2), 10)].into()));
    assert_eq!(offset_distance(&client, &group, &name, BTreeSet::new(), Kafka).unwrap().len(), 3);
}

#[test]
fn a_node_that_is_no_number_is_an_error_or_left_out() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(2));
    let path = classic_path(group.as_str(), &topic.name, 0);
    write_node(&zookeeper(), &path, "None");
    write_classic_offset(&zookeeper(), group.as_str(), &topic.name, 1, 6);
    let current = |raise| current_consumer_offsets(&client, &group, [name.clone()], raise, Zookeeper);
    assert!(current(true).unwrap_err().to_string().contains(&path));
    assert_eq!(current(false), Ok(offsets(&name, &[(1, 6)])));
}

#[test]
fn who_is_away_is_named_and_no_runtime_is_in_the_way() {
    let away = ClusterConfig::new("standard", "tests", "127.0.0.1:1", "");
    let within = Duration::from_secs(1);
    let error = KafkaClient::connect(&away, &BTreeMap::new(), within).unwrap_err();
    assert!(matches!(&error, OffsetsError::KafkaUnreachable { brokers, .. } if brokers == "127.0.0.1:1"));

    let (group, (_, name)) = (group(), topic_of(1));
    let away = ClusterConfig::new("standard", "tests", brokers(), "127.0.0.1:1");
    let client = KafkaClient::connect(&away, &BTreeMap::new(), Duration::from_secs(3)).unwrap();
    let asked = async { current_consumer_offsets(&client, &group, [name.clone()], true, Zookeeper) };
    let error = block_on(asked).unwrap_err();
    assert!(matches!(&error, OffsetsError::ZookeeperUnreachable { servers, .. } if servers == "127.0.0.1:1"));
}

#[test]
fn a_change_by_somebody_else_in_between_is_noticed_and_nothing_is_written() {
    let (client, group, (topic, name)) = (client(), group(), topic_of(3));
    let classic = |partition| classic_offset(&zookeeper(), group.as_str(), &topic.name, partition);
    let write = |partition, text| {
        write_node(&zookeeper(), &classic_path(group.as_str(), &topic.name, partition), text);
    };
    let key = |partition| TopicPartition::new(name.clone(), partition);
    let wanted: BTreeMap<_, _> = (0..3).map(|partition| (key(partition), Offset(5))).collect();
    let keys = wanted.keys().cloned().collect();
    write(0, "1");
    write(1, "2");

    // One that was there, and one that was not.
    for changed in [1, 2] {
        let before = client.look(&group, Zookeeper, &keys).unwrap();
        write(changed, "3");
        let answers = client.exchange(&group, Zookeeper, &before, &wanted).unwrap();
        for answer in answers.values() {
            let said = answer.as_ref().unwrap_err().to_string();
            assert!(said.contains(&classic_path(group.as_str(), &topic.name, changed)), "{said}");
            assert!(said.contains("somebody else has changed it"), "{said}");
        }
        assert_eq!(classic(0), Some("1".to_owned()), "all or nothing");
        assert_eq!(classic(changed), Some("3".to_owned()));
    }
    let before = client.look(&group, Dual, &keys).unwrap();
    let answers = client.exchange(&group, Dual, &before, &wanted).unwrap();
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    assert_eq!(
        [classic(0), classic(1), classic(2)],
        [Some("5".to_owned()), Some("5".to_owned()), Some("5".to_owned())]
    );
    assert_eq!(all_committed(&topic, group.as_str(), 3), [(0, 5), (1, 5), (2, 5)].into());
}
