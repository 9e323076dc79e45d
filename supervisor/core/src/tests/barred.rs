//! Kafka keeps workers out: a right is missing, or a broker does not let them in. No fault of a handler's.

use kafkavisor::ids::Offset;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::Event;
use crate::start::{Decision, Why};

fn denied() -> Ending {
    Ending::Denied { error: "give this user READ on it".to_owned() }
}

fn refused() -> Ending {
    Ending::Refused { error: "look at the password".to_owned() }
}

fn reason(fixture: &Fixture, number: i32) -> Option<String> {
    fixture.core.partitions()[&orders(number)].reason().map(str::to_owned)
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
