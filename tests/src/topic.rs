//! A topic of a test's own, with everything that was produced to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::environment::{brokers, unique};
use crate::message::{Message, Produced, numbered};
use crate::producing::{Producer, Transaction};
use crate::waiting::{WITHIN, until};

/// How many replicas must have a message before it counts as produced.
const IN_SYNC: &str = "min.insync.replicas";

/// Runs one asynchronous call of a client to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(future)
}

/// A topic; clones are the same topic.
#[derive(Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The Kafka it is in.
    pub brokers: String,
    produced: Arc<Mutex<Vec<Produced>>>,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.name)
    }
}

impl Topic {
    /// A new one on the shared Kafka.
    pub fn new(partitions: i32) -> Self {
        Self::with(partitions, &[])
    }

    /// A new one on the shared Kafka, with configuration.
    pub fn with(partitions: i32, config: &[(&str, &str)]) -> Self {
        let topic = Self::named(&brokers(), &unique("topic"));
        topic.create(partitions, config);
        topic
    }

    /// A new one on another Kafka.
    pub fn on(brokers: &str, partitions: i32) -> Self {
        let topic = Self::named(brokers, &unique("topic"));
        topic.create(partitions, &[]);
        topic
    }

    /// A new one on the shared Kafka, whose one partition takes nothing before [`Topic::take_messages`]: it waits for a replica on
    /// a broker that there is not.
    pub fn without_a_replica() -> Self {
        let topic = Self::named(&brokers(), &unique("topic"));
        let metadata = topic.consumer().fetch_metadata(None, Duration::from_secs(10)).expect("Kafka answers");
        let replicas = [metadata.brokers().first().expect("there is a broker").id(), 99];
        let assignment: [&[i32]; 1] = [&replicas];
        let wanted = NewTopic::new(&topic.name, 1, TopicReplication::Variable(&assignment)).set(IN_SYNC, "2");
        let made = block_on(topic.admin().create_topics([&wanted], &options())).expect("Kafka answers");
        made[0].as_ref().expect("the topic is made");
        topic.await_leaders(1);
        topic
    }

    /// From here on one replica is enough.
    pub fn take_messages(&self) {
        let wanted = AlterConfig::new(ResourceSpecifier::Topic(&self.name)).set(IN_SYNC, "1");
        let altered = block_on(self.admin().alter_configs([&wanted], &options())).expect("Kafka answers");
        altered[0].as_ref().expect("the topic is configured");
    }

    /// One that does not exist yet.
    pub fn named(brokers: &str, name: &str) -> Self {
        Self { name: name.to_owned(), brokers: brokers.to_owned(), produced: Arc::default() }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .expect("an admin client can be made")
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "kafkavisor-tests-look")
            .create()
            .expect("a consumer can be made")
    }

    /// Makes the topic and waits until it can be used.
    pub fn create(&self, partitions: i32, config: &[(&str, &str)]) {
        let admin = self.admin();
        let wanted = config.iter().fold(
            NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1)),
            |topic, (name, value)| topic.set(name, value),
        );
        // A topic that was just deleted may still be on its way out.
        until(&format!("topic {} is made", self.name), || {
            let made = block_on(admin.create_topics([&wanted], &options())).expect("Kafka answers");
            made[0].is_ok().then_some(())
        });
        self.await_leaders(partitions);
    }

    /// Makes the topic with one partition on each of `brokers`, and no copy anywhere else.
    pub fn create_on(&self, brokers: &[i32]) {
        let replicas: Vec<[i32; 1]> = brokers.iter().map(|broker| [*broker]).collect();
        let replicas: Vec<&[i32]> = replicas.iter().map(|one| &one[..]).collect();
        let count = i32::try_from(brokers.len()).unwrap();
        let wanted = NewTopic::new(&self.name, count, TopicReplication::Variable(&replicas));
        let made = block_on(self.admin().create_topics([&wanted], &options())).expect("Kafka answers");
        made[0].as_ref().expect("the topic is made");
        self.await_leaders(count);
    }

    /// Waits until Kafka knows that nobody leads a partition.
    pub fn await_leaderless(&self, partition: i32) {
        let consumer = self.consumer();
        until(&format!("{}:{partition} has no leader", self.name), || {
            let metadata = consumer.fetch_metadata(Some(&self.name), Duration::from_secs(5)).ok()?;
            let found = metadata.topics()[0].partitions().iter().find(|found| found.id() == partition)?;
            (found.leader() < 0).then_some(())
        });
    }

    /// Raises the number of partitions.
    pub fn grow(&self, partitions: i32) {
        let count = usize::try_from(partitions).unwrap();
        let wanted = NewPartitions::new(&self.name, count);
        let grown = block_on(self.admin().create_partitions([&wanted], &options())).expect("Kafka answers");
        grown[0].as_ref().expect("the topic grows");
        self.await_leaders(partitions);
    }

    fn await_leaders(&self, partitions: i32) {
        let consumer = self.consumer();
        until(&format!("{} has {partitions} partitions", self.name), || {
            (0..partitions)
                .all(|p| consumer.fetch_watermarks(&self.name, p, Duration::from_secs(5)).is_ok())
                .then_some(())
        });
    }

    /// Deletes the topic; what was produced to it is forgotten.
    pub fn delete(&self) {
        let deleted = block_on(self.admin().delete_topics(&[&self.name], &options())).expect("Kafka answers");
        deleted[0].as_ref().expect("the topic is deleted");
        self.produced.lock().unwrap().clear();
    }

    /// Deletes what lies before `offset`.
    pub fn delete_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset)).unwrap();
        block_on(self.admin().delete_records(&list, &options())).expect("Kafka deletes records");
        self.produced.lock().unwrap().retain(|m| m.partition != partition || m.offset >= offset);
    }

    /// Start and end of a partition's log.
    pub fn watermarks(&self, partition: i32) -> (i64, i64) {
        let consumer = self.consumer();
        until(&format!("Kafka tells the watermarks of {}:{partition}", self.name), || {
            consumer.fetch_watermarks(&self.name, partition, Duration::from_secs(10)).ok()
        })
    }

    /// Produces and remembers; waits for the broker's word on each.
    pub fn produce(&self, messages: &[Message]) -> Vec<Produced> {
        self.produce_with(messages, &[])
    }

    /// Produces with librdkafka's `properties`, such as a compression.
    pub fn produce_with(&self, messages: &[Message], properties: &[(&str, &str)]) -> Vec<Produced> {
        self.remember(Producer::new(&self.brokers, &self.name, properties).send(messages))
    }

    /// Produces within one transaction. What is aborted counts as never produced.
    pub fn produce_transaction(&self, messages: &[Message], commit: bool) -> Vec<Produced> {
        self.end_transaction(self.open_transaction(messages), commit)
    }

    /// Produces within a transaction that stays open.
    pub fn open_transaction(&self, messages: &[Message]) -> Transaction {
        Transaction::begin(&self.brokers, &self.name, messages)
    }

    /// Ends it; only then its messages count as produced.
    pub fn end_transaction(&self, transaction: Transaction, commit: bool) -> Vec<Produced> {
        self.remember(transaction.end(commit))
    }

    fn remember(&self, produced: Vec<Produced>) -> Vec<Produced> {
        self.produced.lock().unwrap().extend(produced.iter().cloned());
        produced
    }

    /// Everything that was produced, by partition, in the order of offsets.
    pub fn produced(&self) -> BTreeMap<i32, Vec<Produced>> {
        let mut all: BTreeMap<i32, Vec<Produced>> = BTreeMap::new();
        for message in self.produced.lock().unwrap().iter() {
            all.entry(message.partition).or_default().push(message.clone());
        }
        for messages in all.values_mut() {
            messages.sort_by_key(|message| message.offset);
        }
        all
    }

    /// Forgets messages that nobody is to see, such as those before a `latest` start.
    pub fn forget(&self, which: impl Fn(&Produced) -> bool) {
        self.produced.lock().unwrap().retain(|message| !which(message));
    }

    /// Produces a few messages every few milliseconds until told to stop.
    pub fn flow(&self, partitions: i32) -> Flow {
        let (stop, stopped) = mpsc::channel();
        let topic = self.clone();
        let thread = thread::spawn(move || {
            let producer = Producer::new(&topic.brokers, &topic.name, &[]);
            while stopped.recv_timeout(Duration::from_millis(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let count = usize::try_from(partitions).unwrap() * 2;
                topic.remember(producer.send(&numbered(partitions, count)));
            }
        });
        Flow { stop, thread: Some(thread) }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(WITHIN)).operation_timeout(Some(WITHIN))
}

/// Messages that keep coming.
#[derive(Debug)]
pub struct Flow {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Flow {
    /// Ends it; everything produced is remembered by the topic.
    pub fn stop(mut self) {
        self.end().expect("the flow of messages went on");
    }

    fn end(&mut self) -> thread::Result<()> {
        let _ = self.stop.send(());
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Topic {
    /// The offsets that a plain consumer finds in a partition, from its start to its end.
    pub fn offsets_in(&self, partition: i32) -> Vec<i64> {
        let (_, end) = self.watermarks(partition);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "kafkavisor-tests-look")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a consumer can be made");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).expect("the partition is assigned");
        let mut offsets = Vec::new();
        until(&format!("{}:{partition} is read to its end, {end}", self.name), || {
            match consumer.poll(Duration::from_secs(1))? {
                Ok(message) => {
                    offsets.push(rdkafka::Message::offset(&message));
                    None
                }
                Err(KafkaError::PartitionEOF(_)) => Some(()),
                Err(error) => panic!("can't read {}: {error}", self.name),
            }
        });
        offsets
    }
}
