//! A reload rolls the workers; and the bound on how many start in a second.

use super::*;
use crate::RollState;

impl Fixture {
    fn reload(&mut self) {
        self.event(Event::Reloaded { settings: settings(false, PoisonAction::Park) });
    }

    fn draining(&self) -> Vec<TopicPartition> {
        let draining = |(_, item): &(&TopicPartition, &crate::Item)| item.state() == "draining";
        self.core.items().iter().filter(draining).map(|(key, _)| key.clone()).collect()
    }

    /// Those that drain are gone; their successors are ready.
    fn all_drained(&mut self) -> usize {
        let draining = self.draining();
        for key in &draining {
            let progress = Progress { messages: 5, ..progress(5, 5) };
            self.exits(key.partition.0, Some(STOPPED), Exit::Status(0), progress);
            assert_eq!(self.state(key.partition.0), "ready");
        }
        draining.len()
    }

    fn roll(&self) -> &crate::Roll {
        self.core.roll().unwrap()
    }
}

#[test]
fn one_canary_and_then_a_tenth_at_a_time() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    (0..30).for_each(|partition| fixture.ready(partition));
    fixture.reload();
    assert_eq!(fixture.all_drained(), 1, "the canary");
    fixture.pass(SECOND);
    assert_eq!((fixture.roll().rolled, fixture.draining().len()), (0, 0), "ready is not enough");
    fixture.pass(SECOND);
    assert_eq!(fixture.roll().rolled, 1, "it had nothing to do for two seconds");
    assert_eq!(fixture.all_drained(), 3);
    // One acknowledges a message: another one follows it.
    let key = fixture.core.items().iter().find(|(_, item)| item.messages == 5).map(|(key, _)| key.clone());
    let partition =
        fixture.core.items().keys().filter(|k| Some(*k) >= key.as_ref()).nth(1).unwrap().partition.0;
    fixture.page(partition, Progress { messages: 6, ..progress(6, 6) });
    assert_eq!(fixture.draining().len(), 1);
    while fixture.roll().state == RollState::Running {
        assert!(fixture.draining().len() <= 3);
        fixture.all_drained();
        fixture.pass(2 * SECOND);
    }
    assert_eq!(
        (fixture.roll().state.clone(), fixture.roll().rolled, fixture.roll().of),
        (RollState::Done, 30, 30)
    );
}

#[test]
fn a_canary_that_fails_stops_the_roll() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    (0..10).for_each(|partition| fixture.ready(partition));
    fixture.reload();
    let canary = fixture.draining().remove(0);
    fixture.all_drained();
    fixture.exits(canary.partition.0, Some(CRASHED), Exit::Status(1), progress(5, 6));
    assert!(matches!(&fixture.roll().state, RollState::Stopped { item, .. } if *item == canary));
    fixture.pass(60 * SECOND);
    assert_eq!(fixture.draining(), [], "the others go on as they were");
    fixture.reload();
    assert_eq!(fixture.draining().len(), 1, "another reload is another roll");
}

#[test]
fn a_canary_that_leaves_or_parks_for_another_reason_is_no_failure_of_those_behind() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    (0..2).for_each(|partition| fixture.ready(partition));
    fixture.reload();
    let canary = fixture.draining().remove(0);
    fixture.event(Event::Revoked { item: canary.clone(), token: TOKEN });
    assert_eq!(fixture.draining().len(), 2, "the next one is the canary");
}

#[test]
fn a_canary_at_work_is_waited_for_without_a_busy_loop() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.reload();
    fixture.all_drained();
    fixture.page(0, Progress { messages: 5, ..progress(5, 6) });
    fixture.pass(3 * SECOND);
    fixture.committed(0, 5, None);
    assert_eq!(fixture.roll().state, RollState::Running, "a message is in flight");
    assert!(fixture.core.next_deadline().is_some_and(|at| at > fixture.now));
    fixture.page(0, Progress { messages: 6, ..progress(6, 6) });
    assert_eq!(fixture.roll().state, RollState::Done);
}

#[test]
fn not_all_start_at_once() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    let before = fixture.pids;
    for partition in 0..400 {
        let actions = fixture.event(Event::Assigned { item: item(partition), token: Some(TOKEN) });
        let Some(Action::FindStart { request, .. }) = actions.first() else { panic!("{actions:?}") };
        let decision = Decision::At { offset: Offset(0), why: Why::Reset };
        fixture.event(Event::StartFound { item: item(partition), request: *request, decision, page: None });
    }
    assert_eq!(fixture.pids - before, 100, "a burst");
    let mut seconds = 0;
    while fixture.pids - before < 400 {
        let began = fixture.pids;
        for _ in 0..50 {
            fixture.pass(SECOND / 50);
        }
        assert!(fixture.pids - began <= 51);
        seconds += 1;
    }
    assert!((6..=7).contains(&seconds), "{seconds} s");
}

#[test]
fn a_pause_of_the_supervisor_is_no_fault_of_its_workers() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    fixture.now += 3600 * SECOND;
    fixture.event(Event::Resumed);
    assert!(!fixture.pass(10 * SECOND).contains(&kill), "one fresh time-out");
    assert!(fixture.pass(2 * SECOND).contains(&kill), "and no more");
}
