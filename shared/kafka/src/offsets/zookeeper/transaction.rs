//! Offsets are written in transactions, many partitions in each and one after the other, so that a thousand partitions are a few
//! entries in ZooKeeper's log. Each transaction first checks the writer's own node in its group: it goes through the leader as a
//! whole or not at all, so that a former owner's changes nothing, however late it comes.
//!
//! A transaction with one node that can't be written fails as a whole. It is sent again without that node, or, where the node was
//! only missing, with a request to make it.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor_types::ids::TopicPartition;
use kafkavisor_zookeeper::nodes::{folder, make_folder};
use kafkavisor_zookeeper::{NodeError, Right};
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriteError};

use super::layout::{Layout, record_text};
use super::store::{failed, refused, said};
use crate::offsets::store::{Answers, MemberNode, OffsetError, Stored};

/// As many partitions are in a transaction at most.
const PARTITIONS: usize = 250;
/// ... and so many bytes: servers close the connection at 1 MiB (`jute.maxbuffer`) unless told otherwise.
const BYTES: usize = 256 * 1024;
/// Of a node in a request, beside its path and data.
const OVERHEAD: usize = 64;
/// A node that appears and disappears as often while it is written has failed.
const REPAIRS: u32 = 3;
/// What has come of it so far.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) answers: Answers<()>,
    /// Those that failed by themselves, and would fail others.
    pub(super) failed: BTreeSet<TopicPartition>,
}

/// What transactions are sent with.
pub(super) struct Sending<'a> {
    pub(super) client: &'a Client,
    pub(super) layout: &'a Layout,
    /// Of the nodes that are made.
    pub(super) acls: Acls<'static>,
    pub(super) signed: bool,
    pub(super) member: Option<&'a MemberNode>,
    /// They are the first of their partitions: their nodes are made, and never written over.
    pub(super) first: bool,
}

/// One node that is to be written.
struct Node {
    path: String,
    text: String,
    missing: bool,
}

/// The nodes of one partition.
struct Item {
    key: TopicPartition,
    nodes: Vec<Node>,
    repairs: u32,
}

impl Node {
    fn failed(&self, error: Error) -> OffsetError {
        said(if self.missing {
            NodeError::in_folder(&self.path, Right::Create, error)
        } else {
            NodeError::of(&self.path, Right::Write, error)
        })
    }
}

impl Item {
    fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.path.len() + node.text.len() + OVERHEAD).sum()
    }
}

impl Sending<'_> {
    /// Writes all of them, those that failed last time after the others and each by itself. An error is one of all that have no
    /// answer yet.
    pub(super) async fn all(
        &self,
        offsets: &BTreeMap<TopicPartition, Stored>,
        ailing: &BTreeSet<TopicPartition>,
        writes: &mut Writes,
    ) -> Result<(), OffsetError> {
        let (ailing, sound): (Vec<_>, Vec<_>) = offsets.iter().partition(|(key, _)| ailing.contains(*key));
        let items = |list: Vec<_>| list.into_iter().map(|(key, stored)| self.item(key, stored));
        for chunk in chunks(items(sound)) {
            self.chunk(chunk, writes).await?;
        }
        for item in items(ailing) {
            self.chunk(vec![item], writes).await?;
        }
        Ok(())
    }

    fn item(&self, key: &TopicPartition, stored: &Stored) -> Item {
        let offset =
            Node { path: self.layout.offset(key), text: stored.offset.to_string(), missing: self.first };
        let record = || Node { path: self.layout.record(key), text: record_text(stored), missing: false };
        let nodes = std::iter::once(offset).chain(self.signed.then(record)).collect();
        Item { key: key.clone(), nodes, repairs: 0 }
    }

    /// Writes these together, repeating it without what fails.
    async fn chunk(&self, mut items: Vec<Item>, writes: &mut Writes) -> Result<(), OffsetError> {
        while !items.is_empty() {
            let (index, error) = match self.send(&items).await {
                Ok(()) => {
                    writes.answers.extend(items.into_iter().map(|item| (item.key, Ok(()))));
                    return Ok(());
                }
                Err(MultiWriteError::RequestFailed { source }) => {
                    return Err(failed(self.layout.topics(), &source));
                }
                Err(MultiWriteError::OperationFailed { index, source }) => (index, source),
            };
            let Some((at, nth)) = self.place(&items, index) else {
                return Err(self.not_ours(error));
            };
            let mut item = items.remove(at);
            item.repairs += 1;
            match (&error, item.nodes.get_mut(nth)) {
                (Error::NoNode, _) if item.repairs <= REPAIRS => {
                    // Others may be missing too.
                    items.push(item);
                    items = self.make_ready(items, writes).await?;
                }
                (Error::NodeExists, _) if self.first && nth == 0 => writes.fail(item.key, OffsetError::Begun),
                (Error::NodeExists, Some(node)) if item.repairs <= REPAIRS => {
                    node.missing = false;
                    items.push(item);
                }
                (_, node) => {
                    let error = node.map_or(OffsetError::NotOurs, |node| node.failed(error));
                    writes.fail(item.key, error);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, items: &[Item]) -> Result<(), MultiWriteError> {
        let mut writer = self.client.new_multi_writer();
        if let Some(MemberNode(path)) = self.member {
            // Any version: that the node is there is what counts.
            writer.add_check_version(path, -1)?;
        }
        let options = CreateMode::Persistent.with_acls(self.acls);
        for node in items.iter().flat_map(|item| &item.nodes) {
            if node.missing {
                writer.add_create(&node.path, node.text.as_bytes(), &options)?;
            } else {
                writer.add_set_data(&node.path, node.text.as_bytes(), None)?;
            }
        }
        writer.commit().await.map(drop)
    }

    /// Which item the operation with this index is of, and which of its nodes; none for the check.
    fn place(&self, items: &[Item], index: usize) -> Option<(usize, usize)> {
        let index = index.checked_sub(usize::from(self.member.is_some()))?;
        let nodes = 1 + usize::from(self.signed);
        (index / nodes < items.len()).then_some((index / nodes, index % nodes))
    }

    fn not_ours(&self, error: Error) -> OffsetError {
        match (error, self.member) {
            (Error::NoNode, Some(_)) => OffsetError::NotOurs,
            (error, Some(MemberNode(path))) => refused(path, Right::Read, error),
            (error, None) => failed(self.layout.topics(), &error),
        }
    }

    /// Finds out which nodes are missing, and makes the folders that they are to be in; gives back what can be written then.
    async fn make_ready(&self, mut items: Vec<Item>, writes: &mut Writes) -> Result<Vec<Item>, OffsetError> {
        let nodes: Vec<&mut Node> = items.iter_mut().flat_map(|item| &mut item.nodes).collect();
        // They are sent when they are made, all of them before the first answer is awaited.
        let looks: Vec<_> = nodes.iter().map(|node| self.client.check_stat(&node.path)).collect();
        let mut folders = BTreeSet::new();
        for (node, look) in nodes.into_iter().zip(looks) {
            node.missing = look.await.map_err(|error| failed(&node.path, &error))?.is_none();
            folders.extend(node.missing.then(|| folder(&node.path).to_owned()));
        }
        let mut unmade = BTreeMap::new();
        for folder in folders {
            if let Err(error) = make_folder(self.client, &folder, self.acls).await {
                unmade.insert(folder, error);
            }
        }
        let mut ready = Vec::new();
        for item in items {
            if self.first && item.nodes.first().is_some_and(|offset| !offset.missing) {
                writes.fail(item.key, OffsetError::Begun);
                continue;
            }
            match item.nodes.iter().find_map(|node| unmade.get(folder(&node.path))) {
                Some(error) => writes.fail(item.key, said(error.clone())),
                None => ready.push(item),
            }
        }
        Ok(ready)
    }
}

impl Writes {
    fn fail(&mut self, key: TopicPartition, error: OffsetError) {
        self.failed.insert(key.clone());
        self.answers.insert(key, Err(error));
    }
}

/// In groups that fit into a transaction each.
fn chunks(items: impl Iterator<Item = Item>) -> Vec<Vec<Item>> {
    let (mut chunks, mut size) = (Vec::<Vec<Item>>::new(), 0);
    for item in items {
        size += item.size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < PARTITIONS && size <= BYTES => chunk.push(item),
            Some(_) | None => {
                size = item.size();
                chunks.push(vec![item]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use kafkavisor_types::ids::Topic;

    use super::*;

    #[test]
    fn a_transaction_is_bounded_in_partitions_and_bytes() {
        let item = |number, text: usize| Item {
            key: TopicPartition::new(Topic::new("t").unwrap(), number),
            nodes: vec![Node { path: "/n".to_owned(), text: "x".repeat(text), missing: false }],
            repairs: 0,
        };
        let sizes = |text| -> Vec<usize> {
            chunks((0..1000).map(|number| item(number, text))).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(10), [250; 4]);
        assert_eq!(sizes(100_000), [2; 500]);
        assert_eq!(sizes(BYTES), [1; 1000], "what is too large alone goes alone");
    }
}
