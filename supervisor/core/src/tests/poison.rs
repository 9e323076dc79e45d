//! Poison, and what is an outage or a broken deployment instead.

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::message::{FromWorker, Verdict};
use kafkavisor_link::page::Progress;

use super::fixture::*;
use crate::{Action, ConfigNumber, Event, Settings};

fn skipped(fixture: &Fixture, number: i32) -> Vec<Offset> {
    let next = |action: &Action| match action {
        Action::MovePage { partition, next } if *partition == orders(number) => Some(*next),
        _ => None,
    };
    fixture.done.iter().filter_map(next).collect()
}

#[test]
fn the_message_that_kills_its_handlers_is_parked_and_no_other() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(fixture.state(0), "parked");
}

#[test]
fn poison_may_be_skipped() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(skipped(&fixture, 0), [Offset(11)]);
    assert_eq!(spawns(&fixture.done).last(), Some(&Offset(11)));
}

#[test]
fn what_is_given_up_in_a_crash_loop_waits_as_that_does_and_is_known() {
    let begins = [(PoisonAction::Skip, 11), (PoisonAction::DeadLetter, 10)];
    for (action, next) in begins {
        let mut settings = settings(action);
        settings.poison.attempts = 5;
        let mut fixture = Fixture::with(settings);
        fixture.ready(0);
        fixture.page(0, progress(10, 11));
        for _ in 0..5 {
            fixture.pass(10 * SECOND);
            fixture.dies_of(0, 10);
        }
        assert_eq!(fixture.state(0), "crash_loop");
        let letter = (action == PoisonAction::DeadLetter).then_some(Offset(10));
        assert_eq!(fixture.core.partitions()[&orders(0)].tenure.due_dead_letter(), letter);
        let began = spawns(&fixture.done).len();
        fixture.pass(SECOND);
        assert_eq!(spawns(&fixture.done)[began..], [], "as often as that allows");
        fixture.pass(60 * SECOND);
        assert_eq!(spawns(&fixture.done)[began..], [Offset(next)], "{action:?}");
    }
}

#[test]
fn while_everybody_dies_nothing_is_given_up_and_afterwards_it_is() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    for number in [0, 1] {
        fixture.ready(number);
        fixture.page(number, progress(10, 10));
    }
    for _ in 0..10 {
        fixture.pass(40 * SECOND);
        for number in [0, 1] {
            fixture.dies_of(number, 10);
        }
    }
    assert_eq!((skipped(&fixture, 0), skipped(&fixture, 1)), (vec![], vec![]));
    // The database is back: the one goes on, the other was poison.
    fixture.pass(40 * SECOND);
    fixture.page(1, progress(12, 12));
    fixture.dies_of(0, 10);
    assert_eq!(skipped(&fixture, 0), [Offset(11)]);
}

#[test]
fn alone_in_the_instance_one_may_be_given_up_and_the_next_only_after_a_sign_of_life() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(skipped(&fixture, 0), [Offset(11)]);
    for _ in 0..10 {
        fixture.pass(40 * SECOND);
        fixture.dies_of(0, 11);
    }
    assert_eq!(skipped(&fixture, 0), [Offset(11)], "an outage, as far as anybody can tell");
    fixture.pass(40 * SECOND);
    fixture.page(0, progress(12, 13));
    fixture.poison(0, 12);
    assert_eq!(skipped(&fixture, 0), [Offset(11), Offset(13)]);
}

#[test]
fn whoever_starts_after_us_is_told_that_one_was_given_up_and_when_there_is_a_sign_of_life() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.ready(1);
    let told = |fixture: &mut Fixture| {
        let of = |action: Action| match action {
            Action::NoteGaveUp { config } => Some((false, config)),
            Action::NoteWorked { config } => Some((true, config)),
            _ => None,
        };
        std::mem::take(&mut fixture.done).into_iter().filter_map(of).collect::<Vec<_>>()
    };
    told(&mut fixture);
    fixture.poison(0, 10);
    assert_eq!(told(&mut fixture), [(false, ConfigNumber(0))]);
    fixture.pass(40 * SECOND);
    fixture.page(1, progress(12, 13));
    assert_eq!(told(&mut fixture), [(true, ConfigNumber(0))]);
    fixture.page(1, progress(13, 13));
    assert_eq!(told(&mut fixture), [], "once");
}

#[test]
fn that_one_was_given_up_is_remembered_when_the_partition_was_lost_and_is_back() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(skipped(&fixture, 0), [Offset(11)]);
    fixture.event(Event::Lost { partition: orders(0) });
    fixture.exits(0, None, KILLED, Progress { messages: 10, ..progress(11, 11) });
    let request = fixture.assign(0);
    fixture.find(0, request, Decision::At { offset: Offset(11), why: Why::Committed { by_us: true } });
    for _ in 0..10 {
        fixture.pass(40 * SECOND);
        fixture.dies_of(0, 11);
    }
    assert_eq!(skipped(&fixture, 0), [Offset(11)]);
}

#[test]
fn a_deployment_that_never_worked_is_no_messages_fault_until_it_has() {
    let mut fixture = Fixture::with(Settings { worked: false, ..settings(PoisonAction::Skip) });
    fixture.ready(0);
    for _ in 0..10 {
        fixture.pass(40 * SECOND);
        fixture.dies_of(0, 0);
    }
    assert_eq!(skipped(&fixture, 0), []);
    fixture.pass(40 * SECOND);
    let noted = fixture.page(0, progress(1, 2));
    assert!(noted.iter().any(|action| matches!(action, Action::NoteWorked { .. })), "{noted:?}");
    let noted = fixture.page(0, progress(2, 2));
    assert!(noted.iter().all(|action| !matches!(action, Action::NoteWorked { .. })), "once");
    fixture.poison(0, 2);
    assert_eq!(skipped(&fixture, 0), [Offset(3)]);
}

#[test]
fn what_a_canary_dies_of_is_no_messages_fault_though_the_others_work() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.page(0, progress(10, 10));
    for _ in 0..4 {
        fixture
            .event(Event::Reloaded { settings: Settings { worked: false, ..settings(PoisonAction::Skip) } });
        fixture.drained(0, Progress { messages: 10, ..progress(10, 10) });
        fixture.dies_of(0, 10);
        fixture.pass(40 * SECOND);
    }
    assert_eq!(skipped(&fixture, 0), []);
    fixture.dies_of(0, 10);
    assert_eq!(skipped(&fixture, 0), [Offset(11)], "what works dies of it too");
}

#[test]
fn a_canary_that_asks_is_told_to_try_again_though_its_roll_has_stopped() {
    let failed = |rejected| FromWorker::Failed {
        offset: Offset(10),
        attempts: 3,
        error: "exited with status 1".to_owned(),
        rejected,
    };
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.page(0, progress(10, 10));
    fixture.event(Event::Reloaded { settings: Settings { worked: false, ..settings(PoisonAction::Skip) } });
    fixture.drained(0, Progress { messages: 10, ..progress(10, 10) });
    let error = "exited with status 1".to_owned();
    let stderr = String::new();
    fixture.says(0, FromWorker::BatchFailed { offset: Offset(10), count: 1, attempts: 3, error, stderr });
    let told = fixture.says(0, failed(false));
    let again = |action: &Action| matches!(action, Action::Decide { verdict: Verdict::Retry, .. });
    assert!(told.iter().any(again), "{told:?}");
}

#[test]
fn a_worker_that_asks_is_answered_by_the_same_rule() {
    let verdicts = |actions: &[Action]| {
        let verdict = |action: &Action| match action {
            Action::Decide { verdict, .. } => Some(*verdict),
            _ => None,
        };
        actions.iter().filter_map(verdict).collect::<Vec<_>>()
    };
    let failed = |rejected| FromWorker::Failed {
        offset: Offset(0),
        attempts: 3,
        error: "exited with status 1".to_owned(),
        rejected,
    };
    let mut fixture = Fixture::with(Settings { worked: false, ..settings(PoisonAction::Skip) });
    fixture.ready(0);
    assert_eq!(verdicts(&fixture.says(0, failed(false))), [Verdict::Retry]);
    let skip = Verdict::Apply(PoisonAction::Skip);
    assert_eq!(verdicts(&fixture.says(0, failed(true))), [skip], "what is refused is no outage");
    fixture.page(0, progress(1, 2));
    assert_eq!(verdicts(&fixture.says(0, failed(false))), [skip]);
    assert_eq!(verdicts(&fixture.says(0, failed(false))), [Verdict::Retry], "the next one waits");
}
