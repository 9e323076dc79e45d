//! Which group is meant, where its offsets are, and that Kafka is reached.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::{Finding, ZookeeperAddress};
use kafkavisor::ids::{Group, Topic, TopicPartition};
use kafkavisor::offsets::{KafkaClient, KafkaError, Log, OffsetError, OffsetStorage, OffsetsError};

use super::super::identity::{WITHIN, finding, log_in};
use super::parts::in_parts;
use crate::cli::GroupArgs;
use crate::exit::Failure;

/// A group on a Kafka that was reached.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) client: KafkaClient,
    pub(super) group: Group,
    pub(super) storage: OffsetStorage,
    pub(super) zookeeper: Option<ZookeeperAddress>,
    /// Who we are to both.
    pub(super) who: Finding,
}

impl Target {
    /// Reaches Kafka. Where no storage is named it is `otherwise`.
    pub(super) fn reach(args: &GroupArgs, otherwise: OffsetStorage) -> Result<Self, Failure> {
        let storage = args.storage.unwrap_or(otherwise);
        let zookeeper = args.zookeeper.clone();
        if storage != OffsetStorage::Kafka && zookeeper.is_none() {
            return Err(Failure::usage(format!(
                "the storage {storage} needs -z ZOOKEEPER, as in -z zk1:2181/kafka"
            )));
        }
        let who = finding(args.config.as_deref())?;
        let client = connect(&args.brokers, zookeeper.as_ref(), &who)?;
        Ok(Self { client, group: args.group.clone(), storage, zookeeper, who })
    }

    /// All partitions of these topics; one that there is not is a failure.
    pub(super) fn partitions(&self, topics: &[Topic]) -> Result<BTreeSet<TopicPartition>, Failure> {
        let counts = self.counts(topics)?;
        let missing: BTreeSet<_> = topics.iter().filter(|topic| !counts.contains_key(*topic)).collect();
        if missing.is_empty() {
            return Ok(all(&counts));
        }
        let said = missing.into_iter().map(|topic| self.no_topic(topic)).collect::<Vec<_>>();
        Err(Failure::failed(said.join("\n")))
    }

    /// How many partitions each topic has that there is.
    pub(super) fn counts(&self, topics: &[Topic]) -> Result<BTreeMap<Topic, i32>, Failure> {
        self.client.partition_counts(topics).map_err(failure)
    }

    /// Where these logs begin and end; how far it is with that is seen on a terminal.
    pub(super) fn logs(
        &self,
        of: &BTreeSet<TopicPartition>,
    ) -> BTreeMap<TopicPartition, Result<Log, KafkaError>> {
        in_parts(of, "logs looked at", |part| self.client.logs(part))
    }

    pub(super) fn no_topic(&self, topic: &Topic) -> String {
        format!("there is no topic {topic} in Kafka at {}", self.client.brokers())
    }

    /// Where its offsets are, for people.
    pub(super) fn place(&self) -> &'static str {
        match self.storage {
            OffsetStorage::Kafka => "Kafka",
            OffsetStorage::Zookeeper => "ZooKeeper",
            OffsetStorage::Dual => "Kafka and ZooKeeper",
        }
    }
}

/// A client for this Kafka, and for offsets in this ZooKeeper.
pub(in crate::commands) fn connect(
    brokers: &[String],
    zookeeper: Option<&ZookeeperAddress>,
    who: &Finding,
) -> Result<KafkaClient, Failure> {
    let zookeeper = zookeeper.map(ToString::to_string).unwrap_or_default();
    let cluster = ClusterConfig::new("", "", brokers.to_vec(), zookeeper);
    let client = KafkaClient::connect(&cluster, &log_in(who)?, WITHIN).map_err(failure)?;
    Ok(client.zookeeper_as(who.zookeeper_auth.clone(), who.zookeeper_tls.clone()))
}

/// All partitions of topics that have so many.
pub(in crate::commands) fn all(counts: &BTreeMap<Topic, i32>) -> BTreeSet<TopicPartition> {
    let of = |(topic, count): (&Topic, &i32)| {
        let topic = topic.clone();
        (0..*count).map(move |partition| TopicPartition::new(topic.clone(), partition))
    };
    counts.iter().flat_map(of).collect()
}

/// How the command ends when this is what it was told.
pub(in crate::commands) fn failure(error: OffsetsError) -> Failure {
    let message = error.to_string();
    match error {
        OffsetsError::KafkaRefuses { error, .. } if error.is_ours() => Failure::configuration(message),
        OffsetsError::KafkaRefuses { .. }
        | OffsetsError::KafkaUnreachable { .. }
        | OffsetsError::ZookeeperUnreachable { .. }
        | OffsetsError::Offsets(
            OffsetError::ZookeeperTimedOut { .. } | OffsetError::Trouble { ours: false, .. },
        )
        | OffsetsError::Kafka { error: KafkaError::TimedOut, .. } => Failure::unreachable(message),
        OffsetsError::Offsets(OffsetError::Trouble { .. }) => Failure::configuration(message),
        OffsetsError::InvalidOffsetStorage(_) | OffsetsError::Address(_) => Failure::usage(message),
        OffsetsError::Thread(_) => Failure::bug(message),
        OffsetsError::UnknownTopic { .. }
        | OffsetsError::UnknownPartitions { .. }
        | OffsetsError::Kafka { .. }
        | OffsetsError::Partition { .. }
        | OffsetsError::Offsets(_) => Failure::failed(message),
    }
}
