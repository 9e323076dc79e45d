//! The first message at or after an offset, of many partitions that nobody fetches: read by one client that is there for as long
//! as it takes, a few partitions at a time, little of each, and for a bounded time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Group, Offset, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};

use crate::clients::Clients;
use crate::error::KafkaError;
use crate::live::Live;
use crate::properties::client_config;
use crate::trouble::Signs;

/// Partitions read at once, so that what is fetched of them stays small.
const AT_ONCE: usize = 50;
/// Longest that reading so many may take.
const WITHIN: Duration = Duration::from_secs(2);
/// Longest that all may take; the others come with the next reading.
const ALL_WITHIN: Duration = Duration::from_secs(10);
/// What is not the operator's to set here. A broker sends a whole batch, however little is asked for.
const PROPERTIES: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("fetch.message.max.bytes", "1024"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "100"),
    ("queued.min.messages", "1"),
    ("queued.max.messages.kbytes", "1024"),
];

/// What stands at or after an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A message.
    Message {
        /// Its timestamp, in milliseconds since 1970; -1 without one.
        timestamp: i64,
    },
    /// No message below this offset: what there is are marks of transactions, or it was compacted away.
    NoneBelow(Offset),
}

/// Reads heads.
#[derive(Debug)]
pub struct Reader {
    clients: Arc<Clients>,
    group: Group,
}

impl Reader {
    /// Makes no client yet; is set up as `clients` is then.
    pub fn new(clients: Arc<Clients>, group: &Group) -> Self {
        Self { clients, group: group.clone() }
    }

    fn config(&self) -> ClientConfig {
        // It assigns its partitions itself: the group is a name that librdkafka wants for that.
        let mut config = client_config(self.clients.current().properties(), Some(&self.group));
        for (key, value) in PROPERTIES {
            config.set(*key, *value);
        }
        config
    }

    /// What stands at or after the first offset of each partition, whose log ends at the second; those that could not be read in
    /// time are left out.
    pub fn read(&self, from: &BTreeMap<TopicPartition, (Offset, Offset)>) -> BTreeMap<TopicPartition, Head> {
        let mut heads = BTreeMap::new();
        if from.is_empty() {
            return heads;
        }
        let until = now() + ALL_WITHIN;
        let live = match Live::new(&self.config()) {
            Ok(live) => live,
            Err(error) => {
                log::warn!("failed to read the oldest messages that wait: {error}");
                return heads;
            }
        };
        // Topic by topic: of an end of a partition the safe crate tells the number alone.
        let topics: BTreeSet<_> = from.keys().map(|key| &key.topic).collect();
        for topic in topics {
            let all: Vec<_> = from.iter().filter(|(key, _)| key.topic == *topic).collect();
            for some in all.chunks(AT_ONCE) {
                if now() >= until {
                    return heads;
                }
                if let Err(error) = read_some(&live.client, some, &mut heads) {
                    log::debug!("failed to read the oldest messages that wait in {topic}: {error}");
                }
            }
        }
        heads
    }
}

type Wanted<'a> = (&'a TopicPartition, &'a (Offset, Offset));

/// Reads partitions of one topic.
fn read_some(
    client: &BaseConsumer<Signs>,
    some: &[Wanted<'_>],
    heads: &mut BTreeMap<TopicPartition, Head>,
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::with_capacity(some.len());
    for (key, (from, _)) in some {
        list.add_partition_offset(key.topic.as_str(), key.partition.0, ListOffset::Offset(from.0))?;
    }
    client.assign(&list)?;
    let until = now() + WITHIN;
    let mut missing: BTreeMap<i32, Wanted<'_>> =
        some.iter().map(|wanted| (wanted.0.partition.0, *wanted)).collect();
    while !missing.is_empty() && now() < until {
        let polled = client.poll(until.saturating_duration_since(now()));
        let (number, timestamp) = match polled {
            Some(Ok(message)) => (message.partition(), Some(message.timestamp().to_millis().unwrap_or(-1))),
            Some(Err(ClientError::PartitionEOF(number))) => (number, None),
            Some(Err(_)) | None => continue,
        };
        let Some((key, (_, end))) = missing.remove(&number) else { continue };
        // No more of it is fetched than has been.
        let mut done = TopicPartitionList::new();
        done.add_partition(key.topic.as_str(), number);
        client.pause(&done)?;
        let head = timestamp.map_or(Head::NoneBelow(*end), |timestamp| Head::Message { timestamp });
        heads.insert(key.clone(), head);
    }
    client.unassign().map_err(KafkaError::from)
}
