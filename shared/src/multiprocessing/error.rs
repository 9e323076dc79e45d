//! What can go wrong with a group of processes.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Ending;
use crate::config::ExecutableError;
use crate::ids::InvalidName;

/// Why a group could not be started, asked or stopped. From yelp_kafka: `yelp_kafka.error.ConsumerGroupError`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerGroupError {
    /// A topic's name can't be one.
    #[error("{0}")]
    Topic(#[from] InvalidName),
    /// The configuration can't be used.
    #[error("the configuration can't be used: {0}")]
    Configuration(String),
    /// There is no `kafkavisor` to start.
    #[error("kafkavisor is neither beside {program} nor in PATH ({error}): install it, or name it with `binary`", program = .program.display())]
    NoBinary {
        /// This program.
        program: PathBuf,
        /// What is wrong with the one in `PATH`.
        error: ExecutableError,
    },
    /// The system refuses something that is needed.
    #[error("failed to {what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// `kafkavisor` has ended before it was up.
    #[error("kafkavisor did not start ({}); it said:\n{said}", at_the_start(*.ending))]
    NotStarted {
        /// How it ended.
        ending: Ending,
        /// What it has said last.
        said: String,
    },
    /// `kafkavisor` was not up in time, and was killed.
    #[error("kafkavisor was not up within {within:?}; it said:\n{said}")]
    NotUp {
        /// How long was waited.
        within: Duration,
        /// What it has said last.
        said: String,
    },
    /// The group is started already.
    #[error("the group is started already: stop it first")]
    Started,
    /// The group is not started.
    #[error("the group is not started")]
    NotStartedYet,
    /// `kafkavisor` has ended meanwhile.
    #[error("kafkavisor has ended: {0}")]
    Ended(Ending),
    /// `kafkavisor` does not answer, or says why there is no answer.
    #[error("kafkavisor does not answer: {0}")]
    NoAnswer(String),
}

/// Nothing was in flight yet.
fn at_the_start(ending: Ending) -> String {
    if ending.is_clean() {
        return "it ended at once, and with 0: is it kafkavisor that `binary` names?".to_owned();
    }
    ending.to_string()
}

impl ConsumerGroupError {
    pub(super) fn system(what: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::System { what: what.into(), error: error.into() }
    }
}
