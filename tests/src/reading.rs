//! Reads a topic without a group, to see what is in it.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::topic::Topic;
use crate::waiting::{WITHIN, pause, until_within};

/// One message as it lies in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its payload.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Read {
    /// Headers with text in them, by name.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let text = |(name, value): &(String, Option<Vec<u8>>)| {
            Some((name.clone(), String::from_utf8(value.clone()?).ok()?))
        };
        self.headers.iter().filter_map(text).collect()
    }
}

/// Waits until there are `count` messages in the topic's first partition, and gives all there are.
#[track_caller]
pub fn read(topic: &Topic, count: usize) -> Vec<Read> {
    read_partition(topic, 0, count)
}

/// ... in another one of its partitions.
#[track_caller]
pub fn read_partition(topic: &Topic, partition: i32, count: usize) -> Vec<Read> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("group.id", "reads-only")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic.name, partition, Offset::Beginning).expect("a partition");
    consumer.assign(&list).expect("it is assigned");
    let mut messages = Vec::new();
    until_within(WITHIN, &format!("{count} messages in {}:{partition}", topic.name), || {
        while let Some(Ok(message)) = consumer.poll(std::time::Duration::ZERO) {
            let headers = message.headers().map_or_else(Vec::new, |headers| {
                headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
            });
            let (key, value) = (message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec));
            messages.push(Read { key, value, headers });
        }
        pause(std::time::Duration::from_millis(20));
        (messages.len() >= count).then_some(())
    });
    messages
}
