//! What `status` says, in the contract's shape. It is read by `kafkavisor status` of other versions, too: a key that is not there
//! counts as nothing, and one that is not known is passed over.

use std::collections::BTreeMap;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor_link::page::Progress;
use serde::{Deserialize, Serialize};

use crate::kafka::LogEnd;
use kafkavisor_supervisor_core::{Partition as Owned, Record, RollState};

/// A running instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) group: String,
    pub(crate) name: String,
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
    /// Partitions that are ours and that a member with other topics still holds, with the lock in the way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) blocked: BTreeMap<String, String>,
    /// What is wrong with ZooKeeper's certificates, authentication or rights, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    /// The same of single partitions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) troubles: BTreeMap<String, String>,
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

/// The moment for which a partition is described.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) boottime: Boottime,
    pub(crate) wall_millis: i64,
}

/// As the partition says; what is paused says so from the moment on in which nothing runs, its start known or not.
fn state(owned: &Owned, record: Option<&Record>) -> &'static str {
    let paused = record.is_some_and(|record| record.paused.is_some());
    match owned.state() {
        "starting" | "crash_loop" if paused && owned.pid().is_none() => "paused",
        state => state,
    }
}

fn seconds(millis: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ages in milliseconds are far below 2^52")]
    let seconds = millis.max(0) as f64 / 1000.0;
    seconds
}

impl Partition {
    pub(crate) fn of(
        key: &TopicPartition,
        owned: &Owned,
        record: Option<&Record>,
        progress: Option<&Progress>,
        end: Option<LogEnd>,
        now: Moment,
    ) -> Self {
        let (running, tenure) = (owned.pid(), &owned.tenure);
        let (acknowledged, committed) = (tenure.held().map(|place| place.acknowledged), tenure.committed());
        // What can't be believed is not shown either; its worker is on the way out.
        let progress = progress.filter(|page| page.check(acknowledged.unwrap_or(Offset(0))).is_ok());
        let page = progress.copied().unwrap_or_default();
        let known = progress.is_some() && acknowledged.is_some();
        let position = known.then_some(if running.is_some() { page.position } else { page.acknowledged });
        // What has been read lies below the end, but is no end: before one was heard of, none is known.
        let heard = [end.map(|end| end.end.0), progress.map(|p| p.high_watermark)].into_iter().flatten();
        let high_watermark = heard
            .filter(|end| *end >= 0)
            .max()
            .map(|end| position.filter(|_| running.is_some()).map_or(end, |position| end.max(position)));
        let lag = high_watermark.zip(committed).map(|(end, committed)| (end - committed.0).max(0));
        let next =
            if known { Some(page.acknowledged) } else { acknowledged.map(|acknowledged| acknowledged.0) };
        let waiting = high_watermark.zip(next).is_some_and(|(end, next)| end > next);
        let oldest =
            if page.in_flight > 0 { now.boottime.since(page.oldest_in_flight).as_secs_f64() } else { 0.0 };
        // Where no worker has seen the oldest message, the look-ups have.
        let seen = end.and_then(|end| end.head).filter(|head| next == Some(head.acknowledged.0));
        let head_timestamp = seen.map_or(page.head_timestamp, |head| head.timestamp);
        let lag_seconds = if waiting && head_timestamp >= 0 {
            seconds(now.wall_millis.saturating_sub(head_timestamp))
        } else {
            0.0
        };
        let (messages_total, bytes_total) =
            record.map_or((0, 0), |record| record.totals(page.messages, page.bytes));
        let restarts = record.map(|record| record.restarts.clone()).unwrap_or_default();
        let last_exit = record.and_then(|record| record.last_exit.clone());
        Self {
            topic: key.topic.to_string(),
            partition: key.partition.0,
            state: state(owned, record).to_owned(),
            worker_pid: running.map(nix::unistd::Pid::as_raw),
            handler_pid: Some(page.handler_pid).filter(|pid| *pid > 0 && running.is_some()),
            position,
            acknowledged: acknowledged.map(|offset| offset.0.max(if known { page.acknowledged } else { 0 })),
            committed: committed.map(|offset| offset.0),
            high_watermark,
            lag,
            in_flight: page.in_flight,
            oldest_in_flight_seconds: oldest,
            lag_seconds,
            fencing_token: tenure.token.map(|token| token.0),
            messages_total,
            bytes_total,
            restarts_total: record.map_or(0, Record::restarts_total),
            restarts: restarts.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect(),
            dead_lettered_total: record.map_or(0, |record| record.dead_lettered),
            last_exit: owned.waiting().map(str::to_owned).or(last_exit),
            reason: owned.reason().map(str::to_owned),
            commit_error: tenure.commit_error.clone(),
            left_behind: Vec::new(),
        }
    }
}
