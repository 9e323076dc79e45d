//! A Kafka cluster with its ZooKeeper, and what is asked of both about groups and their offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor_kafka::GroupMember;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::logs::{Answers as LogAnswers, Log};
use kafkavisor_kafka::offsets::zookeeper::Seen;
use kafkavisor_kafka::offsets::{
    Answers, DualOffsets, KafkaOffsets, OffsetError, OffsetStore, Stored, ZookeeperOffsets,
};
use kafkavisor_kafka::properties::client_properties;

use super::error::OffsetsError;
use crate::async_thread::{AsyncThread, apart};
use crate::clock::in_time;
use crate::cluster_config::ClusterConfig;
use crate::config::{ZookeeperAddress, ZookeeperAuth, ZookeeperTls};
use crate::ensemble::ensemble;
use crate::ids::{Group, Offset, Topic, TopicPartition};
use crate::offset_storage::{InvalidOffsetStorageError, OffsetStorage};

/// A cluster that was reached. The `kafka_client` of yelp_kafka's functions.
pub struct KafkaClient {
    clients: Arc<Clients>,
    brokers: String,
    properties: BTreeMap<String, String>,
    zookeeper: Option<(ZookeeperAddress, AsyncThread)>,
    zookeeper_auth: Option<ZookeeperAuth>,
    zookeeper_tls: Option<ZookeeperTls>,
    within: Duration,
}

/// A group's offsets before a change.
#[derive(Debug, Clone)]
pub struct Before {
    /// One answer a partition, none where there is no offset.
    pub offsets: Answers<Option<Offset>>,
    nodes: BTreeMap<TopicPartition, Seen>,
}

impl Debug for KafkaClient {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaClient").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl KafkaClient {
    /// Reaches Kafka within `within`, which is every later request's time limit, too; ZooKeeper is asked once offsets in it are.
    /// `properties` are librdkafka's, for security and the like.
    pub fn connect(
        cluster: &ClusterConfig,
        properties: &BTreeMap<String, String>,
        within: Duration,
    ) -> Result<Self, OffsetsError> {
        let brokers = cluster.broker_list.join(",");
        let properties = client_properties(&cluster.broker_list, properties);
        let unreachable = |error| {
            let brokers = brokers.clone();
            if let KafkaError::Security(_) | KafkaError::Configuration(_) = error {
                OffsetsError::KafkaRefuses { brokers, error }
            } else {
                OffsetsError::KafkaUnreachable { brokers, within, error }
            }
        };
        cluster.check_brokers().map_err(|why| unreachable(KafkaError::Configuration(why)))?;
        let clients = Clients::outside(&properties).map_err(unreachable)?;
        clients.reach(in_time(within)).map_err(unreachable)?;
        let zookeeper = if cluster.zookeeper.is_empty() {
            None
        } else {
            let address: ZookeeperAddress = cluster.zookeeper.parse()?;
            let thread =
                AsyncThread::start("offsets").map_err(|error| OffsetsError::Thread(error.to_string()))?;
            Some((address, thread))
        };
        let clients = Arc::new(clients);
        let (zookeeper_auth, zookeeper_tls) = (None, None);
        Ok(Self { clients, brokers, properties, zookeeper, zookeeper_auth, zookeeper_tls, within })
    }

    /// Speaks to ZooKeeper as somebody, and over TLS.
    #[must_use]
    pub fn zookeeper_as(self, auth: Option<ZookeeperAuth>, tls: Option<ZookeeperTls>) -> Self {
        Self { zookeeper_auth: auth, zookeeper_tls: tls, ..self }
    }

    /// Which brokers were named.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    fn deadline(&self) -> Instant {
        in_time(self.within)
    }

    fn failed(&self, asked: impl Into<String>) -> impl FnOnce(KafkaError) -> OffsetsError {
        let (brokers, asked) = (self.brokers.clone(), asked.into());
        |error| OffsetsError::Kafka { brokers, asked, error }
    }

    fn in_kafka(&self, group: &Group) -> Result<KafkaOffsets, OffsetsError> {
        let clients = Clients::new(&self.properties, group)
            .and_then(|clients| KafkaOffsets::new(Arc::new(clients), group));
        clients.map_err(self.failed(format!("offsets of group {group}")))
    }

    /// The store in ZooKeeper, with a session that is established.
    fn in_zookeeper(&self, group: &Group) -> Result<ZookeeperOffsets, OffsetsError> {
        let (address, thread) = self.zookeeper.as_ref().ok_or(InvalidOffsetStorageError::WithoutZookeeper)?;
        let ensemble = ensemble(address, self.zookeeper_auth.as_ref(), self.zookeeper_tls.as_ref());
        let servers = ensemble.servers().to_owned();
        let store = ZookeeperOffsets::new(thread.handle(), ensemble, &address.chroot, group);
        match apart(|| store.reach(self.deadline())) {
            Ok(()) => Ok(store),
            Err(OffsetError::ZookeeperTimedOut { .. }) => {
                Err(OffsetsError::ZookeeperUnreachable { servers, within: self.within })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How many partitions each topic has; topics that there are not are left out.
    pub fn partition_counts(&self, topics: &[Topic]) -> Result<BTreeMap<Topic, i32>, OffsetsError> {
        let mut counts = BTreeMap::new();
        // Kafka refuses to be asked twice for the same.
        let topics: BTreeSet<_> = topics.iter().cloned().collect();
        let topics: Vec<_> = topics.into_iter().collect();
        for (topic, described) in self.clients.describe(&topics, self.within) {
            let described = described.map_err(self.failed(format!("topic {topic}")))?;
            if described.partitions > 0 {
                counts.insert(topic, described.partitions);
            }
        }
        Ok(counts)
    }

    /// Where the logs begin and end: one answer a partition.
    pub fn logs(&self, of: &BTreeSet<TopicPartition>) -> LogAnswers<Log> {
        self.clients.logs(of)
    }

    /// Where in the logs the first message is that is not older than `millis`, milliseconds since 1970; none where all are older.
    pub fn offsets_at(&self, millis: i64, of: &BTreeSet<TopicPartition>) -> LogAnswers<Option<Offset>> {
        self.clients.at(millis, of)
    }

    /// Who is subscribed under the group's id in Kafka; `None` where Kafka knows no such group.
    pub fn group_members(&self, group: &Group) -> Result<Option<Vec<GroupMember>>, OffsetsError> {
        let members = self.clients.group_members(group, self.deadline());
        members.map_err(self.failed(format!("members of group {group}")))
    }

    /// All partitions for which the group has an offset, those of topics that are gone among them; with `Dual` in either place.
    pub fn partitions_with_offsets(
        &self,
        group: &Group,
        storage: OffsetStorage,
    ) -> Result<BTreeSet<TopicPartition>, OffsetsError> {
        let mut partitions = BTreeSet::new();
        if storage != OffsetStorage::Zookeeper {
            let offsets = self.clients.group_offsets(group, self.deadline());
            partitions.extend(offsets.map_err(self.failed(format!("offsets of group {group}")))?.into_keys());
        }
        if storage != OffsetStorage::Kafka {
            let store = self.in_zookeeper(group)?;
            partitions.extend(apart(|| store.list(self.deadline()))?);
        }
        Ok(partitions)
    }

    /// The group's offsets: one answer a partition, none where there is no offset. With `Dual` Kafka's, else ZooKeeper's.
    pub fn committed(
        &self,
        group: &Group,
        storage: OffsetStorage,
        of: &BTreeSet<TopicPartition>,
    ) -> Result<Answers<Option<Offset>>, OffsetsError> {
        let store: Box<dyn OffsetStore> = match storage {
            OffsetStorage::Kafka => Box::new(self.in_kafka(group)?),
            OffsetStorage::Zookeeper => Box::new(self.in_zookeeper(group)?),
            OffsetStorage::Dual => Box::new(DualOffsets::new(
                Arc::new(self.in_kafka(group)?),
                Arc::new(self.in_zookeeper(group)?),
            )),
        };
        let answers = apart(|| store.read(of, self.deadline()));
        let offset = |answer: Result<Option<Stored>, OffsetError>| {
            answer.map(|stored| stored.map(|stored| stored.offset))
        };
        Ok(answers.into_iter().map(|(key, answer)| (key, offset(answer))).collect())
    }

    /// The group's offsets, as [`committed`](Self::committed) gives them, with what [`exchange`](Self::exchange) needs.
    pub fn look(
        &self,
        group: &Group,
        storage: OffsetStorage,
        of: &BTreeSet<TopicPartition>,
    ) -> Result<Before, OffsetsError> {
        if storage == OffsetStorage::Kafka {
            return Ok(Before { offsets: self.committed(group, storage, of)?, nodes: BTreeMap::new() });
        }
        let store = self.in_zookeeper(group)?;
        let (mut offsets, mut nodes) = (Answers::new(), BTreeMap::new());
        for (key, answer) in apart(|| store.look(of, self.deadline())) {
            let offset = match answer {
                Ok(Some(node)) => nodes.entry(key.clone()).or_insert(node).offset.clone().map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            offsets.insert(key, offset);
        }
        if storage == OffsetStorage::Dual {
            let kafkas = self.committed(group, OffsetStorage::Kafka, of)?;
            for (key, answer) in kafkas {
                // What is wrong with a node is not hidden by Kafka's: it is to be written, too.
                if answer != Ok(None) && offsets.get(&key).is_none_or(Result::is_ok) {
                    offsets.insert(key, answer);
                }
            }
        }
        Ok(Before { offsets, nodes })
    }

    /// Writes offsets as [`commit`](Self::commit) does; in ZooKeeper only where nodes are still as they were `before`, all of them
    /// or none. Kafka can't tell who else has written.
    pub fn exchange(
        &self,
        group: &Group,
        storage: OffsetStorage,
        before: &Before,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<Answers<()>, OffsetsError> {
        if storage == OffsetStorage::Kafka {
            return self.commit(group, storage, offsets);
        }
        let store = self.in_zookeeper(group)?;
        let mut answers = Answers::new();
        let mut wanted = offsets.clone();
        if storage == OffsetStorage::Dual {
            answers = self.commit(group, OffsetStorage::Kafka, offsets)?;
            wanted.retain(|key, _| answers.get(key) == Some(&Ok(())));
        }
        answers.extend(apart(|| store.exchange(&before.nodes, &wanted, self.deadline())));
        Ok(answers)
    }

    /// Writes offsets of the group: one answer a partition. What stands beside them is empty, so that no supervisor takes them for
    /// its own. With `Dual` first to Kafka, which may refuse, and to ZooKeeper what Kafka has taken.
    pub fn commit(
        &self,
        group: &Group,
        storage: OffsetStorage,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<Answers<()>, OffsetsError> {
        let wanted = offsets.iter();
        let wanted: BTreeMap<_, _> = wanted
            .map(|(key, offset)| (key.clone(), Stored { offset: *offset, note: String::new() }))
            .collect();
        match storage {
            OffsetStorage::Kafka => Ok(self.in_kafka(group)?.write(&wanted, self.deadline())),
            OffsetStorage::Zookeeper => {
                let store = self.in_zookeeper(group)?;
                Ok(apart(|| store.write(&wanted, self.deadline())))
            }
            OffsetStorage::Dual => self.commit_to_both(group, wanted),
        }
    }

    fn commit_to_both(
        &self,
        group: &Group,
        mut wanted: BTreeMap<TopicPartition, Stored>,
    ) -> Result<Answers<()>, OffsetsError> {
        let store = self.in_zookeeper(group)?;
        let mut answers = self.in_kafka(group)?.write(&wanted, self.deadline());
        wanted.retain(|key, _| answers.get(key) == Some(&Ok(())));
        answers.extend(apart(|| store.write(&wanted, self.deadline())));
        Ok(answers)
    }
}
