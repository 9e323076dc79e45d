//! Restarts and their waits, workers that do not come to life, and where topics begin.

use std::time::Duration;

use kafkavisor::ids::Offset;
use kafkavisor_supervisor_core::{Operation, Stop};

use crate::machine::{Time, millis};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::{Checked, World};

/// How long after `killed` the next worker was started.
fn wait_since(w: &World, killed: Time) -> Time {
    w.starts_of(0).last().map_or(u64::MAX, |start| start.at.saturating_sub(killed))
}

fn killed_and_started(s: &mut Stage, number: usize) -> Result<Time, crate::violation::Violation> {
    let killed = s.world().now;
    s.kill_handler(0)?;
    s.until("another worker is started", |w| w.starts_of(0).len() == number)?;
    Ok(wait_since(s.world(), killed))
}

fn ready_and_done(s: &mut Stage) -> Checked {
    s.until("it is ready, and everything is handled", |w| w.state(0, 0) == "ready" && w.done(0))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the_first_failure_after_progress",
        proves: "It costs no wait, the next one does",
        marks: &["first_failure_after_progress_costs_no_wait"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            let first = killed_and_started(s, 2)?;
            s.expect("the successor is there at once", |_| first < millis(100))?;
            s.produce(0, 1);
            ready_and_done(s)?;
            let second = killed_and_started(s, 3)?;
            s.expect("the next waits", |_| second >= millis(400))
        },
    },
    Scenario {
        name: "a_failure_after_a_healthy_run",
        proves: "A worker that ran for a minute is replaced at once, though it had nothing to do",
        marks: &["failure_after_a_healthy_run_costs_no_wait"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            let restart = s.ask(0, 0, Operation::Restart);
            s.until_done(restart)?;
            s.pass(62)?;
            let wait = killed_and_started(s, 3)?;
            s.expect("the successor is there at once", |_| wait < millis(100))
        },
    },
    Scenario {
        name: "workers_that_do_not_come_to_life",
        proves: "They are asked for again and again, less and less often, and the first that comes goes on",
        marks: &["spawn_failed", "crash_loop"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.spawns_fail(100);
            s.kill_worker(0)?;
            s.produce(0, 1);
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            s.spawns_fail(0);
            ready_and_done(s)
        },
    },
    Scenario {
        name: "a_worker_that_does_not_come_to_life_and_is_not_wanted",
        proves: "Nobody waits for it any more",
        marks: &["spawn_failed_and_not_wanted_any_more"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.spawns_take(500);
            s.spawns_fail(100);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            s.until("it is paused", |w| w.state(0, 0) == "paused")?;
            s.spawns_fail(0);
            Ok(())
        },
    },
    Scenario {
        name: "a_stop_while_a_worker_comes_to_life",
        proves: "It is waited for, stopped before it does anything, and then the supervisor goes",
        marks: &["given_up_while_spawning", "spawned_and_not_wanted_any_more"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.spawns_take(2000);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))?;
            s.spawns_take(0);
            Ok(())
        },
    },
    Scenario {
        name: "a_stop_while_a_worker_never_comes_to_life",
        proves: "It is not waited for beyond the drain's time",
        marks: &["given_up_while_spawning", "asked_for_worker_never_came"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.spawns_take(60_000);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            s.stop(0, Stop::Signalled)?;
            s.pass(8)?;
            s.expect("the supervisor is gone", |w| !w.runs(0))?;
            s.spawns_take(0);
            Ok(())
        },
    },
    Scenario {
        name: "a_session_lost_while_a_worker_comes_to_life",
        proves: "The worker is ended as soon as it is there, and the partition begins again when it is ours",
        marks: &[
            "lost_while_spawning",
            "assigned_again_while_on_its_way_out",
            "begins_again_after_its_way_out",
        ],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.spawns_take(4000);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            s.end_session(0)?;
            s.spawns_take(0);
            s.produce(0, 1);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "more_workers_than_may_start_at_once",
        proves: "Those beyond the first hundred wait for their turn",
        marks: &["launch_awaits_its_turn"],
        group: || Plan::calm(1, 110),
        steps: |s| {
            s.start(0)?;
            s.until("all are ready", |w| (0..110).all(|partition| w.state(0, partition) == "ready"))?;
            s.cut_off(0, 3)?;
            s.until("all workers are gone with the lease", |w| w.workers.is_empty())?;
            s.until("all are ready again", |w| (0..110).all(|partition| w.state(0, partition) == "ready"))
        },
    },
    Scenario {
        name: "a_topic_that_begins",
        proves: "Where it begins is committed before anything is delivered, for all its partitions at once",
        marks: &["start_is_committed_first", "starts_of_others_are_committed_too"],
        group: || Plan::calm(1, 3),
        steps: |s| {
            (0..3).for_each(|partition| s.produce(partition, 2));
            s.start(0)?;
            s.until("the first start is committed", |w| {
                (0..3).any(|partition| w.committed(partition).is_some())
            })?;
            s.expect("so are the others, and no worker was started before", |w| {
                (0..3).all(|partition| w.committed(partition) == Some(0)) && w.started.is_empty()
            })?;
            s.until("everything is handled", World::all_done)
        },
    },
    Scenario {
        name: "a_start_that_cannot_be_committed",
        proves: "Nothing is delivered from it; it is looked for again",
        marks: &["start_is_refused"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.commits_fail();
            s.produce(0, 2);
            s.start(0)?;
            s.until("it is looked for again", |w| w.phase(0, 0) == "LocatingAgain")?;
            s.pass(5)?;
            s.expect("no worker was started", |w| w.started.is_empty())?;
            s.kafka_back()?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_stop_before_a_start_is_committed",
        proves: "There is nothing to wait for: the supervisor goes at once, and whoever comes next finds the start anew",
        marks: &["given_up_before_its_start_was_committed"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.produce(0, 2);
            s.start(0)?;
            s.until("its start is being committed", |w| w.phase(0, 0) == "Committing")?;
            s.commits_fail();
            s.stop(0, Stop::Signalled)?;
            s.pass(4)?;
            s.expect("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("nothing was cut short", |w| w.processes[0].cut_short == Some(false))
        },
    },
    Scenario {
        name: "an_offset_beyond_the_end",
        proves: "It parks, and an operator's seek says where to go on",
        marks: &["start_parks", "operators_word_is_confirmed"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.produce(0, 3);
            s.set_committed(0, 100);
            s.start(0)?;
            s.until("it is parked", |w| w.state(0, 0) == "parked")?;
            let seek = s.ask(0, 0, Operation::Seek(Offset(0)));
            s.until_done(seek)?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_coordinator_that_is_away",
        proves: "A worker stops at ten windows that are not committed, and goes on with the commits",
        marks: &["commit_is_asked_for", "too_much_is_not_committed", "commit_failed"],
        group: || Plan { commit_interval: Duration::from_secs(5), ..Plan::calm(1, 1) },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.commits_fail();
            s.produce(0, 100);
            s.pass(30)?;
            s.expect("it has stopped within ten windows", |w| {
                let handled = w.partitions[0].unsettled() - 3;
                (1..=43).contains(&handled)
            })?;
            s.kafka_back()?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_topic_made_again_before_anybody_notices",
        proves: "A worker that finds nothing at its place is no failure: it is looked where to go on",
        marks: &["worker_lost_its_start"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            s.make_again(true);
            s.produce(0, 2);
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
];
