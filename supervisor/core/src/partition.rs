//! One partition of ours, in a phase of a tenure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::message::DeadLetter;
use kafkavisor_link::page::Progress;
use nix::unistd::Pid;

use crate::phase::{Phase, Purpose};
use crate::reason::Reason;
use crate::record::Record;
use crate::tenure::{Barred, Tenure};

/// A worker's loop turns every few seconds; one that has not for so long is stuck.
const STILL_FOR: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Partition {
    pub tenure: Tenure,
    phase: Phase,
    /// The state that was told last, and since when.
    told: (&'static str, Boottime),
}

impl Partition {
    pub(crate) fn new(tenure: Tenure, request: u64) -> Self {
        let phase = Phase::Locating { request, tries: 0, waiting: None };
        Self { tenure, phase, told: ("", Boottime(0)) }
    }

    /// Since when it is in its state.
    pub fn since(&self) -> Boottime {
        self.told.1
    }

    /// The state, where it is another than before.
    pub(crate) fn news(&mut self, at: Boottime) -> Option<&'static str> {
        let state = self.state();
        let known = std::mem::replace(&mut self.told.0, state);
        (known != state).then(|| {
            self.told.1 = at;
            state
        })
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn phase_mut(&mut self) -> &mut Phase {
        &mut self.phase
    }

    /// Goes over to another phase, by the table of those that may follow.
    pub(crate) fn enter(&mut self, next: Phase) {
        let legal = self.phase.may_become(&next);
        debug_assert!(legal, "{:?} never becomes {next:?}", self.phase);
        if !legal {
            log::error!("a bug: {:?} never becomes {:?}", self.phase.name(), next.name());
        }
        self.phase = next;
    }

    /// The state as `status` names it.
    pub fn state(&self) -> &'static str {
        match &self.phase {
            Phase::Draining { .. } | Phase::Releasing { .. } => "draining",
            Phase::Killing { .. } => "killing",
            Phase::Parked { .. } => "parked",
            Phase::Paused => "paused",
            _ if self.tenure.failures.looping() => "crash_loop",
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Spawning { .. }
            | Phase::Running { ready: false, .. } => "starting",
            Phase::Running { ready: true, .. } => "ready",
            Phase::BackingOff { .. } => "backing_off",
        }
    }

    /// Its worker's process, while there is one.
    pub fn pid(&self) -> Option<Pid> {
        self.phase.worker().map(|worker| worker.pid)
    }

    /// Why its start is not known yet, or why it is parked.
    pub fn waiting(&self) -> Option<&Arc<str>> {
        match &self.phase {
            Phase::Locating { waiting, .. } => waiting.as_ref(),
            Phase::LocatingAgain { waiting, .. } => Some(waiting),
            Phase::Parked { why } => Some(why),
            Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Spawning { .. }
            | Phase::Running { .. }
            | Phase::Draining { .. }
            | Phase::Killing { .. }
            | Phase::BackingOff { .. }
            | Phase::Paused
            | Phase::Releasing { .. } => None,
        }
    }

    /// What its worker is being stopped for, in words.
    pub fn stopped_for(&self) -> Option<&str> {
        let killed = self.phase.worker().and_then(|worker| worker.killed_for.as_deref());
        killed.or_else(|| {
            Some(match self.phase.purpose()? {
                Purpose::Recover => return None,
                Purpose::Release => "it is given up: its handler finishes what is in flight",
                Purpose::Forget => "it is somebody else's",
                Purpose::Locate => "its topic was made again",
                Purpose::Replace(Reason::ConfigChanged) => "the configuration has changed",
                Purpose::Replace(_) => "an operator asked for it",
            })
        })
    }

    /// Why nothing is delivered, where that is neither for a handler's failure nor at an operator's word.
    pub fn reason(&self) -> Option<&Arc<str>> {
        let barred = self.tenure.barred.as_ref().map(Barred::why);
        let kept = self.tenure.kept_letter.as_ref().map(|kept| &kept.why);
        barred.or_else(|| self.waiting()).or(kept).or(self.tenure.commit_error.as_ref())
    }

    /// Believes what the page says, if it can be true.
    pub(crate) fn believe(&mut self, record: &mut Record, progress: &Progress) -> Result<(), String> {
        let Some(place) = &mut self.tenure.place else {
            // Of a topic that was made again: what was acknowledged of it is counted all the same.
            if progress.messages >= record.page_messages() {
                record.note(progress);
            }
            return Ok(());
        };
        progress.check(place.acknowledged).map_err(|nonsense| nonsense.to_string())?;
        if progress.messages < record.page_messages() {
            return Err("the status page holds nonsense: fewer messages acknowledged than before".to_owned());
        }
        place.acknowledged = Offset(progress.acknowledged);
        record.note(progress);
        self.tenure.in_flight = progress.in_flight;
        let delivered = progress.oldest_in_flight;
        self.tenure.oldest_in_flight =
            (progress.in_flight > 0 && delivered != Boottime(0)).then_some(delivered);
        self.tenure.blocking.take_if(|blocking| blocking.offset.0 < progress.acknowledged);
        Ok(())
    }

    /// The message at the head, where an operator may want to pass it over: it parked the partition, its handlers have died of it,
    /// or it hangs the one that runs.
    pub(crate) fn stuck_on(&self, at: Boottime, hangs_after: Duration) -> Option<DeadLetter> {
        let head = self.tenure.acknowledged()?;
        let blocking = self.tenure.blocking.clone().filter(|blocking| blocking.offset == head);
        let delivered = self.tenure.oldest_in_flight.filter(|_| self.pid().is_some());
        let hangs = delivered.is_some_and(|delivered| at.since(delivered) >= hangs_after);
        let hanging = || DeadLetter {
            offset: head,
            attempts: 1,
            error: "an operator skipped it while its handler gave no answer".to_owned(),
            stderr: String::new(),
        };
        blocking.or_else(|| hangs.then(hanging))
    }

    /// Whether the worker's loop, which last turned `silent` ago, has stood still for too long: by the clock that counts
    /// suspended time and by ours, so that waking up with the whole machine is no fault of the worker's.
    pub(crate) fn stands_still(&mut self, now: Instant, silent: Duration) -> bool {
        let Some(worker) = self.phase.worker_mut() else { return false };
        let settled = now.saturating_duration_since(worker.started_at) >= STILL_FOR;
        if !settled || silent < STILL_FOR {
            worker.still_since = None;
            return false;
        }
        let since = *worker.still_since.get_or_insert(now);
        now.saturating_duration_since(since) >= STILL_FOR / 4
    }
}
