//! Where a partition is, and what is known only there. A phase carries its own data: what means nothing in a phase does not
//! exist in it.
//!
//! | phase | until | then |
//! |---|---|---|
//! | locating | its start is looked up | committing, launching, parked; locating again when it could not be |
//! | committing | a new start, or an operator's word, is confirmed | launching; as before when it is refused |
//! | awaiting the lease | the lease is renewed | launching |
//! | awaiting its turn | there is one | launching |
//! | spawning | the process is there, or could not be started | running; what it was wanted for meanwhile |
//! | running | the worker ended | backing off, parked, locating again, launching |
//! | running | stop, revocation, an operator, a roll | draining |
//! | draining | the worker ended | what it was drained for |
//! | draining | time is up | killing |
//! | killing | the worker ended | what it was drained for, else as running |
//! | backing off | the wait is over | launching |
//! | backing off | its last message is poison | parked |
//! | parked, paused | an operator's word | launching |
//! | releasing | the last commit is confirmed, or time is up | gone |
//!
//! *Launching* is no phase: it leads to paused, awaiting the lease, awaiting its turn or spawning at once. [`Phase::may_become`]
//! is the same table for the code.

use std::sync::Arc;
use std::time::Instant;

use kafkavisor::clock::Boottime;
use kafkavisor_link::message::Ending;
use nix::unistd::Pid;

use crate::reason::Reason;
use crate::roll::ConfigNumber;

/// A worker process, from the moment its pid is known until it is reaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub pid: Pid,
    pub started_at: Instant,
    /// The configuration that it runs with.
    pub config: ConfigNumber,
    /// When a handler had last acknowledged something before it.
    pub acknowledged_before: Boottime,
    /// Since when its loop does not turn.
    pub still_since: Option<Instant>,
    /// How it says that it ends, before it has; or we, where we end it for the lease.
    pub ending: Option<Ending>,
    /// Why we kill it.
    pub killed_for: Option<String>,
    /// Its handler's last lines, said with its ending.
    pub stderr: String,
}

/// What a worker is being stopped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing: it is killed for what it does.
    Recover,
    /// The partition is given up.
    Release,
    /// It is somebody else's already.
    Forget,
    /// Its topic was made again.
    Locate,
    /// Another worker is wanted: at an operator's word, or with another configuration.
    Replace(Reason),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Locating {
        request: u64,
        tries: u32,
        waiting: Option<Arc<str>>,
    },
    LocatingAgain {
        at: Instant,
        tries: u32,
        waiting: Arc<str>,
    },
    /// `first`: where a topic begins, and only while nobody else has begun it.
    Committing {
        first: bool,
    },
    AwaitingLease,
    AwaitingTurn {
        at: Instant,
    },
    /// `wanted`: for what its worker is stopped as soon as it is there, and until when that is waited for.
    Spawning {
        /// What it was asked for with.
        config: ConfigNumber,
        wanted: Option<(Purpose, Instant)>,
    },
    Running {
        worker: Worker,
        ready: bool,
    },
    Draining {
        worker: Worker,
        purpose: Purpose,
        until: Instant,
    },
    Killing {
        worker: Worker,
        purpose: Purpose,
        again: Instant,
    },
    BackingOff {
        until: Instant,
    },
    Parked {
        why: Arc<str>,
    },
    Paused,
    Releasing {
        until: Instant,
    },
}

/// A phase by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Locating,
    LocatingAgain,
    Committing,
    AwaitingLease,
    AwaitingTurn,
    Spawning,
    Running,
    Draining,
    Killing,
    BackingOff,
    Parked,
    Paused,
    Releasing,
}

/// What launching leads to, and what an operator's word does to a partition without a worker.
const WITHOUT_WORKER: &[Name] = &[
    Name::Paused,
    Name::AwaitingLease,
    Name::AwaitingTurn,
    Name::Spawning,
    Name::Committing,
    Name::Locating,
    Name::Releasing,
];
/// ... where the last message is found to be poison besides.
const BACKING_OFF: &[Name] = &[
    Name::Parked,
    Name::Paused,
    Name::AwaitingLease,
    Name::AwaitingTurn,
    Name::Spawning,
    Name::Committing,
    Name::Locating,
    Name::Releasing,
];
/// ... what else the end of a worker leads to, and its being killed.
const STOPPING: &[Name] = &[
    Name::Killing,
    Name::Paused,
    Name::AwaitingLease,
    Name::AwaitingTurn,
    Name::Spawning,
    Name::Committing,
    Name::Locating,
    Name::LocatingAgain,
    Name::BackingOff,
    Name::Parked,
    Name::Releasing,
];

impl Name {
    /// The phases that may follow this one.
    fn next(self) -> &'static [Self] {
        match self {
            Self::Locating => &[
                Self::Locating,
                Self::LocatingAgain,
                Self::Parked,
                Self::Committing,
                Self::Paused,
                Self::AwaitingLease,
                Self::AwaitingTurn,
                Self::Spawning,
                Self::Releasing,
            ],
            Self::LocatingAgain => &[Self::Locating, Self::Releasing],
            Self::Committing => &[
                Self::Committing,
                Self::LocatingAgain,
                Self::Locating,
                Self::Paused,
                Self::AwaitingLease,
                Self::AwaitingTurn,
                Self::Spawning,
                Self::Parked,
                Self::Releasing,
            ],
            Self::AwaitingLease | Self::AwaitingTurn | Self::Parked | Self::Paused => WITHOUT_WORKER,
            Self::BackingOff => BACKING_OFF,
            Self::Spawning => &[
                Self::Spawning,
                Self::Running,
                Self::Draining,
                Self::BackingOff,
                Self::Parked,
                Self::Locating,
                Self::Paused,
                Self::AwaitingLease,
                Self::AwaitingTurn,
                Self::Committing,
                Self::Releasing,
            ],
            Self::Running => &[
                Self::Running,
                Self::Draining,
                Self::Killing,
                Self::BackingOff,
                Self::Parked,
                Self::LocatingAgain,
                Self::Paused,
                Self::AwaitingLease,
                Self::AwaitingTurn,
                Self::Spawning,
            ],
            Self::Draining | Self::Killing => STOPPING,
            Self::Releasing => &[],
        }
    }
}

impl Phase {
    pub fn name(&self) -> Name {
        match self {
            Self::Locating { .. } => Name::Locating,
            Self::LocatingAgain { .. } => Name::LocatingAgain,
            Self::Committing { .. } => Name::Committing,
            Self::AwaitingLease => Name::AwaitingLease,
            Self::AwaitingTurn { .. } => Name::AwaitingTurn,
            Self::Spawning { .. } => Name::Spawning,
            Self::Running { .. } => Name::Running,
            Self::Draining { .. } => Name::Draining,
            Self::Killing { .. } => Name::Killing,
            Self::BackingOff { .. } => Name::BackingOff,
            Self::Parked { .. } => Name::Parked,
            Self::Paused => Name::Paused,
            Self::Releasing { .. } => Name::Releasing,
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(&self, next: &Self) -> bool {
        let (from, to) = (self.name(), next.name());
        from.next().contains(&to)
    }

    /// Its worker, while there is one.
    pub fn worker(&self) -> Option<&Worker> {
        match self {
            Self::Running { worker, .. } | Self::Draining { worker, .. } | Self::Killing { worker, .. } => {
                Some(worker)
            }
            Self::Locating { .. }
            | Self::LocatingAgain { .. }
            | Self::Committing { .. }
            | Self::AwaitingLease
            | Self::AwaitingTurn { .. }
            | Self::Spawning { .. }
            | Self::BackingOff { .. }
            | Self::Parked { .. }
            | Self::Paused
            | Self::Releasing { .. } => None,
        }
    }

    pub(crate) fn worker_mut(&mut self) -> Option<&mut Worker> {
        match self {
            Self::Running { worker, .. } | Self::Draining { worker, .. } | Self::Killing { worker, .. } => {
                Some(worker)
            }
            Self::Locating { .. }
            | Self::LocatingAgain { .. }
            | Self::Committing { .. }
            | Self::AwaitingLease
            | Self::AwaitingTurn { .. }
            | Self::Spawning { .. }
            | Self::BackingOff { .. }
            | Self::Parked { .. }
            | Self::Paused
            | Self::Releasing { .. } => None,
        }
    }

    /// What its worker is being stopped for; none while it is not.
    pub fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Draining { purpose, .. } | Self::Killing { purpose, .. } => Some(*purpose),
            Self::Spawning { wanted, .. } => wanted.map(|(purpose, _)| purpose),
            Self::Locating { .. }
            | Self::LocatingAgain { .. }
            | Self::Committing { .. }
            | Self::AwaitingLease
            | Self::AwaitingTurn { .. }
            | Self::Running { .. }
            | Self::BackingOff { .. }
            | Self::Parked { .. }
            | Self::Paused
            | Self::Releasing { .. } => None,
        }
    }

    /// Whether the partition is on its way out.
    pub fn leaving(&self) -> bool {
        matches!(self, Self::Releasing { .. })
            || matches!(self.purpose(), Some(Purpose::Release | Purpose::Forget))
    }

    /// When something is due without anything having happened.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::LocatingAgain { at, .. } | Self::AwaitingTurn { at } => Some(*at),
            // Whoever was asked always answers; only a release can't wait without end.
            Self::Spawning { wanted: Some((Purpose::Release, until)), .. } => Some(*until),
            Self::Draining { until, .. } | Self::BackingOff { until } | Self::Releasing { until } => {
                Some(*until)
            }
            Self::Killing { again, .. } => Some(*again),
            Self::Locating { .. }
            | Self::Committing { .. }
            | Self::AwaitingLease
            | Self::Spawning { .. }
            | Self::Running { .. }
            | Self::Parked { .. }
            | Self::Paused => None,
        }
    }
}
