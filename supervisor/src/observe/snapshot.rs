//! What the loop knows at one moment, copied in the cheapest way: no text is made here, and what is text already is shared. It is put
//! into words by those who look, once for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_link::page::{Latencies, Progress};
use kafkavisor_supervisor_core::{Count, Exited, Partition as Owned, Phase, Reason, Record};
use nix::unistd::Pid;

use super::status::{Partition, Status};
use crate::kafka::LogEnd;

/// A moment by all our clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) boottime: Boottime,
    pub(crate) wall_millis: i64,
    /// What is between the wall clock and the other one, in milliseconds: the same from look to look, unless a clock is set.
    pub(crate) wall_ahead: i64,
}

impl Moment {
    /// When something was by the wall clock.
    pub(crate) fn wall_of(&self, at: Boottime) -> i64 {
        i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX).saturating_add(self.wall_ahead)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) moment: Moment,
    /// Of the instance, its partitions left out.
    pub(crate) instance: Status,
    /// Whether the first assignment is applied, and whether what it is from is there.
    pub(crate) applied: bool,
    pub(crate) connected: bool,
    pub(crate) partitions: Vec<Seen>,
    /// What is counted of those that are not ours any more.
    pub(crate) left: Sums,
    pub(crate) rebalances: Latencies,
    /// A series for each partition is among the metrics.
    pub(crate) per_partition: bool,
    status: OnceLock<Arc<Status>>,
}

/// What is counted of several partitions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) count: Count,
    pub(crate) restarts: BTreeMap<Reason, u64>,
    pub(crate) dead_lettered: u64,
}

impl Sums {
    pub(crate) fn add(
        &mut self,
        count: &Count,
        restarts: impl IntoIterator<Item = (Reason, u64)>,
        dead_lettered: u64,
    ) {
        self.count = self.count.plus(count);
        self.dead_lettered += dead_lettered;
        for (reason, restarts) in restarts {
            *self.restarts.entry(reason).or_default() += restarts;
        }
    }

    pub(crate) fn add_record(&mut self, record: &Record) {
        let restarts = record.restarts.iter().map(|(reason, count)| (*reason, *count));
        self.add(&record.totals(None), restarts, record.dead_lettered);
    }
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) key: TopicPartition,
    pub(crate) state: &'static str,
    pub(crate) since: Boottime,
    pub(crate) worker: Option<(Pid, Instant)>,
    pub(crate) acknowledged: Option<Offset>,
    pub(crate) committed: Option<Offset>,
    pub(crate) token: Option<FencingToken>,
    pub(crate) reason: Option<String>,
    pub(crate) waiting: Option<String>,
    pub(crate) commit_error: Option<String>,
    pub(crate) left_behind: Vec<String>,
    pub(crate) coming: Coming,
    pub(crate) progress: Option<Progress>,
    pub(crate) end: Option<LogEnd>,
    pub(crate) count: Count,
    pub(crate) restarts: Vec<(Reason, u64)>,
    pub(crate) dead_lettered: u64,
    pub(crate) exits: Vec<Exited>,
    pub(crate) stderr: Option<Arc<str>>,
    /// A handler that says nothing for so long hangs, and is ended after so long.
    pub(crate) hangs_after: Duration,
    pub(crate) timeout: Duration,
}

/// What comes next of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    /// Nothing but messages.
    Nothing,
    /// Its start is looked up, now or at that time again.
    Located(Option<Instant>),
    /// A new place is to be confirmed.
    Committed,
    /// Evidence that it is still ours.
    Leased,
    /// A worker starts, now or at that time.
    Started(Option<Instant>),
    /// Its worker ends, at that time at the latest.
    Ended(Instant),
    Killed,
    /// It is released, at that time at the latest.
    Released(Instant),
    /// An operator.
    Unparked,
    Resumed,
}

impl Coming {
    fn of(phase: &Phase) -> Self {
        match phase {
            Phase::Locating { .. } => Self::Located(None),
            Phase::LocatingAgain { at, .. } => Self::Located(Some(*at)),
            Phase::Committing { .. } => Self::Committed,
            Phase::AwaitingLease => Self::Leased,
            Phase::AwaitingTurn { at } => Self::Started(Some(*at)),
            Phase::BackingOff { until } => Self::Started(Some(*until)),
            Phase::Spawning { .. } => Self::Started(None),
            Phase::Running { .. } => Self::Nothing,
            Phase::Draining { until, .. } => Self::Ended(*until),
            Phase::Killing { .. } => Self::Killed,
            Phase::Parked { .. } => Self::Unparked,
            Phase::Paused => Self::Resumed,
            Phase::Releasing { until } => Self::Released(*until),
        }
    }
}

/// As the partition says; what is paused says so from the moment on in which nothing runs, its start known or not.
fn state(owned: &Owned, record: Option<&Record>) -> &'static str {
    let paused = record.is_some_and(|record| record.paused.is_some());
    match owned.state() {
        "starting" | "crash_loop" if paused && owned.pid().is_none() => "paused",
        state => state,
    }
}

impl Seen {
    /// A partition of ours; what is not known of it here is filled in by the caller.
    pub(crate) fn of(
        key: &TopicPartition,
        owned: &Owned,
        record: Option<&Record>,
        progress: Option<&Progress>,
        end: Option<LogEnd>,
    ) -> Self {
        let tenure = &owned.tenure;
        let floor = tenure.held().map_or(Offset(0), |place| place.acknowledged);
        let counted = progress.filter(|page| page.check(floor).is_ok());
        let stderr = record.map(|record| &record.stderr).filter(|stderr| !stderr.is_empty());
        Self {
            key: key.clone(),
            state: state(owned, record),
            since: owned.since(),
            worker: owned.phase().worker().map(|worker| (worker.pid, worker.started_at)),
            acknowledged: tenure.held().map(|place| place.acknowledged),
            committed: tenure.committed(),
            token: tenure.token,
            reason: owned.reason().map(str::to_owned),
            waiting: owned.waiting().map(str::to_owned),
            commit_error: tenure.commit_error.clone(),
            left_behind: Vec::new(),
            coming: Coming::of(owned.phase()),
            count: record.map(|record| record.totals(counted)).unwrap_or_default(),
            progress: progress.copied(),
            end,
            restarts: record
                .map(|record| record.restarts.iter().map(|(r, n)| (*r, *n)).collect())
                .unwrap_or_default(),
            dead_lettered: record.map_or(0, |record| record.dead_lettered),
            exits: record.map(|record| record.exits.iter().cloned().collect()).unwrap_or_default(),
            stderr: stderr.cloned(),
            hangs_after: Duration::MAX,
            timeout: Duration::MAX,
        }
    }
}

impl Snapshot {
    pub(crate) fn new(
        moment: Moment,
        instance: Status,
        applied: bool,
        connected: bool,
        partitions: Vec<Seen>,
    ) -> Self {
        let (left, rebalances, status) = (Sums::default(), Latencies::default(), OnceLock::new());
        Self {
            moment,
            instance,
            applied,
            connected,
            partitions,
            left,
            rebalances,
            per_partition: true,
            status,
        }
    }

    /// In words, for all who look.
    pub(crate) fn status(&self) -> Arc<Status> {
        let status = || {
            let partitions = self.partitions.iter().map(|seen| Partition::of(seen, &self.moment)).collect();
            Arc::new(Status { partitions, ..self.instance.clone() })
        };
        Arc::clone(self.status.get_or_init(status))
    }

    /// One partition of it.
    pub(crate) fn partition(&self, key: &TopicPartition) -> Option<&Seen> {
        self.partitions.iter().find(|seen| seen.key == *key)
    }

    #[cfg(test)]
    pub(crate) fn empty(at: Instant) -> Self {
        let moment = Moment { instant: at, boottime: Boottime(0), wall_millis: 0, wall_ahead: 0 };
        Self::new(moment, Status::default(), true, true, Vec::new())
    }
}
