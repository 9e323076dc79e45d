//! Where reading begins. Messages lost by a reset are the losses nobody notices, so every case of the contract is here.

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{unique, zookeeper};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::{
    Subscriber, all_committed, commit, commit_with_metadata, committed, committed_with_metadata,
};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until, until_equal};
use kafkavisor_tests::zookeeper::write_classic_offset;

fn started(topic: &Topic, records: &Records, reset: &str) -> Builder {
    Builder::of(topic).set("offsets.reset", reset).recorder(&Recorder::new(records))
}

#[test]
fn earliest_begins_at_the_first_message() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    topic.delete_before(0, 4);
    let instance = started(&topic, &records, "earliest").start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn latest_begins_behind_the_last_message() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    topic.forget(|_| true);
    let instance = started(&topic, &records, "latest").start();
    let status = instance.wait_drained(2);
    assert!(status.partitions.iter().all(|partition| partition.committed == Some(10)), "{status:#?}");
    assert_eq!(records.deliveries(), 0);
    topic.produce(&numbered(2, 6));
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_start_is_committed_before_the_first_delivery() {
    for (reset, start) in [("earliest", 2), ("latest", 5)] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 5));
        topic.delete_before(0, 2);
        records.close_gate();
        let instance = started(&topic, &records, reset).start();
        if reset == "latest" {
            instance.wait_ready(1);
            topic.produce(&numbered(1, 1));
        }
        // Nothing is acknowledged, and yet there is an offset as soon as a message is delivered.
        instance.wait_deliveries(&records, 1);
        assert_eq!(committed(&topic, &instance.group(), 0), Some(start), "{reset}");
        instance.kill();
        assert_eq!(committed(&topic, &instance.group(), 0), Some(start), "{reset}");
    }
}

#[test]
fn a_quiet_partition_keeps_the_start_that_was_found() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&[Message::to(0, "before"), Message::to(1, "before")]);
    topic.forget(|_| true);
    let instance = started(&topic, &records, "latest").start();
    instance.wait_drained(2);
    until_equal("both starts are committed", &[(0, 1), (1, 1)].into(), || {
        all_committed(&topic, &instance.group(), 2)
    });
    instance.stop();
    // What comes while nobody is there is not skipped by `latest`.
    topic.produce(&[Message::to(1, "while it was away"), Message::to(0, "this too")]);
    instance.start_again();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn two_members_that_begin_a_topic_at_once_decide_its_start_once() {
    let topic = Topic::new(4);
    topic.produce(&numbered(4, 20));
    topic.forget(|_| true);
    // Each time in a new group: who finds no offset first is up to chance.
    let races: Vec<_> = (0..4)
        .map(|_| {
            let records = Records::new();
            let builder = started(&topic, &records, "latest");
            let members = ["one", "two"].map(|name| builder.clone().name(name).start());
            (records, members)
        })
        .collect();
    for (_, members) in &races {
        for member in members {
            member.wait_drained(2);
        }
        let starts = (0..4).map(|partition| (partition, 5)).collect();
        assert_eq!(all_committed(&topic, &members[0].group(), 4), starts);
    }
    topic.produce(&numbered(4, 40));
    for (records, members) in &races {
        until("all that came after the start is delivered", || (records.deliveries() >= 40).then_some(()));
        members.iter().for_each(Instance::stop);
        History::of(records, &topic).assert_exactly_once();
    }
}

#[test]
fn at_the_groups_offset_whatever_the_reset_says() {
    for reset in ["earliest", "latest"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 10));
        let builder = started(&topic, &records, reset);
        commit(&topic, &builder.group_name(), 0, 6);
        topic.forget(|message| message.offset < 6);
        let instance = builder.start();
        instance.wait_consumed(&topic, 1);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn a_reset_never_applies_to_a_topic_with_any_offset_of_the_group() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let builder = started(&topic, &records, "latest");
    commit(&topic, &builder.group_name(), 0, 10);
    topic.forget(|message| message.partition == 0);
    let instance = builder.start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    assert!(history.lives(0).iter().all(|life| life.delivered.is_empty()));
    assert_eq!(history.lives(1)[0].delivered, (0..10).collect::<Vec<_>>(), "its earliest, not its latest");
}

#[test]
fn each_commit_names_the_instance_and_the_topics_id() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 3));
    let instance = started(&topic, &records, "earliest").name("some-name").start();
    instance.wait_consumed(&topic, 1);
    let (_, metadata) = committed_with_metadata(&topic, &instance.group(), 0).unwrap();
    assert!(metadata.contains("some-name") && metadata.contains(r#""format":1"#), "{metadata}");
    instance.stop();
    let (offset, again) = committed_with_metadata(&topic, &instance.group(), 0).unwrap();
    assert_eq!((offset, &again), (3, &metadata));
    let other = Topic::new(1);
    let second = started(&other, &records, "earliest").name("some-name").start();
    second.wait_drained(1);
    let (_, of_other) = committed_with_metadata(&other, &second.group(), 0).unwrap();
    let note = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
    let (note, other) = (note(&metadata), note(&of_other));
    assert_ne!(note["topic_id"], other["topic_id"], "another topic has another id");
    assert_ne!(note["instance_id"], other["instance_id"], "another instance of that name has another id");
}

#[test]
fn below_the_logs_start_it_begins_at_the_earliest_and_says_so() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let builder = started(&topic, &records, "latest");
    commit(&topic, &builder.group_name(), 0, 3);
    topic.delete_before(0, 8);
    let instance = builder.start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_exactly_once();
    assert_eq!(history.lives(0)[0].delivered, (8..20).collect::<Vec<_>>());
    let said = instance.log().lines().any(|line| {
        line.contains(&topic.name) && line.contains('3') && line.contains('8') && {
            let line = line.to_lowercase();
            line.contains("warn") || line.contains("error")
        }
    });
    assert!(said, "five messages are lost, and that is said loudly:\n{}", instance.log());
}

#[test]
fn messages_deleted_while_its_worker_is_down_are_said_and_the_rest_comes() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 300));
    let recorder = Recorder::new(&records);
    let script = format!("[ -e go ] || exit 3; exec {}", recorder.shell());
    let instance = started(&topic, &records, "earliest").shell(&script).start();
    instance.wait_for("its handler dies", |status| status.partitions.iter().any(|p| p.restarts_total > 0));
    topic.delete_before(0, 290);
    std::fs::write(instance.folder().join("go"), "").unwrap();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    let delivered: Vec<i64> = history.lives(0).iter().flat_map(|life| life.delivered.clone()).collect();
    assert_eq!(delivered, (290..300).collect::<Vec<_>>());
    let log = instance.log();
    let said = log.lines().any(|line| line.contains("MESSAGES ARE GONE") && line.contains("message, 290"));
    assert!(said, "what is gone and where it goes on:\n{log}");
}

#[test]
fn beyond_the_logs_end_it_is_parked() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 10));
    let builder = started(&topic, &records, "earliest");
    commit(&topic, &builder.group_name(), 0, 50);
    let instance = builder.start();
    let status = instance.wait_for("partition 0 is parked, 1 is consumed", |status| {
        status.state_of(0) == "parked" && status.partition(1).committed == Some(5)
    });
    assert_eq!(status.partition(0).worker_pid, None, "{status:#?}");
    let why = status.partition(0).last_exit.as_deref().unwrap_or_default();
    assert!(why.contains("50") && why.contains("seek"), "status says what to do: {why:?}");
    instance.wait_for_log("seek");
    // It stays so, although messages come.
    topic.produce(&[Message::to(0, "more")]);
    throughout(Duration::from_secs(1), "it stays parked", || {
        instance.status().unwrap().state_of(0) == "parked"
    });
    instance.stop();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(50), "the offset is not touched");
    assert!(History::of(&records, &topic).lives(0).is_empty());
}

/// Stops, makes the topic again with 30 messages, starts; gives what was delivered after that.
fn delivered_after_making_the_topic_again(reset: &str, old_offset_is_still_there: bool) -> Vec<i64> {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = started(&topic, &records, "latest").set("offsets.reset", reset).start();
    instance.wait_drained(1);
    instance.stop();
    let old = committed_with_metadata(&topic, &instance.group(), 0).unwrap();
    assert_eq!(old.0, 10);
    let before = records.deliveries();
    topic.delete();
    topic.create(1, &[]);
    topic.produce(&numbered(1, 30));
    // Kafka deletes a deleted topic's offsets, but not at once and not on every way a topic is replaced.
    until_equal("Kafka has deleted the offset", &None, || committed(&topic, &instance.group(), 0));
    if old_offset_is_still_there {
        commit_with_metadata(&topic, &instance.group(), 0, old);
    }
    instance.start_again();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    let delivered = history.lives(0).iter().flat_map(|life| life.delivered.clone());
    delivered.skip(before).collect()
}

#[test]
fn a_topic_made_again_while_it_was_stopped_begins_at_its_earliest() {
    let all: Vec<i64> = (0..30).collect();
    assert_eq!(
        delivered_after_making_the_topic_again("latest", true),
        all,
        "the old topic's offset is no offset"
    );
}

#[test]
fn a_topic_made_again_without_any_offset_begins_as_the_reset_says() {
    assert_eq!(delivered_after_making_the_topic_again("earliest", false), (0..30).collect::<Vec<_>>());
    assert_eq!(delivered_after_making_the_topic_again("latest", false), Vec::<i64>::new());
}

#[test]
fn a_topic_made_again_while_it_runs_begins_at_its_earliest() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    topic.forget(|_| true);
    let instance = started(&topic, &records, "latest").start();
    instance.wait_drained(1);
    topic.delete();
    topic.create(1, &[]);
    topic.produce(&numbered(1, 30));
    // Until the supervisor has noticed, the old worker may read on in the new topic from where it was: that comes twice.
    let status = instance.wait_for("it is read from its earliest message", |status| {
        let last = History::of(&records, &topic).lives(0).last().map(|life| life.delivered.clone());
        last == Some((0..30).collect()) && status.is_drained(1) && status.is_ready(1)
    });
    assert_eq!(status.partition(0).committed, Some(30), "{status:#?}");
    instance.stop();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(30));
    History::of(&records, &topic).assert_exact();
}

#[test]
fn a_partition_added_under_latest_loses_nothing() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    topic.forget(|_| true);
    let instance = started(&topic, &records, "latest").start();
    instance.wait_drained(1);
    let flow = topic.flow(1);
    topic.grow(3);
    // Produced before the supervisor can have noticed.
    topic.produce(&(0..20).map(|n| Message::to(1 + n % 2, format!("early {n}"))).collect::<Vec<_>>());
    let wider = topic.flow(3);
    instance.wait_ready(3);
    flow.stop();
    wider.stop();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_partition_added_while_it_was_stopped_begins_at_its_earliest() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = started(&topic, &records, "latest").start();
    instance.wait_drained(1);
    instance.stop();
    topic.grow(2);
    topic.produce(&numbered(2, 10));
    instance.start_again();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn offsets_in_zookeepers_classic_layout_park_the_partition() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let builder = started(&topic, &records, "latest");
    write_classic_offset(&zookeeper(), &builder.group_name(), &topic.name, 0, 4);
    let instance = builder.start();
    let status = instance.wait_for("it is parked", |status| status.state_of(0) == "parked");
    let why = status.partition(0).last_exit.as_deref().unwrap_or_default();
    assert!(why.contains("offsets.storage"), "status names the key: {why:?}");
    instance.wait_for_log("offsets.storage");
    instance.stop();
    assert_eq!(committed(&topic, &instance.group(), 0), None, "nothing is decided for the operator");
    assert_eq!(records.deliveries(), 0);
}

#[test]
fn an_offset_in_kafka_wins_over_the_classic_layout() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let builder = started(&topic, &records, "latest");
    write_classic_offset(&zookeeper(), &builder.group_name(), &topic.name, 0, 4);
    commit(&topic, &builder.group_name(), 0, 7);
    let instance = builder.start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    assert_eq!(History::of(&records, &topic).lives(0)[0].delivered, [7, 8, 9]);
}

#[test]
fn a_foreign_subscriber_is_refused_by_name() {
    let (topic, records) = (Topic::new(1), Records::new());
    let builder = started(&topic, &records, "earliest");
    let foreign = Subscriber::join(&topic, &builder.group_name(), "somebody-else");
    let said = builder.expect_exit(78);
    assert!(said.contains("somebody-else"), "{said}");
    assert!(said.contains(&builder.group_name()), "{said}");
    drop(foreign);
    // Once it is gone, nothing is in the way.
    let instance = builder.start();
    instance.wait_ready(1);
    instance.stop();
}

#[test]
fn a_foreign_subscriber_that_comes_later_is_said_and_nothing_is_lost() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    let instance = started(&topic, &records, "earliest").start();
    instance.wait_consumed(&topic, 1);
    let foreign = Subscriber::join(&topic, &instance.group(), "a-late-one");
    topic.produce(&numbered(1, 5));
    instance.wait_deliveries(&records, 10);
    until("status says that commits fail", || {
        let output = instance.ask("status", &["--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        text.contains("while other consumers are subscribed under this group").then_some(())
    });
    assert!(instance.exited().is_none());
    assert!(instance.log().contains("offset 10 is not committed"), "{}", instance.log());
    assert_eq!(committed(&topic, &instance.group(), 0), Some(5));
    drop(foreign);
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn another_group_on_the_same_topic_is_none_of_our_business() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    let _other = Subscriber::join(&topic, &unique("another"), "another-group");
    let instance = started(&topic, &records, "earliest").start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let inits: Vec<i64> = records
        .read()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Init(init) => init["offset"].as_i64(),
            _ => None,
        })
        .collect();
    assert_eq!(inits, [0]);
}
