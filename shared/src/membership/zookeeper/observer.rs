//! Reading a group from outside: who is in it and who holds what. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkavisor_zookeeper::{ConnectError, Ensemble, NodeError, Right};
use tokio::time::timeout;
use zookeeper_client::{Client, Error, Stat};

use super::paths::Paths;
use super::paths::normal;
use crate::ids::TopicPartition;
use crate::partitioner::allocation::{member_id, parse_kazoo_name};
use crate::partitioner::node_names::holder;

/// An observer's session; it owns nothing, so its length matters to nobody.
const SESSION: Duration = Duration::from_secs(10);

/// A member as its party node shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSeen {
    /// Its identifier.
    pub id: String,
    /// Its session, `0x1000…`.
    pub session: String,
    /// What it holds.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A group at one moment, nearly: it is read node by node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupSeen {
    /// Every member, by identifier.
    pub members: Vec<MemberSeen>,
    /// Partitions held by sessions that are in no party: members on their way out.
    pub orphans: BTreeMap<TopicPartition, String>,
    /// Partitions with a lock folder that nobody holds.
    pub free: BTreeSet<TopicPartition>,
}

/// A session that only reads.
#[derive(Debug)]
pub struct Observer {
    client: Client,
    chroot: String,
    limit: Duration,
}

impl Observer {
    /// Connects; an error after `within`, which is every later request's time limit too.
    pub async fn connect(ensemble: &Ensemble, chroot: &str, within: Duration) -> Result<Self, ConnectError> {
        let client = ensemble.connect(SESSION, within).await?;
        Ok(Self { client, chroot: chroot.to_owned(), limit: within })
    }

    /// Whether the folder that all paths are in is there. One that nobody has made was mistyped, most likely.
    pub async fn has_chroot(&self) -> Result<bool, NodeError> {
        let path = normal(&self.chroot);
        if path.is_empty() {
            return Ok(true);
        }
        Ok(self.stat(&path).await?.is_some())
    }

    pub(super) fn chroot(&self) -> &str {
        &self.chroot
    }

    /// Who is in the group and who holds which partition, Python members included. Nobody in a group that never was.
    pub async fn read_members(&self, group_path: &str) -> Result<GroupSeen, NodeError> {
        let paths = Paths::new(&self.chroot, group_path);
        let mut members = BTreeMap::new();
        for node in self.children(&paths.party()).await? {
            if let Some(stat) = self.stat(&paths.party_node(&node)).await? {
                let (id, session) = (member_id(&node).to_owned(), format!("{:#x}", stat.ephemeral_owner));
                let seen = MemberSeen { id, session, partitions: BTreeSet::new() };
                members.insert(stat.ephemeral_owner, seen);
            }
        }
        let mut seen = GroupSeen::default();
        for partition in self
            .children(&paths.all_locks())
            .await?
            .iter()
            .filter_map(|partition| parse_kazoo_name(partition).ok())
        {
            match self.holder(&paths.locks(&partition)).await? {
                None => drop(seen.free.insert(partition)),
                Some(session) => match members.get_mut(&session) {
                    Some(member) => drop(member.partitions.insert(partition)),
                    None => drop(seen.orphans.insert(partition, format!("{session:#x}"))),
                },
            }
        }
        seen.members = members.into_values().collect();
        seen.members.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(seen)
    }

    /// The session that holds the lock in this folder.
    async fn holder(&self, folder: &str) -> Result<Option<i64>, NodeError> {
        let children = self.children(folder).await?;
        let Some(node) = holder(&children) else { return Ok(None) };
        Ok(self.stat(&format!("{folder}/{node}")).await?.map(|stat| stat.ephemeral_owner))
    }

    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, NodeError> {
        Ok(found(path, self.bounded(self.client.list_children(path)).await)?.unwrap_or_default())
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, NodeError> {
        let stat = self.bounded(self.client.check_stat(path)).await;
        stat.map_err(|error| NodeError::of(path, Right::Read, error))
    }

    async fn bounded<T>(&self, reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout(self.limit, reading).await.unwrap_or(Err(Error::Timeout))
    }
}

/// What was read; none where there is no such node.
fn found<T>(path: &str, read: Result<T, Error>) -> Result<Option<T>, NodeError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(NodeError::of(path, Right::Read, error)),
    }
}
