//! What `status` says, in the contract's shape. It is read by `kafkavisor status` of other versions, too: a key that is not there
//! counts as nothing, and one that is not known is passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Offset, Topic};
use kafkavisor_link::logging::timestamp;
use kafkavisor_link::page::Progress;
use kafkavisor_supervisor_core::RollState;
use serde::{Deserialize, Serialize};

use super::known::Moment;
use super::next;
use super::snapshot::Seen;

/// A running instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) host: String,
    pub(crate) topics: Vec<Topic>,
    /// starting, running or stopping.
    pub(crate) state: String,
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    pub(crate) uptime_seconds: f64,
    pub(crate) commit_errors_total: u64,
    /// What keeps it from Kafka, or from topics, in words that say what to do.
    pub(crate) troubles: Vec<String>,
    pub(crate) assignment: Assignment,
    /// The last reload's replacement of workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roll: Option<Roll>,
    pub(crate) partitions: Vec<Partition>,
}

/// Where the partitions come from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Assignment {
    /// zookeeper or static.
    pub(crate) mode: String,
    /// joining, allocating, acquired, suspended.
    pub(crate) state: String,
    pub(crate) session: Option<String>,
    pub(crate) member: Option<String>,
    pub(crate) members: usize,
    /// Their ids, ours among them; none are known with static assignment.
    pub(crate) group_members: Arc<[String]>,
    /// Partitions that are ours and that a member with other topics still holds, with the lock in the way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) blocked: Arc<BTreeMap<String, String>>,
    /// What is wrong with ZooKeeper's certificates, authentication or rights, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    /// The same of single partitions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) troubles: Arc<BTreeMap<String, String>>,
}

/// How far the replacement of all workers is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Roll {
    /// running, done, stopped.
    pub(crate) state: String,
    pub(crate) rolled: usize,
    pub(crate) of: usize,
    /// What stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Roll {
    pub(crate) fn of(roll: &kafkavisor_supervisor_core::Roll) -> Self {
        let (state, error) = match &roll.state {
            RollState::Running => ("running", None),
            RollState::Done => ("done", None),
            RollState::Stopped { partition, why } => {
                let error = format!("{partition}: {why}; what runs differs from the file");
                ("stopped", Some(error))
            }
        };
        Self { state: state.to_owned(), rolled: roll.rolled, of: roll.of, error }
    }
}

/// One partition. Offsets are the *next* ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) state: String,
    /// Since when it is in its state (RFC 3339).
    pub(crate) since: Option<String>,
    /// What comes next of itself, and when, or who must do something.
    pub(crate) next: Option<String>,
    /// Its handler says nothing although messages are in flight.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hanging: bool,
    pub(crate) worker_pid: Option<i32>,
    pub(crate) handler_pid: Option<u64>,
    pub(crate) position: Option<i64>,
    pub(crate) acknowledged: Option<i64>,
    pub(crate) committed: Option<i64>,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) lag: Option<i64>,
    pub(crate) in_flight: u64,
    pub(crate) oldest_in_flight_seconds: f64,
    pub(crate) lag_seconds: f64,
    pub(crate) fencing_token: Option<i64>,
    pub(crate) messages_total: u64,
    pub(crate) bytes_total: u64,
    pub(crate) restarts_total: u64,
    /// By reason.
    pub(crate) restarts: BTreeMap<String, u64>,
    pub(crate) dead_lettered_total: u64,
    pub(crate) last_exit: Option<String>,
    /// Why nothing is delivered, where that is neither for a handler's failure nor at an operator's word.
    pub(crate) reason: Option<String>,
    /// Why commits fail, while they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit_error: Option<String>,
    /// What its earlier workers have left that can't be killed, as long as it is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_behind: Vec<String>,
}

fn seconds(millis: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ages in milliseconds are far below 2^52")]
    let seconds = millis.max(0) as f64 / 1000.0;
    seconds
}

/// What its page says, where that can be believed.
pub(super) fn believed(seen: &Seen) -> Option<&Progress> {
    let floor = seen.known.acknowledged.unwrap_or(Offset(0));
    // What can't be believed is not shown either; its worker is on the way out.
    seen.progress.as_ref().filter(|page| page.check(floor).is_ok())
}

/// Since when its handler says nothing with messages in flight.
pub(super) fn silence(seen: &Seen) -> Option<Boottime> {
    believed(seen).filter(|_| seen.known.worker.is_some())?.silence()
}

/// Whether that is too long to be work.
pub(crate) fn hangs(seen: &Seen, at: Boottime) -> bool {
    silence(seen).is_some_and(|since| at.since(since) >= seen.known.hangs_after)
}

/// Numbers of one partition, as status and metrics have them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) position: Option<i64>,
    pub(crate) acknowledged: Option<i64>,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) lag: Option<i64>,
    /// None where it is not known how old the oldest message is that is not acknowledged.
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) in_flight: u64,
    pub(crate) oldest_in_flight: f64,
    /// For how long the handler owes an answer and says nothing; none where its worker's page can't be believed.
    pub(crate) silent_seconds: Option<f64>,
    pub(crate) handler_pid: u64,
}

impl Figures {
    pub(crate) fn of(seen: &Seen, moment: &Moment) -> Self {
        let (acknowledged, running) = (seen.known.acknowledged, seen.known.worker.is_some());
        let progress = believed(seen);
        let page = progress.copied().unwrap_or_default();
        let known = progress.is_some() && acknowledged.is_some();
        let position = known.then_some(if running { page.position } else { page.acknowledged });
        // What has been read lies below the end, but is no end: before one was heard of, none is known.
        let heard =
            [seen.known.end.map(|end| end.end.0), progress.map(|p| p.high_watermark)].into_iter().flatten();
        let high_watermark = heard
            .filter(|end| *end >= 0)
            .max()
            .map(|end| position.filter(|_| running).map_or(end, |position| end.max(position)));
        let lag = high_watermark.zip(seen.known.committed).map(|(end, committed)| (end - committed.0).max(0));
        let next =
            if known { Some(page.acknowledged) } else { acknowledged.map(|acknowledged| acknowledged.0) };
        let oldest_in_flight =
            if page.in_flight > 0 { moment.boottime.since(page.oldest_in_flight).as_secs_f64() } else { 0.0 };
        let silent = silence(seen).map_or(0.0, |since| moment.boottime.since(since).as_secs_f64());
        // Where no worker has seen the oldest message, the look-ups have.
        let looked_up =
            seen.known.end.and_then(|end| end.head).filter(|head| next == Some(head.acknowledged.0));
        let head_timestamp = looked_up.map_or(page.head_timestamp, |head| head.timestamp);
        let lag_seconds = match high_watermark.zip(next) {
            Some((end, next)) if end <= next => Some(0.0),
            Some(_) if head_timestamp >= 0 => {
                Some(seconds(moment.wall_millis.saturating_sub(head_timestamp)))
            }
            Some(_) | None => None,
        };
        Self {
            position,
            acknowledged: acknowledged.map(|offset| offset.0.max(if known { page.acknowledged } else { 0 })),
            high_watermark,
            lag,
            lag_seconds,
            in_flight: page.in_flight,
            oldest_in_flight,
            silent_seconds: (progress.is_some() || !running).then_some(silent),
            handler_pid: if running { page.handler_pid } else { 0 },
        }
    }
}

impl Partition {
    pub(crate) fn of(seen: &Seen, moment: &Moment) -> Self {
        let figures = Figures::of(seen, moment);
        let text = |shared: &Option<Arc<str>>| shared.as_ref().map(ToString::to_string);
        let last_exit = seen.known.history.past.exits.back().map(|exited| exited.how.to_string());
        Self {
            topic: seen.known.key.topic.to_string(),
            partition: seen.known.key.partition.0,
            state: seen.known.state.to_owned(),
            since: Some(timestamp(moment.wall_of(seen.known.since))),
            next: next::of(seen, moment),
            hanging: hangs(seen, moment.boottime),
            worker_pid: seen.known.worker.map(|(pid, _)| pid.as_raw()),
            handler_pid: Some(figures.handler_pid).filter(|pid| *pid > 0),
            position: figures.position,
            acknowledged: figures.acknowledged,
            committed: seen.known.committed.map(|offset| offset.0),
            high_watermark: figures.high_watermark,
            lag: figures.lag,
            in_flight: figures.in_flight,
            oldest_in_flight_seconds: figures.oldest_in_flight,
            lag_seconds: figures.lag_seconds.unwrap_or(0.0),
            fencing_token: seen.known.token.map(|token| token.0),
            messages_total: seen.count.messages,
            bytes_total: seen.count.bytes,
            restarts_total: seen.known.history.past.restarts.values().sum(),
            restarts: seen
                .known
                .history
                .past
                .restarts
                .iter()
                .map(|(reason, n)| (reason.name().to_owned(), *n))
                .collect(),
            dead_lettered_total: seen.known.history.past.dead_lettered,
            last_exit: text(&seen.known.waiting).or(last_exit),
            reason: text(&seen.known.reason),
            commit_error: text(&seen.known.commit_error),
            left_behind: seen.known.left_behind.clone(),
        }
    }
}
