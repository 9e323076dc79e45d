//! A consumer group's members beside others: of the library, in the same process or another, of the supervisor, of Python's kazoo.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::consumer::{ConsumerError, KafkaSimpleConsumer, PartitionerError, StartedConsumerGroup};
use kafkavisor::ids::TopicPartition;
use kafkavisor::offset_storage::OffsetStorage;
use kafkavisor_tests::environment::{brokers, secure as secure_address, unique, zookeeper};
use kafkavisor_tests::forwarder::Forwarder;
use kafkavisor_tests::kazoo::{Consumed, KazooMember, folder_of};
use kafkavisor_tests::library::{config, config_in, group, hold, offsets, take};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{all_committed, committed};
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::secure::{self, User};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{WITHIN, throughout, until};
use kafkavisor_tests::zookeeper::classic_offset;

/// What a callback is called, and what it was told.
type Told = (&'static str, BTreeSet<TopicPartition>);

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
    assert_eq!(sizes, [("after", 4), ("before", 2), ("after", 2), ("after", 4), ("before", 4)]);
    assert!(told[1].1.is_disjoint(&told[2].1), "what goes is not among what stays: {told:?}");
}

#[test]
fn what_was_handed_over_may_be_finished_before_a_release() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 2));
    let slow = config(&name).max_termination_timeout(Duration::from_secs(20));
    let one = group(&topic, slow).start().unwrap();
    let held = hold(&one, 2);
    let second = group(&topic, config(&name));
    thread::scope(|scope| {
        let starting = scope.spawn(|| second.start().unwrap());
        // One of the two is to be given up, and waits for whoever is at its message.
        let waits = thread::spawn({
            let (topic, name) = (topic.clone(), name.clone());
            move || {
                throughout(Duration::from_secs(2), "nothing is released", || {
                    all_committed(&topic, &name, 2).values().all(|offset| *offset == 0)
                });
            }
        });
        waits.join().unwrap();
        held.iter().for_each(|message| one.task_done(message).unwrap());
        let two = starting.join().unwrap();
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
    let consumer = cut_off.start().unwrap();
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
fn a_topic_that_is_made_again_while_its_partition_is_given_up_is_not_committed_as_the_old_one() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 6));
    let slow = config(&name).max_termination_timeout(Duration::from_secs(60));
    let (tell, told) = channel();
    let first = group(&topic, slow).before_rebalance(move |_| tell.send(()).expect("the test listens"));
    let mut one = first.start().unwrap();
    let held = hold(&one, 6);
    let second = group(&topic, config(&name));
    thread::scope(|scope| {
        let starting = scope.spawn(|| second.start().unwrap());
        told.recv_timeout(WITHIN).expect("one of the two is to be given up");
        topic.delete();
        topic.create(2, &[]);
        // What is held of the old topic is nobody's any more: its partition is released, and begins anew elsewhere.
        let mut two = starting.join().unwrap();
        for message in &held {
            assert!(matches!(one.task_done(message), Err(ConsumerError::NotOurs { .. })), "{message:?}");
        }
        topic.produce(&numbered(2, 2));
        assert_eq!(offsets(&take(&mut two, 1)).values().flatten().collect::<Vec<_>>(), [&0]);
        assert_eq!(offsets(&take(&mut one, 1)).values().flatten().collect::<Vec<_>>(), [&0]);
    });
    one.stop().unwrap();
    assert_eq!(all_committed(&topic, &name, 2), BTreeMap::from([(0, 1), (1, 1)]));
}

#[test]
fn what_is_done_is_committed_before_a_release_or_tried_again_until_it_is() {
    let topic = secure::topic(2);
    topic.produce(&numbered(2, 2));
    let (name, user) = (unique("group"), User::new());
    user.allow("read", &format!("topic:{}", topic.name));
    user.allow("read", &format!("group:{name}"));
    let there =
        ClusterConfig::new("standard", "secure", secure_address("SASL_TLS"), secure_address("ZOOKEEPER"));
    let login = user.scram();
    let member = || {
        let patient = config_in(&name, there.clone()).max_termination_timeout(Duration::from_secs(60));
        let properties = login.as_object().unwrap().iter();
        properties
            .fold(group(&topic, patient), |group, (key, value)| group.property(key, value.as_str().unwrap()))
    };
    let (tell, told) = channel();
    let one = member().before_rebalance(move |_| tell.send(()).expect("the test listens")).start().unwrap();
    let held = hold(&one, 2);
    thread::scope(|scope| {
        let starting = scope.spawn(|| member().start().unwrap());
        told.recv_timeout(WITHIN).expect("one of the two is to be given up");
        user.revoke("read", &format!("group:{name}"));
        held.iter().for_each(|message| one.task_done(message).unwrap());
        throughout(Duration::from_secs(2), "nothing is released", || one.partitions().len() == 2);
        user.allow("read", &format!("group:{name}"));
        let two = starting.join().unwrap();
        assert_eq!((one.partitions().len(), two.partitions().len()), (1, 1));
        assert!(matches!(two.next(), Err(ConsumerError::Timeout(_))), "what was done does not come again");
    });
}

#[test]
fn a_callback_that_panics_ends_its_group_which_can_start_again() {
    let (topic, name) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 2));
    let panics = Arc::new(AtomicBool::new(true));
    let group = group(&topic, config(&name)).after_rebalance({
        let panics = Arc::clone(&panics);
        move |_| assert!(!panics.load(Ordering::Relaxed), "a fault of the program's own")
    });
    let ended = match group.start() {
        Ok(consumer) => until("it is told", || consumer.next().err().filter(|error| !error.is_timeout())),
        Err(error) => error,
    };
    assert_eq!(ended, ConsumerError::Partitioner(PartitionerError::Ended));
    panics.store(false, Ordering::Relaxed);
    assert_eq!(offsets(&take(&mut group.start().unwrap(), 2)), BTreeMap::from([(0, vec![0, 1])]));
    // Also where it is stopped meanwhile.
    let stopped = group.before_rebalance(|_| panic!("another one")).start().unwrap().stop();
    assert_eq!(stopped, Err(ConsumerError::Partitioner(PartitionerError::Ended)));
}

#[test]
fn a_callback_may_end_its_own_group() {
    let (topic, name) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 2));
    let (kept, (tell, ended)) = (Arc::new(Mutex::new(None::<StartedConsumerGroup>)), channel());
    let first = group(&topic, config(&name)).before_rebalance({
        let kept = Arc::clone(&kept);
        move |_| drop(kept.lock().unwrap().take().map(|consumer| tell.send(consumer.stop())))
    });
    let mut one = first.start().unwrap();
    take(&mut one, 2);
    *kept.lock().unwrap() = Some(one);
    let two = group(&topic, config(&name)).start().unwrap();
    ended.recv_timeout(WITHIN).expect("it was called").unwrap();
    until("the other has all", || (two.partitions().len() == 2).then_some(()));
    assert!(matches!(two.next(), Err(ConsumerError::Timeout(_))), "what was done does not come again");
}

#[test]
fn a_cluster_that_is_lost_ends_no_group_of_another() {
    let (topics, name) = ([Topic::new(1), secure::topic(1)], unique("group"));
    topics.iter().for_each(|topic| drop(topic.produce(&numbered(1, 2))));
    let forwarder = Forwarder::to(&zookeeper());
    let here = ClusterConfig::new("standard", "here", brokers(), forwarder.address());
    let there =
        ClusterConfig::new("standard", "there", secure_address("BROKERS"), secure_address("ZOOKEEPER"));
    let mut one = group(&topics[0], config_in(&name, here)).start().unwrap();
    let mut two = group(&topics[1], config_in(&name, there)).start().unwrap();
    for (consumer, topic) in [&mut one, &mut two].into_iter().zip(&topics) {
        assert!(take(consumer, 1).iter().all(|message| message.topic.as_str() == topic.name));
    }
    forwarder.stop();
    until("the one is told", || one.next().err().filter(ConsumerError::is_partitioner));
    take(&mut two, 1);
    two.stop().unwrap();
    assert_eq!(committed(&topics[1], &name, 0), Some(2));
}

#[test]
fn a_python_member_gives_partitions_up_to_ours_and_takes_them_over() {
    let (topic, name, records) = (Topic::new(4), unique("group"), Records::new());
    topic.produce(&numbered(4, 8000));
    let path = format!("/yelp-kafka/{name}/{}", folder_of(&[&topic.name]));
    let of_python = |member: &str| {
        let of = Consumed { topic: &topic, partitions: 4, records: &records };
        KazooMember::consume(&zookeeper(), &path, member, &name, &of)
    };
    let mut python = of_python("python-1");
    until("Python has everything", || (python.owns().len() == 4).then_some(()));
    let mut ours = group(&topic, config(&name).offset_storage(OffsetStorage::Zookeeper)).start().unwrap();
    until("each has half", || (ours.partitions().len() == 2 && python.owns().len() == 2).then_some(()));
    let mut done = take(&mut ours, 100);
    // Its session and its locks last on for a while, and then everything is ours.
    python.kill();
    until("ours has everything", || (ours.partitions().len() == 4).then_some(()));
    done.extend(take(&mut ours, 100));
    ours.stop().unwrap();
    let python = of_python("python-2");
    until("Python has everything", || (python.owns().len() == 4).then_some(()));
    until("everything is committed", || {
        let offset = |number| classic_offset(&zookeeper(), &name, &topic.name, number);
        (0..4).all(|number| offset(number).as_deref() == Some("2000")).then_some(())
    });
    let mut seen: BTreeSet<_> = done.iter().map(|message| (message.partition.0, message.offset.0)).collect();
    for record in records.read() {
        if let Event::Message { offset, .. } = record.event {
            seen.insert((record.partition, offset));
        }
    }
    let all = (0..4).flat_map(|number| (0..2000).map(move |offset| (number, offset)));
    assert_eq!(seen, all.collect(), "each was handled by somebody");
}
