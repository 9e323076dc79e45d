//! What the loop knows at one moment, copied in the cheapest way: no text is made but for the instance as a whole, what is text
//! already is shared, and the workers' pages are not read. All of that is done by those who look (`snapshot`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_link::page::{Latencies, Page};
use kafkavisor_supervisor_core::{Barred, History, Partition as Owned, Phase, Record};
use nix::unistd::Pid;

use super::status::Status;
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
pub(crate) struct Known {
    pub(crate) moment: Moment,
    /// Of the instance, its partitions and what keeps it from Kafka left out.
    pub(crate) instance: Status,
    /// Whether the first assignment is applied, and whether what it is from is there.
    pub(crate) applied: bool,
    pub(crate) connected: bool,
    pub(crate) partitions: Vec<Partition>,
    /// Of partitions that are not ours any more.
    pub(crate) left: Vec<History>,
    pub(crate) rebalances: Latencies,
    /// A series for each partition is among the metrics.
    pub(crate) per_partition: bool,
    pub(crate) troubles: Troubles,
}

/// What keeps the instance from Kafka, beside what its partitions say.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// What others come from.
    pub(crate) first: Vec<String>,
    pub(crate) of_topics: Arc<BTreeSet<String>>,
}

/// One partition of ours.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) key: TopicPartition,
    pub(crate) state: &'static str,
    pub(crate) since: Boottime,
    pub(crate) worker: Option<(Pid, Instant)>,
    pub(crate) acknowledged: Option<Offset>,
    pub(crate) committed: Option<Offset>,
    pub(crate) token: Option<FencingToken>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) waiting: Option<Arc<str>>,
    pub(crate) commit_error: Option<Arc<str>>,
    pub(crate) commits_barred: bool,
    /// What keeps a message of it from the dead-letter topic.
    pub(crate) letter_kept_by: Option<Arc<str>>,
    pub(crate) barred: Option<Barred>,
    /// What the look for where it begins has met, while it waits for that.
    pub(crate) start_trouble: Option<Arc<str>>,
    pub(crate) left_behind: Vec<String>,
    pub(crate) coming: Coming,
    pub(crate) page: Option<Arc<Page>>,
    pub(crate) end: Option<LogEnd>,
    pub(crate) history: History,
    /// The message that its next worker takes to the dead-letter topic.
    pub(crate) dead_letter: Option<Offset>,
    /// A handler that says nothing for so long hangs.
    pub(crate) hangs_after: Duration,
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

impl Partition {
    /// What is not known of it here is filled in by the caller.
    pub(crate) fn of(key: &TopicPartition, owned: &Owned, record: Option<&Record>) -> Self {
        let tenure = &owned.tenure;
        Self {
            key: key.clone(),
            state: state(owned, record),
            since: owned.since(),
            worker: owned.phase().worker().map(|worker| (worker.pid, worker.started_at)),
            acknowledged: tenure.held().map(|place| place.acknowledged),
            committed: tenure.committed(),
            token: tenure.token,
            reason: owned.reason().or_else(|| paused(owned, record)).cloned(),
            waiting: owned.waiting().cloned(),
            commit_error: tenure.commit_error.clone(),
            commits_barred: tenure.commits_barred,
            letter_kept_by: tenure.kept_letter.as_ref().map(|kept| Arc::clone(&kept.error)),
            barred: tenure.barred.clone(),
            start_trouble: None,
            left_behind: Vec::new(),
            coming: Coming::of(owned.phase()),
            page: None,
            end: None,
            history: record.map(|record| record.history.clone()).unwrap_or_default(),
            dead_letter: tenure.due_dead_letter(),
            hangs_after: Duration::MAX,
        }
    }
}

/// As the partition says; what is paused says so, its start known or not.
fn state(owned: &Owned, record: Option<&Record>) -> &'static str {
    match owned.state() {
        "starting" | "crash_loop" if paused(owned, record).is_some() => "paused",
        state => state,
    }
}

/// Who has paused it, from the moment on in which nothing runs.
fn paused<'a>(owned: &Owned, record: Option<&'a Record>) -> Option<&'a Arc<str>> {
    record.filter(|_| owned.pid().is_none())?.paused_by()
}

#[cfg(test)]
impl Known {
    pub(crate) fn empty(at: Instant) -> Self {
        Self {
            moment: Moment { instant: at, boottime: Boottime(0), wall_millis: 0, wall_ahead: 0 },
            instance: Status::default(),
            applied: true,
            connected: true,
            partitions: Vec::new(),
            left: Vec::new(),
            rebalances: Latencies::default(),
            per_partition: true,
            troubles: Troubles::default(),
        }
    }
}
