//! The group's offsets in Kafka itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Group, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};

use crate::admin::{Described, Element, Written, elements, write_offsets};
use crate::clients::{Clients, Current, LOOK};
use crate::error::KafkaError;
use crate::list;
use crate::live::Live;
use crate::properties::client_config;

use super::store::{Answers, OffsetError, OffsetStore, Stored};

/// A broker that hangs costs a writer, which goes on to another one then, no more than this.
const SOCKET_TIMEOUT_MS: u64 = 5000;

/// Offsets in Kafka itself.
pub struct KafkaOffsets {
    clients: Arc<Clients>,
    group: Group,
    /// None where none could be made after one that failed: the next write tries again.
    writer: Mutex<Option<Writer>>,
}

/// Ends with a request that failed: it would keep to the coordinator that it once found, whatever that one says. Made anew too when
/// there are other properties, brokers to begin with among them; another name or password it is given as it is.
struct Writer {
    live: Live,
    made_with: Current,
}

impl Debug for KafkaOffsets {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaOffsets").field("group", &self.group).finish_non_exhaustive()
    }
}

impl KafkaOffsets {
    /// Reads through `clients`, writes through a client of its own; asks nobody yet.
    pub fn new(clients: Arc<Clients>, group: &Group) -> Result<Self, KafkaError> {
        let writer = Mutex::new(Some(Writer::new(clients.current())?));
        Ok(Self { clients, group: group.clone(), writer })
    }
}

impl Writer {
    fn new(with: Current) -> Result<Self, KafkaError> {
        let mut config = client_config(with.properties(), None);
        let theirs = with.properties().get("socket.timeout.ms").and_then(|text| text.parse().ok());
        config.set("socket.timeout.ms", theirs.unwrap_or(u64::MAX).min(SOCKET_TIMEOUT_MS).to_string());
        Ok(Self { live: Live::new(&config)?, made_with: with })
    }

    /// One as made with this; what can't be made goes on as it was.
    fn taking(mut self, with: Current) -> Self {
        if self.made_with != with {
            if self.live.take_login(self.made_with.properties(), with.properties()) {
                self.made_with = with;
            } else if let Ok(another) = Self::new(with) {
                return another;
            }
        }
        self
    }

    /// Writes, and is there for another time where it did not fail.
    fn write(
        self,
        group: &Group,
        offsets: &TopicPartitionList,
        within: Duration,
    ) -> Result<(Option<Self>, Written), KafkaError> {
        let Self { live, made_with } = self;
        live.serve();
        let (live, written) = write_offsets(live, group.as_str(), offsets, within)
            .map_err(|failed| made_with.explained(failed, now() + LOOK))?;
        let moved = written.values().any(|answer| *answer == Err(KafkaError::CoordinatorMoved));
        Ok(((!moved).then_some(Self { live, made_with }), written))
    }
}

impl OffsetStore for KafkaOffsets {
    fn read(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Stored>> {
        if of.is_empty() {
            return Answers::new();
        }
        let left = deadline.saturating_duration_since(now());
        let answered = match self.clients.live().client.committed_offsets(list(of.iter()), left) {
            Ok(answered) => answered,
            Err(error) => return all(of.iter(), &self.clients.explained(error.into())),
        };
        let mut answers = all(of.iter(), &KafkaError::TimedOut);
        for Element { key, offset, note, error } in elements(&answered) {
            let stored = offset.map(|offset| Stored { offset, note });
            answers.insert(key, error.map_or(Ok(stored), |error| Err(error.into())));
        }
        answers
    }

    fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()> {
        let left = deadline.saturating_duration_since(now());
        if offsets.is_empty() || left < Duration::from_millis(1) {
            return all(offsets.keys(), &KafkaError::TimedOut);
        }
        let mut wanted = TopicPartitionList::with_capacity(offsets.len());
        for (key, Stored { offset, note }) in offsets {
            let mut element = wanted.add_partition(key.topic.as_str(), key.partition.0);
            // Offsets here are never negative, which is the only thing it can refuse.
            let _never_refused = element.set_offset(ListOffset::Offset(offset.0));
            element.set_metadata(note);
        }
        let written = match self.write_once(&wanted, left) {
            Ok(written) => written,
            Err(error) => return all(offsets.keys(), &error),
        };
        let mut answers = all(offsets.keys(), &KafkaError::TimedOut);
        answers.extend(written.into_iter().map(|(key, answer)| (key, answer.map_err(OffsetError::from))));
        self.tell_gone(&mut answers, deadline);
        answers
    }
}

impl KafkaOffsets {
    /// One at a time.
    fn write_once(&self, wanted: &TopicPartitionList, within: Duration) -> Result<Written, KafkaError> {
        let with = self.clients.current();
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match slot.take() {
            Some(writer) => writer.taking(with.clone()),
            None => Writer::new(with.clone())?,
        };
        let (writer, written) = match writer.write(&self.group, wanted, within) {
            Ok((writer, written)) => (writer, Ok(written)),
            Err(error) => (None, Err(error)),
        };
        // Another one can look for a broker meanwhile.
        *slot = writer.or_else(|| Writer::new(with).ok());
        written
    }

    /// Says of partitions that Kafka does not know whether they are gone, as far as that can be told now.
    fn tell_gone(&self, answers: &mut Answers<()>, deadline: Instant) {
        let unknown = Err(OffsetError::Kafka(KafkaError::Unknown));
        let topics: BTreeSet<_> = answers
            .iter()
            .filter(|(_, answer)| **answer == unknown)
            .map(|(key, _)| key.topic.clone())
            .collect();
        let topics: Vec<_> = topics.into_iter().collect();
        let described = self.clients.describe(&topics, deadline.saturating_duration_since(now()));
        for (key, answer) in answers.iter_mut().filter(|(_, answer)| **answer == unknown) {
            if let Some(Ok(Described { partitions, .. })) = described.get(&key.topic)
                && key.partition.0 >= *partitions
            {
                *answer = Err(OffsetError::Gone);
            }
        }
    }
}

fn all<'a, T>(of: impl Iterator<Item = &'a TopicPartition>, error: &KafkaError) -> Answers<T> {
    of.map(|key| (key.clone(), Err(error.clone().into()))).collect()
}
