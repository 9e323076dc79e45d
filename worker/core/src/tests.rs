//! The worker's sentences, in virtual time and without a handler.

use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, StopReason};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, Verdict};
use kafkavisor_link::process::Exit;
use nix::sys::signal::Signal;

use super::{Action, Core, Delivery, Event, Failure, Settings};

const SECOND: Duration = Duration::from_secs(1);

struct Fixture {
    core: Core,
    now: Instant,
    next: i64,
}

fn settings() -> Settings {
    Settings {
        max_messages: 8,
        max_bytes: 1000,
        max_time: SECOND,
        floor: 8,
        timeouts: Some((120 * SECOND, 60 * SECOND)),
        commit_messages: 10_000,
        attempts: Attempts::default(),
        dead_letter: false,
    }
}

impl Fixture {
    fn new(settings: Settings) -> Self {
        let mut core = Core::new(settings, Offset(0));
        let time = now();
        assert_eq!(core.handle(time, Event::HandlerStarted), []);
        Self { core, now: time, next: 0 }
    }

    /// Delivers up to `count` messages of 10 bytes; returns how many were let through, and the actions.
    fn deliver(&mut self, count: i64) -> (i64, Vec<Action>) {
        let mut through = 0;
        while through < count && self.core.admits(10) {
            let delivery = Delivery { offset: Offset(self.next), timestamp: 0, bytes: 10 };
            self.core.deliver(self.now, Boottime(1), delivery);
            self.next += 1;
            through += 1;
        }
        (through, self.core.batch_delivered(self.now, through < count))
    }

    fn ack(&mut self, offset: i64) -> Vec<Action> {
        self.core.answered(self.now, Answer::Ack(Offset(offset)))
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.core.handle(self.now, Event::Woken)
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.core.handle(self.now, event)
    }
}

#[test]
fn a_full_window_is_flushed_and_opens_when_it_is_half_empty() {
    let mut fixture = Fixture::new(settings());
    let (through, actions) = fixture.deliver(20);
    assert_eq!((through, actions), (8, vec![Action::SayReady, Action::Flush { full: true }]));
    fixture.ack(1);
    assert_eq!(fixture.deliver(20).0, 0);
    fixture.ack(3);
    assert_eq!(fixture.deliver(20).0, 4);
}

#[test]
fn bytes_bound_the_window_too_but_never_below_one_message() {
    let mut fixture = Fixture::new(Settings { max_bytes: 25, ..settings() });
    assert_eq!(fixture.deliver(20).0, 2);
    let mut fixture = Fixture::new(Settings { max_bytes: 5, ..settings() });
    assert_eq!(fixture.deliver(20).0, 1);
}

#[test]
fn a_quiet_topic_is_flushed_at_its_end_at_once_and_else_after_a_moment() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    assert_eq!(fixture.event(Event::Quiet { at_end: true }), [Action::Flush { full: false }]);
    assert_eq!(fixture.event(Event::Quiet { at_end: true }), [], "it stays in force");
    fixture.deliver(1);
    assert_eq!(fixture.event(Event::Quiet { at_end: false }), []);
    assert_eq!(fixture.pass(SECOND / 100), [Action::Flush { full: false }]);
    fixture.ack(2);
    assert_eq!(fixture.event(Event::Quiet { at_end: true }), [], "nothing is in flight");
}

#[test]
fn silence_is_measured_from_the_last_answer_and_ends_the_handler() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    assert_eq!(fixture.pass(119 * SECOND), []);
    fixture.ack(0);
    assert_eq!(fixture.pass(59 * SECOND), []);
    assert_eq!(fixture.core.answered(fixture.now, Answer::Busy(Offset(1))), []);
    assert_eq!(fixture.pass(59 * SECOND), []);
    assert_eq!(fixture.pass(SECOND), [Action::SignalHandler(Signal::SIGABRT)]);
    assert_eq!(fixture.pass(SECOND), [Action::SignalHandler(Signal::SIGKILL)]);
    let actions = fixture.event(Event::HandlerExited(Exit::Signal(9)));
    assert!(
        matches!(actions.first(), Some(Action::NoteAttempts(attempts)) if attempts.attempt(Offset(1)) == 2)
    );
    let Some(Action::End(Ending::HandlerTimeout { detail })) = actions.last() else { panic!("{actions:?}") };
    assert!(detail.contains("60s") && detail.contains("offset 1"), "{detail}");
}

#[test]
fn nobody_is_silent_with_nothing_in_flight_or_when_time_stood_still() {
    let mut fixture = Fixture::new(settings());
    assert_eq!(fixture.pass(3600 * SECOND), []);
    fixture.deliver(1);
    fixture.now += 3600 * SECOND;
    assert_eq!(fixture.event(Event::Overslept), []);
    assert_eq!(fixture.pass(119 * SECOND), []);
}

#[test]
fn what_can_not_be_true_ends_the_handler() {
    for answer in [Answer::Ack(Offset(5)), Answer::Reject { offset: Offset(5), error: String::new() }] {
        let mut fixture = Fixture::new(settings());
        fixture.deliver(2);
        let actions = fixture.core.answered(fixture.now, answer);
        assert_eq!(actions.last(), Some(&Action::SignalHandler(Signal::SIGKILL)));
        let actions = fixture.event(Event::HandlerExited(Exit::Signal(9)));
        assert!(matches!(actions.last(), Some(Action::End(Ending::ProtocolError { .. }))));
    }
}

#[test]
fn a_death_isolates_what_was_in_flight_and_counts_only_its_own_doing() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(4);
    fixture.ack(0);
    let actions = fixture.event(Event::HandlerExited(Exit::Status(1)));
    let Some(Action::NoteAttempts(attempts)) = actions.first().cloned() else { panic!("{actions:?}") };
    assert_eq!(
        (attempts.attempt(Offset(1)), attempts.attempt(Offset(3)), attempts.attempt(Offset(4))),
        (2, 2, 1)
    );
    let mut next = Core::new(Settings { attempts, ..settings() }, Offset(1));
    next.handle(fixture.now, Event::HandlerStarted);
    for offset in 1..4 {
        assert!(next.admits(10));
        let delivery = Delivery { offset: Offset(offset), timestamp: 0, bytes: 10 };
        next.deliver(fixture.now, Boottime(1), delivery);
        assert!(!next.admits(10), "alone until it is acknowledged");
        next.batch_delivered(fixture.now, true);
        next.answered(fixture.now, Answer::Ack(Offset(offset)));
    }
    assert_eq!(next.window_size(), 8);

    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    let actions = fixture.event(Event::HandlerExited(Exit::Status(75)));
    assert!(
        matches!(actions.first(), Some(Action::NoteAttempts(attempts)) if attempts.attempt(Offset(0)) == 1)
    );
}

#[test]
fn stopping_delivers_nothing_more_and_ends_with_the_handler() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    let stop = Event::StopRequested { reason: StopReason::Rebalance, within: 10 * SECOND };
    assert_eq!(fixture.event(stop), [Action::Stop(StopReason::Rebalance), Action::CloseInput]);
    assert_eq!(fixture.deliver(1).0, 0);
    fixture.ack(1);
    let end = fixture.event(Event::HandlerExited(Exit::Status(0)));
    assert_eq!(end, [Action::End(Ending::Stopped { cut_short: false, failed: None })]);
}

fn draining() -> Fixture {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(3);
    fixture.event(Event::StopRequested { reason: StopReason::Rebalance, within: 10 * SECOND });
    fixture.ack(0);
    fixture
}

#[test]
fn a_handler_that_fails_while_draining_says_how_and_what_it_leaves() {
    for (exit, how) in [
        (Exit::Status(3), Some("handler exited with status 3")),
        (Exit::Status(75), Some("handler exited with status 75")),
        (Exit::Signal(11), Some("handler was killed by SIGSEGV")),
        (Exit::Status(0), None),
    ] {
        let mut fixture = draining();
        assert!(fixture.core.is_draining());
        let failed = how.map(str::to_owned);
        let end = fixture.event(Event::HandlerExited(exit));
        assert_eq!(end, [Action::End(Ending::Stopped { cut_short: false, failed })]);
        assert_eq!(fixture.core.left_undone(), Some((2, Offset(1))));
    }
    let mut fixture = draining();
    fixture.ack(2);
    fixture.event(Event::HandlerExited(Exit::Status(0)));
    assert_eq!(fixture.core.left_undone(), None, "nothing");
}

#[test]
fn a_handler_that_breaks_its_protocol_while_draining_says_how() {
    let mut fixture = draining();
    let kill = fixture.event(Event::OutputBroken("nonsense".to_owned()));
    assert_eq!(kill, [Action::SignalHandler(Signal::SIGKILL)]);
    let end = fixture.event(Event::HandlerExited(Exit::Signal(9)));
    let failed = Some("protocol_error: nonsense".to_owned());
    assert_eq!(end, [Action::End(Ending::Stopped { cut_short: false, failed })]);
}

#[test]
fn a_handler_that_is_ended_at_the_end_of_its_time_has_not_failed_of_itself() {
    let mut fixture = draining();
    fixture.pass(10 * SECOND);
    let end = fixture.event(Event::HandlerExited(Exit::Signal(15)));
    assert_eq!(end, [Action::End(Ending::Stopped { cut_short: true, failed: None })]);
}

#[test]
fn answers_wait_while_too_many_messages_wait_for_their_fate() {
    let settings = Settings { max_messages: 1000, max_bytes: 1_000_000, floor: 1000, ..settings() };
    let mut fixture = Fixture::new(settings);
    fixture.deliver(1000);
    let mut refused = 0;
    while !fixture.core.holds_answers() {
        let reject = Answer::Reject { offset: Offset(refused), error: "bad".to_owned() };
        fixture.core.answered(fixture.now, reject);
        refused += 1;
    }
    assert_eq!(refused, 256);
    // Whoever is not heard is not silent, however long it lasts.
    for _ in 0..10 {
        assert_eq!(fixture.pass(59 * SECOND), []);
    }
    let offset = Offset(0);
    fixture.event(Event::Decided { offset, verdict: Verdict::Apply(PoisonAction::Skip) });
    assert!(!fixture.core.holds_answers());
    assert_eq!(fixture.pass(59 * SECOND), []);
    assert_eq!(fixture.pass(SECOND), [Action::SignalHandler(Signal::SIGABRT)]);
}

#[test]
fn with_exec_only_what_was_alone_counts_as_an_attempt() {
    let mut fixture = Fixture::new(Settings { timeouts: None, ..settings() });
    fixture.deliver(4);
    let failed =
        |offset, count| Event::BatchFailed { offset: Offset(offset), count, error: "how".to_owned() };
    let said = |offset, count, attempts| {
        let (offset, error) = (Offset(offset), "how".to_owned());
        Action::SayBatchFailed { offset, count, attempts, error }
    };
    assert_eq!(fixture.event(failed(0, 4)), [said(0, 4, 0)]);
    assert_eq!(fixture.event(failed(0, 2)), [said(0, 2, 0)]);
    fixture.ack(0);
    for attempts in 1..=3 {
        let actions = fixture.event(failed(1, 1));
        let [Action::NoteAttempts(noted), last] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((noted.deaths(Offset(1)), noted.deaths(Offset(2))), (attempts.into(), 0));
        assert_eq!(noted.first_delivered(Offset(1)), Some(Boottime(1)));
        assert_eq!(*last, said(1, 1, attempts));
    }
}

#[test]
fn a_verdict_that_comes_after_the_stop_is_heard() {
    let stop = Event::StopRequested { reason: StopReason::Restart, within: SECOND };
    for (verdict, acknowledged) in [
        (Verdict::Retry, 0),
        (Verdict::Apply(PoisonAction::Park), 0),
        (Verdict::Apply(PoisonAction::Skip), 1),
    ] {
        for exits_first in [true, false] {
            let mut fixture = Fixture::new(Settings { timeouts: None, ..settings() });
            fixture.deliver(1);
            let offset = Offset(0);
            fixture.event(Event::Poisoned { offset, attempts: 3, error: "how".to_owned() });
            fixture.event(stop.clone());
            let mut actions = Vec::new();
            if exits_first {
                actions.extend(fixture.event(Event::HandlerExited(Exit::Status(0))));
                assert_eq!(actions, [], "the verdict is waited for");
            }
            actions.extend(fixture.event(Event::Decided { offset, verdict }));
            if !exits_first {
                actions.extend(fixture.event(Event::HandlerExited(Exit::Status(0))));
            }
            let ended = Action::End(Ending::Stopped { cut_short: false, failed: None });
            assert_eq!(actions.last(), Some(&ended), "{verdict:?}");
            assert_eq!(fixture.core.window().acknowledged(), Offset(acknowledged), "{verdict:?}");
        }
    }
}

#[test]
fn a_handler_that_does_not_stop_is_ended_in_time() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    fixture.event(Event::StopRequested { reason: StopReason::Shutdown, within: 10 * SECOND });
    let term = [Action::SignalHandler(Signal::SIGTERM), Action::SignalHandler(Signal::SIGCONT)];
    assert_eq!(fixture.pass(10 * SECOND), term);
    assert_eq!(fixture.pass(SECOND / 2), [Action::SignalHandler(Signal::SIGKILL)]);
    let end = fixture.event(Event::HandlerExited(Exit::Signal(9)));
    assert_eq!(end, [Action::End(Ending::Stopped { cut_short: true, failed: None })]);
}

#[test]
fn without_a_lease_nothing_is_delivered_and_the_handler_is_stopped() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    let actions = fixture.event(Event::LeaseEnded { dead_within: SECOND });
    assert_eq!(actions.first(), Some(&Action::DropUnwritten));
    assert_eq!(fixture.deliver(1).0, 0);
    assert_eq!(fixture.pass(SECOND).first(), Some(&Action::SignalHandler(Signal::SIGTERM)));
    fixture.pass(SECOND);
    assert_eq!(fixture.event(Event::HandlerExited(Exit::Signal(9))), [Action::End(Ending::LeaseLost)]);
}

#[test]
fn a_handler_that_ignores_term_is_killed_before_the_lease_is_over() {
    let left = Duration::from_millis(150);
    for timed_out in [false, true] {
        let mut fixture = Fixture::new(settings());
        fixture.deliver(1);
        if timed_out {
            fixture.pass(SECOND * 3600);
        }
        let until = fixture.now + left;
        fixture.event(Event::LeaseEnded { dead_within: left / 2 });
        let mut killed = false;
        while let Some(at) = fixture.core.next_deadline().filter(|at| *at <= until) {
            killed |= fixture.pass(at - fixture.now).contains(&Action::SignalHandler(Signal::SIGKILL));
        }
        assert!(killed, "timed out before: {timed_out}");
    }
}

#[test]
fn a_refused_message_is_settled_by_the_verdict() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(4);
    let reject = Answer::Reject { offset: Offset(1), error: "bad".to_owned() };
    let actions = fixture.core.answered(fixture.now, reject);
    assert!(matches!(actions.first(), Some(Action::SayFailed { offset: Offset(1), rejected: true, .. })));
    fixture.ack(3);
    assert_eq!(fixture.core.window().acknowledged(), Offset(1));
    let decided = |action| Event::Decided { offset: Offset(1), verdict: Verdict::Apply(action) };
    let verdict = Verdict::Apply(PoisonAction::Skip);
    let settle = Action::Settle { offset: Offset(1), verdict };
    assert_eq!(fixture.event(decided(PoisonAction::Skip)), [settle]);
    assert_eq!(fixture.core.window().acknowledged(), Offset(4));
    assert_eq!(fixture.event(decided(PoisonAction::Park)), [], "it is settled");
}

#[test]
fn a_parked_message_ends_the_worker_and_is_not_acknowledged() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    let reject = Answer::Reject { offset: Offset(0), error: "bad".to_owned() };
    fixture.core.answered(fixture.now, reject);
    let park = Event::Decided { offset: Offset(0), verdict: Verdict::Apply(PoisonAction::Park) };
    assert_eq!(fixture.event(park), [Action::Stop(StopReason::Restart), Action::CloseInput]);
    fixture.ack(1);
    let end = fixture.event(Event::HandlerExited(Exit::Status(0)));
    assert_eq!(end, [Action::End(Ending::Parked { offset: Offset(0), error: "bad".to_owned() })]);
    assert_eq!(fixture.core.window().acknowledged(), Offset(0));
}

fn refused(fixture: &mut Fixture, offset: i64) {
    let reject = Answer::Reject { offset: Offset(offset), error: "bad".to_owned() };
    fixture.core.answered(fixture.now, reject);
    let verdict = Verdict::Apply(PoisonAction::DeadLetter);
    let why = Some(Failure { attempts: 1, error: "bad".to_owned() });
    let offset = Offset(offset);
    assert_eq!(fixture.event(Event::Decided { offset, verdict }), [Action::DeadLetter { offset, why }]);
}

#[test]
fn a_dead_letter_counts_as_done_once_it_is_confirmed() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(3);
    refused(&mut fixture, 1);
    fixture.ack(2);
    assert_eq!(fixture.core.window().acknowledged(), Offset(1), "not confirmed yet");
    let said = fixture.event(Event::DeadLettered { offset: Offset(1), bytes: 10 });
    assert_eq!(said.first(), Some(&Action::SayDeadLettered { offset: Offset(1) }));
    assert_eq!(fixture.core.window().acknowledged(), Offset(3));
}

#[test]
fn a_dead_letter_that_cannot_be_produced_parks() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    refused(&mut fixture, 0);
    let failed = Event::DeadLetterFailed { offset: Offset(0), error: "no such topic".to_owned() };
    assert_eq!(fixture.event(failed), [Action::Stop(StopReason::Restart), Action::CloseInput]);
    let end = fixture.event(Event::HandlerExited(Exit::Status(0)));
    let error = "it could not be dead-lettered: no such topic; bad".to_owned();
    assert_eq!(end, [Action::End(Ending::Parked { offset: Offset(0), error })]);
    assert_eq!(fixture.core.window().acknowledged(), Offset(0));
}

#[test]
fn a_drain_waits_for_a_dead_letter_but_not_for_ever() {
    let stop = Event::StopRequested { reason: StopReason::Rebalance, within: SECOND };
    let ended = Action::End(Ending::Stopped { cut_short: false, failed: None });
    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    refused(&mut fixture, 0);
    fixture.event(stop.clone());
    assert_eq!(fixture.event(Event::HandlerExited(Exit::Status(0))), []);
    let said = fixture.event(Event::DeadLettered { offset: Offset(0), bytes: 10 });
    assert_eq!(said.last(), Some(&ended));
    assert_eq!(fixture.core.window().acknowledged(), Offset(1));
    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    refused(&mut fixture, 0);
    fixture.event(stop);
    fixture.event(Event::HandlerExited(Exit::Status(0)));
    assert_eq!(
        fixture.pass(SECOND),
        [Action::End(Ending::Stopped {
            cut_short: true,
            failed: Some("a dead letter was not confirmed in time".to_owned())
        })]
    );
    assert_eq!(fixture.core.window().acknowledged(), Offset(0));
}

#[test]
fn a_drain_leaves_a_dead_letter_that_something_keeps() {
    let stop = Event::StopRequested { reason: StopReason::Rebalance, within: SECOND };
    let (offset, error) = (Offset(0), "topic dead: no such topic".to_owned());
    let kept = Event::DeadLetterKept { offset, error: error.clone() };
    let said = Action::SayDeadLetterKept { offset, error };
    let failed = Some("offset 0 is not dead-lettered yet: topic dead: no such topic".to_owned());
    let ended = Action::End(Ending::Stopped { cut_short: false, failed });
    let exited = Event::HandlerExited(Exit::Status(0));
    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    refused(&mut fixture, 0);
    assert_eq!(fixture.event(kept.clone()), std::slice::from_ref(&said));
    fixture.event(stop.clone());
    assert_eq!(fixture.event(exited.clone()), std::slice::from_ref(&ended), "known before");
    let mut fixture = Fixture::new(settings());
    fixture.deliver(1);
    refused(&mut fixture, 0);
    fixture.event(stop);
    assert_eq!(fixture.event(exited), []);
    assert_eq!(fixture.event(kept), [said, ended], "found meanwhile");
    assert_eq!(fixture.core.window().acknowledged(), Offset(0));
}

#[test]
fn a_dead_letter_goes_before_the_handler_starts() {
    let mut core = Core::new(Settings { dead_letter: true, ..settings() }, Offset(5));
    let time = now();
    let dead_letter = Action::DeadLetter { offset: Offset(5), why: None };
    assert_eq!(core.handle(time, Event::Begun), [dead_letter]);
    assert!(!core.admits(1));
    let said = core.handle(time, Event::DeadLettered { offset: Offset(5), bytes: 3 });
    assert_eq!(said, [Action::SayDeadLettered { offset: Offset(5) }, Action::StartHandler]);
    assert_eq!((core.window().acknowledged(), core.totals()), (Offset(6), (1, 3)));
    let mut core = Core::new(Settings { dead_letter: true, ..settings() }, Offset(5));
    core.handle(time, Event::Begun);
    let stop = Event::StopRequested { reason: StopReason::Shutdown, within: SECOND };
    let ended = Action::End(Ending::Stopped { cut_short: false, failed: None });
    assert_eq!(core.handle(time, stop), [ended], "there is no handler to wait for");
}

#[test]
fn a_gap_before_a_message_is_done_with_it_in_flight() {
    let mut fixture = Fixture::new(settings());
    fixture.next = 4;
    fixture.deliver(1);
    assert_eq!(
        fixture.core.window().acknowledged(),
        Offset(4),
        "its deaths are counted under its own offset"
    );
    fixture.next = 9;
    fixture.deliver(1);
    fixture.ack(4);
    assert_eq!(fixture.core.window().acknowledged(), Offset(9));
}

#[test]
fn ten_windows_uncommitted_stop_the_partition_until_a_commit() {
    let mut fixture = Fixture::new(settings());
    let mut asked = 0;
    while fixture.core.admits(10) {
        fixture.deliver(1);
        let actions = fixture.ack(fixture.next - 1);
        asked += actions.iter().filter(|action| **action == Action::AskForCommit).count();
    }
    assert_eq!((fixture.next, asked), (80, 1));
    fixture.core.committed(Offset(40));
    assert!(fixture.core.admits(10));
}

#[test]
fn what_is_acknowledged_while_a_commit_is_under_way_is_asked_for_without_another_answer() {
    let mut fixture = Fixture::new(Settings { commit_messages: 4, ..settings() });
    fixture.deliver(8);
    assert!(fixture.ack(3).contains(&Action::AskForCommit));
    assert!(!fixture.ack(7).contains(&Action::AskForCommit), "one is under way");
    fixture.core.committed(Offset(4));
    assert_eq!(fixture.event(Event::Woken), [Action::AskForCommit]);
    assert_eq!(fixture.event(Event::Woken), [], "once");
}

#[test]
fn acknowledged_follows_the_end_behind_markers() {
    let mut fixture = Fixture::new(settings());
    fixture.deliver(2);
    fixture.event(Event::EndReached(Offset(7)));
    assert_eq!(fixture.core.window().acknowledged(), Offset(0));
    fixture.ack(1);
    assert_eq!(fixture.core.window().acknowledged(), Offset(7));
}
