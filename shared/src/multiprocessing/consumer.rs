//! The consumers of a group: one partition each, as the child tells of it.

use serde::Deserialize;

use crate::ids::{Offset, Partition, Topic};

/// One partition, with the processes that consume it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumer {
    /// The topic.
    pub topic: Topic,
    /// The partition of it.
    pub partition: Partition,
    /// What its processes do.
    pub state: ConsumerState,
    /// The process that fetches and feeds the handler; `None` where there is none just now.
    pub worker_pid: Option<u32>,
    /// The handler's process; with the protocol `exec` there is one for each batch, and `None` between them.
    pub handler_pid: Option<u32>,
    /// How often its processes were started again.
    pub restarts: u64,
    /// How the last of them ended that did.
    pub last_exit: Option<String>,
    /// Why nothing is delivered, where that is neither for a handler's failure nor at an operator's word.
    pub reason: Option<String>,
    /// The next message that the group reads, were it to begin anew: last committed + 1.
    pub committed: Option<Offset>,
    /// How many messages are in the log and not committed.
    pub lag: Option<u64>,
}

/// What the processes of a partition do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerState {
    /// They begin.
    Starting,
    /// They consume.
    Ready,
    /// The handler finishes what it has, and no more comes.
    Draining,
    /// They are killed.
    Killing,
    /// They have failed, and are started again in a moment.
    BackingOff,
    /// They fail again and again.
    CrashLoop,
    /// Nothing is delivered until somebody decides; see [`Consumer::reason`].
    Parked,
    /// Nothing is delivered at an operator's word (`kafkavisor pause`).
    Paused,
    /// Something that this version does not know.
    Other(String),
}

impl From<String> for ConsumerState {
    fn from(name: String) -> Self {
        match name.as_str() {
            "starting" => Self::Starting,
            "ready" => Self::Ready,
            "draining" => Self::Draining,
            "killing" => Self::Killing,
            "backing_off" => Self::BackingOff,
            "crash_loop" => Self::CrashLoop,
            "parked" => Self::Parked,
            "paused" => Self::Paused,
            _ => Self::Other(name),
        }
    }
}

/// The answer to `status`; keys that are not there count as nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) partitions: Vec<Told>,
}

/// One partition of it.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    topic: Topic,
    partition: Partition,
    state: String,
    #[serde(default)]
    worker_pid: Option<u32>,
    #[serde(default)]
    handler_pid: Option<u32>,
    #[serde(default)]
    restarts_total: u64,
    #[serde(default)]
    last_exit: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    committed: Option<i64>,
    #[serde(default)]
    lag: Option<u64>,
}

impl From<Told> for Consumer {
    fn from(told: Told) -> Self {
        let Told { topic, partition, worker_pid, handler_pid, last_exit, reason, lag, .. } = told;
        let (state, restarts) = (told.state.into(), told.restarts_total);
        let committed = told.committed.map(Offset);
        Self { topic, partition, state, worker_pid, handler_pid, restarts, last_exit, reason, committed, lag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_whatever_keys_it_has() {
        let text = r#"{"group":"g","new":1,"partitions":[
            {"topic":"t","partition":0,"state":"ready","worker_pid":10,"handler_pid":11,"committed":40,"lag":20,
             "restarts_total":1,"last_exit":"handler exited with status 1","reason":null},
            {"topic":"t","partition":1,"state":"dreaming"}]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        let consumers: Vec<Consumer> = status.partitions.into_iter().map(Into::into).collect();
        let [first, second] = consumers.as_slice() else { panic!("{consumers:?}") };
        assert_eq!((first.state.clone(), first.restarts, first.lag), (ConsumerState::Ready, 1, Some(20)));
        assert_eq!(
            (first.worker_pid, first.handler_pid, first.committed),
            (Some(10), Some(11), Some(Offset(40)))
        );
        assert_eq!(second.state, ConsumerState::Other("dreaming".to_owned()));
        assert_eq!((second.partition, second.worker_pid), (Partition(1), None));
    }
}
