//! The storm: six partitions, two supervisors, and random SIGKILLs of workers, handlers and one supervisor, while
//! messages flow. Every message is acknowledged, in order, and repeated only where the contract allows.
//!
//! `KAFKAVISOR_STORM_MESSAGES=200000` makes it the full one, `KAFKAVISOR_STORM_SEED` repeats one.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::unique;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;

const PARTITIONS: i32 = 6;
/// In flight at most, in each partition.
const WINDOW: usize = 100;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

fn member(topic: &Topic, group: &str, name: &str, records: &Records) -> Instance {
    Builder::of(topic)
        .group(group)
        .name(name)
        .set("assignment.session_timeout", "4s")
        .set("restart", serde_json::json!({"initial": "50ms", "max": "500ms"}))
        .set("handler.max_in_flight.messages", WINDOW)
        .set("handler.poison.attempts", 1000)
        .recorder(&Recorder::new(records).batch(10))
        .start()
}

/// Kills a random worker or handler of a random supervisor, if there is one at this moment.
fn kill_something(random: &mut fastrand::Rng, members: &[Instance; 2]) -> Option<String> {
    let member = random.usize(..2);
    let partitions = members[member].status()?.partitions;
    let partition = random.choice(&partitions)?;
    let (what, pid) =
        if random.bool() { ("worker", partition.worker_pid?) } else { ("handler", partition.handler_pid?) };
    processes::try_signal(pid, Signal::SIGKILL)
        .then(|| format!("{what} {pid} of partition {} in member {member}", partition.partition))
}

#[test]
fn nothing_is_lost_in_a_storm() {
    let messages = usize::try_from(number("KAFKAVISOR_STORM_MESSAGES", 20_000)).unwrap();
    let seed = number("KAFKAVISOR_STORM_SEED", clock::wall_millis().unsigned_abs());
    println!("the storm's seed: KAFKAVISOR_STORM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (topic, records, group) = (Topic::new(PARTITIONS), Records::new(), unique("storm"));
    let both = [member(&topic, &group, "first", &records), member(&topic, &group, "second", &records)];
    for instance in &both {
        instance.wait_ready(3);
    }

    let rounds = (messages / 1000).clamp(10, 60);
    let supervisor_dies_in = rounds / 2;
    let mut committed = BTreeMap::new();
    let half = messages / rounds / 2;
    for round in 0..rounds {
        let seen = records.deliveries();
        topic.produce(&numbered(PARTITIONS, half));
        if round == supervisor_dies_in {
            let victim = random.usize(..2);
            println!("round {round}: supervisor {victim}");
            committed = all_committed(&topic, &group, PARTITIONS);
            both[victim].kill();
            topic.produce(&numbered(PARTITIONS, half));
            both[1 - victim].wait_ready(usize::try_from(PARTITIONS).unwrap());
            both[victim].start_again();
        } else {
            let killed = until("there is somebody to kill", || kill_something(&mut random, &both));
            println!("round {round}: {killed}");
            topic.produce(&numbered(PARTITIONS, half));
        }
        // One partition in six waits for its successor, the others flow.
        until_within(Duration::from_secs(60), "messages flow on", || {
            (records.deliveries() >= seen + half).then_some(())
        });
    }

    topic.produce(&numbered(PARTITIONS, messages - 2 * half * rounds));
    let ends: BTreeMap<i32, i64> =
        (0..PARTITIONS).map(|partition| (partition, topic.watermarks(partition).1)).collect();
    until_within(Duration::from_secs(180), "everything is committed", || {
        (all_committed(&topic, &group, PARTITIONS) == ends).then_some(())
    });
    for instance in &both {
        let status = instance.wait_drained(3);
        assert!(status.partitions.iter().all(|partition| partition.lag == Some(0)));
        instance.stop();
    }
    assert_eq!(all_committed(&topic, &group, PARTITIONS), ends);
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(WINDOW, &committed);
    let produced: usize = topic.produced().values().map(Vec::len).sum();
    assert_eq!(produced, messages);
    println!("{messages} messages, {rounds} kills, {} repeats", history.duplicates().len());
}
