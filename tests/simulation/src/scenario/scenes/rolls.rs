//! Reloads: one canary first, whatever else is under way, and back when it fails.

use std::time::Duration;

use kafkavisor_supervisor_core::Operation;

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::{Checked, World};

const MANY: usize = 10;

fn group() -> Plan {
    Plan { stop_timeout: Duration::from_secs(20), ..Plan::calm(1, 10) }
}

/// Every partition has a message in flight, which its handler holds on to.
fn all_in_flight(s: &mut Stage) -> Checked {
    s.begin(&[0], 2)?;
    (0..MANY).for_each(|partition| s.hold(partition));
    (0..MANY).for_each(|partition| s.produce(partition, 3));
    s.until("all are in flight", |w| (0..MANY).all(|partition| w.in_flight(partition) > 0))
}

fn let_all_go_on(s: &mut Stage) {
    (0..MANY).for_each(|partition| s.go_on(partition));
}

fn all_run_with(s: &mut Stage, config: u64) -> Checked {
    s.until("everything is handled, and every worker runs with what works", |w| {
        w.all_done() && (0..MANY).all(|partition| w.runs_with(partition) == Some(config))
    })
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_roll",
        proves: "All workers are replaced, those with messages as soon as one is acknowledged, idle ones after a while",
        marks: &["roll_done", "rolled_by_an_acknowledgement", "rolled_by_idleness"],
        group,
        steps: |s| {
            s.begin(&[0], 2)?;
            s.reload(0, false);
            s.until("the canary runs", |w| w.started_with(1) == 1)?;
            (0..MANY).for_each(|partition| s.produce(partition, 1));
            s.until("the roll is over", |w| w.roll_is_over(0))?;
            s.expect("it has not stopped", |w| !w.roll_has_stopped(0))?;
            all_run_with(s, 1)
        },
    },
    Scenario {
        name: "a_reload_to_what_is_broken",
        proves: "One canary meets it, and the others never",
        marks: &["roll_stops"],
        group,
        steps: |s| {
            all_in_flight(s)?;
            s.reload(0, true);
            let_all_go_on(s);
            (0..MANY).for_each(|partition| s.produce(partition, 2));
            s.until("the canary runs", |w| w.started_with(1) == 1)?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            all_run_with(s, 0)?;
            s.expect("one worker was started with it", |w| w.started_with(1) == 1)
        },
    },
    Scenario {
        name: "two_reloads_within_a_drain",
        proves: "The second has a canary of its own, and the first is nobody's",
        marks: &["reloaded_within_a_roll", "replaced_while_draining", "roll_stops"],
        group,
        steps: |s| {
            all_in_flight(s)?;
            s.reload(0, true);
            s.until("the canary drains", |w| w.state(0, 0) == "draining")?;
            s.reload(0, true);
            s.pass(1)?;
            let_all_go_on(s);
            s.until("the canary runs", |w| w.started_with(2) == 1)?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            all_run_with(s, 0)?;
            s.expect("no worker was started with the first, one with the second", |w| {
                w.started_with(1) == 0 && w.started_with(2) == 1
            })
        },
    },
    Scenario {
        name: "a_reload_within_a_wide_roll",
        proves: "Those that drain for the first reload start with what works, and one canary meets the second",
        marks: &["reloaded_within_a_roll", "roll_stops"],
        group: || Plan { partitions: 30, ..group() },
        steps: |s| {
            s.begin(&[0], 2)?;
            (1..4).for_each(|partition| s.hold(partition));
            (1..4).for_each(|partition| s.produce(partition, 1));
            s.reload(0, true);
            s.until("the canary is idle long enough, and three drain", |w| {
                (1..4).all(|partition| w.state(0, partition) == "draining")
            })?;
            s.reload(0, true);
            s.pass(1)?;
            (1..4).for_each(|partition| s.go_on(partition));
            s.until("the canary runs", |w| w.started_with(2) == 1)?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            s.until("every worker runs with what works", |w| {
                w.all_done() && (0..30).all(|partition| w.runs_with(partition) == Some(0))
            })?;
            s.expect("each met one canary", |w| w.started_with(1) == 1 && w.started_with(2) == 1)
        },
    },
    Scenario {
        name: "a_restart_of_all_and_then_a_reload",
        proves: "The restarted ones start with what works, but for the canary",
        marks: &["replaced_while_draining", "roll_stops"],
        group,
        steps: |s| {
            all_in_flight(s)?;
            let words: Vec<_> = (0..MANY).map(|partition| s.ask(0, partition, Operation::Restart)).collect();
            words.into_iter().try_for_each(|word| s.until_done(word))?;
            s.reload(0, true);
            s.pass(1)?;
            let_all_go_on(s);
            s.until("the canary runs", |w| w.started_with(1) == 1)?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            all_run_with(s, 0)?;
            s.expect("one worker was started with what is broken", |w| w.started_with(1) == 1)
        },
    },
    Scenario {
        name: "restarts_after_a_stopped_roll",
        proves: "Whatever starts later starts with what worked before",
        marks: &["roll_stops"],
        group,
        steps: |s| {
            s.begin(&[0], 2)?;
            s.reload(0, true);
            s.until("the canary runs", |w| w.started_with(1) == 1)?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            (0..MANY).try_for_each(|partition| s.kill_worker(partition))?;
            (0..MANY).for_each(|partition| s.produce(partition, 1));
            all_run_with(s, 0)?;
            let restart = s.ask(0, 3, Operation::Restart);
            s.until_done(restart)?;
            s.pass(5)?;
            all_run_with(s, 0)?;
            s.expect("one worker was started with what is broken", |w| w.started_with(1) == 1)
        },
    },
    Scenario {
        name: "a_roll_that_stops_late",
        proves: "Those that were replaced already go back together",
        marks: &["rolled_by_idleness", "roll_turns_back_the_others"],
        group,
        steps: |s| {
            s.begin(&[0], 2)?;
            s.reload(0, true);
            s.until("the canary is idle long enough, and the next follows", |w| w.started_with(1) == 2)?;
            s.produce(1, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            all_run_with(s, 0)
        },
    },
    Scenario {
        name: "a_canary_that_is_paused_and_resumed_within_its_roll",
        proves: "It starts with what works, for another one is the canary by then",
        marks: &["rolled_partition_is_given_up_or_waits_for_its_operator", "roll_stops"],
        group,
        steps: |s| {
            all_in_flight(s)?;
            s.reload(0, true);
            s.until("the canary drains", |w| w.state(0, 0) == "draining")?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            s.go_on(0);
            s.until("it is paused", |w| w.state(0, 0) == "paused" && w.worker_of(0).is_none())?;
            s.until("the next drains", |w| w.state(0, 1) == "draining")?;
            s.hold(0);
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.until("it runs", |w| w.worker_of(0).is_some())?;
            s.expect("it runs with what works", |w| w.runs_with(0) == Some(0))?;
            let_all_go_on(s);
            s.until("the canary runs", |w| w.started_with(1) == 1)?;
            s.produce(1, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            all_run_with(s, 0)
        },
    },
    Scenario {
        name: "a_canary_that_an_operator_pauses",
        proves: "The roll does not wait for it: the next one is the canary",
        marks: &["rolled_partition_is_given_up_or_waits_for_its_operator", "roll_done"],
        group,
        steps: |s| {
            all_in_flight(s)?;
            s.reload(0, false);
            s.until("the canary drains", |w| w.state(0, 0) == "draining")?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            let_all_go_on(s);
            s.until("the roll is over", |w| w.roll_is_over(0))?;
            s.expect("it is paused", |w| w.state(0, 0) == "paused" && w.worker_of(0).is_none())?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.until("it runs with the new one", |w: &mut World| w.runs_with(0) == Some(1))
        },
    },
];
