//! What a program wants to be told of a rebalance.

use std::collections::BTreeSet;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use crate::ids::TopicPartition;

pub(super) type Callback = Arc<dyn Fn(&BTreeSet<TopicPartition>) + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Callbacks {
    pub(super) before: Option<Callback>,
    pub(super) after: Option<Callback>,
}

impl Debug for Callbacks {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

impl Callbacks {
    /// These are given up next.
    pub(super) fn revoked(&self, partitions: &BTreeSet<TopicPartition>) {
        if let Some(callback) = &self.before {
            callback(partitions);
        }
    }

    /// These are all that are ours.
    pub(super) fn settled(&self, partitions: &BTreeSet<TopicPartition>) {
        if let Some(callback) = &self.after {
            callback(partitions);
        }
    }
}
