//! Offsets in the classic layout, behind the trait. Each call waits on the caller's thread, within its deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kafkavisor_types::ids::{Group, Topic, TopicPartition};
use kafkavisor_zookeeper::ensemble::OpenError;
use kafkavisor_zookeeper::rights::{self, Deed};
use kafkavisor_zookeeper::{Ensemble, NodeError, Right};
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use zookeeper_client::{Acls, Client, Error, Stat};

use super::layout::{Layout, offset_of, record_of};
use super::session::Session;
use super::transaction::{Sending, Writes};
use crate::offsets::store::{Answers, MemberNode, OffsetError, OffsetStore, Stored};

/// So many partitions are asked about before the first answer is awaited.
pub(super) const AT_ONCE: usize = 128;

/// See the module. Its methods must not be called on the runtime's own threads.
pub struct ZookeeperOffsets {
    runtime: Handle,
    session: Session,
    pub(super) layout: Layout,
    signed: bool,
    /// What has failed by itself when it was last written: tried alone from then on, after all others.
    ailing: Mutex<BTreeSet<TopicPartition>>,
}

impl Debug for ZookeeperOffsets {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZookeeperOffsets").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl ZookeeperOffsets {
    /// Of `group`, in ZooKeeper within `chroot`; asks nobody yet. Offsets alone, as any other program keeps them: notes are
    /// dropped.
    pub fn new(runtime: Handle, ensemble: Ensemble, chroot: &str, group: &Group) -> Self {
        Self {
            runtime,
            session: Session::new(ensemble),
            layout: Layout::new(chroot, group),
            signed: false,
            ailing: Mutex::default(),
        }
    }

    /// Keeps the note of each offset beside it. A note is given only where nobody has written the offset since, and an offset
    /// that we wrote and somebody has removed is [`OffsetError::TakenAway`].
    #[must_use]
    pub fn signed(self) -> Self {
        Self { signed: true, ..self }
    }

    /// Waits until ZooKeeper answers.
    pub fn reach(&self, deadline: Instant) -> Result<(), OffsetError> {
        self.within(deadline, async { self.connected().await.map(drop) })
    }

    /// Whether the offsets of these partitions may be read and written; changes nothing.
    pub fn check_rights(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Result<(), OffsetError> {
        let mut deeds = Vec::new();
        for key in of {
            let records = self.signed.then(|| self.layout.record(key));
            for path in std::iter::once(self.layout.offset(key)).chain(records) {
                deeds.extend([Deed::Read(path.clone()), Deed::Write(path.clone()), Deed::Make(path)]);
            }
        }
        self.within(deadline, async {
            let client = self.connected().await?;
            rights::check(&client, self.acls(), &deeds).await.map_err(said)
        })
    }

    pub(super) fn acls(&self) -> Acls<'static> {
        self.session.ensemble().acls()
    }

    /// All partitions of the group that have an offset, whatever their nodes hold.
    pub fn list(&self, deadline: Instant) -> Result<BTreeSet<TopicPartition>, OffsetError> {
        self.within(deadline, async {
            let client = self.connected().await?;
            let mut partitions = BTreeSet::new();
            let topics = children(&client, self.layout.topics()).await?;
            for topic in topics.iter().filter_map(|topic| Topic::new(topic).ok()) {
                let numbers = children(&client, &self.layout.partitions(&topic)).await?;
                let numbers = numbers.iter().filter_map(|number| number.parse().ok());
                partitions.extend(numbers.map(|number| TopicPartition::new(topic.clone(), number)));
            }
            Ok(partitions)
        })
    }

    pub(super) fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, OffsetError>>,
    ) -> Result<T, OffsetError> {
        self.runtime
            .block_on(async { timeout_at(deadline.into(), work).await })
            .unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// What nobody answered has failed as the whole has.
    pub(super) fn complete_with<'a, T>(
        &self,
        done: Result<(), OffsetError>,
        of: impl Iterator<Item = &'a TopicPartition>,
        mut answers: Answers<T>,
    ) -> Answers<T> {
        let error = done.err().unwrap_or_else(|| self.timed_out());
        for key in of {
            answers.entry(key.clone()).or_insert_with(|| Err(error.clone()));
        }
        answers
    }

    fn timed_out(&self) -> OffsetError {
        OffsetError::ZookeeperTimedOut { servers: self.session.ensemble().servers().to_owned() }
    }

    pub(super) async fn connected(&self) -> Result<Client, OffsetError> {
        self.session.connected().await.map_err(|error| match error {
            OpenError::Trouble(trouble) => {
                OffsetError::Trouble { why: trouble.to_string(), ours: trouble.is_ours() }
            }
            OpenError::Client(error) => failed(self.session.ensemble().servers(), &error),
        })
    }

    async fn read_all(
        &self,
        of: &BTreeSet<TopicPartition>,
        answers: &mut Answers<Option<Stored>>,
    ) -> Result<(), OffsetError> {
        let client = self.connected().await?;
        // A server may be behind the others: what a former owner has committed last must be there.
        client.sync(self.layout.topics()).await.map_err(|error| failed(self.layout.topics(), &error))?;
        let keys: Vec<_> = of.iter().collect();
        for keys in keys.chunks(AT_ONCE) {
            // A request is sent when it is made, not when it is awaited. The record before the offset: one that is there while
            // the offset is not was left behind.
            let asked: Vec<_> = keys
                .iter()
                .map(|key| {
                    let (record, offset) = (self.layout.record(key), self.layout.offset(key));
                    (key, self.signed.then(|| client.get_data(&record)), client.get_data(&offset), offset)
                })
                .collect();
            for (key, record, offset, path) in asked {
                let record = match record {
                    Some(record) => node(record.await),
                    None => Ok(None),
                };
                let answer = match (record, node(offset.await)) {
                    (Err(error), _) => Err(refused(&self.layout.record(key), Right::Read, error)),
                    (_, Err(error)) => Err(refused(&path, Right::Read, error)),
                    (Ok(record), Ok(offset)) => stored(path, offset, record),
                };
                answers.insert((*key).clone(), answer);
            }
        }
        Ok(())
    }

    fn write_checked(
        &self,
        member: Option<&MemberNode>,
        offsets: &BTreeMap<TopicPartition, Stored>,
        first: bool,
        deadline: Instant,
    ) -> Answers<()> {
        let mut writes = Writes::default();
        let ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done = self.within(deadline, async {
            let client = self.connected().await?;
            let (layout, signed, acls) = (&self.layout, self.signed, self.acls());
            let sending = Sending { client: &client, layout, acls, signed, member, first };
            sending.all(offsets, &ailing, &mut writes).await
        });
        let Writes { answers, failed } = writes;
        let answers = self.complete_with(done, offsets.keys(), answers);
        let mut ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner);
        ailing.retain(|key| answers.get(key) != Some(&Ok(())));
        ailing.extend(failed);
        answers
    }
}

impl OffsetStore for ZookeeperOffsets {
    fn read(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Stored>> {
        if of.is_empty() {
            return Answers::new();
        }
        let mut answers = Answers::new();
        let done = self.within(deadline, self.read_all(of, &mut answers));
        self.complete_with(done, of.iter(), answers)
    }

    fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()> {
        self.write_checked(None, offsets, false, deadline)
    }

    fn write_as(
        &self,
        member: &MemberNode,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.write_checked(Some(member), offsets, false, deadline)
    }

    fn begin(
        &self,
        member: Option<&MemberNode>,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.write_checked(member, offsets, true, deadline)
    }
}

type Node = (Vec<u8>, Stat);

/// An offset, and the note beside it where both were written together last: then one transaction has changed both.
fn stored(path: String, offset: Option<Node>, record: Option<Node>) -> Result<Option<Stored>, OffsetError> {
    let kept = |(text, stat): &Node| Some((record_of(text)?, stat.mzxid));
    let record = record.as_ref().and_then(kept);
    match (offset, record) {
        (None, None) => Ok(None),
        (None, Some((was, _))) => Err(OffsetError::TakenAway { path, offset: was.offset }),
        (Some((text, stat)), record) => {
            let offset = offset_of(&path, &text)?;
            let ours = record.filter(|(was, zxid)| *zxid == stat.mzxid && was.offset == offset);
            Ok(Some(Stored { offset, note: ours.map(|(was, _)| was.note).unwrap_or_default() }))
        }
    }
}

/// A node; none where there is no such one.
pub(super) fn node(read: Result<Node, Error>) -> Result<Option<Node>, Error> {
    match read {
        Ok(node) => Ok(Some(node)),
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A node's children; none where there is no such one.
async fn children(client: &Client, path: &str) -> Result<Vec<String>, OffsetError> {
    match client.list_children(path).await {
        Ok(children) => Ok(children),
        Err(Error::NoNode) => Ok(Vec::new()),
        Err(error) => Err(refused(path, Right::Read, error)),
    }
}

/// What ZooKeeper says of the node at `path` to whoever needs this right on it.
pub(super) fn refused(path: &str, right: Right, error: Error) -> OffsetError {
    said(NodeError::of(path, right, error))
}

pub(super) fn said(error: NodeError) -> OffsetError {
    match error {
        NodeError::Failed { path, error } => failed(&path, &error),
        refused @ NodeError::Refused { .. } => OffsetError::Refused(refused.to_string()),
    }
}

/// What ZooKeeper says of the node at `path`, or of its servers.
pub(super) fn failed(path: &str, error: &Error) -> OffsetError {
    OffsetError::Zookeeper { path: path.to_owned(), why: error.to_string() }
}
