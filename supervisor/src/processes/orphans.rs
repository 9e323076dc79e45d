//! What comes to the supervisor when its guardian is killed: everything that was below the guardian, one by one as parents die.
//!
//! By descent alone it can't be told from the strangers that are children of ours too: those from before our exec, with what they
//! leave, and as pid 1 of a container everybody's orphans. As long as the guardian lives, nothing of ours comes to us; so whoever
//! is there then is a stranger, and whoever is new when it has died is not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kafkavisor_link::process::{Stray, children, ended_pid};
use nix::unistd::Pid;

/// Strangers are looked for so often; one that comes later than that before a guardian's death is taken for one of ours.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Our children as they were when a guardian last was alive.
#[derive(Debug)]
pub(super) struct Orphans {
    strangers: BTreeSet<Pid>,
    looked_at: Instant,
}

impl Orphans {
    /// To be called before a guardian is started: whoever is there is none of it.
    pub(super) fn before_guardian(now: Instant) -> Self {
        Self { strangers: children().into_iter().collect(), looked_at: now }
    }

    /// To be called while the guardian lives.
    pub(super) fn look(&mut self, now: Instant, guardian: Pid) {
        if now.saturating_duration_since(self.looked_at) < LOOK_EVERY {
            return;
        }
        self.looked_at = now;
        let strangers = children().into_iter().filter(|pid| *pid != guardian).collect();
        // In this order: its children become ours in the same moment in which it can be found dead.
        if ended_pid(guardian).is_none() {
            self.strangers = strangers;
        }
    }

    /// Kills what has come to us since the guardian died, and says what is left of it.
    pub(super) fn end(&self) -> Vec<Stray> {
        children().into_iter().filter(|pid| !self.strangers.contains(pid)).map(Stray::kill).collect()
    }

    /// A child was reaped: its pid may be anybody's.
    pub(super) fn reaped(&mut self, pid: Pid) {
        self.strangers.remove(&pid);
    }
}
