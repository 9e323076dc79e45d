//! What whoever looks is told: each change once, why, and since when.

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::Offset;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Event, Operation};

impl Fixture {
    /// As `events` prints them, since this was last asked.
    fn changes(&mut self) -> Vec<String> {
        let line = |change: crate::Change| {
            let reason = change.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{}{reason}", change.event)
        };
        self.core.take_changes().into_iter().map(line).collect()
    }
}

#[test]
fn each_state_is_told_once_with_what_led_to_it() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    assert_eq!(fixture.changes(), ["assigned: fencing token 7", "starting", "ready"]);
    fixture.page(0, progress(1, 2));
    fixture.pass(SECOND);
    assert_eq!(fixture.changes(), [""; 0]);
    let at = fixture.at();
    fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(1, 2));
    assert_eq!(fixture.core.partitions()[&orders(0)].since(), at);
    let said = fixture.changes();
    assert_eq!(said, ["backing_off: handler exited with status 1; started again at once"]);
    fixture.pass(SECOND);
    assert_eq!(fixture.changes(), ["starting", "ready"]);
    assert_eq!(fixture.core.partitions()[&orders(0)].since(), fixture.at());
}

#[test]
fn a_worker_that_ends_for_its_lease_is_told_of() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.changes();
    fixture.exits(0, Some(Ending::LeaseLost), Exit::Status(0), progress(1, 2));
    let said = fixture.changes();
    assert!(said[0].starts_with("worker_exited: lease_lost:") && said[0].contains("ZooKeeper"), "{said:?}");
}

#[test]
fn in_a_crash_loop_each_end_is_told() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let mut said = Vec::new();
    for wait in [20, 20, 20, 20, 40, 40] {
        fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(0, 2));
        said.extend(fixture.changes());
        fixture.pass(wait * SECOND);
    }
    let count = |event: &str| said.iter().filter(|line| line.split(':').next() == Some(event)).count();
    assert_eq!((count("backing_off"), count("crash_loop"), count("worker_exited")), (4, 1, 1), "{said:#?}");
    let last = said.iter().rfind(|line| line.starts_with("worker_exited")).unwrap();
    assert!(last.starts_with("worker_exited: handler exited with status 1; started again in"), "{last}");
}

#[test]
fn a_handler_that_says_nothing_is_told_of_once_for_each_silence() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.changes();
    let silent = |fixture: &mut Fixture, since| {
        let progress = Progress { silent_since: since, handler_pid: 7, ..progress(1, 3) };
        fixture.page(0, progress);
        fixture.changes()
    };
    let began = fixture.at();
    fixture.pass(5 * SECOND);
    assert_eq!(silent(&mut fixture, began), [""; 0]);
    fixture.pass(SECOND);
    let said = "hanging: no answer for 6.0s, with 2 messages in flight from offset 1";
    assert_eq!(silent(&mut fixture, began), [said]);
    fixture.pass(SECOND);
    assert_eq!(silent(&mut fixture, began), [""; 0]);
    let began = fixture.at();
    assert_eq!(silent(&mut fixture, began), ["answering: its handler had said nothing for 7.0s"]);
    assert_eq!(silent(&mut fixture, began), [""; 0]);
    fixture.pass(7 * SECOND);
    assert_eq!(silent(&mut fixture, began).len(), 1);
    // It is ended for it: that is no answer, nor is the next worker's beginning.
    fixture.exits(0, Some(CRASHED), Exit::Status(0), progress(1, 3));
    fixture.pass(SECOND);
    fixture.changes();
    fixture.page(0, progress(2, 2));
    assert_eq!(fixture.changes(), [""; 0]);
}

#[test]
fn where_no_handler_runs_none_hangs_and_the_end_of_one_is_no_answer() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.changes();
    let began = fixture.at();
    fixture.pass(7 * SECOND);
    let page = |handler_pid, silent_since, acknowledged| {
        let messages = u64::try_from(acknowledged).unwrap();
        Progress { handler_pid, silent_since, messages, ..progress(acknowledged, 3) }
    };
    fixture.page(0, page(0, began, 1));
    assert_eq!(fixture.changes(), [""; 0], "what has failed is not there to answer");
    fixture.page(0, page(7, began, 1));
    assert!(fixture.changes()[0].starts_with("hanging"));
    fixture.page(0, page(0, Boottime(0), 1));
    assert_eq!(fixture.changes(), [""; 0], "it has failed");
    fixture.page(0, page(8, began, 1));
    assert!(fixture.changes()[0].starts_with("hanging"));
    fixture.page(0, page(0, Boottime(0), 2));
    assert!(fixture.changes()[0].starts_with("answering"), "it has finished its batch");
}

#[test]
fn a_message_that_is_passed_over_is_told_of_with_its_reason() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    fixture.changes();
    let error = "no such customer".to_owned();
    fixture.says(0, FromWorker::Failed { offset: Offset(3), attempts: 1, error, rejected: true });
    assert_eq!(fixture.changes(), ["skipped: offset 3: its handler rejected it: no such customer"]);
    fixture.poison(0, 10);
    let said = fixture.changes();
    let skipped = |line: &&String| line.starts_with("skipped: offset 10 killed its handler 3 times");
    assert_eq!(said.iter().filter(skipped).count(), 1, "{said:#?}");
}

#[test]
fn what_an_operator_has_stopped_says_so() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.changes();
    fixture.operate(Operation::Pause);
    fixture.drained(0, progress(0, 0));
    assert_eq!(fixture.changes(), ["draining: an operator asked for it", "paused: paused by somebody"]);
}

#[test]
fn a_partition_that_goes_says_what_became_of_its_last_acknowledgement() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(2, 2));
    fixture.changes();
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.drained(0, progress(2, 2));
    fixture.committed(0, 2, None);
    let draining = "draining: it is given up: its handler finishes what is in flight";
    assert_eq!(fixture.changes(), [draining, "released: what is acknowledged is committed"]);
}
