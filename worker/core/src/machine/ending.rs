//! How a worker comes to its end: the handler dies, is stopped, breaks its protocol, says nothing; the lease ends.

use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::StopReason;
use kafkavisor_link::message::Ending;
use kafkavisor_link::process::Exit;
use kafkavisor_marks::hit;
use nix::sys::signal::Signal;

use super::{Action, Core, KILL_AFTER, KILL_AGAIN, State, TRY_LATER};

const STOPPED: Ending = Ending::Stopped { cut_short: false, failed: None };

/// What a stop comes to when time is up.
fn cut_short(mut ending: Ending) -> Ending {
    if let Ending::Stopped { cut_short, .. } = &mut ending {
        *cut_short = true;
    }
    ending
}

/// What a stop comes to when the handler fails meanwhile. Other endings have a reason of their own.
fn failed(mut ending: Ending, how: impl FnOnce() -> String) -> Ending {
    if let Ending::Stopped { failed, .. } = &mut ending {
        failed.get_or_insert_with(how);
    }
    ending
}

/// The handler has ended without our doing.
fn of_itself(ending: Ending, exit: Exit) -> Ending {
    if exit == Exit::Status(0) { ending } else { failed(ending, || format!("handler {exit}")) }
}

impl Core {
    pub(super) fn handler_exited(&mut self, exit: Exit) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Running => {
                hit!(handler_died_of_itself);
                let mut actions = self.count_death(exit != Exit::Status(TRY_LATER));
                actions.push(Action::End(match exit {
                    Exit::Status(status) => Ending::HandlerExit { status },
                    Exit::Signal(signal) => Ending::HandlerSignal { signal },
                }));
                actions
            }
            State::Killing { ending: ending @ Ending::HandlerTimeout { .. }, .. } => {
                hit!(silent_handler_is_dead);
                let mut actions = self.count_death(true);
                actions.push(Action::End(ending));
                actions
            }
            State::Stopping { until, ending } => self.exited_stopping(until, of_itself(ending, exit)),
            State::Settling { ending, .. } | State::Killing { ending, .. } => vec![Action::End(ending)],
            State::Ended => Vec::new(),
        }
    }

    /// Its handler is gone, as it was asked to be; what it refused may be waited for.
    fn exited_stopping(&mut self, until: Instant, ending: Ending) -> Vec<Action> {
        let settles = matches!(ending, Ending::Stopped { .. } | Ending::Parked { .. });
        if settles && !self.failures.is_empty() {
            if self.kept.is_some() {
                hit!(drain_leaves_a_kept_dead_letter);
                return vec![Action::End(self.left_behind(ending))];
            }
            hit!(fates_are_open_when_the_handler_is_gone);
            self.state = State::Settling { until, ending };
            return Vec::new();
        }
        vec![Action::End(ending)]
    }

    /// `exec`: a process failed with `count` messages, of which `offset` is the first. Only what was alone has made an attempt.
    pub(super) fn batch_failed(&mut self, offset: Offset, count: u32, error: String) -> Vec<Action> {
        hit!(batch_failed_in_the_worker);
        let mut actions = Vec::new();
        if count == 1 {
            let head = self.window.head().filter(|head| head.offset == offset.0);
            let delivered = head.map_or(Boottime::default(), |head| head.delivered_at);
            self.attempts = self.attempts.after_death(offset, Offset(offset.0.saturating_add(1)), delivered);
            actions.push(Action::NoteAttempts(self.attempts));
        }
        let attempts = u32::try_from(self.attempts.deaths(offset)).unwrap_or(u32::MAX);
        actions.push(Action::SayBatchFailed { offset, count, attempts, error });
        actions
    }

    /// What its handler leaves undone, for the log: how many messages, and the first of them.
    pub fn left_undone(&self) -> Option<(u32, Offset)> {
        self.window.unanswered().map(|first| (self.window.count_unanswered(), first))
    }

    /// What was in flight dies with the handler: counted where it was the handler's own doing, and isolated in any case.
    pub(super) fn count_death(&mut self, counts: bool) -> Vec<Action> {
        let Some(head) = self.window.head() else { return Vec::new() };
        let (offset, delivered) = (Offset(head.offset), head.delivered_at);
        let until = self.window.delivered();
        self.attempts = if counts {
            self.attempts.after_death(offset, until, delivered)
        } else {
            self.attempts.after_crash(until, delivered)
        };
        vec![Action::NoteAttempts(self.attempts)]
    }

    pub(super) fn output_closed(&mut self, now: Instant) -> Vec<Action> {
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

    pub(super) fn output_broken(&mut self, now: Instant, detail: String) -> Vec<Action> {
        let (ending, mut actions) = match &self.state {
            State::Running => (Ending::ProtocolError { detail }, self.count_death(false)),
            State::Stopping { ending, .. } => {
                (failed(ending.clone(), || format!("protocol_error: {detail}")), Vec::new())
            }
            State::Settling { .. } | State::Killing { .. } | State::Ended => return Vec::new(),
        };
        hit!(protocol_is_broken);
        self.state = State::Killing { until: now + self.kill_after, ending };
        actions.push(Action::SignalHandler(Signal::SIGKILL));
        actions
    }

    pub(super) fn stop_requested(
        &mut self,
        now: Instant,
        reason: StopReason,
        within: Duration,
    ) -> Vec<Action> {
        if let State::Stopping { until, .. } | State::Settling { until, .. } = &mut self.state {
            hit!(stop_is_said_again);
            *until = (*until).min(now + within);
            return Vec::new();
        }
        self.stop(now, reason, within, STOPPED)
    }

    /// `dead_within` is half of what is left until everything must be dead; the other half is for TERM and KILL.
    pub(super) fn lease_ended(&mut self, now: Instant, dead_within: Duration) -> Vec<Action> {
        self.kill_after = KILL_AFTER.min(dead_within / 2).max(KILL_AGAIN);
        match &mut self.state {
            State::Running => {
                hit!(lease_ends_while_running);
                let mut actions = vec![Action::DropUnwritten];
                actions.extend(self.stop(now, StopReason::Rebalance, dead_within, Ending::LeaseLost));
                actions
            }
            State::Stopping { until, ending } => {
                *until = (*until).min(now + dead_within);
                hit!(lease_ends_while_stopping);
                *ending = Ending::LeaseLost;
                vec![Action::DropUnwritten]
            }
            State::Settling { .. } => {
                hit!(lease_ends_while_fates_are_open);
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

    pub(super) fn stop(
        &mut self,
        now: Instant,
        reason: StopReason,
        within: Duration,
        ending: Ending,
    ) -> Vec<Action> {
        if !matches!(self.state, State::Running) {
            return Vec::new();
        }
        if !self.started {
            hit!(stopped_before_its_handler_started);
            self.state = State::Ended;
            return vec![Action::End(ending)];
        }
        self.state = State::Stopping { until: now + within, ending };
        vec![Action::Stop(reason), Action::CloseInput]
    }

    pub(super) fn woken(&mut self, now: Instant) -> Vec<Action> {
        match self.state.clone() {
            State::Running => self.woken_running(now),
            State::Stopping { until, ending } if now >= until => {
                hit!(handler_did_not_finish_in_time);
                let ending = cut_short(ending);
                self.state = State::Killing { until: now + self.kill_after, ending };
                vec![Action::SignalHandler(Signal::SIGTERM), Action::SignalHandler(Signal::SIGCONT)]
            }
            State::Killing { until, ending } if now >= until => {
                hit!(handler_is_killed);
                self.state = State::Killing { until: now + self.kill_after, ending };
                vec![Action::SignalHandler(Signal::SIGKILL)]
            }
            State::Settling { until, ending } if now >= until => {
                hit!(fates_stay_open);
                let mut ending = cut_short(ending);
                if let Ending::Stopped { failed, .. } = &mut ending {
                    failed.get_or_insert_with(|| "a dead letter was not confirmed in time".to_owned());
                }
                self.state = State::Ended;
                vec![Action::End(ending)]
            }
            State::Stopping { .. } | State::Settling { .. } | State::Killing { .. } | State::Ended => {
                Vec::new()
            }
        }
    }

    pub(super) fn woken_running(&mut self, now: Instant) -> Vec<Action> {
        if self.holds_answers() {
            self.silent_since = self.silent_since.map(|_| now);
        }
        if self.silence_ends().is_some_and(|end| now >= end) {
            hit!(handler_says_nothing);
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

    pub(super) fn unanswered(&self) -> String {
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
