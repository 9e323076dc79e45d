//! What happens to the supervisor (past participles) and what it does (imperatives).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafkavisor::config::{Poison, Restart};
use kafkavisor::ids::{FencingToken, Generation, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_group::answer::CommitAnswer;
use kafkavisor_group::start::Decision;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{DeadLetter, FromWorker, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use crate::operator::Operation;
use crate::roll::ConfigNumber;

/// What the core is told of a configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub restart: Restart,
    pub poison: Poison,
    pub stop_timeout: Duration,
    /// A message that is in flight for so long hangs its handler, and may be skipped.
    pub hangs_after: Duration,
    pub commit_interval: Duration,
    /// Something was acknowledged by this deployment before: by this command with this configuration and this file on disk.
    pub worked: bool,
}

/// Somebody who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How the end is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Over the control socket: joins whatever is under way.
    Asked,
    /// TERM or INT: the first joins, the second cuts short.
    Signalled,
    /// Cuts short at once.
    Now,
}

/// A page that an earlier tenure left, its last commit still the group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenUp {
    pub progress: Progress,
    /// The death of what was in flight counted in.
    pub attempts: Attempts,
    /// One message was in flight, with its handler alive, when everything ended.
    pub died_alone: bool,
}

/// Where reading begins, as far as that could be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub decision: Decision,
    /// Where a topic begins: the starts of its other partitions, to be committed in the same request.
    pub begins: BTreeMap<TopicPartition, Offset>,
    pub page: Option<TakenUp>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The partition is ours.
    Assigned {
        partition: TopicPartition,
        token: Option<FencingToken>,
    },
    /// Somebody else has stood in line for it since it was last ours, and may have had it.
    Contended {
        partition: TopicPartition,
    },
    /// It is to be given up.
    Revoked {
        partition: TopicPartition,
        token: Option<FencingToken>,
    },
    /// It is not ours any more, whether we like it or not.
    Lost {
        partition: TopicPartition,
    },
    /// The group has settled.
    Settled,
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
        partition: TopicPartition,
        request: u64,
        found: Box<Found>,
    },
    /// It has not, for now.
    StartUnknown {
        partition: TopicPartition,
        request: u64,
        error: String,
    },
    /// The topic was deleted and made again.
    TopicMadeAgain {
        partition: TopicPartition,
    },
    WorkerSpawned {
        partition: TopicPartition,
        pid: Pid,
    },
    SpawnFailed {
        partition: TopicPartition,
        error: String,
    },
    WorkerSaid {
        partition: TopicPartition,
        pid: Pid,
        message: FromWorker,
    },
    /// The worker and all it had started are gone; its page says how far it was.
    WorkerExited {
        partition: TopicPartition,
        pid: Pid,
        exit: Exit,
        progress: Progress,
        attempts: Attempts,
    },
    /// What pages say.
    PagesRead {
        pages: Vec<(TopicPartition, Progress)>,
    },
    /// What the storage says to a commit.
    Committed {
        answers: Vec<CommitAnswer>,
    },
    /// An operator asks for something.
    Operated {
        partition: TopicPartition,
        operation: Operation,
        ticket: Ticket,
        /// Who, for people.
        by: Arc<str>,
    },
    /// The configuration is another one, or the handler on disk: workers are to be replaced one after the other.
    Reloaded {
        settings: Settings,
    },
    /// We were stopped, suspended or starved for a while.
    StoodStill,
    /// Finish and exit.
    StopRequested(Stop),
    /// A deadline may have passed.
    Woken,
}

/// How a worker is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStart {
    pub partition: TopicPartition,
    pub generation: Generation,
    pub token: Option<FencingToken>,
    pub offset: Offset,
    pub config: ConfigNumber,
    /// The message at `offset`, where it goes to the dead-letter topic.
    pub dead_letter: Option<DeadLetter>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Find out where reading begins; `made_again` where the topic is another now and only its earliest message will do.
    FindStart {
        partition: TopicPartition,
        request: u64,
        made_again: bool,
    },
    /// Make the partition's page anew.
    MakePage {
        partition: TopicPartition,
        start: Offset,
    },
    /// Answered by [`Event::WorkerSpawned`] or [`Event::SpawnFailed`], at once or later.
    SpawnWorker(WorkerStart),
    StopWorker {
        pid: Pid,
        reason: StopReason,
        within: Duration,
    },
    /// It stands still: ABRT, so that it leaves a core where that is wanted.
    AbortWorker {
        pid: Pid,
    },
    KillWorker {
        pid: Pid,
    },
    Decide {
        pid: Pid,
        partition: TopicPartition,
        offset: Offset,
        verdict: Verdict,
    },
    /// What was in flight died with its worker.
    SettlePage {
        partition: TopicPartition,
        attempts: Attempts,
    },
    /// The page goes on at `next`: a message is passed over, or an operator wants it so.
    MovePage {
        partition: TopicPartition,
        next: Offset,
    },
    /// In one request. Those among `starts` only where the group has no offset yet: nobody else has begun the topic.
    Commit {
        offsets: BTreeMap<TopicPartition, Offset>,
        starts: BTreeSet<TopicPartition>,
    },
    /// The storage has confirmed it: the page's last commit, and the worker may go on.
    NoteCommitted {
        partition: TopicPartition,
        offset: Offset,
    },
    /// The lock may go.
    Release {
        partition: TopicPartition,
        token: Option<FencingToken>,
    },
    /// Remove the partition's page.
    ForgetPage {
        partition: TopicPartition,
    },
    LeaveGroup,
    /// An operator's word is carried out, or is not, and nothing has changed.
    Answer {
        ticket: Ticket,
        result: Result<String, Refusal>,
    },
    /// Something was acknowledged by this deployment.
    NoteWorked {
        config: ConfigNumber,
    },
    /// A message was given up for deaths under this deployment: until something is acknowledged, it counts as one that has not
    /// worked for whoever starts after us.
    NoteGaveUp {
        config: ConfigNumber,
    },
    /// From here on everything is by this configuration.
    Establish {
        config: ConfigNumber,
    },
    /// Nothing is by this configuration any more.
    Discard {
        config: ConfigNumber,
    },
    /// The end.
    Exit {
        cut_short: bool,
    },
}

/// Why an operator's word is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It makes no sense as things are: nothing was tried.
    Refused(String),
    /// It was tried, and nothing has changed.
    Failed(String),
}
