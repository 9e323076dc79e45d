//! What a supervisor asks of its membership, whoever decides about it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::ids::{FencingToken, TopicPartition};

/// A member of a group. Nothing here waits; what comes of it is told as [`Notice`](super::Notice)s, in order.
pub trait Member: Debug + Send {
    /// Kafka has these partitions now.
    fn partitions_changed(&self, partitions: BTreeSet<TopicPartition>);

    /// A revoked partition's worker is reaped and its last acknowledgement committed: it may be somebody else's. `token` is the
    /// one of [`Notice::Revoked`](super::Notice::Revoked).
    fn released(&self, partition: TopicPartition, token: Option<FencingToken>);

    /// Leaves the group: everything is revoked, and [`Notice::Left`](super::Notice::Left) follows the last release.
    fn leave(&self);
}
