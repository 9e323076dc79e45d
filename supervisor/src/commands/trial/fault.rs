//! What is wrong with a handler, in words that its author can act on.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Offsets from the first to the last, and how many messages they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: usize,
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "offset {}", self.first),
            count => write!(f, "{count} messages (offsets {} to {})", self.first, self.last),
        }
    }
}

/// What a handler did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It answered what it has not been given.
    TooEarly {
        what: &'static str,
        offset: i64,
        delivered: Option<Span>,
    },
    /// It answered what is no message's offset.
    NeverDelivered {
        what: &'static str,
        offset: i64,
        delivered: Span,
    },
    Backwards {
        what: &'static str,
        offset: i64,
        answered: i64,
    },
    /// It answered after its time-out.
    TooLate {
        span: Span,
        took: Duration,
        limit: Duration,
        key: &'static str,
    },
    /// It answered when its time-out was over and it was told to stop.
    OnlyAtStop {
        span: Span,
        waited: Duration,
        flushed: bool,
    },
    NotAtAll {
        span: Span,
        waited: Duration,
        flushed: bool,
        at_stop: String,
    },
    /// It ended of itself.
    Died {
        how: String,
        left: Option<Span>,
    },
    /// It said what it must not.
    Protocol {
        detail: String,
    },
    Missing {
        error: String,
    },
    /// It did not end when it was told to.
    IgnoredStop {
        within: Duration,
        left: Option<Span>,
    },
    /// It ended when it was told to, but not with 0.
    FailedAtStop {
        how: String,
    },
    /// It ended when it was told to, and left messages unanswered.
    LeftAtStop {
        left: Span,
        how: Option<String>,
    },
    /// `exec`: a process failed with one message alone.
    FailedAlone {
        offset: i64,
        error: String,
    },
    /// `exec`: a batch was put off for longer than a process may take.
    PutOff {
        waited: Duration,
        error: String,
    },
}

/// A duration as people read it.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_millis() {
        0..1000 => format!("{:.1} ms", seconds * 1000.0),
        1000..60_000 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

const FLUSHED: &str = "; it was asked to finish them (flush), and that means acknowledge all you have";

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooEarly { what, offset, delivered: None } => {
                write!(f, "acknowledged too early: it {what} offset {offset} before anything was delivered")
            }
            Self::TooEarly { what, offset, delivered: Some(span) } => write!(
                f,
                "acknowledged too early: it {what} offset {offset}, which was not delivered (delivered so far: offsets {} to \
                 {}); answer with a message's own offset, once its work is done",
                span.first, span.last
            ),
            Self::NeverDelivered { what, offset, delivered } => write!(
                f,
                "it {what} offset {offset}, which was never delivered (delivered: offsets {} to {}); answer with a message's \
                 own offset",
                delivered.first, delivered.last
            ),
            Self::Backwards { what, offset, answered } => write!(
                f,
                "went backwards: it {what} offset {offset} after it had answered {answered}; an acknowledgement covers \
                 everything before it, so the last one is enough"
            ),
            Self::TooLate { span, took, limit, key } => write!(
                f,
                "acknowledged too late: {span} answered after {}, and {key} is {}: a supervisor would have killed it; answer \
                 sooner, say busy, or raise the time-out",
                shown(*took),
                shown(*limit)
            ),
            Self::OnlyAtStop { span, waited, flushed } => write!(
                f,
                "acknowledged too late: {span} had no answer within {}; it came only when the handler was told to stop{}",
                shown(*waited),
                if *flushed { FLUSHED } else { "" }
            ),
            Self::NotAtAll { span, waited, flushed, at_stop } => write!(
                f,
                "not acknowledged at all: {span} had no answer within {}{}; {at_stop}",
                shown(*waited),
                if *flushed { FLUSHED } else { "" }
            ),
            Self::Died { how, left } => {
                write!(f, "the handler {how}")?;
                left.map_or(Ok(()), |left| write!(f, ", and left {left} unanswered"))
            }
            Self::Protocol { detail } => write!(f, "it broke the protocol: {detail}"),
            Self::Missing { error } => write!(f, "the handler can't be started: {error}"),
            Self::IgnoredStop { within, left } => {
                write!(f, "ignored stop: it did not exit within {} (stop.timeout)", shown(*within))?;
                left.map_or(Ok(()), |left| write!(f, ", and left {left} unanswered"))
            }
            Self::FailedAtStop { how } => {
                write!(f, "at stop the {how}, not with status 0, though everything was answered")
            }
            Self::LeftAtStop { left, how } => {
                let how = how.as_deref().unwrap_or("handler exited with status 0");
                write!(f, "at stop the {how} without acknowledging {left}: finish and acknowledge first")
            }
            Self::FailedAlone { offset, error } => write!(f, "offset {offset} failed alone: {error}"),
            Self::PutOff { waited, error } => {
                write!(f, "it put its batch off for {}: {error}", shown(*waited))
            }
        }
    }
}
