//! Why a worker was started again, by the names that metrics use. Pure.

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
                | Ending::Unable { .. },
            ) => Self::WorkerExit,
            None => match exit {
                Exit::Status(_) => Self::WorkerExit,
                Exit::Signal(_) => Self::WorkerSignal,
            },
        }
    }
}
