//! Offsets changed by hand: only where nobody has changed them since they were looked at, and all of them or none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafkavisor_types::ids::{Offset, TopicPartition};
use kafkavisor_zookeeper::nodes::{folder, make_folder};
use kafkavisor_zookeeper::{NodeError, Right};
use zookeeper_client::{Client, CreateMode, Error, MultiWriteError};

use super::layout::offset_of;
use super::store::{AT_ONCE, ZookeeperOffsets, failed, node, refused, said};
use crate::offsets::store::{Answers, OffsetError};

/// So many bytes are in one transaction at most: servers close the connection at 1 MiB (`jute.maxbuffer`) unless told otherwise.
/// More partitions, some thousands, are several transactions, and the first that fails is the last.
const BYTES: usize = 512 * 1024;
/// Of a node in a request, beside its path.
const OVERHEAD: usize = 96;

/// An offset's node as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it held.
    pub offset: Result<Offset, OffsetError>,
    version: i32,
}

/// What was seen, and what is to be there.
type Change<'a> = (&'a TopicPartition, Option<&'a Seen>, Offset);

impl ZookeeperOffsets {
    /// The nodes as they are; none where there is none.
    pub fn look(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Seen>> {
        let mut answers = Answers::new();
        let done = self.within(deadline, async {
            let client = self.connected().await?;
            let keys: Vec<_> = of.iter().collect();
            for keys in keys.chunks(AT_ONCE) {
                let paths = keys.iter().map(|key| (*key, self.layout.offset(key)));
                // A request is sent when it is made, not when it is awaited.
                let asked: Vec<_> = paths.map(|(key, path)| (key, client.get_data(&path), path)).collect();
                for (key, data, path) in asked {
                    let found = node(data.await).map_err(|error| refused(&path, Right::Read, error));
                    let seen = found.map(|found| {
                        found.map(|(text, stat)| Seen {
                            offset: offset_of(&path, &text),
                            version: stat.version,
                        })
                    });
                    answers.insert(key.clone(), seen);
                }
            }
            Ok(())
        });
        self.complete_with(done, of.iter(), answers)
    }

    /// Writes `offsets` where the nodes are still as `seen`; what is not there was seen to be missing.
    pub fn exchange(
        &self,
        seen: &BTreeMap<TopicPartition, Seen>,
        offsets: &BTreeMap<TopicPartition, Offset>,
        deadline: Instant,
    ) -> Answers<()> {
        let mut answers = Answers::new();
        let changes: Vec<_> = offsets.iter().map(|(key, offset)| (key, seen.get(key), *offset)).collect();
        let done = self.within(deadline, async {
            let client = self.connected().await?;
            for changes in self.transactions(changes) {
                self.exchange_together(&client, &changes).await?;
                answers.extend(changes.into_iter().map(|(key, ..)| (key.clone(), Ok(()))));
            }
            Ok(())
        });
        self.complete_with(done, offsets.keys(), answers)
    }

    async fn exchange_together(&self, client: &Client, changes: &[Change<'_>]) -> Result<(), OffsetError> {
        let missing = changes.iter().filter(|(_, seen, _)| seen.is_none());
        let folders: BTreeSet<_> =
            missing.map(|(key, ..)| folder(&self.layout.offset(key)).to_owned()).collect();
        for folder in folders {
            make_folder(client, &folder, self.acls()).await.map_err(said)?;
        }
        let Err(error) = self.send_exchange(client, changes).await else { return Ok(()) };
        let change = |index: usize| changes.get(index);
        let path = |index| change(index).map(|(key, ..)| self.layout.offset(key)).unwrap_or_default();
        Err(match error {
            MultiWriteError::RequestFailed { source } => failed(self.layout.topics(), &source),
            MultiWriteError::OperationFailed {
                index,
                source: Error::BadVersion | Error::NoNode | Error::NodeExists,
            } => OffsetError::Zookeeper {
                path: path(index),
                why: "somebody else has changed it since it was looked at".to_owned(),
            },
            MultiWriteError::OperationFailed { index, source } => match change(index) {
                Some((_, None, _)) => said(NodeError::in_folder(&path(index), Right::Create, source)),
                Some(_) | None => refused(&path(index), Right::Write, source),
            },
        })
    }

    async fn send_exchange(&self, client: &Client, changes: &[Change<'_>]) -> Result<(), MultiWriteError> {
        let mut writer = client.new_multi_writer();
        let options = CreateMode::Persistent.with_acls(self.acls());
        for (key, seen, offset) in changes {
            let (path, text) = (self.layout.offset(key), offset.to_string());
            match seen {
                Some(seen) => writer.add_set_data(&path, text.as_bytes(), Some(seen.version))?,
                None => writer.add_create(&path, text.as_bytes(), &options)?,
            }
        }
        writer.commit().await.map(drop)
    }

    fn transactions<'a>(&self, changes: Vec<Change<'a>>) -> Vec<Vec<Change<'a>>> {
        let mut transactions = Vec::<Vec<_>>::new();
        let mut size = 0;
        for change in changes {
            let bytes = self.layout.offset(change.0).len() + OVERHEAD;
            size += bytes;
            match transactions.last_mut() {
                Some(last) if size <= BYTES => last.push(change),
                Some(_) | None => {
                    size = bytes;
                    transactions.push(vec![change]);
                }
            }
        }
        transactions
    }
}
