//! The member's share: allocated when the party has settled or the items change, taken up lock by lock.

use std::collections::BTreeSet;

use super::Member;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::allocation::allocate;
use crate::partitioner::locks::{Lock, Step};
use crate::partitioner::messages::{Action, Notice};
use crate::partitioner::node_names::lock_prefix;

impl Member {
    pub(super) fn items_changed(&mut self, items: BTreeSet<TopicPartition>, out: &mut Vec<Action>) {
        if self.items == items {
            return;
        }
        self.items = items;
        if self.party.is_settled() && self.ending.is_none() {
            self.unsettle(out);
            self.allocate(out);
        }
    }

    pub(super) fn released(&mut self, item: &TopicPartition, token: FencingToken) {
        if let Some(lock) = self.locks.get_mut(item) {
            lock.released(token);
        }
    }

    pub(super) fn unsettle(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.reported_settled) {
            out.push(Action::Notify(Notice::Unsettled));
        }
    }

    pub(super) fn allocate(&mut self, out: &mut Vec<Action>) {
        self.mine = allocate(&self.items, &self.party.ids(), self.party.me()).into_iter().collect();
        self.take_up_mine(out);
    }

    /// Keeps the locks of what is mine, gives up the others, and begins those that are missing.
    pub(super) fn take_up_mine(&mut self, out: &mut Vec<Action>) {
        let mine = &self.mine;
        self.locks.retain(|item, lock| {
            if mine.contains(item) {
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
            self.mine.iter().filter(|item| !self.locks.contains_key(item)).cloned().collect();
        for item in missing {
            self.begin_lock(item);
        }
    }

    pub(super) fn begin_lock(&mut self, item: TopicPartition) {
        let prefix = lock_prefix(&self.next_uuid());
        self.locks.insert(item.clone(), Lock::new(item, prefix));
    }

    pub(super) fn next_uuid(&mut self) -> String {
        self.last_uuid += 1;
        self.nonce.uuid(self.last_uuid)
    }
}
