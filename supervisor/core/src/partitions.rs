//! All partitions of ours, with what the loop asks after each event kept at hand: which has the next deadline, which only waits
//! to be released. Changing one costs what it concerns, however many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::TopicPartition;

use crate::partition::Partition;
use crate::phase::Phase;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    all: BTreeMap<TopicPartition, Partition>,
    /// Changed since the indices were last true.
    touched: BTreeSet<TopicPartition>,
    deadlines: BTreeSet<(Instant, TopicPartition)>,
    deadline_of: BTreeMap<TopicPartition, Instant>,
    releasing: BTreeSet<TopicPartition>,
    /// Changed since their states were last told.
    untold: BTreeSet<TopicPartition>,
}

impl Partitions {
    pub(crate) fn all(&self) -> &BTreeMap<TopicPartition, Partition> {
        &self.all
    }

    pub(crate) fn get(&self, key: &TopicPartition) -> Option<&Partition> {
        self.all.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &TopicPartition) -> Option<&mut Partition> {
        let partition = self.all.get_mut(key)?;
        if !self.touched.contains(key) {
            self.touched.insert(key.clone());
        }
        Some(partition)
    }

    pub(crate) fn insert(&mut self, key: TopicPartition, partition: Partition) {
        self.touched.insert(key.clone());
        self.all.insert(key, partition);
    }

    pub(crate) fn remove(&mut self, key: &TopicPartition) -> Option<Partition> {
        self.touched.insert(key.clone());
        self.all.remove(key)
    }

    /// Those for which `meant` holds; all are looked at.
    pub(crate) fn keys_where(&self, meant: impl Fn(&Partition) -> bool) -> Vec<TopicPartition> {
        self.all.iter().filter(|(_, partition)| meant(partition)).map(|(key, _)| key.clone()).collect()
    }

    /// Makes the indices true again.
    pub(crate) fn settle(&mut self) {
        for key in std::mem::take(&mut self.touched) {
            let partition = self.all.get(&key);
            let deadline = partition.and_then(|partition| partition.phase().deadline());
            if self.deadline_of.get(&key).copied() != deadline {
                if let Some(old) = self.deadline_of.remove(&key) {
                    self.deadlines.remove(&(old, key.clone()));
                }
                if let Some(at) = deadline {
                    self.deadline_of.insert(key.clone(), at);
                    self.deadlines.insert((at, key.clone()));
                }
            }
            if partition.is_some_and(|partition| matches!(partition.phase(), Phase::Releasing { .. })) {
                self.releasing.insert(key.clone());
            } else {
                self.releasing.remove(&key);
            }
            self.untold.insert(key);
        }
    }

    /// The new states of those that changed; true after [`Partitions::settle`].
    pub(crate) fn news(&mut self, at: Boottime) -> Vec<(TopicPartition, &'static str)> {
        let untold = std::mem::take(&mut self.untold);
        let new = |key: TopicPartition| Some((key.clone(), self.all.get_mut(&key)?.news(at)?));
        untold.into_iter().filter_map(new).collect()
    }

    /// Those that only wait to be released.
    pub(crate) fn releasing(&mut self) -> Vec<TopicPartition> {
        self.settle();
        self.releasing.iter().cloned().collect()
    }

    /// Those whose deadline has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<TopicPartition> {
        self.settle();
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect()
    }

    /// The next deadline; true after [`Partitions::settle`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}
