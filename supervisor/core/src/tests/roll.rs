//! A reload rolls the workers.

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::message::FromWorker;
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Action, ConfigNumber, Event, Operation, Roll, RollState, Ticket};

impl Fixture {
    fn reload(&mut self) {
        self.event(Event::Reloaded { settings: settings(PoisonAction::Park) });
    }

    fn draining(&self) -> Vec<TopicPartition> {
        let draining =
            |(_, partition): &(&TopicPartition, &crate::Partition)| partition.state() == "draining";
        self.core.partitions().iter().filter(draining).map(|(key, _)| key.clone()).collect()
    }

    /// Those that drain are gone; their successors are ready.
    fn all_drained(&mut self) -> usize {
        let draining = self.draining();
        for key in &draining {
            let progress = Progress { messages: 5, ..progress(5, 5) };
            self.drained(key.partition.0, progress);
            assert_eq!(self.state(key.partition.0), "ready");
        }
        draining.len()
    }

    fn roll(&self) -> &Roll {
        self.core.roll().unwrap()
    }

    /// How many workers run with each configuration.
    fn running(&self, config: u64) -> usize {
        let workers = self.core.partitions().values().filter_map(|partition| partition.phase().worker());
        workers.filter(|worker| worker.config == ConfigNumber(config)).count()
    }

    fn roll_on(&mut self) {
        while self.roll().state == RollState::Running {
            assert!(self.draining().len() <= 3);
            self.all_drained();
            self.pass(2 * SECOND);
        }
    }
}

fn of(number: usize) -> Fixture {
    let mut fixture = Fixture::new();
    (0..number).for_each(|number| fixture.ready(i32::try_from(number).unwrap()));
    fixture
}

#[test]
fn one_canary_and_then_a_tenth_at_a_time() {
    let mut fixture = of(30);
    fixture.reload();
    assert_eq!(fixture.all_drained(), 1, "the canary");
    fixture.pass(SECOND);
    assert_eq!((fixture.roll().rolled, fixture.draining().len()), (0, 0), "ready is not enough");
    fixture.pass(SECOND);
    assert_eq!(fixture.roll().rolled, 1, "it had nothing to do for two seconds");
    assert_eq!(fixture.all_drained(), 3);
    // One acknowledges a message: another one follows it.
    fixture.page(1, Progress { messages: 6, ..progress(6, 6) });
    assert_eq!(fixture.draining().len(), 1);
    fixture.roll_on();
    assert_eq!(
        (fixture.roll().state.clone(), fixture.roll().rolled, fixture.roll().of),
        (RollState::Done, 30, 30)
    );
    assert!(fixture.done.contains(&Action::Establish { config: ConfigNumber(1) }));
}

#[test]
fn a_canary_that_fails_stops_the_roll_and_takes_everything_back() {
    let mut fixture = of(10);
    fixture.reload();
    let canary = fixture.draining().remove(0);
    fixture.all_drained();
    assert_eq!(fixture.running(1), 1);
    fixture.exits(canary.partition.0, Some(CRASHED), Exit::Status(1), progress(5, 6));
    assert!(matches!(&fixture.roll().state, RollState::Stopped { partition, .. } if *partition == canary));
    fixture.pass(60 * SECOND);
    assert_eq!((fixture.draining(), fixture.running(0)), (vec![], 10), "the others go on as they were");
    let number = |partition: &TopicPartition| partition.partition.0;
    for partition in [0, number(&canary), 7] {
        fixture.exits(partition, None, KILLED, progress(5, 6));
        fixture.pass(60 * SECOND);
    }
    assert_eq!(fixture.running(0), 10, "and start again as they were");
    fixture.reload();
    assert_eq!(fixture.draining().len(), 1, "another reload is another roll");
}

#[test]
fn a_canary_that_is_paused_and_resumed_starts_with_what_works_while_another_is_the_canary() {
    let mut fixture = of(2);
    fixture.reload();
    fixture.operate(Operation::Pause);
    fixture.drained(0, progress(5, 5));
    assert_eq!((fixture.state(0), fixture.draining()), ("paused", vec![orders(1)]));
    fixture.operate(Operation::Resume);
    assert_eq!((fixture.running(0), fixture.running(1)), (2, 0), "the next canary drains still");
    fixture.drained(1, progress(5, 5));
    assert_eq!((fixture.running(0), fixture.running(1)), (1, 1));
    fixture.roll_on();
    assert_eq!(fixture.running(1), 2, "and is replaced when it is proved");
}

#[test]
fn a_later_one_that_fails_takes_the_proved_ones_back_too() {
    let mut fixture = of(20);
    fixture.reload();
    fixture.all_drained();
    fixture.pass(2 * SECOND);
    assert_eq!(fixture.all_drained(), 2);
    assert_eq!(fixture.running(1), 3);
    fixture.exits(1, Some(CRASHED), Exit::Status(1), progress(5, 6));
    assert_eq!(fixture.draining().len(), 2);
    fixture.all_drained();
    fixture.pass(60 * SECOND);
    assert_eq!(fixture.running(0), 20);
    assert!(fixture.done.contains(&Action::Discard { config: ConfigNumber(1) }));
}

#[test]
fn two_reloads_within_a_drain_have_one_canary() {
    let mut fixture = of(10);
    fixture.reload();
    fixture.reload();
    assert_eq!(fixture.draining().len(), 1);
    fixture.all_drained();
    assert_eq!((fixture.running(0), fixture.running(1), fixture.running(2)), (9, 0, 1));
    fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(5, 6));
    fixture.pass(60 * SECOND);
    assert_eq!(fixture.running(0), 10);
}

#[test]
fn a_restart_of_all_and_then_a_reload_have_one_canary() {
    let mut fixture = of(10);
    for number in 0..10 {
        let (partition, operation) = (orders(number), Operation::Restart);
        fixture.event(Event::Operated { partition, operation, ticket: Ticket(0), by: "somebody".into() });
    }
    fixture.reload();
    assert_eq!(fixture.draining().len(), 10);
    fixture.all_drained();
    assert_eq!((fixture.running(0), fixture.running(1)), (9, 1));
}

#[test]
fn those_in_a_crash_loop_are_rolled_too_one_first() {
    let mut fixture = of(3);
    for number in 0..3 {
        fixture.exits(number, Some(CRASHED), Exit::Status(1), progress(0, 0));
        assert_eq!(fixture.state(number), "backing_off");
    }
    fixture.reload();
    assert_eq!(fixture.running(1), 1, "at once, and one alone");
    fixture.pass(2 * SECOND);
    fixture.pass(2 * SECOND);
    fixture.roll_on();
    assert_eq!((fixture.roll().state.clone(), fixture.running(1)), (RollState::Done, 3));
}

#[test]
fn those_without_a_worker_and_those_that_come_later_start_with_what_holds() {
    let mut fixture = of(2);
    fixture.operate(Operation::Pause);
    fixture.drained(0, progress(5, 5));
    fixture.reload();
    fixture.operate(Operation::Resume);
    assert_eq!(fixture.running(0), 2, "not proved yet");
    fixture.roll_on();
    fixture.ready(5);
    assert_eq!(fixture.running(1), 3);
}

#[test]
fn a_canary_that_leaves_is_no_failure_of_those_behind() {
    let mut fixture = of(2);
    fixture.reload();
    let canary = fixture.draining().remove(0);
    fixture.event(Event::Revoked { partition: canary.clone(), token: TOKEN });
    assert_eq!(fixture.draining().len(), 2, "the next one is the canary");
}

#[test]
fn a_canary_at_work_is_waited_for_without_a_busy_loop() {
    let mut fixture = of(1);
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
fn a_canary_of_exec_that_fails_goes_back_with_the_others() {
    let mut fixture = of(3);
    fixture.reload();
    fixture.all_drained();
    let to = fixture.roll().to;
    assert_eq!(fixture.running(to.0), 1);
    let canary = fixture.core.partitions().iter().find_map(|(key, partition)| {
        partition.phase().worker().filter(|worker| worker.config == to).map(|_| key.partition.0)
    });
    let error = "the handler exited with status 1".to_owned();
    let (offset, count, attempts, stderr) = (Offset(5), 1, 1, String::new());
    fixture.says(canary.unwrap(), FromWorker::BatchFailed { offset, count, attempts, error, stderr });
    assert!(matches!(fixture.roll().state, RollState::Stopped { .. }));
    fixture.all_drained();
    assert_eq!(fixture.running(to.0), 0, "it lives on, and must not with what is refused");
}
