//! What whoever looks is told: each change once, why, and since when.

use kafkavisor_link::message::Ending;
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
        fixture.page(0, kafkavisor_link::page::Progress { silent_since: since, ..progress(1, 3) });
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
    assert_eq!(silent(&mut fixture, began), [""; 0], "it has answered");
    fixture.pass(7 * SECOND);
    assert_eq!(silent(&mut fixture, began).len(), 1);
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
