//! One partition of ours: which phase it is in, and what is known of it.
//!
//! | phase | until | then |
//! |---|---|---|
//! | locating | its start is found | launching or parked |
//! | awaiting the lease | the lease is renewed | launching |
//! | starting | the worker says ready | ready |
//! | starting, ready | the worker ended | backing off, parked, locating, awaiting the lease |
//! | starting, ready | stop, revocation | draining |
//! | draining | the worker ended | releasing, or what it was stopped for |
//! | draining | time is up | killing |
//! | backing off | the wait is over | starting |
//! | awaiting its turn | there is one | starting |
//! | any without a worker | pause | paused |
//! | paused, parked | resume, seek, skip | awaiting the lease, starting |
//! | releasing | the last commit is confirmed, or time is up | gone |

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::ids::{FencingToken, Generation, Offset, TopicPartition};
use kafkavisor_link::message::{Ending, Letter};
use kafkavisor_link::page::Progress;
use nix::unistd::Pid;

use super::failures::Failures;
use super::messages::Action;
use super::reason::Reason;

/// A worker's loop turns every second; one that has not for so long is stuck.
const STILL_FOR: Duration = Duration::from_secs(10);

/// Where a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Locating { request: u64 },
    LocatingAgain { at: Instant },
    AwaitingLease,
    AwaitingTurn { at: Instant },
    Starting { pid: Option<Pid> },
    Ready { pid: Pid },
    Draining { pid: Pid, until: Instant },
    Killing { pid: Pid, again: Instant },
    BackingOff { until: Instant },
    Parked { why: String },
    Paused,
    Releasing { until: Instant },
}

/// What the worker is being stopped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing: it was not asked to.
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

/// A new assignment of a partition whose last worker is still going, with its token.
#[derive(Debug, Clone, Copy)]
pub struct AssignedAgain(pub Option<FencingToken>);

/// One partition of ours.
#[derive(Debug)]
pub struct Item {
    pub phase: Phase,
    pub after: After,
    pub generation: Generation,
    pub token: Option<FencingToken>,
    /// The token under which it is to be released.
    pub revoked: Option<FencingToken>,
    /// Assigned again before it was gone.
    pub assigned_again: Option<AssignedAgain>,
    /// The lowest offset that can be acknowledged: what was believed last. None before the start is known.
    pub acknowledged: Option<Offset>,
    pub committed: Option<Offset>,
    pub committed_at: Option<Instant>,
    pub commit_error: Option<String>,
    pub made_again: bool,
    pub failures: Failures,
    pub started_at: Instant,
    /// Since when its worker's loop does not turn.
    pub still_since: Option<Instant>,
    /// How the worker says it ended, before it has; or we, where we end it for the lease.
    pub ending: Option<Ending>,
    /// Why we kill it.
    pub killed_for: Option<String>,
    pub last_exit: Option<String>,
    /// Why its start is not known yet.
    pub waiting: Option<String>,
    pub restarts: BTreeMap<Reason, u64>,
    pub dead_lettered: u64,
    /// Acknowledged messages as last seen, over all workers.
    pub messages: u64,
    /// Bytes of them, as last seen.
    pub bytes: u64,
    /// What to add to the page's messages and bytes for those since this supervisor's start.
    counted: (i64, i64),
    pub first_attempt: Option<(i64, Instant)>,
    pub last_death: Option<Instant>,
    /// An operator wants nothing delivered.
    pub paused: bool,
    /// The message that an operator may skip: what parked the partition, or what its handlers die of.
    pub blocking: Option<Letter>,
    /// What the next worker sends to the dead-letter topic before it begins.
    pub letter: Option<Letter>,
    /// Where an operator wants it to go on, once its worker is gone.
    pub seek: Option<Offset>,
    /// In flight as last seen.
    pub in_flight: u64,
    /// The last handler's last lines.
    pub stderr: String,
}

impl Item {
    pub fn new(now: Instant, generation: Generation, token: Option<FencingToken>, request: u64) -> Self {
        Self {
            phase: Phase::Locating { request },
            after: After::Recover,
            generation,
            token,
            revoked: None,
            assigned_again: None,
            acknowledged: None,
            committed: None,
            committed_at: None,
            commit_error: None,
            made_again: false,
            failures: Failures::default(),
            started_at: now,
            still_since: None,
            ending: None,
            killed_for: None,
            last_exit: None,
            waiting: None,
            restarts: BTreeMap::new(),
            dead_lettered: 0,
            messages: 0,
            bytes: 0,
            counted: (0, 0),
            first_attempt: None,
            last_death: None,
            paused: false,
            blocking: None,
            letter: None,
            seek: None,
            in_flight: 0,
            stderr: String::new(),
        }
    }

    /// The state as `status` names it.
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Draining { .. } | Phase::Releasing { .. } => "draining",
            Phase::Killing { .. } => "killing",
            Phase::Parked { .. } => "parked",
            Phase::Paused => "paused",
            _ if self.failures.looping() => "crash_loop",
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Starting { .. } => "starting",
            Phase::Ready { .. } => "ready",
            Phase::BackingOff { .. } => "backing_off",
        }
    }

    /// Its worker, while there is one.
    pub fn pid(&self) -> Option<Pid> {
        match self.phase {
            Phase::Starting { pid } => pid,
            Phase::Ready { pid } | Phase::Draining { pid, .. } | Phase::Killing { pid, .. } => Some(pid),
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused
            | Phase::Releasing { .. } => None,
        }
    }

    /// When giving up must be over, while that is under way, and the worker that is drained for it.
    pub(crate) fn giving_up(&mut self) -> Option<(Option<Pid>, &mut Instant)> {
        match &mut self.phase {
            Phase::Draining { pid, until } => Some((Some(*pid), until)),
            Phase::Releasing { until } => Some((None, until)),
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Killing { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => None,
        }
    }

    /// When something is due without anything having happened.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::LocatingAgain { at } | Phase::AwaitingTurn { at } => Some(at),
            Phase::Draining { until, .. } | Phase::BackingOff { until } | Phase::Releasing { until } => {
                Some(until)
            }
            Phase::Killing { again, .. } => Some(again),
            Phase::Locating { .. }
            | Phase::AwaitingLease
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Parked { .. }
            | Phase::Paused => None,
        }
    }

    /// Believes what the page says, if it can be true. True when something was acknowledged since.
    pub fn believe(&mut self, progress: &Progress) -> Result<bool, String> {
        let Some(floor) = self.acknowledged else { return Ok(false) };
        progress.check(floor).map_err(|nonsense| nonsense.to_string())?;
        if progress.messages < self.messages {
            return Err("the status page holds nonsense: fewer messages acknowledged than before".to_owned());
        }
        self.acknowledged = Some(Offset(progress.acknowledged));
        let advanced = progress.messages > self.messages;
        self.messages = progress.messages;
        self.bytes = progress.bytes;
        self.in_flight = progress.in_flight;
        if self.blocking.as_ref().is_some_and(|blocking| blocking.offset.0 < progress.acknowledged) {
            self.blocking = None;
        }
        Ok(advanced)
    }

    /// Whether the worker's loop, which last turned `silent` ago, has stood still for too long: by the clock that counts
    /// suspended time and by ours, so that waking up with the whole machine is no fault of the worker's.
    pub fn stands_still(&mut self, now: Instant, silent: Duration) -> bool {
        let settled = now.saturating_duration_since(self.started_at) >= STILL_FOR;
        if !settled || silent < STILL_FOR {
            self.still_since = None;
            return false;
        }
        let since = *self.still_since.get_or_insert(now);
        now.saturating_duration_since(since) >= STILL_FOR / 4
    }

    /// The message at `offset` is done, whatever its handlers say.
    pub(crate) fn pass_over(&mut self, key: &TopicPartition, offset: Offset) -> Action {
        self.acknowledged = Some(offset.next());
        self.blocking = None;
        Action::MovePage { item: key.clone(), next: offset.next() }
    }

    /// Its page begins anew.
    pub(crate) fn new_page(&mut self) {
        let (messages, bytes) = self.totals(self.messages, self.bytes);
        self.counted = (messages.cast_signed(), bytes.cast_signed());
        (self.messages, self.bytes) = (0, 0);
    }

    /// Its page is one that an earlier supervisor left.
    pub(crate) fn old_page(&mut self, page: &Progress) {
        self.new_page();
        (self.messages, self.bytes) = (page.messages, page.bytes);
        self.counted.0 = self.counted.0.wrapping_sub(page.messages.cast_signed());
        self.counted.1 = self.counted.1.wrapping_sub(page.bytes.cast_signed());
    }

    /// Messages and bytes acknowledged since this supervisor's start, where its page says so many.
    pub fn totals(&self, messages: u64, bytes: u64) -> (u64, u64) {
        (messages.wrapping_add_signed(self.counted.0), bytes.wrapping_add_signed(self.counted.1))
    }

    /// Restarts for whatever reason.
    pub fn restarts_total(&self) -> u64 {
        self.restarts.values().sum()
    }

    pub fn count_restart(&mut self, reason: Reason) {
        *self.restarts.entry(reason).or_default() += 1;
    }

    /// What is acknowledged and not committed.
    pub fn uncommitted(&self) -> Option<Offset> {
        let acknowledged = self.acknowledged?;
        self.committed.is_none_or(|committed| committed < acknowledged).then_some(acknowledged)
    }
}
