//! Where a partition begins, and topics that are made again.

use std::collections::BTreeMap;

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Action, Event, Found, Operation, Settings, TakenUp};

const NEW: Decision = Decision::At { offset: Offset(40), why: Why::Reset };

#[test]
fn a_new_start_is_committed_before_the_first_delivery_with_its_whole_topic() {
    let mut fixture = Fixture::new();
    let request = fixture.assign(0);
    let begins = BTreeMap::from([(orders(1), Offset(7))]);
    let found = Box::new(Found { decision: NEW, begins, page: None });
    let actions = fixture.event(Event::StartFound { partition: orders(0), request, found });
    assert_eq!(commit_of(&actions), Some(BTreeMap::from([(orders(0), Offset(40)), (orders(1), Offset(7))])));
    assert_eq!(spawns(&actions), [], "not yet");
    assert_eq!(spawns(&fixture.committed(0, 40, None)), [Offset(40)]);
}

#[test]
fn a_start_that_could_not_be_committed_is_looked_for_again() {
    let mut fixture = Fixture::new();
    let request = fixture.assign(0);
    fixture.find(0, request, NEW);
    fixture.committed(0, 40, Some("no coordinator"));
    assert_eq!(spawns(&fixture.done), []);
    let request = request_of(&fixture.pass(SECOND)).unwrap();
    let why = Why::Committed { by_us: false };
    let actions = fixture.find(0, request, Decision::At { offset: Offset(3), why });
    assert_eq!(spawns(&actions), [Offset(3)], "another member was first");
}

#[test]
fn a_partition_without_a_leader_is_asked_about_less_and_less_often() {
    let mut fixture = Fixture::new();
    let mut request = fixture.assign(0);
    let mut asked = 0;
    for _ in 0..600 {
        fixture.event(Event::StartUnknown { partition: orders(0), request, error: "no leader".to_owned() });
        if let Some(next) = request_of(&fixture.pass(SECOND / 10)) {
            (request, asked) = (next, asked + 1);
        }
    }
    assert!((6..=12).contains(&asked), "{asked} times in a minute");
}

#[test]
fn what_somebody_else_has_signed_is_signed_by_us_soon() {
    let mut fixture = Fixture::new();
    let request = fixture.assign(0);
    let why = Why::Committed { by_us: false };
    fixture.find(0, request, Decision::At { offset: Offset(3), why });
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some(BTreeMap::from([(orders(0), Offset(3))])));
}

#[test]
fn a_topic_made_again_is_located_anew_and_its_old_offsets_are_not_committed() {
    for operation in
        [None, Some(Operation::Restart), Some(Operation::Pause), Some(Operation::Seek(Offset(5)))]
    {
        let mut fixture = Fixture::new();
        fixture.ready(0);
        fixture.page(0, progress(10, 12));
        if let Some(operation) = operation {
            fixture.operate(operation);
            assert_eq!(fixture.state(0), "draining", "{operation:?}");
        }
        fixture.event(Event::TopicMadeAgain { partition: orders(0) });
        let actions = fixture.drained(0, progress(12, 12));
        assert!(commit_of(&actions).is_none(), "{operation:?}");
        assert!(
            actions.iter().any(|action| matches!(action, Action::FindStart { made_again: true, .. })),
            "{operation:?}: {actions:?}"
        );
        let request = request_of(&actions).unwrap();
        fixture.find(0, request, Decision::At { offset: Offset(0), why: Why::AppearedLater });
        fixture.committed(0, 0, None);
        let expected = if operation == Some(Operation::Pause) { "paused" } else { "ready" };
        assert_eq!((fixture.state(0), fixture.place(0).0), (expected, Some(Offset(0))), "{operation:?}");
    }
}

#[test]
fn a_topic_made_again_while_its_partition_is_given_up_leaves_nothing_to_commit() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.event(Event::TopicMadeAgain { partition: orders(0) });
    let actions = fixture.drained(0, progress(12, 12));
    assert!(commit_of(&actions).is_none());
    assert!(actions.contains(&Action::Release { partition: orders(0), token: TOKEN }), "{actions:?}");
}

#[test]
fn a_topic_made_again_in_whatever_phase_is_located_anew() {
    let mut fixture = Fixture::new();
    fixture.slow_spawns = true;
    let request = fixture.assign(0);
    fixture.find(0, request, NEW);
    let again = |fixture: &mut Fixture| {
        let actions = fixture.event(Event::TopicMadeAgain { partition: orders(0) });
        request_of(&actions)
    };
    let request = again(&mut fixture).expect("while its start is committed");
    let request = { again(&mut fixture).filter(|other| *other != request) }.expect("while it is looked for");
    assert!(fixture.committed(0, 40, None).iter().all(|action| !matches!(action, Action::SpawnWorker(_))));
    fixture.find(0, request, Decision::At { offset: Offset(0), why: Why::AppearedLater });
    assert_eq!(spawns(&fixture.committed(0, 0, None)), [Offset(0)]);
    assert_eq!(again(&mut fixture), None, "its worker is on the way");
    fixture.spawned(&orders(0));
    let actions = fixture.drained(0, progress(0, 0));
    assert!(request_of(&actions).is_some());
}

#[test]
fn an_earlier_page_that_holds_is_gone_on_from() {
    let mut fixture = Fixture::new();
    let request = fixture.assign(0);
    let why = Why::Committed { by_us: true };
    let page = TakenUp { progress: progress(60, 60), attempts: Attempts::default(), died_alone: false };
    let decision = Decision::At { offset: Offset(40), why };
    let found = Box::new(Found { decision, begins: BTreeMap::new(), page: Some(page) });
    let actions = fixture.event(Event::StartFound { partition: orders(0), request, found });
    assert_eq!(spawns(&actions), [Offset(60)]);
    assert!(!actions.iter().any(|action| matches!(action, Action::MakePage { .. })));
    assert_eq!(fixture.totals(60), 0, "not acknowledged in our time");
}

#[test]
fn what_is_in_one_place_of_two_is_committed_to_both_before_the_first_delivery() {
    for (page, next) in [(None, 40), (Some(progress(60, 60)), 60)] {
        let mut fixture = Fixture::new();
        let request = fixture.assign(0);
        let decision = Decision::At { offset: Offset(40), why: Why::CommittedInPart { by_us: true } };
        let page =
            page.map(|progress| TakenUp { progress, attempts: Attempts::default(), died_alone: false });
        let found = Box::new(Found { decision, begins: BTreeMap::new(), page });
        let actions = fixture.event(Event::StartFound { partition: orders(0), request, found });
        assert_eq!(spawns(&actions), []);
        let Some(Action::Commit { offsets, starts }) =
            actions.iter().find(|action| matches!(action, Action::Commit { .. }))
        else {
            panic!("{actions:?}")
        };
        assert_eq!(
            (offsets.get(&orders(0)), starts.len()),
            (Some(&Offset(next)), 0),
            "nobody begins a topic"
        );
        assert_eq!(spawns(&fixture.committed(0, next, None)), [Offset(next)]);
    }
}

#[test]
fn a_message_that_takes_the_supervisor_down_is_judged_at_the_next_start() {
    let mut fixture = Fixture::with(Settings { worked: true, ..settings(PoisonAction::Skip) });
    let taken = |deaths: u64, fixture: &Fixture| {
        let attempts = Attempts {
            range_until: 61,
            range_deaths: 1,
            head: 60,
            head_deaths: deaths,
            head_delivered: fixture.at(),
            range_delivered: fixture.at(),
        };
        TakenUp { progress: Progress { in_flight: 0, ..progress(60, 60) }, attempts, died_alone: true }
    };
    for (number, deaths, begins) in [(0, 2, 60), (1, 3, 61)] {
        let request = fixture.assign(number);
        let decision = Decision::At { offset: Offset(60), why: Why::Committed { by_us: true } };
        fixture.pass(SECOND);
        let page = Some(taken(deaths, &fixture));
        let found = Box::new(Found { decision, begins: BTreeMap::new(), page });
        let actions = fixture.event(Event::StartFound { partition: orders(number), request, found });
        assert_eq!(spawns(&actions), [Offset(begins)], "{deaths} deaths");
    }
    fixture.exits(1, Some(STOPPED), Exit::Status(0), progress(61, 61));
    let mut fixture = Fixture::with(Settings { worked: true, ..settings(PoisonAction::Park) });
    let request = fixture.assign(0);
    let decision = Decision::At { offset: Offset(60), why: Why::Committed { by_us: true } };
    fixture.pass(SECOND);
    let page = Some(taken(3, &fixture));
    let found = Box::new(Found { decision, begins: BTreeMap::new(), page });
    let actions = fixture.event(Event::StartFound { partition: orders(0), request, found });
    assert_eq!((spawns(&actions), fixture.state(0)), (Vec::new(), "parked"));
}
