//! What is remembered of a partition for one ownership of it, from acquired to released or lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset};
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::DeadLetter;
use kafkavisor_link::page::Progress;

use crate::failures::Failures;
use crate::messages::Ticket;
use crate::roll::ConfigNumber;

/// So many answers in a row that there is no such partition are believed: a broker that has just come up knows no topics.
const GONE: u32 = 2;

/// How far the group is, and what of that Kafka knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The lowest offset that can be acknowledged: what was believed last.
    pub acknowledged: Offset,
    pub committed: Option<Offset>,
    /// When it was last confirmed, or found signed by us.
    pub committed_at: Option<Instant>,
    /// In the request that is under way. An answer about anything else is about what was before.
    pub(crate) requested: Option<Offset>,
}

impl Place {
    pub(crate) fn at(offset: Offset) -> Self {
        Self { acknowledged: offset, committed: None, committed_at: None, requested: None }
    }

    /// What is acknowledged and not committed.
    pub fn uncommitted(&self) -> Option<Offset> {
        self.committed.is_none_or(|committed| committed < self.acknowledged).then_some(self.acknowledged)
    }
}

/// An assignment that came while the partition was still on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned(pub Option<FencingToken>);

/// Kafka keeps us from the partition, in words that say what to do about it. No fault of a handler's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// A right on the topic is missing.
    Denied(Arc<str>),
    /// A broker does not let us in, or we don't trust it.
    Refused(Arc<str>),
}

impl Barred {
    /// The words.
    pub fn why(&self) -> &Arc<str> {
        let (Self::Denied(why) | Self::Refused(why)) = self;
        why
    }
}

/// It is to be released under this token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked(pub Option<FencingToken>);

/// Where an operator wants it to go on, once its worker is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seek {
    pub(crate) offset: Offset,
    pub(crate) ticket: Ticket,
    /// The message that it passes over: nothing is to be done if that is acknowledged by then.
    pub(crate) skips: Option<Offset>,
    /// What is said when it is done.
    pub(crate) said: String,
}

/// An operator's word that is carried out and not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answering {
    pub(crate) seek: Seek,
    /// To go back to where it is refused; none: nothing was known before.
    pub(crate) before: Option<Place>,
}

/// A message that goes to the dead-letter topic before the next worker's handler starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueDeadLetter {
    pub(crate) dead_letter: DeadLetter,
    /// Who asked for it, where an operator did.
    pub(crate) ticket: Option<Ticket>,
}

/// A message that something keeps from the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// What, in words that name the topic.
    pub error: Arc<str>,
    /// The same of the partition, with what comes next.
    pub why: Arc<str>,
}

impl KeptLetter {
    pub(crate) fn new(offset: Offset, error: String) -> Self {
        let why = format!("offset {offset} is not dead-lettered yet: {error}; tried again").into();
        Self { error: error.into(), why }
    }
}

/// A handler that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hang {
    since: Boottime,
    handler_pid: u64,
    acknowledged: i64,
}

impl Hang {
    pub(crate) fn of(since: Boottime, progress: &Progress) -> Self {
        Self { since, handler_pid: progress.handler_pid, acknowledged: progress.acknowledged }
    }

    /// For how long it had said nothing, where it is over for an answer of the handler's, and not for its end.
    pub(crate) fn answered(&self, progress: &Progress, at: Boottime) -> Option<Duration> {
        let answers = progress.handler_pid == self.handler_pid || progress.acknowledged > self.acknowledged;
        answers.then(|| at.since(self.since))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Tenure {
    pub token: Option<FencingToken>,
    /// What its next worker runs with.
    pub config: ConfigNumber,
    /// None before its start is known.
    pub place: Option<Place>,
    /// Where it was when the right to read it went: what is acknowledged there is still committed.
    pub(crate) kept: Option<Place>,
    pub commit_error: Option<Arc<str>>,
    /// ... and it is for somebody to do something about.
    pub commits_barred: bool,
    /// Its handler says nothing although messages are in flight, for longer than work takes.
    pub(crate) hang: Option<Hang>,
    /// Until a worker has heard of Kafka again.
    pub barred: Option<Barred>,
    /// How many commits in a row were answered that there is no such partition.
    gone: u32,
    pub failures: Failures,
    /// In flight as last seen.
    pub in_flight: u64,
    /// When the oldest of that was delivered.
    pub oldest_in_flight: Option<Boottime>,
    pub revoked: Option<Revoked>,
    pub assigned_again: Option<Assigned>,
    /// The topic is another one than that which offsets were known of: only its earliest message will do.
    pub(crate) made_again: bool,
    /// The message that an operator may skip: what parked the partition, or what its handlers die of.
    pub blocking: Option<DeadLetter>,
    /// The message that goes to the dead-letter topic, and why.
    pub(crate) given_up: Option<(Offset, String)>,
    /// The message that is kept from the dead-letter topic, and by what.
    pub kept_letter: Option<KeptLetter>,
    /// The handler's worker lives on while it fails (`exec`).
    pub(crate) failing: bool,
    pub(crate) dead_letter: Option<DueDeadLetter>,
    pub(crate) seek: Option<Seek>,
    pub(crate) answering: Option<Answering>,
    /// When something of it was last acknowledged.
    pub(crate) acknowledged_at: Boottime,
    /// When the message that handlers die of was first delivered.
    pub(crate) first_delivered: Option<Boottime>,
    /// When a handler of it last died.
    pub(crate) last_death: Option<Boottime>,
}

impl Tenure {
    pub(crate) fn new(token: Option<FencingToken>, config: ConfigNumber) -> Self {
        Self {
            token,
            config,
            place: None,
            kept: None,
            commit_error: None,
            hang: None,
            commits_barred: false,
            barred: None,
            gone: 0,
            failures: Failures::default(),
            in_flight: 0,
            oldest_in_flight: None,
            revoked: None,
            assigned_again: None,
            made_again: false,
            blocking: None,
            given_up: None,
            kept_letter: None,
            failing: false,
            dead_letter: None,
            seek: None,
            answering: None,
            acknowledged_at: Boottime(0),
            first_delivered: None,
            last_death: None,
        }
    }

    pub fn acknowledged(&self) -> Option<Offset> {
        self.place.as_ref().map(|place| place.acknowledged)
    }

    pub fn committed(&self) -> Option<Offset> {
        self.held().and_then(|place| place.committed)
    }

    /// Where it is, or was when the right to read it went.
    pub fn held(&self) -> Option<&Place> {
        self.place.as_ref().or(self.kept.as_ref())
    }

    pub(crate) fn held_mut(&mut self) -> Option<&mut Place> {
        self.place.as_mut().or(self.kept.as_mut())
    }

    /// Whether it goes on where it was before a right went, on the same page: nobody else has moved the group meanwhile.
    pub fn goes_on(&self, decision: &Decision) -> bool {
        let Decision::At { offset, why } = decision else { return false };
        self.kept.as_ref().is_some_and(|place| match why {
            Why::Committed { by_us: true } | Why::CommittedInPart { by_us: true } => {
                *offset <= place.acknowledged
            }
            // What we had found, and have not committed since.
            Why::Committed { by_us: false } | Why::CommittedByAnother => place.committed == Some(*offset),
            Why::CommittedInPart { by_us: false }
            | Why::TopicMadeAgain
            | Why::BelowStart { .. }
            | Why::AppearedLater
            | Why::TakenAway
            | Why::Reset => false,
        })
    }

    /// What is acknowledged and not committed.
    pub fn uncommitted(&self) -> Option<Offset> {
        self.held().and_then(Place::uncommitted)
    }

    pub(crate) fn note_gone(&mut self, gone: bool) {
        self.gone = if gone { self.gone.saturating_add(1) } else { 0 };
    }

    /// Its topic is gone, and with it whatever could be committed.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone >= GONE
    }

    /// The message that its next worker takes to the dead-letter topic before its handler starts.
    pub fn due_dead_letter(&self) -> Option<Offset> {
        self.dead_letter.as_ref().map(|due| due.dead_letter.offset)
    }

    /// Its handlers die of this message.
    pub(crate) fn block(&mut self, offset: Offset, attempts: &Attempts, how: &str, stderr: String) {
        let deaths = u32::try_from(attempts.deaths(offset)).unwrap_or(u32::MAX);
        self.blocking = Some(DeadLetter { offset, attempts: deaths, error: how.to_owned(), stderr });
        self.first_delivered = attempts.first_delivered(offset);
    }

    /// What an operator wants to be skipped and is acknowledged meanwhile, and who waits for it.
    pub(crate) fn skipped_in_vain(&mut self) -> Option<(Offset, Ticket)> {
        let acknowledged = self.acknowledged()?;
        let seek = self.seek.take_if(|seek| seek.skips.is_some_and(|offset| offset < acknowledged));
        if let Some(Seek { skips: Some(offset), ticket, .. }) = seek {
            return Some((offset, ticket));
        }
        let handled = |due: &mut DueDeadLetter| due.ticket.is_some() && due.dead_letter.offset < acknowledged;
        let due = self.dead_letter.take_if(handled)?;
        Some((due.dead_letter.offset, due.ticket?))
    }

    /// Everyone who waits for something that will not be done.
    pub(crate) fn waiting(&mut self) -> Vec<Ticket> {
        let seek = self.seek.take().map(|seek| seek.ticket);
        let answering = self.answering.take().map(|answering| answering.seek.ticket);
        let dead_letter = self.dead_letter.take().and_then(|dead_letter| dead_letter.ticket);
        [seek, answering, dead_letter].into_iter().flatten().collect()
    }
}
