//! What is committed in the group's name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_group::commits::{CommitError, CommitRequest, commit};
use kafkavisor_kafka::offsets::{OffsetError, Stored};

use super::engine::Engine;
use super::state::{Shared, Stage, State};
use crate::clock::now;
use crate::consumer::{ConsumerError, PartitionerError};
use crate::ids::{Offset, TopicPartition};

impl Engine {
    pub(super) fn write(
        &self,
        offsets: BTreeMap<TopicPartition, Offset>,
        starts: BTreeSet<TopicPartition>,
    ) -> BTreeMap<TopicPartition, Result<(), CommitError>> {
        let state = self.shared.state();
        let stored = |(key, offset): (TopicPartition, Offset)| {
            let topic_id = state.tenures.get(&key).and_then(|tenure| tenure.topic_id.clone());
            let topic_id = topic_id.or_else(|| self.reached.topics.id(&key.topic));
            let name = self.setup.config.client_id();
            let note = CommitNote::new(name, &self.reached.instance, topic_id).to_text();
            (key, Stored { offset, note })
        };
        let offsets = offsets.into_iter().map(stored).collect();
        drop(state);
        let request = CommitRequest { author: self.author.clone(), offsets, starts };
        commit(&*self.reached.store, &self.shared.lease, request)
    }

    /// Commits whatever anybody is done with; the first that failed.
    pub(super) fn commit_all(&mut self) -> Result<(), ConsumerError> {
        let mut state = self.shared.state();
        state.done = 0;
        let offsets: BTreeMap<_, _> = uncommitted(&mut state, now());
        drop(state);
        if offsets.is_empty() {
            return Ok(());
        }
        let answers = self.write(offsets.clone(), BTreeSet::new());
        let mut failed = Ok(());
        let mut state = self.shared.state();
        for (partition, offset) in offsets {
            match answers.get(&partition) {
                Some(Ok(())) => {
                    if let Some(tenure) = state.tenures.get_mut(&partition) {
                        tenure.progress.committed(offset);
                    }
                }
                Some(Err(error)) if failed.is_ok() => {
                    failed = Err(not_committed(&self.shared, partition, error));
                }
                Some(Err(_)) | None => {}
            }
        }
        failed
    }

    /// Where offsets are committed without being asked for.
    pub(super) fn commit_unasked(&mut self, next: &str) {
        if !self.setup.config.auto_commit_enable() {
            return;
        }
        let group = self.setup.config.group_id().clone();
        match self.commit_all() {
            Ok(()) => {}
            // That its topic is gone has been said.
            Err(error @ ConsumerError::NotCommitted { error: OffsetError::Gone, .. }) => {
                log::debug!("group {group}: {error}");
            }
            Err(error) => log::warn!("group {group}: {error}; {next}"),
        }
    }
}

fn uncommitted(state: &mut State, now: Instant) -> BTreeMap<TopicPartition, Offset> {
    let begun = state.tenures.iter_mut().filter(|(_, tenure)| match tenure.stage {
        Stage::Consuming | Stage::Leaving { .. } => true,
        Stage::Locating { .. } | Stage::Parked { .. } => false,
    });
    begun.filter_map(|(key, tenure)| Some((key.clone(), tenure.progress.due(now)?))).collect()
}

fn not_committed(shared: &Shared, partition: TopicPartition, error: &CommitError) -> ConsumerError {
    match error {
        CommitError::NotOurs | CommitError::Store(OffsetError::NotOurs) => PartitionerError::Zookeeper {
            servers: shared.servers.clone(),
            why: format!("{partition} may be somebody else's by now: nothing of it is committed"),
        }
        .into(),
        CommitError::Store(error) => ConsumerError::NotCommitted { partition, error: error.clone() },
        CommitError::JustBegun => ConsumerError::NotCommitted { partition, error: OffsetError::Begun },
    }
}
