//! A group's coordinator that is away, and comes back when nobody waits for it any more: on librdkafka's mock cluster, whose
//! brokers go and come when they are told to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::offsets::{KafkaOffsets, OffsetStore, Stored};
use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Group, Offset, Topic, TopicPartition};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

const BROKER: i32 = 1;

struct Kafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
    clients: Arc<Clients>,
    group: Group,
}

impl Kafka {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let group = Group::new("g").unwrap();
        let brokers = cluster.bootstrap_servers();
        let properties = [
            ("bootstrap.servers", brokers.as_str()),
            ("reconnect.backoff.ms", "20"),
            ("reconnect.backoff.max.ms", "50"),
        ];
        let properties =
            properties.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let clients = Arc::new(Clients::new(&properties, &group).unwrap());
        Self { cluster, clients, group }
    }

    fn go(&self) {
        self.cluster.broker_down(BROKER).unwrap();
    }

    fn come(&self) {
        self.cluster.broker_up(BROKER).unwrap();
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new(Topic::new("t").unwrap(), 0)
}

fn within(milliseconds: u64) -> Instant {
    now() + Duration::from_millis(milliseconds)
}

fn write(offsets: &KafkaOffsets, offset: i64, deadline: Instant) -> bool {
    let stored = Stored { offset: Offset(offset), note: String::new() };
    let answers = offsets.write(&BTreeMap::from([(partition(), stored)]), deadline);
    answers[&partition()].is_ok()
}

fn read(offsets: &KafkaOffsets) -> Option<Offset> {
    let answers = offsets.read(&BTreeSet::from([partition()]), within(10_000));
    answers[&partition()].as_ref().unwrap().as_ref().map(|stored| stored.offset)
}

/// librdkafka would abort the process.
#[test]
fn whoever_has_asked_for_a_groups_members_in_vain_can_ask_again() {
    let kafka = Kafka::new();
    kafka.go();
    for _ in 0..3 {
        assert!(kafka.clients.group_members(&kafka.group, within(700)).is_err(), "nobody is there");
        assert!(kafka.clients.group_offsets(&kafka.group, within(700)).is_err(), "nobody is there");
    }
    kafka.come();
    // The mock knows no groups' members.
    assert_eq!(kafka.clients.group_members(&kafka.group, within(10_000)).unwrap(), None);
    kafka.clients.reach(within(10_000)).unwrap();
}

/// ... at whichever moment it comes back: before the commit's time is up, at that moment, and after it.
#[test]
fn a_coordinator_may_come_back_at_any_moment_of_a_commit() {
    let kafka = Kafka::new();
    let offsets = KafkaOffsets::new(Arc::clone(&kafka.clients), &kafka.group).unwrap();
    assert!(write(&offsets, 0, within(10_000)));
    for round in 1..=12_u64 {
        kafka.go();
        thread::scope(|scope| {
            let writing = scope.spawn(|| write(&offsets, i64::try_from(round).unwrap(), within(100)));
            thread::park_timeout(Duration::from_millis(94 + round));
            kafka.come();
            writing.join().unwrap();
        });
        let offset = i64::try_from(1000 + round).unwrap();
        assert!(write(&offsets, offset, within(10_000)), "it is back");
        assert_eq!(read(&offsets), Some(Offset(offset)), "nothing is late");
    }
}
