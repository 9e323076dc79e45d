//! Rights that are taken away and given back, and brokers that do not let a worker in.

use kafkavisor_supervisor_core::Stop;

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::Checked;

const DENIED: &str = "not allowed to read the topic";
const REFUSED: &str = "Kafka refuses to let us in";

fn is_stopped(s: &mut Stage, why: &'static str) -> Checked {
    s.until("it is stopped, and why is said", |w| {
        w.worker_of(0).is_none() && w.reason(0, 0).is_some_and(|reason| reason.contains(why))
    })
}

/// So long nothing changes: no crash loop, no attempt of a message counted.
fn stays_stopped(s: &mut Stage, why: &'static str) -> Checked {
    for _ in 0..60 {
        s.pass(1)?;
        s.expect("it is no crash loop", |w| w.state(0, 0) != "crash_loop")?;
        s.expect("why is said all the time", |w| {
            w.state(0, 0) == "ready" || w.reason(0, 0).is_some_and(|reason| reason.contains(why))
        })?;
    }
    Ok(())
}

fn goes_on_at(s: &mut Stage, offset: i64) -> Checked {
    s.until("everything is handled", |w| w.done(0))?;
    s.expect("it went on after the last that was acknowledged", |w| {
        w.starts_of(0).last().is_some_and(|start| start.offset == offset)
    })?;
    s.until("nothing stands in its way", |w| w.state(0, 0) == "ready" && w.reason(0, 0).is_none())
}

/// A message is handled while its partition's right goes.
fn owe_one(s: &mut Stage) -> Checked {
    s.begin(&[0], 10)?;
    s.hold_one(0)?;
    s.deny(0);
    s.until("its worker hears of it", |w| w.is_ending(0))?;
    s.go_on(0);
    is_stopped(s, DENIED)?;
    s.expect("it was not committed", |w| w.committed(0) == Some(10))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_right_that_goes_and_comes_back",
        proves: "That topic alone stops, says why, and goes on at its committed offset; the others never stop",
        marks: &["worker_was_denied", "let_in_again", "start_is_unknown"],
        group: || Plan::calm(1, 2),
        steps: |s| {
            s.begin(&[0], 10)?;
            let other = s.world().worker_of(1);
            s.deny(0);
            is_stopped(s, DENIED)?;
            s.produce(0, 5);
            s.produce(1, 5);
            s.until("the other's messages are handled", |w| w.done(1))?;
            stays_stopped(s, DENIED)?;
            s.expect("the other never stopped", |w| w.worker_of(1) == other && w.reason(0, 1).is_none())?;
            s.expect("no other worker was started for the one", |w| w.starts_of(0).len() == 1)?;
            s.kafka_back()?;
            goes_on_at(s, 10)
        },
    },
    Scenario {
        name: "a_right_that_goes_while_a_message_is_in_flight",
        proves: "The message is finished and neither lost nor handled again, though it can't be committed meanwhile",
        marks: &["worker_was_denied", "let_in_again"],
        group: || Plan { max_messages: 2, ..Plan::calm(1, 1) },
        steps: |s| {
            s.begin(&[0], 10)?;
            s.hold_one(0)?;
            s.deny(0);
            s.until("its worker hears of it", |w| w.is_ending(0))?;
            s.produce(0, 5);
            s.go_on(0);
            is_stopped(s, DENIED)?;
            s.expect("it was not committed", |w| w.committed(0) == Some(10))?;
            s.kafka_back()?;
            goes_on_at(s, 11)
        },
    },
    Scenario {
        name: "a_right_that_goes_before_a_new_owner_has_committed",
        proves: "The group's offset is still another member's, and what was handled since is not handled again",
        marks: &["worker_was_denied", "place_outlives_a_missing_right"],
        group: || Plan { max_messages: 2, ..Plan::calm(2, 1) },
        steps: |s| {
            s.begin(&[0], 10)?;
            s.stop(0, Stop::Signalled)?;
            s.until("the first member is gone", |w| !w.runs(0))?;
            s.start(1)?;
            s.until("the other has it", |w| w.state(1, 0) == "ready")?;
            s.hold_one(0)?;
            s.deny(0);
            s.until("its worker hears of it", |w| w.is_ending(0))?;
            s.go_on(0);
            s.until("it is stopped", |w| w.worker_of(0).is_none() && w.reason(1, 0).is_some())?;
            s.produce(0, 5);
            s.commits_fail();
            s.allow(0);
            s.until("it goes on", |w| w.state(1, 0) == "ready")?;
            s.expect("it was not committed", |w| w.committed(0) == Some(10))?;
            s.expect("it went on after the last that was acknowledged", |w| {
                w.starts_of(0).last().is_some_and(|start| start.offset == 11)
            })?;
            s.kafka_back()?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_stop_while_a_right_is_missing_and_something_is_owed",
        proves: "What was acknowledged before is owed still: the end waits for it, and the exit says that it was not committed",
        marks: &["worker_was_denied", "released_without_its_last_commit"],
        group: || Plan { max_messages: 2, ..Plan::calm(1, 1) },
        steps: |s| {
            owe_one(s)?;
            s.stop(0, Stop::Signalled)?;
            s.until("it has ended", |w| !w.runs(0))?;
            s.expect("the exit says so", |w| w.processes[0].cut_short == Some(true))
        },
    },
    Scenario {
        name: "a_right_that_comes_back_during_the_stop",
        proves: "What was acknowledged before it went is committed, and the exit says that nothing is left",
        marks: &["worker_was_denied"],
        group: || Plan { max_messages: 2, ..Plan::calm(1, 1) },
        steps: |s| {
            owe_one(s)?;
            s.stop(0, Stop::Signalled)?;
            s.allow(0);
            s.until("it has ended", |w| !w.runs(0))?;
            s.expect("it is committed", |w| w.committed(0) == Some(11))?;
            s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))
        },
    },
    Scenario {
        name: "a_worker_that_brokers_do_not_let_in",
        proves: "Who is logged in goes on; who is not is tried again, less and less often, and is no crash loop",
        marks: &["worker_was_refused", "let_in_again"],
        group: || Plan::calm(1, 2),
        steps: |s| {
            s.begin(&[0], 10)?;
            let other = s.world().worker_of(1);
            s.refuse_logins();
            s.kill_worker(0)?;
            is_stopped(s, REFUSED)?;
            s.produce(0, 5);
            s.produce(1, 5);
            s.until("the other's messages are handled", |w| w.done(1))?;
            stays_stopped(s, REFUSED)?;
            s.expect("the other never stopped", |w| w.worker_of(1) == other && w.reason(0, 1).is_none())?;
            s.expect("it was not tried all the time", |w| w.starts_of(0).len() <= 9)?;
            s.kafka_back()?;
            goes_on_at(s, 10)
        },
    },
];
