//! What the worker's loop knows of a handler, whatever its protocol: it can be started, given messages, asked to finish,
//! and it says answers, breaks its protocol, or exits.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use kafkavisor::config::{Handler, Restart};
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, Init, Message, StopReason};
use kafkavisor_link::message::{LogAllowance, Verdict};
use kafkavisor_link::process::Exit;
use nix::poll::PollFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// What a handler did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It answered.
    Answer(Answer),
    /// It said what it must not.
    Broken(String),
    /// It closed its output and lives on.
    OutputClosed,
    /// It is gone, and everything it had started.
    Exited(Exit),
    /// It can't be started (`exec`).
    Missing(String),
    /// A process failed with so many messages, which are tried again (`exec`).
    BatchFailed { offset: Offset, count: u32, error: String },
    /// A process wants its batch later (`exec`).
    Postponed { error: String },
    /// A message alone was its death often enough (`exec`).
    Poison { offset: Offset, attempts: u32, error: String },
}

/// What a handler is started with.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) init: Init,
    pub(crate) handler: Handler,
    pub(crate) restart: Restart,
    pub(crate) environment: Vec<(String, String)>,
    /// How much of its log is passed on.
    pub(crate) log_allowance: LogAllowance,
}

/// A handler as the worker's loop sees it. Nothing here blocks.
pub(crate) trait Driver {
    /// Starts it; an error means that there is none.
    fn start(&mut self) -> io::Result<()>;
    /// Its process now.
    fn pid(&self) -> Option<Pid>;
    /// Takes one message for it.
    fn deliver(&mut self, now: Instant, message: &Message<'_>, attempt: u32);
    /// Asks it to finish what it was given; `full` when no more fits.
    fn flush(&mut self, full: bool);
    /// Asks it to finish and exit.
    fn stop(&mut self, reason: StopReason);
    /// Closes its input once everything is written.
    fn close_input(&mut self);
    /// Forgets what it has not been given yet.
    fn drop_unwritten(&mut self);
    /// What becomes of the message it failed on.
    fn decided(&mut self, verdict: Verdict);
    /// Whether everything delivered is in its hands, and nothing in a queue before it.
    fn has_everything(&self) -> bool;
    /// Whether it has read all that was written to it.
    fn has_read_all(&self) -> bool;
    /// Leaves its answers unread, or reads them again.
    fn hold(&mut self, hold: bool);
    /// Bytes taken and not yet written to it.
    fn unwritten(&self) -> usize;
    /// The descriptors to wait for.
    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)>;
    /// Writes (if it may), reads, reaps: everything that can be done now. True when there may be more at once.
    fn turn(&mut self, now: Instant, may_write: bool, said: &mut Vec<Said>) -> bool;
    /// Since when a process says nothing that owes an answer, and when it is ended for that, where the driver keeps that time.
    fn silence(&self) -> Option<(Instant, Instant)> {
        None
    }
    /// The last lines that it logged, for those who look into its death.
    fn last_lines(&self) -> String;
    /// When [`Driver::turn`] is due although no descriptor is.
    fn next_deadline(&self, now: Instant) -> Option<Instant>;
    /// Sends a signal to all of it.
    fn signal(&self, signal: Signal);
}
