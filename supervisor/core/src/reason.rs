//! Why a worker was started again, by the names that metrics use. Pure.

use kafkavisor::text;
use kafkavisor_link::message::Ending;
use kafkavisor_link::process::Exit;

/// Why a worker was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    HandlerExit,
    HandlerSignal,
    HandlerTimeout,
    ProtocolError,
    WorkerExit,
    WorkerSignal,
    LeaseLost,
    Requested,
    ConfigChanged,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::HandlerExit,
        Self::HandlerSignal,
        Self::HandlerTimeout,
        Self::ProtocolError,
        Self::WorkerExit,
        Self::WorkerSignal,
        Self::LeaseLost,
        Self::Requested,
        Self::ConfigChanged,
    ];

    /// As metrics and status name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HandlerExit => "handler_exit",
            Self::HandlerSignal => "handler_signal",
            Self::HandlerTimeout => "handler_timeout",
            Self::ProtocolError => "protocol_error",
            Self::WorkerExit => "worker_exit",
            Self::WorkerSignal => "worker_signal",
            Self::LeaseLost => "lease_lost",
            Self::Requested => "requested",
            Self::ConfigChanged => "config_changed",
        }
    }

    /// By how the worker ended, and how it said that it would.
    pub(crate) fn of(exit: Exit, ending: Option<&Ending>) -> Self {
        match ending {
            Some(Ending::HandlerExit { .. } | Ending::HandlerMissing { .. }) => Self::HandlerExit,
            Some(Ending::HandlerSignal { .. }) => Self::HandlerSignal,
            Some(Ending::HandlerTimeout { .. }) => Self::HandlerTimeout,
            Some(Ending::ProtocolError { .. }) => Self::ProtocolError,
            Some(Ending::LeaseLost) => Self::LeaseLost,
            Some(
                Ending::Stopped { .. }
                | Ending::Parked { .. }
                | Ending::StartLost { .. }
                | Ending::Denied { .. }
                | Ending::Refused { .. }
                | Ending::Unable { .. },
            ) => Self::WorkerExit,
            None => match exit {
                Exit::Status(_) => Self::WorkerExit,
                Exit::Signal(_) => Self::WorkerSignal,
            },
        }
    }
}

/// How a worker ended, for people.
pub(crate) fn describe(exit: Exit, ending: Option<&Ending>, killed_for: Option<&str>) -> String {
    match ending {
        Some(Ending::Stopped { failed: Some(error), .. }) => text::shown(error),
        Some(Ending::Stopped { cut_short: false, .. }) => "stopped".to_owned(),
        Some(Ending::Stopped { cut_short: true, .. }) => {
            "handler did not finish in time and was ended".to_owned()
        }
        Some(Ending::HandlerExit { status }) => format!("handler {}", Exit::Status(*status)),
        Some(Ending::HandlerSignal { signal }) => format!("handler {}", Exit::Signal(*signal)),
        Some(Ending::HandlerMissing { error }) => format!("handler can't be started: {error}"),
        Some(Ending::HandlerTimeout { detail }) => format!("handler_timeout: {detail}"),
        Some(Ending::ProtocolError { detail }) => format!("protocol_error: {detail}"),
        Some(Ending::Parked { offset, error }) => format!("offset {offset}: {error}"),
        Some(Ending::StartLost { error }) => format!("Kafka has no such offset: {error}"),
        Some(Ending::Denied { error } | Ending::Refused { error }) => error.clone(),
        Some(Ending::LeaseLost) => "lease_lost: no evidence that the partition is still ours".to_owned(),
        Some(Ending::Unable { error }) => format!("worker can't work: {error}"),
        None => match killed_for {
            Some(why) => format!("worker was killed: {why}"),
            None => format!("worker {exit}"),
        },
    }
}
