//! Kafka keeps workers out: a right is missing, or a broker does not let them in. No fault of a handler's.

use kafkavisor::ids::Offset;
use kafkavisor_group::answer::{CommitAnswer, NotCommitted};
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Action, Event, Stop};

fn denied() -> Ending {
    Ending::Denied { error: "give this user READ on it".to_owned() }
}

fn refused() -> Ending {
    Ending::Refused { error: "look at the password".to_owned() }
}

fn reason(fixture: &Fixture, number: i32) -> Option<String> {
    fixture.core.partitions()[&orders(number)].reason().map(ToString::to_string)
}

#[test]
fn a_right_that_is_missing_stops_its_partition_alone_until_its_start_is_found() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.ready(1);
    let other = fixture.pid(1);
    fixture.exits(0, Some(denied()), Exit::Status(1), progress(40, 50));
    assert_eq!((fixture.state(0), fixture.state(1), fixture.pid(1)), ("starting", "ready", other));
    for _ in 0..20 {
        let request = request_of(&fixture.pass(30 * SECOND)).expect("it is looked for again");
        let error = "give this user READ on it".to_owned();
        fixture.event(Event::StartUnknown { partition: orders(0), request, error });
        assert_eq!(reason(&fixture, 0).as_deref(), Some("give this user READ on it"));
    }
    let request = request_of(&fixture.pass(30 * SECOND)).expect("it is looked for again");
    let decision = Decision::At { offset: Offset(40), why: Why::Committed { by_us: true } };
    assert_eq!(spawns(&fixture.find(0, request, decision)), [Offset(40)]);
    fixture.says(0, FromWorker::Ready);
    assert_eq!((fixture.state(0), reason(&fixture, 0)), ("ready", None));
}

#[test]
fn a_worker_that_is_not_let_in_is_no_crash_loop_and_kills_no_message() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    for _ in 0..20 {
        fixture.exits(0, Some(refused()), Exit::Status(1), progress(40, 41));
        assert_eq!(fixture.state(0), "backing_off");
        assert_eq!(reason(&fixture, 0).as_deref(), Some("look at the password"));
        assert_eq!(spawns(&fixture.pass(40 * SECOND)), [Offset(40)]);
        assert_eq!((fixture.state(0), reason(&fixture, 0)), ("ready", None));
    }
    fixture.exits(0, Some(refused()), Exit::Status(1), progress(50, 50));
    assert_eq!(spawns(&fixture.pass(SECOND)), [Offset(50)], "the first wait is short again");
}

fn commits_denied(fixture: &mut Fixture, number: i32, offset: i64) -> Vec<Action> {
    let error = Some(NotCommitted::Barred("give this user READ on it".to_owned()));
    let answer = CommitAnswer { partition: orders(number), offset: Offset(offset), error };
    fixture.event(Event::Committed { answers: vec![answer] })
}

/// Stopped for a right, with what is acknowledged up to 40 committed up to 30.
fn denied_with_a_debt() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(30, 50));
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some([(orders(0), Offset(30))].into()));
    fixture.committed(0, 30, None);
    fixture.exits(0, Some(denied()), Exit::Status(1), progress(40, 50));
    let held = fixture.core.partitions()[&orders(0)].tenure.held().cloned().expect("its place is known");
    assert_eq!((held.acknowledged, held.committed), (Offset(40), Some(Offset(30))));
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some([(orders(0), Offset(40))].into()));
    fixture
}

#[test]
fn what_was_acknowledged_before_a_right_went_is_still_owed() {
    let mut fixture = denied_with_a_debt();
    commits_denied(&mut fixture, 0, 40);
    assert_eq!(reason(&fixture, 0).as_deref(), Some("give this user READ on it"));
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some([(orders(0), Offset(40))].into()));
    fixture.committed(0, 40, None);
    assert_eq!(fixture.core.partitions()[&orders(0)].tenure.committed(), Some(Offset(40)));
    assert_eq!(commit_of(&fixture.pass(400 * SECOND)), None, "nothing is owed, and nobody reads it");
    fixture.event(Event::StopRequested(Stop::Signalled));
    let released = fixture.event(Event::Left);
    assert!(released.contains(&Action::Exit { cut_short: false }), "{released:?}");
}

#[test]
fn a_stop_says_what_could_not_be_committed_for_a_missing_right() {
    let mut fixture = denied_with_a_debt();
    commits_denied(&mut fixture, 0, 40);
    let actions = fixture.event(Event::StopRequested(Stop::Signalled));
    assert!(!actions.iter().any(|action| matches!(action, Action::Exit { .. })), "{actions:?}");
    fixture.event(Event::Left);
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some([(orders(0), Offset(40))].into()));
    commits_denied(&mut fixture, 0, 40);
    let ended = fixture.pass(10 * SECOND);
    assert!(ended.contains(&Action::Exit { cut_short: true }), "{ended:?}");
}

#[test]
fn nothing_of_a_topic_that_is_made_again_is_owed() {
    let mut fixture = denied_with_a_debt();
    commits_denied(&mut fixture, 0, 40);
    fixture.event(Event::TopicMadeAgain { partition: orders(0) });
    assert_eq!(commit_of(&fixture.pass(SECOND)), None);
}
