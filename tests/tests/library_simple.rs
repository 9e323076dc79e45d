//! yelp_kafka's `KafkaSimpleConsumer` on a real Kafka and ZooKeeper.

use std::time::Duration;

use kafkavisor::consumer::{ConsumerError, KafkaSimpleConsumer};
use kafkavisor_tests::environment::unique;
use kafkavisor_tests::library::config;
use kafkavisor_tests::message::{Message as Sent, numbered};
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;

#[test]
fn a_simple_consumer_reads_what_it_is_told_and_commits_at_its_close() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 8));
    let built = config(&name).build().unwrap();
    let connect = |config| KafkaSimpleConsumer::connect(&topic.name, config, Some(&[1])).unwrap();
    let mut consumer = connect(built.clone());
    let wait = Some(Duration::from_secs(20));
    let first = consumer.message(true, wait).unwrap().unwrap();
    assert_eq!((first.partition.0, first.offset.0), (1, 0));
    consumer.commit_message(&first).unwrap();
    assert_eq!(committed(&topic, &name, 1), Some(1));
    let rest: Vec<_> = consumer.by_ref().map(Result::unwrap).map(|message| message.offset.0).collect();
    assert_eq!(rest, [1, 2, 3]);
    assert_eq!(consumer.message(false, None).unwrap(), None);
    consumer.close().unwrap();
    assert_eq!(committed(&topic, &name, 1), Some(4));
    // Without auto-commit nothing is committed unless asked for.
    topic.produce(&[Sent::to(1, "x"), Sent::to(1, "y")]);
    let manual = config(&name).auto_commit_enable(false).build().unwrap();
    let mut consumer = connect(manual);
    assert_eq!(consumer.message(true, wait).unwrap().unwrap().offset.0, 4);
    consumer.commit().unwrap();
    assert_eq!(consumer.message(true, wait).unwrap().unwrap().offset.0, 5);
    drop(consumer);
    assert_eq!(committed(&topic, &name, 1), Some(5));
}

#[test]
fn it_goes_on_with_a_topic_that_is_made_again() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 3));
    let mut consumer =
        KafkaSimpleConsumer::connect(&topic.name, config(&name).build().unwrap(), None).unwrap();
    let old: Vec<_> = consumer.by_ref().map(Result::unwrap).collect();
    assert_eq!(old.len(), 3);
    consumer.commit().unwrap();
    topic.delete();
    topic.create(1, &[]);
    // More than there were: the place to go on from is in the new one, too.
    topic.produce(&numbered(1, 6));
    let mut offsets = Vec::new();
    until("the new ones come", || {
        match consumer.message(true, Some(Duration::from_millis(100))) {
            // What comes before its beginning was read on from the old one's place.
            Ok(Some(message)) if message.offset.0 == 0 => offsets = vec![0],
            Ok(message) => offsets.extend(message.map(|message| message.offset.0)),
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
        (offsets == [0, 1, 2, 3, 4, 5]).then_some(())
    });
    // The old topic's messages are nobody's any more, nor is what was never handed over.
    let mut beyond = old[0].clone();
    beyond.offset = kafkavisor::ids::Offset(i64::MAX);
    for message in [&old[0], &beyond] {
        assert!(matches!(consumer.commit_message(message), Err(ConsumerError::NotOurs { .. })));
    }
    consumer.close().unwrap();
    assert_eq!(committed(&topic, &name, 0), Some(6));
}
