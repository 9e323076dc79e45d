//! One request of the member, performed on ZooKeeper: its answer, and the watch where it sets one.
//!
//! Requests made without a connection would hang in the client until there is one; here they fail at once, and each
//! step of those under way has a time limit. What fails may have had its effect all the same: the member finds out.

use std::sync::Arc;
use std::time::Duration;

use kafkavisor_zookeeper::nodes::{NodeError, Right, make_folder};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zookeeper_client::{
    Acls, Client, CreateMode, CreateOptions, CreateSequence, Error, MultiWriteError, OneshotWatcher,
    SessionState, Stat,
};

use super::names::Names;
use super::paths::Paths;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::allocation::member_id;
use crate::partitioner::messages::{Answer, OwnLock, Request, SiblingLock};
use crate::partitioner::node_names::{contenders, holder};

/// How many requests are on their way at once. A time limit begins when a request is among them.
const AT_ONCE: usize = 64;

/// A request's answer and what it watches.
pub(super) type Performed = (Answer, Option<OneshotWatcher>);

/// Performs requests in one session.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    client: Client,
    paths: Paths,
    acls: Acls<'static>,
    limit: Duration,
    slots: Arc<Semaphore>,
    names: Names,
}

impl Requests {
    /// Every step gets a third of the session's timeout.
    pub(super) fn new(client: Client, paths: Paths, acls: Acls<'static>) -> Self {
        let limit = client.session_timeout() / 3;
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self { client, paths, acls, limit, slots, names: Names::default() }
    }

    pub(super) async fn perform(&self, request: &Request) -> Result<Performed, NodeError> {
        // Nobody closes the semaphore.
        let _slot = self.slots.acquire().await.ok();
        match request {
            Request::ListParty => {
                let party = self.paths.party();
                match self.bounded(self.client.list_and_watch_children(&party)).await {
                    Ok((nodes, watcher)) => Ok((Answer::PartyListed { nodes }, Some(watcher))),
                    Err(Error::NoNode) => {
                        log::error!("somebody has deleted {party} in ZooKeeper, and our node with it");
                        Ok((Answer::PartyListed { nodes: Vec::new() }, None))
                    }
                    Err(error) => Err(NodeError::of(&party, Right::Read, error)),
                }
            }
            Request::WatchPredecessor { partition, node } => {
                let path = format!("{}/{node}", self.paths.locks(partition));
                match self.watch_node(&path).await {
                    Ok((owner, watcher)) => {
                        let by = self.member_of(owner).await.unwrap_or(path);
                        Ok((Answer::PredecessorWatched { by }, Some(watcher)))
                    }
                    Err(Error::NoNode) => Ok((Answer::PredecessorGone, None)),
                    Err(error) => Err(NodeError::of(&path, Right::Read, error)),
                }
            }
            Request::EnsureFolders
            | Request::JoinParty { .. }
            | Request::CreateLock { .. }
            | Request::ListLocks { .. }
            | Request::ListSiblings { .. }
            | Request::DeleteLock { .. }
            | Request::LeaveParty { .. } => Ok((self.perform_unwatched(request).await?, None)),
        }
    }

    /// Whose a node is, and a watch for its end. To wait for somebody else's needs no right to read it.
    async fn watch_node(&self, path: &str) -> Result<(i64, OneshotWatcher), Error> {
        match self.bounded(self.client.get_and_watch_data(path)).await {
            Ok((_, stat, watcher)) => Ok((stat.ephemeral_owner, watcher)),
            // Asked for second: where there is no node this one leaves a watch behind.
            Err(Error::NoAuth) => match self.bounded(self.client.check_and_watch_stat(path)).await? {
                (Some(stat), watcher) => Ok((stat.ephemeral_owner, watcher)),
                (None, _) => Err(Error::NoNode),
            },
            Err(error) => Err(error),
        }
    }

    async fn perform_unwatched(&self, request: &Request) -> Result<Answer, NodeError> {
        match request {
            Request::EnsureFolders => {
                for folder in [self.paths.party(), self.paths.all_locks()] {
                    self.make_folder(&folder).await?;
                }
                Ok(Answer::FoldersEnsured)
            }
            Request::JoinParty { node, identifier } => {
                let member = CreateMode::Ephemeral.with_acls(self.acls);
                match self.create_in(&self.paths.party(), node, identifier.as_bytes(), &member).await {
                    // The name holds this session's UUID: it is ours, and only the answer was lost.
                    Ok(_) | Err(NodeError::Failed { error: Error::NodeExists, .. }) => {
                        Ok(Answer::PartyJoined)
                    }
                    Err(error) => Err(error),
                }
            }
            Request::CreateLock { partition, prefix } => {
                self.create_lock(partition, prefix).await.map(Answer::LockCreated)
            }
            Request::ListLocks { partition, prefix } => self.list_locks(partition, prefix).await,
            Request::ListSiblings { partition } => {
                Ok(Answer::SiblingsListed { locks: self.list_siblings(partition).await? })
            }
            Request::DeleteLock { partition, node } => {
                self.delete(&format!("{}/{node}", self.paths.locks(partition))).await?;
                Ok(Answer::LockDeleted)
            }
            Request::LeaveParty { node } => {
                self.delete(&self.paths.party_node(node)).await?;
                Ok(Answer::PartyLeft)
            }
            Request::ListParty | Request::WatchPredecessor { .. } => {
                let error = Error::BadArguments(&"a request that sets a watch");
                Err(NodeError::of(&self.paths.party(), Right::Read, error))
            }
        }
    }

    /// Proves that the session lives: a transaction that checks a node and changes nothing goes through the quorum.
    /// Everything sent before it has had its effect when it is answered. A missing or refused node is an answer too.
    pub(super) async fn barrier(&self) -> Result<(), Error> {
        match self.check(&self.paths.party()).await {
            Ok(()) | Err(Error::NoNode | Error::NoAuth) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Proves that the session lives and is in the party as `node`. A node that we may not read is there: of one that is not
    /// there ZooKeeper says that.
    pub(super) async fn evidence(&self, node: &str) -> Result<(), Error> {
        match self.check(&self.paths.party_node(node)).await {
            Ok(()) | Err(Error::NoAuth) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who in the party has this session, where that can be read. A lock node itself does not say it.
    async fn member_of(&self, session: i64) -> Option<String> {
        let look = |known: Vec<String>| async move {
            let mut seen = Vec::new();
            for node in self.children(&self.paths.party()).await.unwrap_or_default() {
                let id = member_id(&node).to_owned();
                if known.contains(&id) {
                    continue;
                }
                let path = self.paths.party_node(&node);
                if let Ok(Some(stat)) = self.bounded(self.client.check_stat(&path)).await {
                    seen.push((stat.ephemeral_owner, id));
                }
            }
            seen
        };
        self.names.of(session, look).await
    }

    async fn check(&self, path: &str) -> Result<(), Error> {
        let mut writer = self.client.new_multi_writer();
        // Any version: that the node is there is what counts.
        writer.add_check_version(path, -1)?;
        let commit = writer.commit();
        self.bounded(async { commit.await.map(|_| ()).map_err(|error: MultiWriteError| error.into()) }).await
    }

    async fn create_lock(&self, partition: &TopicPartition, prefix: &str) -> Result<OwnLock, NodeError> {
        let (folder, lock) =
            (self.paths.locks(partition), CreateMode::EphemeralSequential.with_acls(self.acls));
        let (stat, sequence) = self.create_in(&folder, prefix, b"", &lock).await?;
        Ok(OwnLock { node: format!("{prefix}{sequence}"), token: FencingToken(stat.czxid) })
    }

    /// Creates a node in a folder, which is made where it is missing: not made yet, or deleted by somebody.
    async fn create_in(
        &self,
        folder: &str,
        name: &str,
        data: &[u8],
        options: &CreateOptions<'_>,
    ) -> Result<(Stat, CreateSequence), NodeError> {
        let path = format!("{folder}/{name}");
        let failed = |error| NodeError::of(folder, Right::Create, error);
        let created = self.bounded(self.client.create(&path, data, options)).await;
        if created != Err(Error::NoNode) {
            return created.map_err(failed);
        }
        self.make_folder(folder).await?;
        self.bounded(self.client.create(&path, data, options)).await.map_err(failed)
    }

    async fn list_locks(&self, partition: &TopicPartition, prefix: &str) -> Result<Answer, NodeError> {
        let folder = self.paths.locks(partition);
        let children = self.children(&folder).await?;
        let mut own = Vec::new();
        for node in children.iter().filter(|child| child.starts_with(prefix)) {
            if let Some(token) = self.token(&folder, node).await? {
                own.push(OwnLock { node: node.clone(), token });
            }
        }
        Ok(Answer::LocksListed { children, own })
    }

    async fn list_siblings(&self, partition: &TopicPartition) -> Result<Vec<SiblingLock>, NodeError> {
        let (parent, own) = self.paths.parent_and_name();
        let mut locks = Vec::new();
        for name in self.children(parent).await?.iter().filter(|name| *name != own) {
            let folder = self.paths.sibling(name).locks(partition);
            let children = self.children(&folder).await?;
            let first = holder(&children);
            for node in contenders(&children) {
                let Some(token) = self.token(&folder, node).await? else { continue };
                let path = format!("{folder}/{node}");
                locks.push(SiblingLock { path, node: node.to_owned(), token, first: first == Some(node) });
            }
        }
        Ok(locks)
    }

    async fn make_folder(&self, folder: &str) -> Result<(), NodeError> {
        let made = timeout(self.limit, make_folder(&self.client, folder, self.acls)).await;
        made.unwrap_or_else(|_| Err(NodeError::of(folder, Right::Create, Error::Timeout)))
    }

    /// A folder's children; none if it is missing.
    async fn children(&self, folder: &str) -> Result<Vec<String>, NodeError> {
        match self.bounded(self.client.list_children(folder)).await {
            Err(Error::NoNode) => Ok(Vec::new()),
            listed => listed.map_err(|error| NodeError::of(folder, Right::Read, error)),
        }
    }

    /// The creation zxid of a node, if it is there.
    async fn token(&self, folder: &str, node: &str) -> Result<Option<FencingToken>, NodeError> {
        let path = format!("{folder}/{node}");
        let stat = self.bounded(self.client.check_stat(&path)).await;
        let stat = stat.map_err(|error| NodeError::of(&path, Right::Read, error))?;
        Ok(stat.map(|stat| FencingToken(stat.czxid)))
    }

    async fn delete(&self, path: &str) -> Result<(), NodeError> {
        match self.bounded(self.client.delete(path, None)).await {
            Err(Error::NoNode) => Ok(()),
            deleted => deleted.map_err(|error| NodeError::in_folder(path, Right::Delete, error)),
        }
    }

    async fn bounded<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if self.client.state() != SessionState::SyncConnected {
            return Err(Error::ConnectionLoss);
        }
        timeout(self.limit, step).await.unwrap_or(Err(Error::Timeout))
    }
}
