//! What a worker tells that is watched message by message, and how it is led: `kafkavisor try`. Nobody else asks for it.

use kafkavisor::ids::Offset;
use kafkavisor::text;
use serde::{Deserialize, Serialize};

/// How far a watched worker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Nothing from here on is delivered, as if the log ended here.
    pub until: Offset,
    /// No more messages than this are delivered, as if the log ended behind them.
    pub count: u64,
    /// Answers are to wait.
    pub hold: Option<Hold>,
}

/// What a handler answers is left alone, so that messages are in flight for certain, however fast it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Once more messages than this were delivered.
    pub after: u64,
    /// Whether it is asked to finish all the same.
    pub flush: bool,
}

/// One thing that happened, `at` nanoseconds of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "traced", rename_all = "snake_case")]
pub enum Traced {
    /// A message was handed over.
    Delivered {
        /// When.
        at: u64,
        /// Its offset.
        offset: Offset,
        /// Milliseconds since 1970.
        timestamp: i64,
        /// 1 at first.
        attempt: u32,
        /// Its key.
        key: Option<Sample>,
        /// Its value.
        value: Option<Sample>,
    },
    /// The handler acknowledged.
    Acknowledged {
        /// When.
        at: u64,
        /// Up to and including this.
        offset: Offset,
    },
    /// The handler refused a message.
    Rejected {
        /// When.
        at: u64,
        /// The message.
        offset: Offset,
        /// Why.
        error: String,
    },
    /// The handler is at work on a message.
    Busy {
        /// When.
        at: u64,
        /// The message.
        offset: Offset,
    },
    /// The handler was asked to finish what it has.
    Flushed {
        /// When.
        at: u64,
    },
    /// The handler has read what it is told before the first message.
    Began,
    /// Nothing more is delivered: [`Trace::until`] or [`Trace::count`] is reached.
    AtEnd,
    /// Answers wait ([`Trace::hold`]), so many messages are in flight, and the handler has them.
    StandsStill {
        /// How many.
        in_flight: u32,
    },
}

/// The beginning of a key or a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How long the whole is, in bytes.
    pub size: u64,
    /// Its beginning; what is no UTF-8 comes in base64.
    pub text: String,
    /// Whether it is that.
    pub base64: bool,
}

/// As much is told of a key or a value, in bytes.
pub const SAMPLE: usize = 256;

impl Traced {
    /// The same with no text longer than the other side is to be bothered with.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Rejected { at, offset, error } => Self::Rejected { at, offset, error: text::kept(&error) },
            Self::Delivered { .. }
            | Self::Acknowledged { .. }
            | Self::Busy { .. }
            | Self::Flushed { .. }
            | Self::Began
            | Self::AtEnd
            | Self::StandsStill { .. } => self,
        }
    }
}
