//! Topics that are deleted and made again, and partitions that Kafka does not serve.

use std::time::Duration;

use kafkavisor_supervisor_core::{Operation, Purpose, Stop};

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::Checked;

fn group(members: usize, partitions: i32) -> Plan {
    Plan { stop_timeout: Duration::from_secs(20), ..Plan::calm(members, partitions) }
}

fn in_flight(s: &mut Stage) -> Checked {
    s.begin(&[0], 10)?;
    s.hold_one(0)
}

/// While it drains the topic is made again, with fewer messages than it had: all of them are read.
fn made_again_while_it_drains(s: &mut Stage) -> Checked {
    s.until("it drains", |w| w.state(0, 0) == "draining")?;
    s.make_again(true);
    s.produce(0, 3);
    s.until("that is noticed", |w| w.purpose(0, 0) == Some(Purpose::Locate))?;
    s.go_on(0);
    Ok(())
}

fn begins_at_the_first(s: &mut Stage) -> Checked {
    s.until("every message of the new topic is handled", |w| w.done(0))?;
    s.expect("reading began at its first message", |w| {
        w.starts_of(0).last().is_some_and(|start| start.offset == 0)
    })
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_topic_made_again_while_it_is_read",
        proves: "Reading begins at the new topic's first message, whatever the group's offset says",
        marks: &["topic_made_again_while_running", "start_is_committed_first"],
        group: || Plan { max_messages: 1, ..group(1, 1) },
        steps: |s| {
            in_flight(s)?;
            s.make_again(true);
            s.produce(0, 3);
            s.until("that is noticed", |w| w.purpose(0, 0) == Some(Purpose::Locate))?;
            s.go_on(0);
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_a_restart_drains",
        proves: "The new topic's first messages are not passed over",
        marks: &["topic_made_again_while_draining"],
        group: || group(1, 1),
        steps: |s| {
            in_flight(s)?;
            s.ask(0, 0, Operation::Restart);
            made_again_while_it_drains(s)?;
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_a_pause_drains",
        proves: "It is paused all the same, and resumes at the new topic's first message",
        marks: &["topic_made_again_while_draining", "launched_into_a_pause", "resumed"],
        group: || group(1, 1),
        steps: |s| {
            in_flight(s)?;
            s.ask(0, 0, Operation::Pause);
            made_again_while_it_drains(s)?;
            s.until("it is paused", |w| w.state(0, 0) == "paused")?;
            s.expect("nothing of the new topic was read", |w| w.starts_of(0).len() == 1)?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_a_roll_drains",
        proves: "The canary reads the new topic from its first message",
        marks: &["topic_made_again_while_draining", "roll_done"],
        group: || group(1, 1),
        steps: |s| {
            in_flight(s)?;
            s.reload(0, false);
            made_again_while_it_drains(s)?;
            begins_at_the_first(s)?;
            s.until("the roll is over", |w| w.roll_is_over(0))?;
            s.expect("it runs with the new configuration", |w| w.runs_with(0) == Some(1))
        },
    },
    Scenario {
        name: "a_topic_made_again_while_a_seek_drains",
        proves: "The operator meant the old one: he is told, and the new one is read from its first message",
        marks: &["topic_made_again_while_draining"],
        group: || group(1, 1),
        steps: |s| {
            in_flight(s)?;
            let seek = s.ask(0, 0, Operation::Seek(kafkavisor::ids::Offset(2)));
            made_again_while_it_drains(s)?;
            s.until_not_done(seek)?;
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_it_is_given_up",
        proves: "Whoever has it next reads it from its first message",
        marks: &["topic_made_again_while_given_up"],
        group: || group(2, 1),
        steps: |s| {
            in_flight(s)?;
            s.stop(0, Stop::Signalled)?;
            s.until("it drains", |w| w.state(0, 0) == "draining")?;
            s.make_again(true);
            s.produce(0, 3);
            s.pass(6)?;
            s.go_on(0);
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.start(1)?;
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_it_is_paused",
        proves: "It resumes at the new topic's first message",
        marks: &["topic_made_again_without_a_worker"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            s.ask(0, 0, Operation::Pause);
            s.until("it is paused", |w| w.state(0, 0) == "paused")?;
            s.make_again(true);
            s.produce(0, 3);
            s.pass(6)?;
            s.expect("nothing of the new topic was read", |w| w.starts_of(0).len() == 1)?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_its_worker_comes_to_life",
        proves: "The worker that was asked for reads nothing, and the next begins at the first message",
        marks: &["topic_made_again_while_spawning", "spawned_and_not_wanted_any_more"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            s.spawns_take(8000);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            s.make_again(true);
            s.produce(0, 3);
            s.pass(6)?;
            s.spawns_take(0);
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_restart_of_a_worker_that_has_lost_its_start",
        proves: "The topic was made again, and nobody has noticed: the next worker begins at the first message all the same",
        marks: &["replaced_worker_had_parked_or_lost_its_start", "worker_lost_its_start"],
        group: || group(1, 1),
        steps: |s| {
            in_flight(s)?;
            s.make_again(true);
            s.produce(0, 3);
            s.until("its worker looks for its place in vain", |w| w.is_ending(0))?;
            let restart = s.ask(0, 0, Operation::Restart);
            s.until_done(restart)?;
            s.go_on(0);
            begins_at_the_first(s)
        },
    },
    Scenario {
        name: "a_partition_without_a_leader",
        proves: "The other is located, read and committed as if nothing were wrong",
        marks: &["start_is_unknown"],
        group: || group(1, 2),
        steps: |s| {
            s.without_leader(1);
            s.produce(0, 20);
            s.produce(1, 1);
            s.start(0)?;
            s.until("the other is ready", |w| w.state(0, 0) == "ready")?;
            s.until("its messages are handled", |w| w.done(0))?;
            s.expect("the one without a leader waits", |w| w.worker_of(1).is_none())?;
            s.kafka_back()?;
            s.until("it is handled too", |w| w.done(1))
        },
    },
    Scenario {
        name: "one_partition_that_cannot_be_committed",
        proves: "The commits of the other succeed all the same, and it never stops",
        marks: &["commit_failed"],
        group: || Plan { commit_interval: Duration::from_secs(2), ..group(1, 2) },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce(1, 2);
            s.until("the one is acknowledged, not committed", |w| {
                w.partitions[1].unsettled() == 5 && w.committed(1) == Some(3)
            })?;
            s.without_leader(1);
            for _ in 0..10 {
                s.produce(0, 20);
                s.until("the other is handled and committed", |w| w.done(0))?;
            }
            s.expect("the one still owes its commit", |w| w.committed(1) == Some(3))
        },
    },
];
