//! The topic and what is produced to it: to each partition a message every few milliseconds, numbered, with
//! `acks=all` and idempotence, so that whatever the brokers go through the log holds each number once and in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor_tests::topic::block_on;
use kafkavisor_tests::waiting::{until, work_for};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};

use super::world::{PARTITIONS, World};
use crate::history::{Event, Writer};

/// Between two messages of a partition.
const EVERY: Duration = Duration::from_millis(50);
/// Longest that the brokers may take to be well again after the last fault.
const WITHIN: Duration = Duration::from_secs(120);

/// Makes the topic.
pub(super) fn create_topic(world: &World) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .create()
        .expect("an admin client can be made");
    let copies = i32::try_from(world.cluster.brokers.len()).expect("few").min(3);
    let topic = NewTopic::new(&world.topic, PARTITIONS, TopicReplication::Fixed(copies))
        .set("min.insync.replicas", if copies > 2 { "2" } else { "1" });
    let options = AdminOptions::new().request_timeout(Some(WITHIN)).operation_timeout(Some(WITHIN));
    let made = block_on(admin.create_topics([&topic], &options)).expect("Kafka answers");
    made[0].as_ref().expect("the topic is made");
}

/// Messages that keep coming.
pub(super) struct Load {
    producer: Arc<ThreadedProducer<Confirmations>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Load {
    /// From now on.
    pub(super) fn start(world: &World) -> Self {
        let producer: ThreadedProducer<Confirmations> = ClientConfig::new()
            .set("bootstrap.servers", world.brokers())
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", "600000")
            .create_with_context(Confirmations { history: world.history() })
            .expect("a producer can be made");
        let (producer, stop) = (Arc::new(producer), Arc::<AtomicBool>::default());
        let (of_thread, stopped, topic) = (Arc::clone(&producer), Arc::clone(&stop), world.topic.clone());
        let thread = thread::spawn(move || {
            for number in 0.. {
                (0..PARTITIONS).for_each(|partition| send(&of_thread, &topic, partition, number));
                work_for(EVERY);
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self { producer, stop, thread }
    }

    /// Ends it; every message is confirmed.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load went on");
        self.producer.flush(WITHIN).expect("Kafka takes all messages once the faults have ended");
    }
}

fn send(producer: &ThreadedProducer<Confirmations>, topic: &str, partition: i32, number: u64) {
    // The number comes first; the rest makes batches of a usual size.
    let value = format!("{number} {}", "·".repeat(40));
    let mut record = BaseRecord::<[u8], str, Box<u64>>::with_opaque_to(topic, Box::new(number))
        .partition(partition)
        .payload(&value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                work_for(EVERY);
                record = again;
            }
            Err((error, _)) => panic!("can't produce: {error}"),
        }
    }
}

struct Confirmations {
    history: Writer,
}

impl ClientContext for Confirmations {}

impl ProducerContext for Confirmations {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        match result {
            Ok(message) => self.history.write(Event::Produced {
                partition: message.partition(),
                offset: message.offset(),
                number: *number,
            }),
            // It may be in the log nevertheless; the log tells.
            Err((error, _)) => eprintln!("a message was not confirmed: {error}"),
        }
    }
}

fn reader(world: &World) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .set("group.id", "kafkavisor-chaos-look")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .expect("a consumer can be made")
}

/// Where the log of each partition ends.
pub(super) fn ends(world: &World) -> BTreeMap<i32, i64> {
    let reader = reader(world);
    let end = |partition: i32| {
        until("Kafka tells where a log ends", || {
            reader.fetch_watermarks(&world.topic, partition, Duration::from_secs(5)).ok().map(|(_, end)| end)
        })
    };
    (0..PARTITIONS).map(|partition| (partition, end(partition))).collect()
}

/// Writes what the log holds into the history.
pub(super) fn read_log(world: &World) {
    let (reader, history) = (reader(world), world.history());
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&world.topic, partition, Offset::Beginning).expect("an offset can be set");
    }
    reader.assign(&list).expect("the partitions are assigned");
    let mut at_end = 0;
    while at_end < PARTITIONS {
        match reader.poll(WITHIN).expect("Kafka sends the log") {
            Ok(message) => {
                let value = str::from_utf8(message.payload().expect("a value")).expect("text");
                let number =
                    value.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
                let (partition, offset) = (message.partition(), message.offset());
                history.write(Event::Logged { partition, offset, number });
            }
            Err(KafkaError::PartitionEOF(_)) => at_end += 1,
            Err(error) => eprintln!("while the log is read: {error}"),
        }
    }
}
