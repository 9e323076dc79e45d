//! The worker as a state machine: events in, actions out, time as an input.
//!
//! | state | event | next | actions |
//! |---|---|---|---|
//! | running | stop requested | stopping | stop, close input |
//! | running | lease ended | stopping | drop what is unwritten, stop, close input |
//! | running | no answer in time | killing | ABRT |
//! | running | output broken or closed | killing | KILL |
//! | running | handler exited | ended | end |
//! | running | parked by verdict, dead letter refused, start lost | stopping | stop, close input |
//! | running, handler not started | stop requested, lease ended, ... | ended | end |
//! | stopping | handler exited, fates of messages open | settling | |
//! | settling | the last fate is settled, time is up | ended | end |
//! | stopping | time is up | killing | TERM, CONT |
//! | stopping, killing | handler exited | ended | end |
//! | killing | time is up | killing | KILL |
//!
//! A handler that is not heard is not silent: while its answers wait ([`Core::holds_answers`]) its time does not run.
//!
//! The hot path, delivering and acknowledging, is plain methods ([`Core::deliver`], [`Core::answered`]).

mod ending;
mod fates;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, StopReason};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, Verdict};
use kafkavisor_link::process::Exit;
use kafkavisor_marks::hit;
use nix::sys::signal::Signal;

use super::pace::Pace;
use super::uncommitted::Uncommitted;
use super::window::{InFlight, Settled, Window};

/// After ABRT or TERM, before KILL.
const KILL_AFTER: Duration = Duration::from_millis(500);
/// However little time the lease leaves, KILL is not repeated more often.
const KILL_AGAIN: Duration = Duration::from_millis(10);
/// How long the topic must be quiet, short of its end, before the handler is asked to finish.
const QUIET: Duration = Duration::from_millis(5);
/// How long a handler may take to finish when its partition is parked or its start is lost.
const PARK_WITHIN: Duration = Duration::from_secs(10);
/// Exit status of a handler that could not work now and says so.
const TRY_LATER: i32 = 75;

/// So many messages may wait for their fate, each with its reason, before no more answers are heard.
const MAX_UNSETTLED: usize = 256;

/// What a worker is told about its limits.
#[derive(Debug, Clone)]
pub struct Settings {
    pub max_messages: u32,
    pub max_bytes: u64,
    pub max_time: Duration,
    /// The window never goes below this.
    pub floor: u32,
    /// Until the handler's first answer, then between answers; none where the handler's side keeps its own time.
    pub timeouts: Option<(Duration, Duration)>,
    pub commit_messages: u64,
    pub attempts: Attempts,
    /// The message to begin at goes to the dead-letter topic before the handler starts.
    pub dead_letter: bool,
}

/// Past participles: what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The worker is set up; the handler is not started yet.
    Begun,
    HandlerStarted,
    /// Nothing more can be delivered for now.
    Quiet {
        at_end: bool,
    },
    /// The log ends here and everything before has been delivered.
    EndReached(Offset),
    HandlerExited(Exit),
    OutputClosed,
    OutputBroken(String),
    StopRequested {
        reason: StopReason,
        within: Duration,
    },
    /// `exec`: a process failed with so many messages, which are tried again.
    BatchFailed {
        offset: Offset,
        count: u32,
        error: String,
    },
    /// A message alone was its handler's death often enough.
    Poisoned {
        offset: Offset,
        attempts: u32,
        error: String,
    },
    Decided {
        offset: Offset,
        verdict: Verdict,
    },
    /// The broker has confirmed it.
    DeadLettered {
        offset: Offset,
        bytes: u64,
    },
    /// Something keeps it from its topic for now; it is tried again.
    DeadLetterKept {
        offset: Offset,
        error: String,
    },
    DeadLetterFailed {
        offset: Offset,
        error: String,
    },
    LeaseEnded {
        dead_within: Duration,
    },
    StartLost(String),
    /// A right on the topic is missing.
    Denied(String),
    /// A broker does not let us in, or we don't trust it.
    Refused(String),
    /// A deadline may have passed.
    Woken,
    /// Time passed without us: stopped, suspended, starved.
    Overslept,
}

/// Imperatives: what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    StartHandler,
    /// What the dead letter says besides; none for the one that the worker was started with.
    DeadLetter {
        offset: Offset,
        why: Option<Failure>,
    },
    /// The handler's side learns what became of a message it failed on.
    Settle {
        offset: Offset,
        verdict: Verdict,
    },
    SayDeadLetterKept {
        offset: Offset,
        error: String,
    },
    SayDeadLettered {
        offset: Offset,
    },
    Flush {
        full: bool,
    },
    DropUnwritten,
    Stop(StopReason),
    CloseInput,
    SignalHandler(Signal),
    SayReady,
    SayPostponed {
        error: String,
    },
    SayFailed {
        offset: Offset,
        attempts: u32,
        error: String,
        rejected: bool,
    },
    SayBatchFailed {
        offset: Offset,
        count: u32,
        attempts: u32,
        error: String,
    },
    AskForCommit,
    NoteAttempts(Attempts),
    End(Ending),
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub attempts: u32,
    pub error: String,
}

/// One message on its way to the handler.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    pub offset: Offset,
    pub timestamp: i64,
    pub bytes: u64,
}

#[derive(Debug, Clone)]
enum State {
    Running,
    Stopping {
        until: Instant,
        ending: Ending,
    },
    /// The handler is gone; a message it refused is not dead-lettered yet.
    Settling {
        until: Instant,
        ending: Ending,
    },
    Killing {
        until: Instant,
        ending: Ending,
    },
    Ended,
}

/// The decisions of one worker.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    state: State,
    window: Window,
    pace: Pace,
    uncommitted: Uncommitted,
    attempts: Attempts,
    /// Messages whose fate the supervisor decides, and what is wrong with them.
    failures: BTreeMap<Offset, Failure>,
    /// A message of them that something keeps from the dead-letter topic, and those behind it.
    kept: Option<(Offset, String)>,
    started: bool,
    fetched: bool,
    ready: bool,
    answered_once: bool,
    /// The window was full and has not emptied by half since.
    full: bool,
    /// When the handler's silence began.
    silent_since: Option<Instant>,
    flushed: Option<Offset>,
    flush_at: Option<Instant>,
    end: Option<Offset>,
    /// After ABRT or TERM, before KILL: less where the lease leaves less.
    kill_after: Duration,
    messages: u64,
    bytes: u64,
    /// When something was last delivered, by both clocks, and what that makes of the present.
    delivered: Option<(Instant, Boottime)>,
    at: Boottime,
}

impl Core {
    pub fn new(settings: Settings, start: Offset) -> Self {
        let pace = Pace::new(settings.floor, settings.max_messages, settings.max_time);
        Self {
            state: State::Running,
            window: Window::new(start),
            pace,
            uncommitted: Uncommitted::default(),
            attempts: settings.attempts,
            failures: BTreeMap::new(),
            kept: None,
            started: false,
            fetched: false,
            ready: false,
            answered_once: false,
            full: false,
            silent_since: None,
            flushed: None,
            flush_at: None,
            end: None,
            kill_after: KILL_AFTER,
            messages: 0,
            bytes: 0,
            delivered: None,
            at: Boottime(0),
            settings,
        }
    }

    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Messages and bytes acknowledged in this worker's life.
    pub fn totals(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    pub fn window_size(&self) -> u32 {
        // While any of what was in flight at a death is still to be acknowledged, it is alone.
        if self.attempts.isolated(self.window.acknowledged()) { 1 } else { self.pace.window() }
    }

    pub fn attempt(&self, offset: Offset) -> u32 {
        self.attempts.attempt(offset)
    }

    /// Whether a message of `bytes` may be delivered now.
    pub fn admits(&self, bytes: u64) -> bool {
        if !matches!(self.state, State::Running) || !self.started {
            return false;
        }
        if self.window.is_empty() {
            return !self.uncommitted.too_much(self.window_size());
        }
        !self.full
            && self.window.len() < self.window_size()
            && self.window.bytes().saturating_add(bytes) <= self.settings.max_bytes
            && !self.uncommitted.too_much(self.window_size())
    }

    /// Whether only a commit is missing for more to be delivered.
    pub fn awaits_commit(&self) -> bool {
        matches!(self.state, State::Running) && self.uncommitted.too_much(self.window_size())
    }

    /// Whether the handler's answers are to wait: it refuses more than can be settled.
    pub fn holds_answers(&self) -> bool {
        matches!(self.state, State::Running) && self.failures.len() >= MAX_UNSETTLED
    }

    /// Whether it is on its way to an end.
    pub fn is_ending(&self) -> bool {
        !matches!(self.state, State::Running)
    }

    /// Whether its handler is to finish and exit, and has its time for it.
    pub fn is_draining(&self) -> bool {
        matches!(self.state, State::Stopping { .. })
    }

    pub fn deliver(&mut self, now: Instant, at: Boottime, delivery: Delivery) {
        if self.window.is_answered() {
            self.silent_since = Some(now);
        }
        self.delivered = Some((now, at));
        self.window.deliver(InFlight {
            offset: delivery.offset.0,
            timestamp: delivery.timestamp,
            bytes: delivery.bytes,
            delivered_at: at,
        });
    }

    /// A batch has been delivered; `blocked` when more was there than may be in flight.
    pub fn batch_delivered(&mut self, now: Instant, blocked: bool) -> Vec<Action> {
        self.fetched = true;
        let Some(last) = self.window.last() else { return self.say_ready() };
        self.pace.delivered(now, self.window.len(), last);
        let mut actions = self.say_ready();
        if blocked || self.window.len() >= self.window_size() {
            self.full = true;
            actions.extend(self.flush(true));
        }
        actions
    }

    /// One answer of the handler; an error is a protocol error.
    pub fn answered(&mut self, now: Instant, answer: Answer) -> Vec<Action> {
        let mut actions = Vec::new();
        self.it_is(now);
        let settled = match answer {
            Answer::Ack(offset) => self.window.acknowledge(self.at, offset).map(|s| (s, Some(offset))),
            Answer::Reject { offset, error } => self.window.refuse(self.at, offset).map(|settled| {
                let attempts = self.attempts.attempt(offset);
                self.failures.insert(offset, Failure { attempts, error: error.clone() });
                actions.push(Action::SayFailed { offset, attempts, error, rejected: true });
                (settled, Some(offset))
            }),
            Answer::Busy(offset) => self.window.busy(offset).map(|()| (Settled::default(), None)),
        };
        match settled {
            Err(bad) => return self.handle(now, Event::OutputBroken(bad.to_string())),
            Ok((settled, until)) => {
                self.answered_once = true;
                self.silent_since = (!self.window.is_answered()).then_some(now);
                if let Some(until) = until {
                    self.pace.acknowledged(now, until);
                }
                self.note(settled);
            }
        }
        actions.extend(self.ask_for_commit());
        actions
    }

    fn ask_for_commit(&mut self) -> Option<Action> {
        let ask = self.uncommitted.ask(self.window_size(), self.settings.commit_messages);
        ask.then_some(Action::AskForCommit)
    }

    fn note(&mut self, settled: Settled) {
        self.messages += settled.messages;
        self.bytes += settled.bytes;
        let window = self.window_size();
        self.uncommitted.acknowledged(self.window.acknowledged(), settled.messages, window);
        if self.window.len() <= window / 2 && self.window.bytes() <= self.settings.max_bytes / 2 {
            self.full = false;
        }
        if let Some(end) = self.end.filter(|_| self.window.is_empty()) {
            self.end = None;
            self.window.follow_end(end);
        }
    }

    /// The supervisor has committed up to here.
    pub fn committed(&mut self, offset: Offset) {
        self.uncommitted.committed(offset);
    }

    /// When [`Event::Woken`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running => [self.flush_at, self.silence_ends()].into_iter().flatten().min(),
            State::Stopping { until, .. } | State::Settling { until, .. } | State::Killing { until, .. } => {
                Some(*until)
            }
            State::Ended => None,
        }
    }

    /// Since when the handler says nothing with messages in flight, and when that is too long; none where its driver keeps that time.
    pub fn silence(&self) -> Option<(Instant, Instant)> {
        let (first, later) = self.settings.timeouts?;
        let limit = if self.answered_once { later } else { first };
        self.silent_since.map(|since| (since, since + limit))
    }

    fn silence_ends(&self) -> Option<Instant> {
        self.silence().map(|(_, end)| end)
    }

    fn it_is(&mut self, now: Instant) {
        if let Some((then, at)) = self.delivered {
            self.at = at.after(now.saturating_duration_since(then));
        }
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        self.it_is(now);
        match event {
            Event::Begun if self.settings.dead_letter => {
                vec![Action::DeadLetter { offset: self.window.acknowledged(), why: None }]
            }
            Event::Begun => vec![Action::StartHandler],
            Event::HandlerStarted => {
                self.started = true;
                self.say_ready()
            }
            Event::Quiet { at_end } => self.quiet(now, at_end),
            Event::EndReached(end) => self.end_reached(end),
            Event::HandlerExited(exit) => self.handler_exited(exit),
            Event::OutputClosed => self.output_closed(now),
            Event::OutputBroken(detail) => self.output_broken(now, detail),
            Event::StopRequested { reason, within } => self.stop_requested(now, reason, within),
            Event::BatchFailed { offset, count, error } => self.batch_failed(offset, count, error),
            Event::Poisoned { offset, attempts, error } => {
                self.failures.insert(offset, Failure { attempts, error: error.clone() });
                vec![Action::SayFailed { offset, attempts, error, rejected: false }]
            }
            Event::Decided { offset, verdict } => {
                let actions = self.decided(now, offset, verdict);
                self.and_settled(actions)
            }
            Event::DeadLettered { offset, bytes } => {
                let actions = self.dead_lettered(offset, bytes);
                self.and_settled(actions)
            }
            Event::DeadLetterKept { offset, error } => self.dead_letter_kept(offset, error),
            Event::DeadLetterFailed { offset, error } => {
                let actions = self.dead_letter_failed(now, offset, &error);
                self.and_settled(actions)
            }
            Event::LeaseEnded { dead_within } => self.lease_ended(now, dead_within),
            Event::StartLost(error) => {
                self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::StartLost { error })
            }
            Event::Denied(error) => {
                self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::Denied { error })
            }
            Event::Refused(error) => {
                self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::Refused { error })
            }
            Event::Woken => self.woken(now),
            Event::Overslept => {
                hit!(worker_overslept);
                self.pace.forget();
                self.silent_since = self.silent_since.map(|_| now);
                Vec::new()
            }
        }
    }

    fn say_ready(&mut self) -> Vec<Action> {
        if self.ready || !self.started || !self.fetched {
            return Vec::new();
        }
        self.ready = true;
        vec![Action::SayReady]
    }

    fn flush(&mut self, full: bool) -> Vec<Action> {
        self.flush_at = None;
        let Some(last) = self.window.last().filter(|_| !self.window.is_answered()) else {
            return Vec::new();
        };
        if self.flushed.is_some_and(|flushed| flushed >= last) {
            return Vec::new();
        }
        self.flushed = Some(last);
        vec![Action::Flush { full }]
    }

    fn quiet(&mut self, now: Instant, at_end: bool) -> Vec<Action> {
        self.fetched = true;
        let mut actions = self.say_ready();
        let unflushed =
            self.window.last().is_some_and(|last| self.flushed.is_none_or(|flushed| flushed < last));
        if at_end {
            actions.extend(self.flush(false));
        } else if unflushed && !self.window.is_answered() && self.flush_at.is_none() {
            self.flush_at = Some(now + QUIET);
        }
        actions
    }

    fn end_reached(&mut self, end: Offset) -> Vec<Action> {
        self.fetched = true;
        if self.window.is_empty() {
            self.window.follow_end(end);
        } else {
            self.end = Some(end);
        }
        let mut actions = self.say_ready();
        actions.extend(self.flush(false));
        actions
    }
}
