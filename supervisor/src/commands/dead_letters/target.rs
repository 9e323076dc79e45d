//! Which topic of dead letters is meant, and that Kafka is reached.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::{Group, Offset, Topic, TopicPartition};
use kafkavisor::offsets::{KafkaClient, Log, OffsetStorage};
use kafkavisor_kafka::properties::client_properties;

use super::super::identity::finding;
use super::super::offsets::target::{all, connect, failure};
use super::super::offsets::wanted::each;
use crate::cli::{Begin, DeadTopicArgs};
use crate::exit::Failure;
use crate::tokens;

/// One offset a partition.
pub(super) type Offsets = BTreeMap<TopicPartition, Offset>;

/// A topic on a Kafka that was reached.
pub(super) struct Target {
    pub(super) client: KafkaClient,
    pub(super) topic: Topic,
    /// The properties of clients that read and send.
    pub(super) properties: BTreeMap<String, String>,
    /// As they are when the command begins: what comes later is for the next one.
    pub(super) logs: BTreeMap<TopicPartition, Log>,
}

impl Target {
    pub(super) fn reach(args: &DeadTopicArgs) -> Result<Self, Failure> {
        let who = finding(args.config.as_deref())?;
        let client = connect(&args.brokers, None, &who)?;
        let properties = client_properties(&args.brokers, &tokens::for_clients(&who.kafka));
        let counts = client.partition_counts(std::slice::from_ref(&args.topic)).map_err(failure)?;
        if counts.is_empty() {
            return Err(Failure::failed(no_topic(&args.topic, &client)));
        }
        let logs = each(client.logs(&all(&counts)), |log| log)?;
        Ok(Self { client, topic: args.topic.clone(), properties, logs })
    }

    /// The starts of the logs.
    pub(super) fn starts(&self) -> Offsets {
        self.logs.iter().map(|(key, log)| (key.clone(), log.start)).collect()
    }

    /// Where in each partition to begin.
    pub(super) fn begins(&self, from: Begin) -> Result<Offsets, Failure> {
        let Begin::Time(millis) = from else { return Ok(self.starts()) };
        let found = each(self.client.offsets_at(millis, &self.logs.keys().cloned().collect()), |at| at)?;
        let at = |(key, log): (&TopicPartition, &Log)| {
            let end = log.stable_end;
            (key.clone(), found.get(key).copied().flatten().unwrap_or(end).min(end))
        };
        Ok(self.logs.iter().map(at).collect())
    }

    /// The offsets of `group`; partitions without one are left out.
    pub(super) fn committed(&self, group: &Group) -> Result<Offsets, Failure> {
        let keys: BTreeSet<_> = self.logs.keys().cloned().collect();
        let answers = self.client.committed(group, OffsetStorage::Kafka, &keys).map_err(failure)?;
        let mut offsets = Offsets::new();
        for (key, answer) in answers {
            match answer {
                Ok(offset) => offsets.extend(offset.map(|offset| (key, offset))),
                Err(error) if error.is_barred() => {
                    return Err(Failure::configuration(format!("position of group {group}: {error}")));
                }
                Err(error) => {
                    return Err(Failure::failed(format!("{key}: position of group {group}: {error}")));
                }
            }
        }
        Ok(offsets)
    }
}

pub(super) fn no_topic(topic: &Topic, client: &KafkaClient) -> String {
    format!("there is no topic {topic} in Kafka at {}", client.brokers())
}
