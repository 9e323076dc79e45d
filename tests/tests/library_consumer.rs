//! Consumers in a program of one's own, on a real Kafka and ZooKeeper: yelp_kafka's `KafkaConsumerGroup`, `ConsumerGroup` and
//! `KafkaSimpleConsumer`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::Reset;
use kafkavisor::consumer::{
    ConsumerError, KafkaConsumerGroup, KafkaSimpleConsumer, Message, PartitionerError, StartedConsumerGroup,
};
use kafkavisor::consumer_config::{Builder, KafkaConsumerConfig};
use kafkavisor::ids::TopicPartition;
use kafkavisor::metrics::{Emitter, MetricsResponder};
use kafkavisor::offset_storage::OffsetStorage;
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::forwarder::Forwarder;
use kafkavisor_tests::message::{Message as Sent, numbered};
use kafkavisor_tests::offsets::{all_committed, commit, committed};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal};
use kafkavisor_tests::zookeeper::classic_offset;

fn cluster() -> ClusterConfig {
    ClusterConfig::new("standard", "tests", brokers(), zookeeper())
}

/// What a callback is called, and what it was told.
type Told = (&'static str, BTreeSet<TopicPartition>);

/// From the beginning, in Kafka, with a short cooldown.
fn config_in(group: &str, cluster: ClusterConfig) -> Builder {
    KafkaConsumerConfig::builder(group, cluster)
        .auto_offset_reset(Reset::Earliest)
        .offset_storage(OffsetStorage::Kafka)
        .partitioner_cooldown(Duration::from_millis(300))
}

fn config(group: &str) -> Builder {
    config_in(group, cluster())
}

fn group(topic: &Topic, config: Builder) -> KafkaConsumerGroup {
    KafkaConsumerGroup::new([&topic.name], config.build().unwrap()).unwrap()
}

/// Takes so many messages, and is done with each.
fn take(consumer: &mut StartedConsumerGroup, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    until("the messages have come", || {
        while taken.len() < count {
            match consumer.next() {
                Ok(message) => {
                    consumer.task_done(&message).unwrap();
                    taken.push(message);
                }
                Err(ConsumerError::Timeout(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
        Some(())
    });
    taken
}

fn offsets(messages: &[Message]) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    messages.iter().for_each(|m| offsets.entry(m.partition.0).or_default().push(m.offset.0));
    offsets
}

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
    let mut consumer = group.start().unwrap();
    let messages: Vec<_> = consumer.iter().map(Result::unwrap).collect();
    assert_eq!(messages.len(), 5);
    for offset in [0, 1, 3, 4] {
        consumer.task_done(&messages[offset]).unwrap();
    }
    consumer.commit().unwrap();
    assert_eq!(committed(&topic, &name, 0), Some(2));
    let other = Message { offset: kafkavisor::ids::Offset(99), ..messages[0].clone() };
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
    let mut consumer = group(&topic, config(&name).consumer_timeout(Some(timeout))).start().unwrap();
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
fn members_share_the_partitions_and_nothing_is_lost_or_done_twice_when_one_comes_and_goes() {
    let (topic, name) = (Topic::new(4), unique("group"));
    topic.produce(&numbered(4, 40));
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let tell = |what: &'static str| {
        let told = Arc::clone(&told);
        move |partitions: &BTreeSet<TopicPartition>| told.lock().unwrap().push((what, partitions.clone()))
    };
    let first = group(&topic, config(&name)).before_rebalance(tell("before")).after_rebalance(tell("after"));
    let mut one = first.start().unwrap();
    let mut done = take(&mut one, 10);
    let second = group(&topic, config(&name));
    // It comes while the first one goes on consuming.
    let (mut two, more) = thread::scope(|scope| {
        let starting = scope.spawn(|| second.start().unwrap());
        let mut more = Vec::new();
        while !starting.is_finished() {
            match one.next() {
                Ok(message) => {
                    one.task_done(&message).unwrap();
                    more.push(message);
                }
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
        }
        (starting.join().unwrap(), more)
    });
    done.extend(more);
    until("each has two", || (one.partitions().len() == 2 && two.partitions().len() == 2).then_some(()));
    assert!(one.partitions().is_disjoint(&two.partitions()));
    topic.produce(&numbered(4, 40));
    let left = 80 - done.len();
    until("all have come", || {
        for consumer in [&mut one, &mut two] {
            while let Ok(message) = consumer.next() {
                consumer.task_done(&message).unwrap();
                done.push(message);
            }
        }
        (done.len() >= 80).then_some(())
    });
    assert!(left > 0, "something was left for both");
    // Its partitions come back.
    two.stop().unwrap();
    until("it has all", || (one.partitions().len() == 4).then_some(()));
    topic.produce(&numbered(4, 4));
    done.extend(take(&mut one, 4));
    one.stop().unwrap();
    let mut all = offsets(&done);
    all.values_mut().for_each(|offsets| offsets.sort_unstable());
    let expected: BTreeMap<_, Vec<i64>> = (0..4).map(|partition| (partition, (0..21).collect())).collect();
    assert_eq!(all, expected, "each once");
    assert_eq!(all_committed(&topic, &name, 4), (0..4).map(|partition| (partition, 21)).collect());
    let told = told.lock().unwrap();
    let sizes: Vec<_> = told.iter().map(|(what, partitions)| (*what, partitions.len())).collect();
    assert_eq!(sizes.first(), Some(&("after", 4)));
    assert!(sizes.iter().filter(|(what, _)| *what == "before").count() >= 2, "{sizes:?}");
    assert_eq!(sizes.last(), Some(&("before", 4)), "at its stop: {sizes:?}");
}

#[test]
fn what_was_handed_over_may_be_finished_before_a_release() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 2));
    let slow = config(&name).max_termination_timeout(Duration::from_secs(20));
    let mut one = group(&topic, slow).start().unwrap();
    let mut held = Vec::new();
    until("both have come", || {
        held.extend(one.next());
        (held.len() == 2).then_some(())
    });
    let second = group(&topic, config(&name));
    thread::scope(|scope| {
        let starting = scope.spawn(|| second.start().unwrap());
        // One of the two is to be given up, and waits for whoever is at its message.
        let waits = thread::spawn({
            let (topic, name) = (topic.clone(), name.clone());
            move || {
                kafkavisor_tests::waiting::throughout(Duration::from_secs(2), "nothing is released", || {
                    all_committed(&topic, &name, 2).values().all(|offset| *offset == 0)
                });
            }
        });
        waits.join().unwrap();
        held.iter().for_each(|message| one.task_done(message).unwrap());
        let mut two = starting.join().unwrap();
        assert_eq!(two.partitions().len(), 1);
        assert!(
            matches!(two.next(), Err(ConsumerError::Timeout(_))),
            "what was finished does not come again"
        );
    });
}

#[test]
fn whose_zookeeper_is_lost_is_told_and_can_start_again() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 3));
    let forwarder = Forwarder::to(&zookeeper());
    let through = ClusterConfig::new("standard", "tests", brokers(), forwarder.address());
    let cut_off = group(&topic, config_in(&name, through));
    let mut consumer = cut_off.start().unwrap();
    let message = consumer.next().unwrap();
    forwarder.stop();
    let refused = until("it is told", || match consumer.next() {
        Ok(_) | Err(ConsumerError::Timeout(_)) => None,
        Err(error) => Some(error),
    });
    assert!(refused.is_partitioner(), "{refused}");
    assert!(
        matches!(&refused, ConsumerError::Partitioner(PartitionerError::Zookeeper { why, .. }) if !why.is_empty())
    );
    assert!(consumer.task_done(&message).unwrap_err().is_partitioner());
    assert!(consumer.commit().unwrap_err().is_partitioner());
    assert!(consumer.stop().unwrap_err().is_partitioner());
    let error = cut_off.start().unwrap_err();
    assert!(error.is_partitioner() && error.to_string().contains(&forwarder.address()), "{error}");
    let mut again = group(&topic, config(&name)).start().unwrap();
    assert_eq!(offsets(&take(&mut again, 3)), BTreeMap::from([(0, vec![0, 1, 2])]));
}

#[test]
fn several_groups_and_members_in_one_process_within_an_async_program() {
    let (topics, name) = ([Topic::new(1), Topic::new(1)], unique("group"));
    topics.iter().for_each(|topic| drop(topic.produce(&numbered(1, 2))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let groups = topics.each_ref().map(|topic| group(topic, config(&name)));
        let mut consumers: Vec<_> = groups.iter().map(|group| group.start().unwrap()).collect();
        for (consumer, topic) in consumers.iter_mut().zip(&topics) {
            let messages = take(consumer, 2);
            assert!(messages.iter().all(|message| message.topic.as_str() == topic.name));
            consumer.commit().unwrap();
        }
        for consumer in consumers {
            consumer.stop().unwrap();
        }
        let mut simple =
            KafkaSimpleConsumer::connect(&topics[0].name, config(&unique("group")).build().unwrap(), None)
                .unwrap();
        assert!(simple.message(true, Some(Duration::from_secs(20))).unwrap().is_some());
        simple.close().unwrap();
    });
    topics.iter().for_each(|topic| assert_eq!(committed(topic, &name, 0), Some(2)));
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
    drop(consumer);
    assert_eq!(committed(&topic, &name, 0), Some(1000), "nothing is changed");
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
    let topic = Topic::new(2);
    let error =
        KafkaSimpleConsumer::connect(&topic.name, config("g").build().unwrap(), Some(&[7])).unwrap_err();
    refused(error, ":7");
}

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
