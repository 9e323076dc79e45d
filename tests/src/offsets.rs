//! A group's offsets, read and set by a client that is no member of it.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::topic::Topic;
use crate::waiting::{WITHIN, until};

fn client(topic: &Topic, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer can be made")
}

/// The group's offset and the text beside it, where there is one.
pub fn committed_with_metadata(topic: &Topic, group: &str, partition: i32) -> Option<(i64, String)> {
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition(&topic.name, partition);
    let offsets = client(topic, group).committed_offsets(wanted, WITHIN).expect("Kafka tells offsets");
    let found = offsets.elements();
    match found[0].offset() {
        Offset::Offset(offset) => Some((offset, found[0].metadata().to_owned())),
        Offset::Invalid => None,
        other => panic!("no offset: {other:?}"),
    }
}

/// The group's offset.
pub fn committed(topic: &Topic, group: &str, partition: i32) -> Option<i64> {
    committed_with_metadata(topic, group, partition).map(|(offset, _)| offset)
}

/// The group's offsets of the first `partitions`, those that there are.
pub fn all_committed(topic: &Topic, group: &str, partitions: i32) -> BTreeMap<i32, i64> {
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range(&topic.name, 0, partitions - 1);
    let offsets = client(topic, group).committed_offsets(wanted, WITHIN).expect("Kafka tells offsets");
    let known = offsets.elements().into_iter().filter_map(|found| match found.offset() {
        Offset::Offset(offset) => Some((found.partition(), offset)),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    });
    known.collect()
}

/// Commits for the group, as an operator's tool does.
pub fn commit(topic: &Topic, group: &str, partition: i32, offset: i64) {
    commit_with_metadata(topic, group, partition, (offset, String::new()));
}

/// Commits with a text beside the offset, as a tool does that restores offsets.
pub fn commit_with_metadata(topic: &Topic, group: &str, partition: i32, (offset, metadata): (i64, String)) {
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(&topic.name, partition);
    element.set_offset(Offset::Offset(offset)).unwrap();
    element.set_metadata(metadata);
    client(topic, group).commit(&list, CommitMode::Sync).expect("Kafka takes the offset");
}

/// A consumer that is subscribed under a group id, as another program would be.
#[derive(Debug)]
pub struct Subscriber {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes, and returns once the group has given it partitions.
    pub fn join(topic: &Topic, group: &str, client_id: &str) -> Self {
        Self::join_with(topic, group, client_id, &[("session.timeout.ms", "10000")])
    }

    /// ... with librdkafka's `properties` besides the usual ones.
    pub fn join_with(topic: &Topic, group: &str, client_id: &str, properties: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &topic.brokers)
            .set("group.id", group)
            .set("client.id", client_id)
            .set("enable.auto.commit", "false");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create().expect("a consumer can be made");
        consumer.subscribe(&[&topic.name]).expect("it subscribes");
        until("the foreign consumer has partitions", || {
            let _ = consumer.poll(Duration::from_millis(50));
            (consumer.assignment().unwrap().count() > 0).then_some(())
        });
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let _ = consumer.poll(Duration::from_millis(50));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
