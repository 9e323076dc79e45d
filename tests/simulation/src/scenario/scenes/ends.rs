//! Ends: stops and their deadlines, leases, workers and handlers that stand still.

use std::time::Duration;

use kafkavisor_supervisor_core::{Operation, Stop};

use crate::faults::Fault;
use crate::machine::millis;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::Checked;

fn group() -> Plan {
    Plan { stop_timeout: Duration::from_secs(10), ..Plan::calm(1, 1) }
}

fn in_flight(s: &mut Stage) -> Checked {
    s.begin(&[0], 3)?;
    s.hold_one(0)
}

/// Stopped by these words, five seconds pass before the handler goes on: nothing was cut short.
fn joined(s: &mut Stage, first: Stop, second: Stop) -> Checked {
    in_flight(s)?;
    s.stop(0, first)?;
    s.pass(1)?;
    s.stop(0, second)?;
    s.pass(5)?;
    s.expect("it still drains", |w| w.state(0, 0) == "draining")?;
    s.go_on(0);
    s.until("the supervisor is gone", |w| !w.runs(0))?;
    s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))?;
    s.expect("everything is committed", |w| w.done(0))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_second_stop",
        proves: "A second `stop` joins the first",
        marks: &["stop_begins", "stop_joins"],
        group,
        steps: |s| joined(s, Stop::Asked, Stop::Asked),
    },
    Scenario {
        name: "a_stop_after_term",
        proves: "`stop` joins a drain that TERM began",
        marks: &["stop_joins"],
        group,
        steps: |s| joined(s, Stop::Signalled, Stop::Asked),
    },
    Scenario {
        name: "term_after_a_stop",
        proves: "One TERM joins a drain that `stop` began",
        marks: &["stop_joins"],
        group,
        steps: |s| joined(s, Stop::Asked, Stop::Signalled),
    },
    Scenario {
        name: "a_stop_while_partitions_come",
        proves: "What comes after it is let go at once",
        marks: &["stop_begins", "revoked_and_not_ours"],
        group: || Plan::calm(1, 6),
        steps: |s| {
            s.start(0)?;
            s.until("the first partition comes", |w| w.partitions.iter().any(|p| p.owner.is_some()))?;
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("no worker was started", |w| w.started.is_empty())?;
            s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))
        },
    },
    Scenario {
        name: "term_over_and_over",
        proves: "The second cuts the drain short; those after it push the end of a stopped worker no further away",
        marks: &["hurried_again", "drain_ran_out_of_time"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.freeze_worker(0);
            for _ in 0..10 {
                s.stop(0, Stop::Signalled)?;
                s.pass_millis(200)?;
            }
            s.expect("the supervisor is gone soon after the second", |w| !w.runs(0))?;
            s.expect("the drain was cut short", |w| w.processes[0].cut_short == Some(true))
        },
    },
    Scenario {
        name: "a_handler_that_ignores_stop_and_term",
        proves: "It is killed when its time is up, and the exit says so",
        marks: &["handler_did_not_finish_in_time", "handler_is_killed", "drain_was_not_finished"],
        group: || Plan { stubborn: true, ..group() },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the drain was cut short", |w| w.processes[0].cut_short == Some(true))
        },
    },
    Scenario {
        name: "stop_now",
        proves: "`stop --now` cuts short at once",
        marks: &["stop_is_said_again", "handler_did_not_finish_in_time"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.stop(0, Stop::Asked)?;
            s.pass(1)?;
            s.stop(0, Stop::Now)?;
            s.pass(3)?;
            s.expect("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the drain was cut short", |w| w.processes[0].cut_short == Some(true))
        },
    },
    Scenario {
        name: "a_handler_that_fails_while_it_drains",
        proves: "That is no cut by us, and its message comes again",
        marks: &["drain_was_not_finished"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.stop(0, Stop::Signalled)?;
            s.until("it drains", |w| w.state(0, 0) == "draining")?;
            s.pass_millis(100)?;
            s.kill_handler(0)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))?;
            s.expect("the message is still to be handled", |w| w.committed(0) == Some(3))
        },
    },
    Scenario {
        name: "a_stop_while_kafka_takes_no_commits",
        proves: "It ends in time all the same, and the exit says so",
        marks: &["released_without_its_last_commit", "commit_failed"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.commits_fail();
            s.world().kafka.recovered_at = Some(u64::MAX / 2);
            s.go_on(0);
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the drain was cut short", |w| w.processes[0].cut_short == Some(true))?;
            s.world().kafka.recovered_at = None;
            Ok(())
        },
    },
    Scenario {
        name: "cut_off_for_less_than_a_session",
        proves: "The worker ends itself with its lease, nothing is committed without one, and another starts with the next",
        marks: &[
            "lease_ends_while_running",
            "worker_ended_for_its_lease",
            "nothing_is_committed_without_a_lease",
            "launch_awaits_the_lease",
        ],
        group: || Plan { session_timeout: Duration::from_secs(10), ..group() },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.cut_off(0, 8)?;
            s.produce(0, 1);
            s.until("no lease is left, and no worker", |w| w.phase(0, 0) == "AwaitingLease")?;
            s.expect("the session lives", |w| w.has(0, 0))?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_lease_that_ends_within_a_drain",
        proves: "The drain is over with it, and nothing is lost",
        marks: &["lease_ends_while_stopping"],
        group: || Plan { session_timeout: Duration::from_secs(10), ..group() },
        steps: |s| {
            in_flight(s)?;
            s.ask(0, 0, Operation::Restart);
            s.until("it drains", |w| w.state(0, 0) == "draining")?;
            s.cut_off(0, 8)?;
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_stopped_worker_of_a_supervisor_that_is_cut_off",
        proves: "The supervisor kills it before ZooKeeper gives the partition away, and its message is not to blame",
        marks: &["lease_end_kills"],
        group: || Plan { session_timeout: Duration::from_secs(10), ..group() },
        steps: |s| {
            in_flight(s)?;
            s.freeze_worker(0);
            s.cut_off(0, 30)?;
            let cut = s.world().now;
            s.until("it is killed", |w| w.worker_of(0).is_none())?;
            s.expect("within three quarters of the session", |w| w.now - cut < millis(7600))?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_worker_that_stands_still",
        proves: "It is killed, and another goes on",
        marks: &["worker_stands_still", "killed_again"],
        group: || Plan { slow_ends: 100, ..group() },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.pass(11)?;
            s.freeze_worker(0);
            s.produce(0, 1);
            s.until("another goes on", |w| w.starts_of(0).len() == 2 && w.done(0))
        },
    },
    Scenario {
        name: "a_handler_that_says_nothing",
        proves: "It is ended when its time is up, and its message comes again",
        marks: &["handler_says_nothing", "silent_handler_is_dead"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.until("its handler is ended", |w| w.worker_of(0).is_none())?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_handler_that_acknowledges_what_it_was_not_given",
        proves: "It breaks its protocol and is killed; what it was given comes again, and is not to blame",
        marks: &["protocol_is_broken"],
        group,
        steps: |s| {
            in_flight(s)?;
            s.answer_nonsense(0);
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_page_that_holds_nonsense",
        proves: "Its worker is killed, and the page made anew from what was believed last",
        marks: &["page_is_nonsense", "page_of_the_dead_is_nonsense"],
        group,
        steps: |s| {
            s.begin(&[0], 3)?;
            s.freeze_worker(0);
            s.scribble(0);
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.produce(0, 1);
            s.until("everything is handled", |w| w.done(0))?;
            s.expect("the next worker began at what was believed", |w| {
                w.starts_of(0).last().is_some_and(|start| start.offset == 3)
            })
        },
    },
    Scenario {
        name: "a_machine_that_sleeps",
        proves: "Who wakes up beyond his session delivers nothing before he has another",
        marks: &["lease_end_kills", "launch_awaits_the_lease", "lost_without_a_worker"],
        group,
        steps: |s| {
            s.begin(&[0], 3)?;
            s.freeze(0, Fault::Suspend);
            s.produce(0, 1);
            s.pass(30)?;
            s.thaw(0)?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "everything_stopped_for_a_moment",
        proves: "Supervisor, worker and handler go on where they were: nobody counts the time that nobody had",
        marks: &["stood_still", "worker_overslept"],
        group: || Plan { session_timeout: Duration::from_secs(10), ..group() },
        steps: |s| {
            in_flight(s)?;
            s.pass(3)?;
            s.freeze(0, Fault::PauseBoth);
            s.pass_millis(5500)?;
            s.thaw(0)?;
            s.pass_millis(500)?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))?;
            s.expect("by the same worker", |w| w.starts_of(0).len() == 1)
        },
    },
    Scenario {
        name: "a_quiet_partition",
        proves: "Its offset is committed again every five minutes, so that it never expires",
        marks: &["commit_is_repeated"],
        group,
        steps: |s| {
            s.begin(&[0], 3)?;
            s.pass(200)?;
            s.set_committed(0, 1);
            s.pass(120)?;
            s.expect("what a late request had set back is put right", |w| w.committed(0) == Some(3))
        },
    },
];
