//! What the caller's thread and the group's share: which partitions there are, and how far they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kafkavisor_group::commits::SharedLease;
use kafkavisor_kafka::fetch::{Several, Wake};

use crate::consumer::PartitionerError;
use crate::consumer::progress::Progress;
use crate::ids::{FencingToken, TopicPartition};

/// Where a partition of ours is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Where it begins is looked for; again at that time, after so many times.
    Locating { at: Instant, tries: u32 },
    /// Its messages are handed over.
    Consuming,
    /// It is to be given up: what was handed over may be finished until then.
    Leaving { until: Instant },
    /// It can't begin before somebody has done something about it; looked at again at that time.
    Parked { at: Instant, why: String },
}

/// One ownership of a partition.
#[derive(Debug)]
pub(super) struct Tenure {
    /// Which one it is, of all of them here.
    pub(super) turn: u64,
    pub(super) token: Option<FencingToken>,
    /// Of the topic, where it could be had.
    pub(super) topic_id: Option<String>,
    /// The topic is another one than that which offsets were known of.
    pub(super) made_again: bool,
    pub(super) stage: Stage,
    pub(super) progress: Progress,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tenures: BTreeMap<TopicPartition, Tenure>,
    /// The group can't go on: it is to be started again.
    pub(super) failure: Option<PartitionerError>,
    /// Everything that is ours by now is assigned.
    pub(super) settled: bool,
    /// Messages that somebody was done with since the last commit.
    pub(super) done: u64,
    /// What keeps partitions from beginning, to be told once.
    pub(super) parked: Vec<(TopicPartition, String)>,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) lease: SharedLease,
    fetching: Mutex<Several>,
    pub(super) wake: Arc<Wake>,
    /// Of whom membership is had, for errors.
    pub(super) servers: String,
}

impl Shared {
    pub(super) fn new(fetching: Several, lease: SharedLease, servers: &str) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            lease,
            wake: fetching.wake(),
            fetching: Mutex::new(fetching),
            servers: servers.to_owned(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be locked after the state, where both are.
    pub(super) fn fetching(&self) -> MutexGuard<'_, Several> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything is given up: nobody has anything of it any more.
    pub(super) fn fail(&self, failure: PartitionerError) {
        let mut state = self.state();
        let tenures = std::mem::take(&mut state.tenures);
        let mut fetching = self.fetching();
        tenures.keys().for_each(|partition| fetching.end(partition));
        drop(fetching);
        state.failure.get_or_insert(failure);
        drop(state);
        self.tell();
    }

    /// Something has changed that somebody may wait for.
    pub(super) fn tell(&self) {
        self.changed.notify_all();
        self.wake.wake();
    }

    /// Why nothing may be done in the group's name, if that is so.
    pub(super) fn refusal(&self, state: &State) -> Option<PartitionerError> {
        let why = "no sign of life from it for so long that the partitions may be somebody else's";
        let lapsed = || PartitionerError::Zookeeper { servers: self.servers.clone(), why: why.to_owned() };
        let held = state.tenures.values().any(|tenure| !matches!(tenure.stage, Stage::Locating { .. }));
        state.failure.clone().or_else(|| (held && self.lease.left().is_none()).then(lapsed))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::{Offset, Topic};

    /// What a group shares that reaches nobody, and has no lease yet.
    pub(in crate::consumer::group) fn shared() -> Arc<Shared> {
        let nobody = BTreeMap::from([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]);
        let fetching = Several::new(&nobody, None).expect("a client");
        Arc::new(Shared::new(fetching, SharedLease::default(), "nobody"))
    }

    /// A partition that is consumed from its beginning on, in its first turn.
    pub(in crate::consumer::group) fn consuming(shared: &Shared, number: i32) -> TopicPartition {
        let partition = TopicPartition::new(Topic::new("t").expect("a name"), number);
        let tenure = Tenure {
            turn: 1,
            token: None,
            topic_id: None,
            made_again: false,
            stage: Stage::Consuming,
            progress: Progress::at(Offset(0), true),
        };
        shared.state().tenures.insert(partition.clone(), tenure);
        partition
    }
}
