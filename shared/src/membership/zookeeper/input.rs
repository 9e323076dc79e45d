//! What comes into the member's loop: from its session's tasks, and from the supervisor's handle.

use std::time::Duration;

use zookeeper_client::Client;

use crate::clock::Boottime;
use crate::partitioner::messages::{Epoch, Event, Notice};

/// What wakes the loop.
#[derive(Debug)]
pub(super) enum Input {
    /// For the member.
    Event(Event),
    /// For the supervisor.
    Notice(Notice),
    /// The session lives.
    Proved(Proved),
    /// A new session is there.
    Opened { epoch: Epoch, client: Client },
    /// The supervisor has dropped its handle: nobody would start or stop a worker.
    Abandoned,
}

/// The quorum knew the session at some moment after `sent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proved {
    pub(super) epoch: Epoch,
    pub(super) sent: Boottime,
    pub(super) timeout: Duration,
}
