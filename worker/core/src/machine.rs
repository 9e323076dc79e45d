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
//! The hot path, delivering and acknowledging, is plain methods ([`Core::deliver`], [`Core::answered`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, StopReason};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, Verdict};
use kafkavisor_link::process::Exit;
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
    pub letter: bool,
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
    DeadLetterFailed {
        offset: Offset,
        error: String,
    },
    LeaseEnded {
        dead_within: Duration,
    },
    StartLost(String),
    /// A deadline may have passed.
    Woken,
    /// Time passed without us: stopped, suspended, starved.
    Resumed,
}

/// Imperatives: what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    StartHandler,
    /// What the letter says besides; none for the one that the worker was started with.
    DeadLetter {
        offset: Offset,
        why: Option<Failure>,
    },
    /// The handler's side learns what became of a message it failed on.
    Settle {
        offset: Offset,
        verdict: Verdict,
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
    SayFailed {
        offset: Offset,
        attempts: u32,
        error: String,
        rejected: bool,
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

    pub fn deliver(&mut self, now: Instant, at: Boottime, delivery: Delivery) {
        if self.window.unanswered().is_none() {
            self.silent_since = Some(now);
        }
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
        let settled = match answer {
            Answer::Ack(offset) => self.window.acknowledge(offset).map(|s| (s, Some(offset))),
            Answer::Reject { offset, error } => self.window.refuse(offset).map(|settled| {
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
                self.silent_since = self.window.unanswered().map(|_| now);
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

    fn silence_ends(&self) -> Option<Instant> {
        let (first, later) = self.settings.timeouts?;
        let limit = if self.answered_once { later } else { first };
        self.silent_since.map(|since| since + limit)
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Begun if self.settings.letter => {
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
            Event::DeadLetterFailed { offset, error } => {
                let actions = self.dead_letter_failed(now, offset, &error);
                self.and_settled(actions)
            }
            Event::LeaseEnded { dead_within } => self.lease_ended(now, dead_within),
            Event::StartLost(error) => {
                self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::StartLost { error })
            }
            Event::Woken => self.woken(now),
            Event::Resumed => {
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
        let Some(last) = self.window.last().filter(|_| self.window.unanswered().is_some()) else {
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
        } else if unflushed && self.window.unanswered().is_some() && self.flush_at.is_none() {
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

    fn handler_exited(&mut self, exit: Exit) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Running => {
                let mut actions = self.count_death(exit != Exit::Status(TRY_LATER));
                actions.push(Action::End(match exit {
                    Exit::Status(status) => Ending::HandlerExit { status },
                    Exit::Signal(signal) => Ending::HandlerSignal { signal },
                }));
                actions
            }
            State::Killing { ending: ending @ Ending::HandlerTimeout { .. }, .. } => {
                let mut actions = self.count_death(true);
                actions.push(Action::End(ending));
                actions
            }
            State::Stopping { until, ending }
                if !self.failures.is_empty()
                    && matches!(ending, Ending::Stopped { .. } | Ending::Parked { .. }) =>
            {
                self.state = State::Settling { until, ending };
                Vec::new()
            }
            State::Stopping { ending, .. }
            | State::Settling { ending, .. }
            | State::Killing { ending, .. } => vec![Action::End(ending)],
            State::Ended => Vec::new(),
        }
    }

    /// What was in flight dies with the handler: counted where it was the handler's own doing, and isolated in any case.
    fn count_death(&mut self, counts: bool) -> Vec<Action> {
        let Some(head) = self.window.head().map(|m| Offset(m.offset)) else { return Vec::new() };
        let until = self.window.delivered();
        self.attempts =
            if counts { self.attempts.after_death(head, until) } else { self.attempts.after_crash(until) };
        vec![Action::NoteAttempts(self.attempts)]
    }

    fn output_closed(&mut self, now: Instant) -> Vec<Action> {
        match self.state {
            State::Running => {
                let detail = "it closed its output, so that nothing can be acknowledged any more".to_owned();
                self.output_broken(now, detail)
            }
            State::Stopping { .. } | State::Settling { .. } | State::Killing { .. } | State::Ended => {
                Vec::new()
            }
        }
    }

    fn output_broken(&mut self, now: Instant, detail: String) -> Vec<Action> {
        let (ending, mut actions) = match &self.state {
            State::Running => (Ending::ProtocolError { detail }, self.count_death(false)),
            State::Stopping { ending, .. } => (ending.clone(), Vec::new()),
            State::Settling { .. } | State::Killing { .. } | State::Ended => return Vec::new(),
        };
        self.state = State::Killing { until: now + self.kill_after, ending };
        actions.push(Action::SignalHandler(Signal::SIGKILL));
        actions
    }

    fn stop_requested(&mut self, now: Instant, reason: StopReason, within: Duration) -> Vec<Action> {
        if let State::Stopping { until, .. } | State::Settling { until, .. } = &mut self.state {
            *until = (*until).min(now + within);
            return Vec::new();
        }
        self.stop(now, reason, within, Ending::Stopped { cut_short: false })
    }

    /// `dead_within` is half of what is left until everything must be dead; the other half is for TERM and KILL.
    fn lease_ended(&mut self, now: Instant, dead_within: Duration) -> Vec<Action> {
        self.kill_after = KILL_AFTER.min(dead_within / 2).max(KILL_AGAIN);
        match &mut self.state {
            State::Running => {
                let mut actions = vec![Action::DropUnwritten];
                actions.extend(self.stop(now, StopReason::Rebalance, dead_within, Ending::LeaseLost));
                actions
            }
            State::Stopping { until, ending } => {
                *until = (*until).min(now + dead_within);
                *ending = Ending::LeaseLost;
                vec![Action::DropUnwritten]
            }
            State::Settling { .. } => {
                self.state = State::Ended;
                vec![Action::End(Ending::LeaseLost)]
            }
            State::Killing { until, .. } => {
                *until = (*until).min(now + dead_within);
                vec![Action::DropUnwritten]
            }
            State::Ended => Vec::new(),
        }
    }

    fn stop(&mut self, now: Instant, reason: StopReason, within: Duration, ending: Ending) -> Vec<Action> {
        if !matches!(self.state, State::Running) {
            return Vec::new();
        }
        if !self.started {
            self.state = State::Ended;
            return vec![Action::End(ending)];
        }
        self.state = State::Stopping { until: now + within, ending };
        vec![Action::Stop(reason), Action::CloseInput]
    }

    fn decided(&mut self, now: Instant, offset: Offset, verdict: Verdict) -> Vec<Action> {
        let Some(failure) = self.failures.get(&offset).cloned() else { return Vec::new() };
        match verdict {
            Verdict::Retry => {
                self.failures.remove(&offset);
                vec![Action::Settle { offset, verdict }]
            }
            Verdict::Apply(PoisonAction::Skip) => {
                self.resolve(offset);
                vec![Action::Settle { offset, verdict }]
            }
            Verdict::Apply(PoisonAction::DeadLetter) => {
                vec![Action::DeadLetter { offset, why: Some(failure) }]
            }
            Verdict::Apply(PoisonAction::Park) => {
                self.failures.remove(&offset);
                self.park(now, offset, failure.error)
            }
        }
    }

    fn and_settled(&mut self, mut actions: Vec<Action>) -> Vec<Action> {
        actions.extend(self.settled());
        actions
    }

    fn resolve(&mut self, offset: Offset) {
        self.failures.remove(&offset);
        let settled = self.window.resolve(offset);
        self.note(settled);
    }

    fn park(&mut self, now: Instant, offset: Offset, error: String) -> Vec<Action> {
        self.stop(now, StopReason::Restart, PARK_WITHIN, Ending::Parked { offset, error })
    }

    /// Only a confirmed dead letter counts as done.
    fn dead_lettered(&mut self, offset: Offset, bytes: u64) -> Vec<Action> {
        let said = Action::SayDeadLettered { offset };
        if self.failures.contains_key(&offset) {
            self.resolve(offset);
            let verdict = Verdict::Apply(PoisonAction::DeadLetter);
            return vec![said, Action::Settle { offset, verdict }];
        }
        if self.started || !matches!(self.state, State::Running) {
            return Vec::new();
        }
        self.window.begin_at(offset.next());
        self.note(Settled { messages: 1, bytes });
        vec![said, Action::StartHandler]
    }

    fn dead_letter_failed(&mut self, now: Instant, offset: Offset, error: &str) -> Vec<Action> {
        let what =
            self.failures.remove(&offset).map_or_else(String::new, |failure| format!("{}; ", failure.error));
        let error = format!("{what}it could not be dead-lettered: {error}");
        self.park(now, offset, error)
    }

    fn woken(&mut self, now: Instant) -> Vec<Action> {
        match self.state.clone() {
            State::Running => self.woken_running(now),
            State::Stopping { until, ending } if now >= until => {
                let stopped = matches!(ending, Ending::Stopped { .. });
                let ending = if stopped { Ending::Stopped { cut_short: true } } else { ending };
                self.state = State::Killing { until: now + self.kill_after, ending };
                vec![Action::SignalHandler(Signal::SIGTERM), Action::SignalHandler(Signal::SIGCONT)]
            }
            State::Killing { until, ending } if now >= until => {
                self.state = State::Killing { until: now + self.kill_after, ending };
                vec![Action::SignalHandler(Signal::SIGKILL)]
            }
            State::Settling { until, ending } if now >= until => {
                let stopped = matches!(ending, Ending::Stopped { .. });
                let ending = if stopped { Ending::Stopped { cut_short: true } } else { ending };
                self.state = State::Ended;
                vec![Action::End(ending)]
            }
            State::Stopping { .. } | State::Settling { .. } | State::Killing { .. } | State::Ended => {
                Vec::new()
            }
        }
    }

    /// Ends if only the fate of messages was waited for.
    fn settled(&mut self) -> Vec<Action> {
        match &self.state {
            State::Settling { ending, .. } if self.failures.is_empty() => {
                let ending = ending.clone();
                self.state = State::Ended;
                vec![Action::End(ending)]
            }
            State::Running
            | State::Stopping { .. }
            | State::Settling { .. }
            | State::Killing { .. }
            | State::Ended => Vec::new(),
        }
    }

    fn woken_running(&mut self, now: Instant) -> Vec<Action> {
        if self.silence_ends().is_some_and(|end| now >= end) {
            // Its death is counted when it is dead: who kills us before that counts it instead.
            let ending = Ending::HandlerTimeout { detail: self.unanswered() };
            self.state = State::Killing { until: now + self.kill_after, ending };
            return vec![Action::SignalHandler(Signal::SIGABRT)];
        }
        let mut actions = Vec::new();
        if self.flush_at.is_some_and(|at| now >= at) {
            actions = self.flush(false);
        }
        // What was acknowledged while a commit was under way: no further answer may come to ask after.
        actions.extend(self.ask_for_commit());
        actions
    }

    fn unanswered(&self) -> String {
        let (first, later) = self.settings.timeouts.unwrap_or_default();
        let limit = if self.answered_once { later } else { first };
        let offset = self.window.unanswered().map_or_else(String::new, |o| format!(" from offset {o} on"));
        let flush = match self.flushed {
            Some(flushed) if self.window.unanswered().is_some_and(|o| o <= flushed) => {
                "; the flush it was sent is unanswered too"
            }
            _ => "",
        };
        let count = self.window.len();
        format!("no answer for {limit:?} with {count} messages in flight{offset}{flush}")
    }
}
