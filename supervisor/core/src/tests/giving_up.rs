//! Revocations, and the end of the instance.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{FencingToken, Offset};
use kafkavisor::protocol::StopReason;
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::message::Ending;
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Action, Event, Settings, Stop};

fn release() -> Action {
    Action::Release { partition: orders(0), token: TOKEN }
}

#[test]
fn a_revoked_partition_is_released_only_after_drain_and_commit() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let actions = fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    let pid = fixture.pid(0);
    assert_eq!(actions, [Action::StopWorker { pid, reason: StopReason::Rebalance, within: 10 * SECOND }]);
    let actions = fixture.drained(0, progress(12, 12));
    assert_eq!(commit_of(&actions), Some(BTreeMap::from([(orders(0), Offset(12))])));
    assert!(!actions.contains(&release()));
    let actions = fixture.committed(0, 12, None);
    assert!(actions.contains(&release()));
    assert_eq!(fixture.state(0), "gone");
}

#[test]
fn released_all_the_same_when_kafka_does_not_confirm() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.drained(0, progress(12, 12));
    fixture.committed(0, 12, Some("broker down"));
    assert!(!fixture.pass(SECOND).contains(&release()));
    assert!(fixture.pass(10 * SECOND).contains(&release()));
}

#[test]
fn what_can_never_be_committed_since_its_topic_is_gone_holds_up_no_release() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.drained(0, progress(12, 12));
    assert!(!fixture.gone(0, 12).contains(&release()), "one answer is not believed");
    fixture.pass(SECOND / 4);
    fixture.committed(0, 12, Some("broker down"));
    fixture.pass(SECOND / 4);
    assert!(!fixture.gone(0, 12).contains(&release()), "nor are two that do not agree");
    fixture.pass(SECOND / 4);
    assert!(fixture.gone(0, 12).contains(&release()));
}

#[test]
fn an_instance_whose_topic_is_gone_ends_at_once_and_clean() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    for _ in 0..3 {
        fixture.pass(SECOND);
        fixture.gone(0, 10);
    }
    fixture.event(Event::StopRequested(Stop::Asked));
    fixture.event(Event::Left);
    assert!(fixture.drained(0, progress(12, 12)).contains(&Action::Exit { cut_short: false }));
}

#[test]
fn a_worker_that_will_not_stop_is_killed() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    let kill = fixture.kill(0);
    assert!(!fixture.pass(10 * SECOND).contains(&kill));
    assert!(fixture.pass(2 * SECOND).contains(&kill));
    assert_eq!(fixture.state(0), "killing");
}

#[test]
fn a_worker_that_was_asked_for_before_a_revocation_is_awaited_and_stopped() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.slow_spawns = true;
    fixture.exits(0, None, KILLED, progress(3, 3));
    assert_eq!(spawns(&fixture.pass(SECOND)), [Offset(3)]);
    let actions = fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    assert!(!actions.contains(&release()), "it may be there in a moment");
    let actions = fixture.spawned(&orders(0));
    assert!(matches!(actions.first(), Some(Action::StopWorker { .. })), "{actions:?}");
    fixture.drained(0, progress(3, 3));
    assert!(fixture.committed(0, 3, None).contains(&release()));
}

#[test]
fn a_worker_that_was_asked_for_and_never_comes_holds_nothing_up_for_ever() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.slow_spawns = true;
    fixture.exits(0, None, KILLED, progress(0, 0));
    fixture.pass(SECOND);
    fixture.event(Event::StopRequested(Stop::Asked));
    fixture.event(Event::Left);
    assert!(!fixture.done.iter().any(|action| matches!(action, Action::Exit { .. })));
    fixture.pass(12 * SECOND);
    assert!(fixture.done.iter().any(|action| matches!(action, Action::Exit { .. })));
}

#[test]
fn a_second_signal_cuts_short_and_a_second_word_does_not() {
    let cut_short = |stops: &[Stop]| {
        let mut fixture = Fixture::new();
        fixture.ready(0);
        stops.iter().for_each(|stop| drop(fixture.event(Event::StopRequested(*stop))));
        let hurried = |action: &Action| matches!(action, Action::StopWorker { within: Duration::ZERO, .. });
        fixture.done.iter().any(hurried)
    };
    for joins in [
        &[Stop::Asked, Stop::Asked][..],
        &[Stop::Asked, Stop::Signalled],
        &[Stop::Signalled, Stop::Asked, Stop::Asked],
    ] {
        assert!(!cut_short(joins), "{joins:?}");
    }
    for hurries in [
        &[Stop::Signalled, Stop::Signalled][..],
        &[Stop::Asked, Stop::Signalled, Stop::Signalled],
        &[Stop::Now],
        &[Stop::Asked, Stop::Now],
    ] {
        assert!(cut_short(hurries), "{hurries:?}");
    }
}

#[test]
fn signals_without_end_push_no_deadline_away() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let kill = fixture.kill(0);
    for _ in 0..20 {
        fixture.event(Event::StopRequested(Stop::Signalled));
        fixture.pass(SECOND / 10);
    }
    assert!(fixture.done.contains(&kill));
    fixture.exits(0, None, KILLED, progress(0, 5));
    fixture.event(Event::Left);
    assert_eq!(fixture.done.last(), Some(&Action::Exit { cut_short: true }));
}

#[test]
fn an_end_that_was_hurried_stays_so_when_the_supervisor_stood_still() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let kill = fixture.kill(0);
    fixture.event(Event::StopRequested(Stop::Now));
    fixture.event(Event::StoodStill);
    fixture.pass(2 * SECOND);
    assert!(fixture.done.contains(&kill), "{:?}", fixture.done);
}

#[test]
fn a_rebalance_that_was_cut_short_does_not_spoil_a_later_stop() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.exits(
        0,
        Some(Ending::Stopped { cut_short: true, failed: None }),
        Exit::Status(0),
        progress(5, 5),
    );
    fixture.committed(0, 5, None);
    assert_eq!(fixture.state(0), "gone");
    assert_eq!(fixture.event(Event::StopRequested(Stop::Asked)), [Action::LeaveGroup]);
    assert_eq!(fixture.event(Event::Left), [Action::Exit { cut_short: false }]);
}

#[test]
fn an_idle_instance_stops_at_once() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.core.next_deadline(), None);
    fixture.event(Event::Left);
    let actions = fixture.event(Event::StopRequested(Stop::Signalled));
    assert_eq!(actions, [Action::LeaveGroup, Action::Exit { cut_short: false }]);
}

#[test]
fn a_handler_that_dies_in_the_drain_is_said_and_cuts_nothing_short() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::StopRequested(Stop::Signalled));
    fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(3, 5));
    let last_exit = fixture.core.record(&orders(0)).unwrap().last_exit().map(ToString::to_string);
    assert_eq!(last_exit.as_deref(), Some("handler exited with status 1"));
    fixture.committed(0, 3, None);
    fixture.event(Event::Left);
    assert_eq!(fixture.done.last(), Some(&Action::Exit { cut_short: false }));
}

#[test]
fn a_pause_of_the_supervisor_is_no_fault_of_its_workers() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let kill = fixture.kill(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.now += 3600 * SECOND;
    fixture.event(Event::StoodStill);
    assert!(!fixture.pass(10 * SECOND).contains(&kill), "one fresh time-out");
    assert!(fixture.pass(2 * SECOND).contains(&kill), "and no more");
}

#[test]
fn a_worker_that_was_asked_for_is_waited_for_before_its_partition_is_anybodys() {
    let mut fixture = Fixture::with(Settings { stop_timeout: SECOND, ..settings(PoisonAction::Park) });
    fixture.slow_spawns = true;
    let request = fixture.assign(0);
    let why = Why::Committed { by_us: true };
    assert_eq!(spawns(&fixture.find(0, request, Decision::At { offset: Offset(3), why })), [Offset(3)]);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    let token = Some(FencingToken(9));
    fixture.event(Event::Assigned { partition: orders(0), token });
    // A guardian that does not answer is given up by then, and says so.
    let actions = fixture.pass(8 * SECOND);
    assert!(!actions.contains(&release()), "{actions:?}");
    let actions = fixture.spawned(&orders(0));
    assert!(actions.iter().any(|action| matches!(action, Action::StopWorker { .. })), "{actions:?}");
    let actions = fixture.exits(0, Some(STOPPED), Exit::Status(0), progress(3, 3));
    assert!(actions.contains(&release()), "{actions:?}");
    assert!(request_of(&actions).is_some(), "and only then it begins again");
}
