//! Several supervisors of one group on one machine share its partitions, and take over from each other.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::unique;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes::ticks;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};

/// What differs between two members' folders.
fn member(topic: &Topic, group: &str, name: &str, records: &Records) -> Instance {
    Builder::of(topic)
        .group(group)
        .name(name)
        .set("assignment.session_timeout", "4s")
        .set("handler.max_in_flight.messages", 50)
        .recorder(&Recorder::new(records).delay_ms(1))
        .start()
}

fn workers(status: &Status) -> BTreeMap<i32, i32> {
    status
        .partitions
        .iter()
        .filter_map(|partition| Some((partition.partition, partition.worker_pid?)))
        .collect()
}

#[track_caller]
fn wait_shared(instance: &Instance, count: usize, members: u64) -> Status {
    instance.wait_for(&format!("it owns {count}, {members} members"), |status| {
        status.is_ready(count)
            && status.assignment.members == members
            && status.assignment.state == "acquired"
    })
}

#[test]
fn two_share_while_messages_flow_and_repeat_nothing() {
    let (topic, records, group) = (Topic::new(4), Records::new(), unique("group"));
    let first = member(&topic, &group, "first", &records);
    let alone = wait_shared(&first, 4, 1);
    let flow = topic.flow(4);
    first.wait_deliveries(&records, 200);

    let second = member(&topic, &group, "second", &records);
    let (of_first, of_second) = (wait_shared(&first, 2, 2), wait_shared(&second, 2, 2));
    let mut all = [of_first.numbers(), of_second.numbers()].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3], "each partition has one owner");
    let before = workers(&alone);
    for (partition, worker) in workers(&of_first) {
        assert_eq!(worker, before[&partition], "the worker of partition {partition} did not notice");
        assert_eq!(of_first.partition(partition).restarts_total, 0);
    }
    for partition in &of_second.partitions {
        let then = alone.partition(partition.partition).fencing_token;
        assert!(partition.fencing_token > then, "tokens grow from owner to owner: {then:?}, {partition:?}");
    }
    assert_ne!(of_first.assignment.member, of_second.assignment.member);
    let seen = records.deliveries();
    first.wait_deliveries(&records, seen + 200);

    second.stop();
    let again = wait_shared(&first, 4, 1);
    let kept = workers(&of_first);
    assert!(kept.iter().all(|(partition, worker)| workers(&again).get(partition) == Some(worker)));
    flow.stop();
    first.wait_consumed(&topic, 4);
    first.stop();
    let history = History::of(&records, &topic);
    history.assert_exactly_once();
    let moved = of_second.numbers()[0];
    assert_eq!(history.lives(moved).len(), 3, "first, second, first again");
    assert_eq!(history.lives(moved)[0].stopped.as_deref(), Some("rebalance"));
    assert_eq!(history.lives(moved)[1].stopped.as_deref(), Some("shutdown"));
}

#[test]
fn one_takes_over_from_another_that_was_killed() {
    let (topic, records, group) = (Topic::new(4), Records::new(), unique("group"));
    let (first, second) = (member(&topic, &group, "a", &records), member(&topic, &group, "b", &records));
    let (_, of_second) = (wait_shared(&first, 2, 2), wait_shared(&second, 2, 2));
    let flow = topic.flow(4);
    first.wait_deliveries(&records, 400);
    let committed = all_committed(&topic, &group, 4);
    second.kill();
    let killed = clock::now();
    let all = wait_shared(&first, 4, 1);
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    for partition in of_second.numbers() {
        assert!(all.partition(partition).fencing_token > of_second.partition(partition).fencing_token);
    }
    let seen = records.deliveries();
    first.wait_deliveries(&records, seen + 200);
    flow.stop();
    first.wait_consumed(&topic, 4);
    first.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(50, &committed);
    for partition in (0..4).filter(|partition| !of_second.numbers().contains(partition)) {
        // Before the second joined, the first may have had all of them.
        let working = history.lives(partition).iter().filter(|life| !life.delivered.is_empty());
        assert_eq!(working.count(), 1, "partition {partition} did not move");
    }
}

#[test]
fn a_member_without_a_partition_is_idle_and_stops_at_once() {
    let (topic, records, group) = (Topic::new(1), Records::new(), unique("group"));
    topic.produce(&numbered(1, 10));
    let names = ["a", "b", "c"];
    let all: Vec<Instance> = names.iter().map(|name| member(&topic, &group, name, &records)).collect();
    for instance in &all {
        instance.wait_for("three have settled", |status| {
            status.assignment.members == 3
                && status.assignment.state == "acquired"
                && status.state == "running"
        });
    }
    let (busy, idle): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|instance| !instance.status().unwrap().partitions.is_empty());
    assert_eq!((busy.len(), idle.len()), (1, 2), "one has the only partition");
    busy[0].wait_consumed(&topic, 1);

    let before: Vec<u64> = idle.iter().map(|instance| ticks(instance.pid())).collect();
    throughout(Duration::from_secs(3), "they run", || {
        idle.iter().all(|instance| instance.exited().is_none())
    });
    for (instance, before) in idle.iter().zip(before) {
        let used = ticks(instance.pid()) - before;
        assert!(used <= 15, "idle for 3 s and yet {used} hundredths of a second of processor time");
    }
    let began = clock::now();
    idle.iter().for_each(Instance::stop);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    busy[0].wait_for("it is alone", |status| status.assignment.members == 1 && status.is_ready(1));
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_only_owner_leaves_and_an_idle_one_goes_on() {
    let (topic, records, group) = (Topic::new(1), Records::new(), unique("group"));
    let first = member(&topic, &group, "z-first", &records);
    wait_shared(&first, 1, 1);
    let second = member(&topic, &group, "second", &records);
    first.wait_for("two members", |status| status.assignment.members == 2);
    second.wait_for("two members", |status| {
        status.assignment.members == 2 && status.assignment.state == "acquired"
    });
    let flow = topic.flow(1);
    first.wait_deliveries(&records, 50);
    let (owner, heir) =
        if first.status().unwrap().partitions.is_empty() { (second, first) } else { (first, second) };
    owner.stop();
    wait_shared(&heir, 1, 1);
    flow.stop();
    heir.wait_consumed(&topic, 1);
    heir.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn several_topics_are_shared_together() {
    let (one, two, records, group) = (Topic::new(3), Topic::new(3), Records::new(), unique("group"));
    one.produce(&numbered(3, 90));
    two.produce(&numbered(3, 90));
    let both = |name: &str| {
        Builder::of(&one)
            .group(&group)
            .name(name)
            .set("topics", serde_json::json!([two.name, one.name]))
            .set("assignment.use_group_sha", false)
            .recorder(&Recorder::new(&records))
            .start()
    };
    let (first, second) = (both("first"), both("second"));
    wait_shared(&first, 3, 2);
    wait_shared(&second, 3, 2);
    first.wait_drained(3);
    second.wait_drained(3);
    first.stop();
    second.stop();
    History::of(&records, &one).assert_exactly_once();
    History::of(&records, &two).assert_exactly_once();
}

#[test]
fn two_names_of_a_group_on_one_machine_are_told_apart() {
    let (topic, group) = (Topic::new(2), unique("group"));
    let names = [unique("name"), unique("name")];
    let start = |name: &String| {
        Builder::of(&topic).group(&group).name(name).handler([handlers::shell()]).in_default_place().start()
    };
    let both = [start(&names[0]), start(&names[1])];
    let say = |arguments: &[&str]| both[0].command(arguments);
    for (instance, name) in both.iter().zip(&names) {
        until(&format!("{name} owns one partition"), || {
            assert!(instance.exited().is_none(), "{}", instance.log());
            let output = say(&["status", "--json", "--name", name]);
            let status: Status = serde_json::from_slice(&output.stdout).ok()?;
            (status.is_ready(1) && status.pid == instance.pid()).then_some(())
        });
    }
    let output = say(&["status", "-g", &group]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(names.iter().all(|name| said.contains(name.as_str())), "both are listed: {said}");
    let second = say(&["run", "-c", "kafkavisor.yaml"]);
    assert_eq!(second.status.code(), Some(78), "{second:?}");
    assert!(say(&["stop", "--name", &names[0]]).status.success());
    assert_eq!(both[0].wait_exit(Duration::from_secs(20)), 0);
    assert!(say(&["stop", "-g", &group]).status.success(), "only one is left");
    assert_eq!(both[1].wait_exit(Duration::from_secs(20)), 0);
}
