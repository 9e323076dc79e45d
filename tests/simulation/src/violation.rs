//! The invariants of the design, and how one of them was broken.

use std::fmt;

/// What must hold after every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// S1: at most one live worker per partition in the group.
    OneWorker,
    /// S1: dead by three quarters of the session without evidence.
    DeadInTime,
    /// S1: what is delivered is delivered under a lease.
    Leased,
    /// The fencing token grows from owner to owner.
    Fencing,
    /// S2: the committed offset never regresses.
    NoRegress,
    /// S2, S3: it never passes an unacknowledged message.
    NothingLost,
    /// S4: order within a partition is gapless within one handler's life.
    Order,
    /// S5: duplicates lie only where they may.
    Duplicates,
    /// S7: restarts stay within the backoff's bound.
    Backoff,
    /// S8: stopping ends within its deadline.
    StopsInTime,
    /// Only a message that failed often enough is passed over, and no other with it.
    Isolation,
    /// An operator's offset is never overwritten, and whoever asks is answered.
    Operator,
    /// Counters only grow while their supervisor lives.
    Counters,
    /// A configuration that is not proved runs in as few workers as a roll allows.
    Roll,
    /// L1: once faults end, everything is owned once and lag returns to 0.
    Liveness,
    /// A deadline that was handled is over: nobody spins.
    Idle,
    /// The shell's part of the contract between the machines.
    Contract,
    /// What a scenario expects.
    Scenario,
}

impl Invariant {
    /// Its number in the design, where it has one.
    pub fn number(self) -> &'static str {
        match self {
            Self::OneWorker | Self::DeadInTime | Self::Leased | Self::Fencing => "S1",
            Self::NoRegress | Self::Operator => "S2",
            Self::NothingLost => "S3",
            Self::Order => "S4",
            Self::Duplicates | Self::Isolation => "S5",
            Self::Backoff => "S7",
            Self::StopsInTime => "S8",
            Self::Liveness => "L1",
            Self::Counters | Self::Roll | Self::Contract | Self::Idle => "contract",
            Self::Scenario => "scenario",
        }
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, detail: String) -> Self {
        Self { invariant, detail }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.invariant.number(), self.invariant, self.detail)
    }
}
