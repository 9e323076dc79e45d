//! What supervisor and worker say to each other: one JSON object a line over a socketpair, the worker's standard input.
//!
//! A worker's configuration, secrets included, reaches it this way and never by argument or environment.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use kafkavisor::config::{Handler, Log, PoisonAction, Restart};
use kafkavisor::ids::{FencingToken, Generation, Group, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor::text;
use kafkavisor::token::Token;
use log::LevelFilter;
use serde::{Deserialize, Serialize};

use crate::trace::{Trace, Traced};

/// Longest text of a handler's last lines.
const MAX_STDERR: usize = 64 << 10;

/// Everything a worker is told at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// The consumer group.
    pub group: Group,
    /// The partition to consume.
    pub partition: TopicPartition,
    /// The running number of the assignment.
    pub generation: Generation,
    /// What the partition is held under; none with static assignment.
    pub fencing_token: Option<FencingToken>,
    /// Where to begin.
    pub offset: Offset,
    /// The status page's file.
    pub page: PathBuf,
    /// The handler, its command resolved to a path.
    pub handler: Handler,
    /// How repeats within a worker wait (`exec`).
    pub restart: Restart,
    /// Properties for librdkafka, the brokers among them.
    pub kafka: BTreeMap<String, String>,
    /// Some of it nobody should read, nor what it leads to: keys, tokens.
    pub secret: bool,
    /// Ask for a commit once so many messages are acknowledged.
    pub commit_messages: u64,
    /// How log lines look.
    pub log: Log,
    /// How much of the handler's log is passed on.
    pub log_allowance: LogAllowance,
    /// What the broker is shown, where it wants a token.
    pub token: Option<Token>,
    /// The message at `offset` goes to the dead-letter topic before anything else is done.
    pub dead_letter: Option<DeadLetter>,
    /// Somebody watches each message; none in production.
    pub trace: Option<Trace>,
}

/// How many lines of a handler's log are passed on; the others are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAllowance {
    /// In the first second of its worker.
    pub at_first: u32,
    /// In each further one.
    pub per_second: u32,
}

/// A message that goes to the dead-letter topic, and what its readers are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message.
    pub offset: Offset,
    /// How often it was delivered.
    pub attempts: u32,
    /// The handler's reason, or how it ended.
    pub error: String,
    /// The handler's last lines on stderr.
    pub stderr: String,
}

/// What becomes of a message that can't be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Deliver it once more.
    Retry,
    /// Apply this action.
    Apply(PoisonAction),
}

impl Display for Verdict {
    /// What becomes of it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "it is delivered again",
            Self::Apply(PoisonAction::DeadLetter) => "it goes to the dead-letter topic",
            Self::Apply(PoisonAction::Skip) => "it is skipped",
            Self::Apply(PoisonAction::Park) => "its partition is parked",
        })
    }
}

/// From the supervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "to_worker", rename_all = "snake_case")]
pub enum ToWorker {
    /// The first line.
    Start(Box<Start>),
    /// Finish what is in flight and exit; after `within` the handler is ended.
    Stop {
        /// What the handler is told.
        reason: StopReason,
        /// How long it may take.
        within: Duration,
    },
    /// From here on this is shown to the broker.
    Token(Token),
    /// Somebody looks at this partition: answered by [`FromWorker::Described`].
    Describe,
    /// The least important that is logged from here on.
    LogLevel {
        /// Which.
        level: LevelFilter,
    },
    /// The answer to [`FromWorker::Failed`].
    Decide {
        /// The message in question.
        offset: Offset,
        /// What becomes of it.
        verdict: Verdict,
    },
    /// To a worker that is watched: how it is led from here on.
    Lead(Trace),
}

/// What a worker tells of itself where somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The oldest message in flight.
    pub head: Option<Head>,
    /// How long the handler's process has been running; none without one.
    pub handler_age: Option<Duration>,
    /// The last lines on its stderr.
    pub stderr: String,
}

/// The oldest message in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its offset.
    pub offset: Offset,
    /// Its key where that is text, cut where it is very long; neither this nor the next where it has none.
    pub key: Option<String>,
    /// Its key where that is no text.
    pub key_base64: Option<String>,
    /// Key and value, in bytes.
    pub size: u64,
    /// How long it has been in flight.
    pub age: Duration,
    /// 1, and how often a handler has died of it.
    pub attempt: u32,
}

/// Why a worker ended, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Ending {
    /// It was told to stop, and its handler has ended.
    Stopped {
        /// The handler had to be ended, or what it refused could not be settled in time.
        cut_short: bool,
        /// How the handler ended, in words for people, where that was of itself and not with status 0. Nothing is lost by it:
        /// what it left comes again.
        failed: Option<String>,
    },
    /// The handler exited with this status.
    HandlerExit {
        /// Its exit status.
        status: i32,
    },
    /// The handler was killed by this signal.
    HandlerSignal {
        /// Its number.
        signal: i32,
    },
    /// The handler can't be started.
    HandlerMissing {
        /// What the system said.
        error: String,
    },
    /// The handler did not answer.
    HandlerTimeout {
        /// What it left unanswered.
        detail: String,
    },
    /// The handler said what it must not.
    ProtocolError {
        /// What it said.
        detail: String,
    },
    /// A message can't be handled: the partition waits for an operator.
    Parked {
        /// The message.
        offset: Offset,
        /// What is wrong with it.
        error: String,
    },
    /// The offset is not in the log (any more), or the topic is another one.
    StartLost {
        /// What Kafka said.
        error: String,
    },
    /// A right on the topic is missing.
    Denied {
        /// Which, and what to do.
        error: String,
    },
    /// A broker does not let us in, or we don't trust it.
    Refused {
        /// What is wrong, and what to do.
        error: String,
    },
    /// No evidence that the partition is still ours.
    LeaseLost,
    /// It can't work at all: no page, no Kafka client.
    Unable {
        /// What is missing.
        error: String,
    },
}

/// From the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from_worker", rename_all = "snake_case")]
pub enum FromWorker {
    /// The handler runs and Kafka answers.
    Ready,
    /// Much is acknowledged and not committed.
    CommitWanted,
    /// The handler refuses a message, or died of it often enough; the worker waits for the verdict.
    Failed {
        /// The message.
        offset: Offset,
        /// How often it was delivered.
        attempts: u32,
        /// The handler's reason or how it ended.
        error: String,
        /// Whether the handler itself refused it, at once and for good.
        rejected: bool,
    },
    /// `exec`: a process failed, and its messages are tried again: in halves, at once, or, alone, after a while. Where a message
    /// alone failed often enough, [`FromWorker::Failed`] follows, and again at each further failure after a
    /// [`Verdict::Retry`].
    BatchFailed {
        /// Its first message: the one that blocks the partition, if the process had it alone.
        offset: Offset,
        /// How many messages it had.
        count: u32,
        /// How often the first message has failed alone, this time included; 0 as long as it has not.
        attempts: u32,
        /// How the process ended, in words for people.
        error: String,
        /// Its last lines on stderr.
        stderr: String,
    },
    /// `exec`: a process wants its batch later (75); no failure.
    Postponed {
        /// How it ended, in words for people.
        error: String,
    },
    /// The answer to [`ToWorker::Describe`].
    Described(Description),
    /// Something keeps a message from the dead-letter topic for now; it is tried again.
    DeadLetterKept {
        /// The message.
        offset: Offset,
        /// What, in words that name the topic.
        error: String,
    },
    /// A message is in the dead-letter topic, confirmed, and counts as done.
    DeadLettered {
        /// The message.
        offset: Offset,
    },
    /// What has happened, in order, where it is watched.
    Traced {
        /// One by one.
        traced: Vec<Traced>,
    },
    /// The last line.
    Ended {
        /// Why.
        ending: Ending,
        /// The handler's last lines on stderr.
        stderr: String,
    },
}

impl FromWorker {
    /// The same with no text longer than the other side and its readers are to be bothered with, and on one line each.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Failed { offset, attempts, error, rejected } => {
                Self::Failed { offset, attempts, error: text::kept(&error), rejected }
            }
            Self::BatchFailed { offset, count, attempts, error, stderr } => {
                let (error, stderr) = (text::shown(&error), lines(&stderr));
                Self::BatchFailed { offset, count, attempts, error, stderr }
            }
            Self::Ended { ending, stderr } => {
                Self::Ended { ending: ending.bounded(), stderr: lines(&stderr) }
            }
            Self::Postponed { error } => Self::Postponed { error: text::shown(&error) },
            Self::DeadLetterKept { offset, error } => {
                Self::DeadLetterKept { offset, error: text::shown(&error) }
            }
            Self::Described(Description { head, handler_age, stderr }) => {
                Self::Described(Description { head, handler_age, stderr: lines(&stderr) })
            }
            Self::Traced { traced } => {
                Self::Traced { traced: traced.into_iter().map(Traced::bounded).collect() }
            }
            Self::Ready | Self::CommitWanted | Self::DeadLettered { .. } => self,
        }
    }
}

impl Ending {
    fn bounded(self) -> Self {
        match self {
            Self::Stopped { cut_short, failed } => {
                Self::Stopped { cut_short, failed: failed.as_deref().map(text::shown) }
            }
            Self::HandlerMissing { error } => Self::HandlerMissing { error: text::shown(&error) },
            Self::HandlerTimeout { detail } => Self::HandlerTimeout { detail: text::shown(&detail) },
            Self::ProtocolError { detail } => Self::ProtocolError { detail: text::shown(&detail) },
            // It may go into a dead letter, later.
            Self::Parked { offset, error } => Self::Parked { offset, error: text::kept(&error) },
            Self::StartLost { error } => Self::StartLost { error: text::shown(&error) },
            Self::Denied { error } => Self::Denied { error: text::shown(&error) },
            Self::Refused { error } => Self::Refused { error: text::shown(&error) },
            Self::Unable { error } => Self::Unable { error: text::shown(&error) },
            Self::HandlerExit { .. } | Self::HandlerSignal { .. } | Self::LeaseLost => self,
        }
    }
}

/// The last lines of a handler: several, and of very much the end.
fn lines(stderr: &str) -> String {
    let text = text::escaped(stderr, &['\n', '\t']);
    let from = text.len().saturating_sub(MAX_STDERR);
    let from = (from..=text.len()).find(|from| text.is_char_boundary(*from));
    from.and_then(|from| text.get(from..)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Lines, MAX_LINE, line};

    #[test]
    fn whatever_a_worker_says_fits_a_line() {
        // What JSON makes longest, and what people must not be shown.
        for long in
            ["\\".repeat(20 << 20), "\u{1b}".repeat(1 << 20), "\"\n".repeat(1 << 20), "é".repeat(1 << 20)]
        {
            let (error, detail, stderr) = (|| long.clone(), || long.clone(), || long.clone());
            let offset = Offset(i64::MAX);
            let ended = |ending| FromWorker::Ended { ending, stderr: stderr() };
            let attempts = u32::MAX;
            for said in [
                FromWorker::Failed { offset, attempts, error: error(), rejected: true },
                FromWorker::BatchFailed {
                    offset,
                    count: u32::MAX,
                    attempts,
                    error: error(),
                    stderr: stderr(),
                },
                FromWorker::Postponed { error: error() },
                FromWorker::DeadLetterKept { offset, error: error() },
                FromWorker::Described(Description { head: None, handler_age: None, stderr: stderr() }),
                FromWorker::Traced {
                    traced: vec![Traced::Rejected { at: u64::MAX, offset, error: error() }],
                },
                ended(Ending::Stopped { cut_short: false, failed: Some(error()) }),
                ended(Ending::HandlerMissing { error: error() }),
                ended(Ending::HandlerTimeout { detail: detail() }),
                ended(Ending::ProtocolError { detail: detail() }),
                ended(Ending::Parked { offset, error: error() }),
                ended(Ending::StartLost { error: error() }),
                ended(Ending::Denied { error: error() }),
                ended(Ending::Refused { error: error() }),
                ended(Ending::Unable { error: error() }),
            ] {
                let said = said.bounded();
                let line = line(&said);
                assert!(line.len() < MAX_LINE / 2, "{} bytes", line.len());
                assert_eq!(said.clone().bounded(), said);
                assert_eq!(Lines::default().push::<FromWorker>(&line).unwrap(), [said]);
            }
        }
    }
}
