//! What happens to the supervisor (past participles) and what it does (imperatives).

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::config::{Poison, Restart};
use kafkavisor::ids::{FencingToken, Generation, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{FromWorker, Letter, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use super::start::Decision;

/// What the core is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    pub restart: Restart,
    pub poison: Poison,
    pub stop_timeout: Duration,
    pub commit_interval: Duration,
    /// Static assignment: items are never revoked, and there is no group to leave.
    pub fixed: bool,
    /// For jitter, so that a run can be repeated.
    pub seed: u64,
}

/// One commit of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitAnswer {
    pub item: TopicPartition,
    pub offset: Offset,
    pub error: Option<String>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The partition is ours.
    Assigned {
        item: TopicPartition,
        token: Option<FencingToken>,
    },
    /// It is to be given up.
    Revoked {
        item: TopicPartition,
        token: FencingToken,
    },
    /// It is not ours any more, whether we like it or not.
    Lost {
        item: TopicPartition,
    },
    /// The group has settled, with so many members.
    Settled {
        members: usize,
    },
    /// The group is allocating again.
    Unsettled,
    /// We have left the group.
    Left,
    /// There is evidence that what is assigned is still ours.
    LeaseRenewed,
    /// There has been none for so long that nothing is delivered any more.
    LeaseLapsed,
    /// There has been none for so long that all workers must be gone.
    LeaseEnded,
    /// Where reading begins has been found out.
    StartFound {
        item: TopicPartition,
        request: u64,
        decision: Decision,
        /// What the page of an earlier tenure says, where the group's offset is still the one that was its last commit.
        page: Option<Progress>,
    },
    /// It has not, for now.
    StartUnknown {
        item: TopicPartition,
        request: u64,
        error: String,
    },
    /// The topic was deleted and made again.
    TopicMadeAgain {
        item: TopicPartition,
    },
    WorkerSpawned {
        item: TopicPartition,
        pid: Pid,
    },
    SpawnFailed {
        item: TopicPartition,
        error: String,
    },
    WorkerSaid {
        item: TopicPartition,
        pid: Pid,
        message: FromWorker,
    },
    /// The worker and all it had started are gone; its page says how far it was.
    WorkerExited {
        item: TopicPartition,
        pid: Pid,
        exit: Exit,
        progress: Progress,
        attempts: Attempts,
    },
    /// What the pages say.
    PagesRead {
        pages: Vec<(TopicPartition, Progress)>,
        at: Boottime,
    },
    /// What Kafka says to a commit.
    Committed {
        answers: Vec<CommitAnswer>,
    },
    /// The configuration is another one, or the handler on disk: workers are to be replaced one after the other.
    Reloaded {
        settings: Settings,
    },
    /// We were stopped, suspended or starved for a while.
    Resumed,
    /// Finish and exit; the second time at once.
    StopRequested,
    /// A deadline may have passed.
    Woken,
}

/// How a worker is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStart {
    pub item: TopicPartition,
    pub generation: Generation,
    pub token: Option<FencingToken>,
    pub offset: Offset,
    /// The message at `offset`, where it goes to the dead-letter topic.
    pub letter: Option<Letter>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Find out where reading begins; `made_again` where the topic is another now and only its earliest message will do.
    FindStart {
        item: TopicPartition,
        request: u64,
        made_again: bool,
    },
    /// Make the partition's page anew.
    MakePage {
        item: TopicPartition,
        start: Offset,
    },
    SpawnWorker(WorkerStart),
    StopWorker {
        item: TopicPartition,
        pid: Pid,
        reason: StopReason,
        within: Duration,
    },
    KillWorker {
        item: TopicPartition,
        pid: Pid,
    },
    Decide {
        item: TopicPartition,
        pid: Pid,
        offset: Offset,
        verdict: Verdict,
    },
    /// What was in flight died with its worker.
    SettlePage {
        item: TopicPartition,
        attempts: Attempts,
    },
    /// The page goes on at `next`: a message is passed over, or an operator wants it so.
    MovePage {
        item: TopicPartition,
        next: Offset,
    },
    /// In one request.
    Commit {
        offsets: BTreeMap<TopicPartition, Offset>,
    },
    /// The lock may go.
    Release {
        item: TopicPartition,
        token: FencingToken,
    },
    /// Remove the partition's page.
    ForgetPage {
        item: TopicPartition,
    },
    LeaveGroup,
    /// The end.
    Exit {
        cut_short: bool,
    },
}
