//! The member's share: allocated when the party has settled or the partitions change, taken up lock by lock.

use std::collections::BTreeSet;

use super::SetPartitioner;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::allocation::allocate;
use crate::partitioner::locks::{Lock, Step};
use crate::partitioner::messages::{Action, Notice};
use crate::partitioner::node_names::lock_prefix;

impl SetPartitioner {
    pub(super) fn partitions_changed(&mut self, partitions: BTreeSet<TopicPartition>, out: &mut Vec<Action>) {
        if self.partitions == partitions {
            return;
        }
        self.partitions = partitions;
        if self.party.is_settled() && self.ending.is_none() {
            self.unsettle(out);
            self.allocate(out);
        }
    }

    pub(super) fn released(&mut self, partition: &TopicPartition, token: FencingToken) {
        if let Some(lock) = self.locks.get_mut(partition) {
            lock.released(token);
        }
    }

    pub(super) fn unsettle(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.reported_settled) {
            out.push(Action::Notify(Notice::Unsettled));
        }
    }

    pub(super) fn allocate(&mut self, out: &mut Vec<Action>) {
        self.mine = allocate(&self.partitions, &self.party.ids(), self.party.me()).into_iter().collect();
        self.take_up_mine(out);
    }

    /// Keeps the locks of what is mine, gives up the others, and begins those that are missing.
    pub(super) fn take_up_mine(&mut self, out: &mut Vec<Action>) {
        let mine = &self.mine;
        self.locks.retain(|partition, lock| {
            if mine.contains(partition) {
                lock.keep();
                return true;
            }
            match lock.give_up() {
                Step::Gone => false,
                Step::Kept(notice) | Step::Doubted(notice) => {
                    out.extend(notice.map(Action::Notify));
                    true
                }
            }
        });
        let missing: Vec<_> =
            self.mine.iter().filter(|partition| !self.locks.contains_key(partition)).cloned().collect();
        for partition in missing {
            self.begin_lock(partition);
        }
    }

    pub(super) fn begin_lock(&mut self, partition: TopicPartition) {
        let prefix = lock_prefix(&self.next_uuid());
        self.locks.insert(partition.clone(), Lock::new(partition, prefix));
    }

    pub(super) fn next_uuid(&mut self) -> String {
        self.last_uuid += 1;
        self.nonce.uuid(self.last_uuid)
    }
}
