//! Why a handler could not do a message, and why it ended. The errors of users' code are passed on as they are.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::ids::Offset;
use crate::protocol::ProtocolError;

/// Why a message was not done.
///
/// Every error becomes [`Failure::Fatal`] by `?`; to reject a message say so: `.map_err(Failure::reject)?`.
#[derive(Debug)]
pub enum Failure {
    /// The message can never succeed: its poison action applies, and the handler goes on with the next one.
    Reject(String),
    /// The handler can't go on: it ends with a failure, and what is not acknowledged comes again.
    Fatal(Box<dyn StdError + Send + Sync>),
}

impl Failure {
    /// The message can never succeed, for this reason.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }

    /// The handler can't go on, for this reason: an error or a text.
    pub fn fatal(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Fatal(reason.into())
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::fatal(error)
    }
}

/// Why a handler ended before it was told to. Returned from `main`, it makes the exit status 1 and prints itself.
#[derive(thiserror::Error)]
pub enum Error {
    /// The handler's own code could not go on with this message.
    #[error("failed at offset {offset}: {source}")]
    Message {
        /// The message it worked on.
        offset: Offset,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The handler's own code could not begin, flush or stop.
    #[error("failed to {what}: {source}")]
    Handler {
        /// `begin`, `flush` or `stop`.
        what: &'static str,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The pipes from or to the worker.
    #[error("failed to {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The worker is not of this version, or something else wrote to its pipe.
    #[error("failed to read what the worker said: {0}")]
    Protocol(#[from] ProtocolError),
    /// A variable that should name a descriptor.
    #[error("{name} is {value:?}, no descriptor; is this started by kafkavisor?")]
    Environment {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
}

/// As `main` prints it: for people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
