//! Consumer groups in a program of one's own, on a real Kafka and ZooKeeper: yelp_kafka's `KafkaConsumerGroup` and `ConsumerGroup`. What
//! becomes of them beside other members is in `library_members`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::Reset;
use kafkavisor::consumer::{
    ConsumerError, KafkaConsumerGroup, KafkaSimpleConsumer, Message, StartedConsumerGroup,
};
use kafkavisor::consumer_config::KafkaConsumerConfig;
use kafkavisor::metrics::{Emitter, MetricsResponder};
use kafkavisor::offset_storage::OffsetStorage;
use kafkavisor::producer::SimpleProducer;
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::library::{cluster, config, config_in, group, offsets, take};
use kafkavisor_tests::message::{Message as Sent, numbered};
use kafkavisor_tests::offsets::{all_committed, commit, committed};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal, work_for};
use kafkavisor_tests::zookeeper::classic_offset;

#[test]
fn types_can_be_sent() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<KafkaConsumerGroup>();
    sync::<KafkaConsumerGroup>();
    send::<StartedConsumerGroup>();
    sync::<StartedConsumerGroup>();
    send::<KafkaSimpleConsumer>();
    send::<ConsumerError>();
    sync::<ConsumerError>();
    send::<Message>();
    sync::<Message>();
}

#[test]
fn all_is_consumed_in_order_and_goes_on_after_a_stop_without_a_repetition() {
    let (topic, name) = (Topic::new(3), unique("group"));
    topic.produce(&numbered(3, 30));
    topic.produce(&[Sent::to(0, "v").key("k").header("h", Some(b"x")).at(1_700_000_000_000), Sent::null(1)]);
    let group = group(&topic, config(&name));
    let mut consumer = group.start().unwrap();
    assert_eq!(consumer.partitions().len(), 3);
    let first = take(&mut consumer, 32);
    let expected = BTreeMap::from([(0, (0..11).collect()), (1, (0..11).collect()), (2, (0..10).collect())]);
    assert_eq!(offsets(&first), expected);
    let rich = first.iter().find(|m| m.partition.0 == 0 && m.offset.0 == 10).unwrap();
    assert_eq!((rich.key.as_deref(), rich.value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(rich.headers, [("h".to_owned(), Some(b"x".to_vec()))]);
    assert_eq!(rich.timestamp, Some(1_700_000_000_000));
    assert_eq!(first.iter().find(|m| m.partition.0 == 1 && m.offset.0 == 10).unwrap().value, None);
    consumer.stop().unwrap();
    assert_eq!(all_committed(&topic, &name, 3), BTreeMap::from([(0, 11), (1, 11), (2, 10)]));

    topic.produce(&numbered(3, 3));
    let mut consumer = group.start().unwrap();
    let second = take(&mut consumer, 3);
    assert_eq!(offsets(&second), BTreeMap::from([(0, vec![11]), (1, vec![11]), (2, vec![10])]));
    assert!(matches!(consumer.next(), Err(ConsumerError::Timeout(_))));
}

#[test]
fn nothing_is_committed_beyond_what_nobody_is_done_with() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 5));
    let group = group(&topic, config(&name));
    let consumer = group.start().unwrap();
    let messages: Vec<_> = consumer.iter().map(Result::unwrap).collect();
    assert_eq!(messages.len(), 5);
    for offset in [0, 1, 3, 4] {
        consumer.task_done(&messages[offset]).unwrap();
    }
    consumer.commit().unwrap();
    assert_eq!(committed(&topic, &name, 0), Some(2));
    let mut other = messages[0].clone();
    other.offset = kafkavisor::ids::Offset(99);
    assert!(matches!(consumer.task_done(&other), Err(ConsumerError::NotOurs { .. })));
    drop(consumer);
    let mut consumer = group.start().unwrap();
    assert_eq!(offsets(&take(&mut consumer, 3)), BTreeMap::from([(0, vec![2, 3, 4])]));
}

#[test]
fn offsets_are_committed_by_interval_by_count_or_when_asked() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 4));
    let slow = Duration::from_secs(300);
    // By interval.
    let name = unique("group");
    let mut consumer =
        group(&topic, config(&name).auto_commit_interval(Duration::from_millis(50))).start().unwrap();
    take(&mut consumer, 3);
    until_equal("it is committed", &Some(3), || committed(&topic, &name, 0));
    // By count.
    let name = unique("group");
    let by_count = config(&name).auto_commit_interval(slow).auto_commit_interval_messages(2);
    let mut consumer = group(&topic, by_count).start().unwrap();
    take(&mut consumer, 1);
    assert_eq!(committed(&topic, &name, 0), Some(0), "where it begins is kept at once");
    take(&mut consumer, 1);
    until_equal("it is committed", &Some(2), || committed(&topic, &name, 0));
    // Only when asked, also at the end.
    let name = unique("group");
    let group = group(&topic, config(&name).auto_commit_enable(false));
    let mut consumer = group.start().unwrap();
    take(&mut consumer, 2);
    consumer.commit().unwrap();
    assert_eq!(committed(&topic, &name, 0), Some(2));
    take(&mut consumer, 2);
    drop(consumer);
    assert_eq!(committed(&topic, &name, 0), Some(2));
}

#[test]
fn it_waits_as_long_as_it_is_told() {
    let (topic, name) = (Topic::new(1), unique("group"));
    let timeout = Duration::from_millis(700);
    let consumer = group(&topic, config(&name).consumer_timeout(Some(timeout))).start().unwrap();
    let before = kafkavisor::clock::now();
    assert_eq!(consumer.next(), Err(ConsumerError::Timeout(timeout)));
    assert!(kafkavisor::clock::now() - before >= timeout);
    assert_eq!(consumer.iter().count(), 0);
    drop(consumer);
    // For ever: until there is one.
    let forever = group(&topic, config(&name).consumer_timeout(None));
    let waits = thread::spawn(move || forever.start().unwrap().next().unwrap().offset.0);
    topic.produce(&numbered(1, 1));
    assert_eq!(waits.join().unwrap(), 0);
}

#[test]
fn offsets_are_kept_in_zookeeper_by_default_and_in_both_places_where_that_is_wanted() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 3));
    for storage in [OffsetStorage::Zookeeper, OffsetStorage::Dual] {
        let name = unique("group");
        let mut consumer = group(&topic, config(&name).offset_storage(storage)).start().unwrap();
        take(&mut consumer, 3);
        consumer.stop().unwrap();
        assert_eq!(classic_offset(&zookeeper(), &name, &topic.name, 0).as_deref(), Some("3"));
        let in_kafka = (storage == OffsetStorage::Dual).then_some(3);
        assert_eq!(committed(&topic, &name, 0), in_kafka);
    }
    assert_eq!(config("g").build().unwrap().offset_storage(), OffsetStorage::Kafka);
    let default = KafkaConsumerConfig::builder("g", cluster()).build().unwrap();
    assert_eq!(default.offset_storage(), OffsetStorage::Zookeeper);
}

#[test]
fn what_can_not_begin_is_told_and_the_others_go_on() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 4));
    commit(&topic, &name, 0, 1000);
    commit(&topic, &name, 1, 0);
    let mut consumer = group(&topic, config(&name)).start().unwrap();
    let (mut parked, mut messages) = (Vec::new(), Vec::new());
    until("both were told", || {
        match consumer.next() {
            Ok(message) => messages.push(message),
            Err(ConsumerError::Parked { partition, why }) => parked.push((partition.partition.0, why)),
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
        (messages.len() == 2 && parked.len() == 1).then_some(())
    });
    assert_eq!(parked[0].0, 0);
    assert!(parked[0].1.contains("1000 is beyond the end"), "{}", parked[0].1);
    assert_eq!(offsets(&messages), BTreeMap::from([(1, vec![0, 1])]));
    assert_eq!(committed(&topic, &name, 0), Some(1000), "nothing is changed");
    // Somebody does something about it.
    commit(&topic, &name, 0, 1);
    let more = take(&mut consumer, 1);
    assert_eq!(offsets(&more), BTreeMap::from([(0, vec![1])]));
}

#[test]
fn a_topic_that_grows_is_consumed_from_its_new_partitions_beginnings() {
    let (topic, name) = (Topic::new(1), unique("group"));
    let latest = config(&name).auto_offset_reset(Reset::Latest);
    let mut consumer = group(&topic, latest).start().unwrap();
    topic.grow(2);
    topic.produce(&[Sent::to(1, "new")]);
    assert_eq!(offsets(&take(&mut consumer, 1)), BTreeMap::from([(1, vec![0])]));
}

#[test]
fn a_topic_that_is_made_again_is_consumed_from_its_beginning_and_not_committed_as_the_old_one() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 5));
    let mut consumer = group(&topic, config(&name)).start().unwrap();
    take(&mut consumer, 4);
    consumer.commit().unwrap();
    let old = consumer.next().unwrap();
    topic.delete();
    topic.create(1, &[]);
    topic.produce(&numbered(1, 6));
    let mut anew = Vec::new();
    until("the new ones come", || {
        let message = consumer.next().ok()?;
        if message.offset.0 == 0 {
            // What came before was read on from the old one's place.
            anew.clear();
        }
        anew.push(message);
        (anew.len() == 6).then_some(())
    });
    assert_eq!(offsets(&anew), BTreeMap::from([(0, (0..6).collect())]));
    anew.iter().filter(|message| message.offset != old.offset).for_each(|message| {
        consumer.task_done(message).unwrap();
    });
    // The old topic's message of that offset is nobody's any more, and not the new one's.
    let expected = ConsumerError::NotOurs { partition: old.topic_partition(), offset: old.offset };
    assert_eq!(consumer.task_done(&old), Err(expected));
    consumer.commit().unwrap();
    assert_eq!(committed(&topic, &name, 0), Some(4));
}

#[test]
fn a_topic_that_is_gone_holds_no_end_up() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 2));
    let slow = config(&name).auto_commit_interval(Duration::from_secs(300));
    let mut consumer = group(&topic, slow).start().unwrap();
    take(&mut consumer, 2);
    topic.delete();
    assert_eq!(consumer.stop(), Ok(()));
}

#[test]
fn what_is_produced_once_it_has_started_comes_where_a_new_group_begins_at_the_end() {
    for _ in 0..5 {
        let (topic, name) = (Topic::new(2), unique("group"));
        let producer = SimpleProducer::builder(&cluster()).build().unwrap();
        // It is quick from here on.
        producer.send_messages(&topic.name, ["before"]).unwrap();
        let consumer = group(&topic, config(&name).auto_offset_reset(Reset::Latest)).start().unwrap();
        for _ in 0..2 {
            producer.send_messages(&topic.name, ["a", "b"]).unwrap();
        }
        let mut come = 0;
        until("all have come", || {
            for message in &consumer {
                consumer.task_done(&message.unwrap()).unwrap();
                come += 1;
            }
            (come == 4).then_some(())
        });
    }
}

#[test]
fn partitions_take_turns_however_much_one_has() {
    let (topic, name) = (Topic::new(3), unique("group"));
    topic.produce(&numbered(3, 6000));
    let mut consumer = group(&topic, config(&name)).start().unwrap();
    // Until something of each is there; so slowly that much is left of the first.
    let mut taken = BTreeMap::new();
    until("each has come", || {
        taken.extend(offsets(&take(&mut consumer, 10)));
        work_for(Duration::from_millis(10));
        (taken.len() == 3).then_some(())
    });
    let next = offsets(&take(&mut consumer, 600));
    assert!((0..3).all(|number| next.get(&number).is_some_and(|offsets| offsets.len() >= 100)), "{next:?}");
}

#[test]
fn wrong_input_is_told_in_words() {
    let refused = |error: ConsumerError, words: &str| assert!(error.to_string().contains(words), "{error}");
    let built = config("g").build().unwrap();
    refused(KafkaConsumerGroup::new(["a/b"], built.clone()).unwrap_err(), "a/b");
    refused(KafkaConsumerGroup::new([""; 0], built).unwrap_err(), "no topics");
    let missing = unique("missing");
    let error =
        KafkaConsumerGroup::new([&missing], config("g").build().unwrap()).unwrap().start().unwrap_err();
    assert!(error.is_partitioner());
    refused(error, &missing);
    let nowhere = ClusterConfig::new("standard", "tests", brokers(), "");
    let error = group(&Topic::new(1), config_in("g", nowhere)).start().unwrap_err();
    refused(error, "needs ZooKeeper's address");
    let error = group(&Topic::new(1), config("g")).property("no.such.property", "x").start().unwrap_err();
    refused(error, "no.such.property");
    let error = group(&Topic::new(1), config("g")).property("group.id", "x").start().unwrap_err();
    assert!(!error.is_partitioner(), "to start again would not help");
    refused(error, "the property group.id can't be set here");
    let nobody = ClusterConfig::new("standard", "tests", ":9092", zookeeper());
    refused(group(&Topic::new(1), config_in("g", nobody)).start().unwrap_err(), "expected HOST:PORT");
    let away = ClusterConfig::new("standard", "tests", brokers(), "127.0.0.1:1");
    let error = group(&Topic::new(1), config_in("g", away)).start().unwrap_err().to_string();
    assert_eq!(error.matches("127.0.0.1:1").count(), 1, "{error}");
    let topic = Topic::new(2);
    let error =
        KafkaSimpleConsumer::connect(&topic.name, config("g").build().unwrap(), Some(&[7])).unwrap_err();
    refused(error, ":7");
    let error =
        KafkaSimpleConsumer::connect(&topic.name, config("g").build().unwrap(), Some(&[])).unwrap_err();
    refused(error, "an empty list of partitions");
}

#[test]
#[expect(deprecated, reason = "as the original is")]
fn a_callback_is_called_for_each_message_until_it_fails() {
    use kafkavisor::consumer::{ConsumerGroup, RunError};
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 3));
    let mut seen = Vec::new();
    let process = |message: &Message| {
        seen.push(message.offset.0);
        if message.offset.0 == 2 { Err(std::io::Error::other("no more")) } else { Ok(()) }
    };
    let ended = ConsumerGroup::new(&topic.name, config(&name).build().unwrap(), process).unwrap().run();
    let Err(RunError::Process(error)) = ended else { panic!("{ended:?}") };
    assert_eq!((error.message.offset.0, error.to_string().contains("no more")), (2, true));
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!(committed(&topic, &name, 0), Some(2), "what has failed comes again");
}

#[derive(Default)]
struct Recorded(Mutex<Vec<(String, String, f64)>>);

impl MetricsResponder for Recorded {
    fn record(&self, emitter: &Emitter, value: f64, _timestamp: Option<i64>) {
        let group = emitter.dimensions.get("group_id").cloned().unwrap_or_default();
        self.0.lock().unwrap().push((emitter.metric.clone(), group, value));
    }
}

#[test]
fn a_group_reports_how_long_its_requests_take() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 3));
    let (told, untold) = (Arc::<Recorded>::default(), Arc::<Recorded>::default());
    let dual = config(&name).offset_storage(OffsetStorage::Dual);
    let reporting = group(&topic, dual)
        .property("statistics.interval.ms", "500")
        .metrics_responder(Arc::clone(&told) as Arc<dyn MetricsResponder>);
    let mut consumer = reporting.start().unwrap();
    take(&mut consumer, 3);
    let names = [
        "metadata_request_timer",
        "offset_request_timer",
        "offset_fetch_request_timer",
        "offset_fetch_request_timer_kafka",
        "offset_commit_request_timer",
        "offset_commit_request_timer_kafka",
        "fetch_request_timer",
    ];
    until("all have come", || {
        // Statistics are taken with messages, and tell of the fetches between two of them.
        topic.produce(&numbered(1, 1));
        take(&mut consumer, 1);
        let told = told.0.lock().unwrap();
        let came = |name: &&str| {
            told.iter().any(|(metric, of, value)| {
                *metric == format!("yelp_kafka.KafkaConsumerGroup.{name}") && !of.is_empty() && *value > 0.0
            })
        };
        names.iter().all(came).then_some(())
    });
    assert!(told.0.lock().unwrap().iter().all(|(_, of, _)| *of == name));
    drop(consumer);
    let silent =
        reporting.metrics_responder(Arc::clone(&untold) as Arc<dyn MetricsResponder>).report_metrics(false);
    drop(silent.start().unwrap());
    assert!(untold.0.lock().unwrap().is_empty());
}
