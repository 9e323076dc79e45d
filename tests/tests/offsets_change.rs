//! `offsets set`, `rewind` and `advance` change a group's offsets, all that was asked for or nothing, and never behind the back of
//! somebody who would commit over it.

use std::collections::BTreeSet;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::kazoo::{KazooMember, folder_of};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::{
    Subscriber, all_committed, commit, commit_with_metadata, committed, committed_with_metadata,
};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::zookeeper::{
    classic_offset, classic_path, read_group, write_classic_offset, write_node,
};
use serde_json::json;

fn offsets(verb: &str, group: &str, more: &[&str]) -> Said {
    let (brokers, zookeeper) = (brokers(), zookeeper());
    run(["offsets", verb, "-b", &brokers, "-z", &zookeeper, "-g", group].iter().chain(more))
}

fn set(group: &str, more: &[&str]) -> Said {
    offsets("set", group, more)
}

/// A topic with ten messages in each of its partitions.
fn topic_of(partitions: i32) -> Topic {
    let topic = Topic::new(partitions);
    topic.produce(&numbered(partitions, usize::try_from(partitions).unwrap() * 10));
    topic
}

#[test]
fn a_change_is_shown_line_by_line_and_leaves_no_note() {
    let (topic, group) = (topic_of(3), unique("group"));
    let note = r#"{"format":1,"kafkavisor":"orders-1","instance_id":"5eed"}"#.to_owned();
    commit_with_metadata(&topic, &group, 0, (7, note));
    let name = &topic.name;
    let wanted = [format!("{name}:0=3"), format!("{name}:2=10"), format!("{name}:1=0")];
    let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();

    let dry = set(&group, &[&wanted[..], &["--dry-run"]].concat()).exits(0).saying(&["nothing was changed"]);
    assert_eq!(all_committed(&topic, &group, 3), [(0, 7)].into());
    let done = set(&group, &wanted).exits(0);
    assert_eq!(done.out, format!("{name}:0: 7 -> 3\n{name}:1: none -> 0\n{name}:2: none -> 10\n"));
    assert_eq!(done.out, dry.out);
    assert_eq!(all_committed(&topic, &group, 3), [(0, 3), (1, 0), (2, 10)].into());
    // A supervisor must not take it for its own.
    assert_eq!(committed_with_metadata(&topic, &group, 0), Some((3, String::new())));

    let again = set(&group, &[&format!("{name}:0=4"), "--json"]).exits(0);
    assert_eq!(again.json(), json!([{"topic": name, "partition": 0, "before": 3, "after": 4}]));
}

#[test]
fn whole_topics_go_to_an_end_or_a_time() {
    let (topic, other, group) = (topic_of(2), topic_of(1), unique("group"));
    topic.delete_before(0, 4);
    let both = ["-t", &topic.name, "-t", &other.name];
    let at = |to: &str| set(&group, &[&both[..], &["--to", to]].concat()).exits(0);
    let there = || (all_committed(&topic, &group, 2), committed(&other, &group, 0));

    let _said = at("latest");
    assert_eq!(there(), ([(0, 10), (1, 10)].into(), Some(10)));
    let _said = at("earliest");
    assert_eq!(there(), ([(0, 4), (1, 0)].into(), Some(0)));
    let _said = at("9999-01-01T00:00:00Z");
    assert_eq!(there(), ([(0, 10), (1, 10)].into(), Some(10)), "past the last message it is the end");
    let _said = at("1971-01-01T00:00:00+01:00");
    assert_eq!(there(), ([(0, 4), (1, 0)].into(), Some(0)));
    let _said = offsets("advance", &group, &["-t", &topic.name]).exits(0);
    assert_eq!(there(), ([(0, 10), (1, 10)].into(), Some(0)));
    let _said = offsets("rewind", &group, &both).exits(0);
    assert_eq!(there(), ([(0, 4), (1, 0)].into(), Some(0)));
}

#[test]
fn a_time_within_the_log_is_the_first_message_that_is_not_older() {
    let (topic, group) = (Topic::with(1, &[("retention.ms", "-1")]), unique("group"));
    for millis in [1_000_000_000_000, 1_000_000_000_400, 1_000_000_001_000] {
        topic.produce(&[Message::to(0, "value").at(millis)]);
    }
    for (time, offset) in [
        ("2001-09-09T01:46:40Z", 0),
        ("2001-09-09T01:46:40.0001Z", 1),
        ("2001-09-09T03:46:40.400+02:00", 1),
        ("2001-09-09T01:46:40.401Z", 2),
        ("2001-09-09T01:46:41Z", 2),
        ("2001-09-09T01:46:41.001Z", 3),
    ] {
        let _said = set(&group, &["-t", &topic.name, "--to", time]).exits(0);
        assert_eq!(committed(&topic, &group, 0), Some(offset), "{time}");
    }
}

#[test]
fn what_is_not_there_or_outside_the_log_refuses_all_of_it() {
    let (topic, empty, group) = (topic_of(2), Topic::new(1), unique("group"));
    topic.delete_before(1, 4);
    commit(&topic, &group, 0, 7);
    let (name, missing) = (&topic.name, unique("topic"));
    let fine = format!("{name}:0=3");
    for (wrong, words) in [
        (format!("{name}:0=11"), ["0 to 10", name]),
        (format!("{name}:1=3"), ["4 to 10", name]),
        (format!("{name}:2=0"), ["no such partition", name]),
        (format!("{missing}:0=0"), ["no topic", &missing]),
        (format!("{}:0=5", empty.name), ["0 to 0", &empty.name]),
        (format!("{name}:1={}", i64::MAX), ["4 to 10", name]),
    ] {
        let first = if wrong.starts_with(&format!("{name}:0")) { &format!("{name}:1=5") } else { &fine };
        let said = set(&group, &[first, &wrong]).exits(1).saying(&words);
        assert_eq!(said.out, "");
        let _said = set(&group, &[first, &wrong, "--dry-run"]).exits(1);
    }
    let _said = set(&group, &["-t", name, "-t", &missing, "--to", "latest"]).exits(1).saying(&[&missing]);
    let _said = offsets("rewind", &group, &["-t", &missing]).exits(1).saying(&[&missing]);
    assert_eq!(all_committed(&topic, &group, 2), [(0, 7)].into());
    // Both ends are inside.
    let _said = set(&group, &[&format!("{name}:1=4"), &format!("{name}:0=10")]).exits(0);
    let _said = set(&group, &[&format!("{}:0=0", empty.name)]).exits(0);
}

#[test]
fn a_wrong_command_line_is_64_and_asks_nobody() {
    let base = ["offsets", "set", "-b", "127.0.0.1:1", "-g", "g"];
    for wrong in [
        &[][..],
        &["t:0"],
        &["t:0=x"],
        &["t:0=-1"],
        &["t:0=9223372036854775808"],
        &["t=5"],
        &["t:0=5", "t:1=6", "t:0=7"],
        &["t:0=5", "--to", "latest"],
        &["t:0=5", "-t", "t"],
        &["-t", "t"],
        &["--to", "latest"],
        &["-t", "t", "--to", "2026-03-01T12:00:00"],
        &["-t", "t", "--to", "yesterday"],
        &["t:0=5", "--storage", "zookeeper"],
    ] {
        let said = run(base.iter().chain(wrong)).exits(64);
        assert!(!said.err.is_empty(), "{wrong:?}");
    }
    let _said = run(["offsets", "rewind", "-b", "127.0.0.1:1", "-g", "g"]).exits(64).saying(&["--topic"]);
}

#[test]
fn subscribed_consumers_are_named_and_kafka_refuses_even_with_force() {
    let (topic, group) = (topic_of(2), unique("group"));
    commit(&topic, &group, 0, 7);
    let wanted = format!("{}:0=3", topic.name);
    let subscriber = Subscriber::join(&topic, &group, "some-consumer");
    for dry in [&[][..], &["--dry-run"]] {
        let said = set(&group, &[&[wanted.as_str()], dry].concat());
        let _said = said.exits(64).saying(&[&group, "some-consumer", "--force"]);
    }
    for storage in ["kafka", "dual"] {
        let said = set(&group, &[&wanted, "--force", "--storage", storage])
            .exits(1)
            .saying(&["not set", "subscribed"]);
        assert_eq!(said.out, "", "nothing has changed");
    }
    assert_eq!(committed(&topic, &group, 0), Some(7));
    assert_eq!(classic_offset(&zookeeper(), &group, &topic.name, 0), None);
    drop(subscriber);
    until("the consumer has left", || (set(&group, &[&wanted]).code == 0).then_some(()));
    assert_eq!(committed(&topic, &group, 0), Some(3));
}

#[test]
fn members_in_any_folder_in_zookeeper_are_named() {
    let (topic, group) = (topic_of(2), unique("group"));
    let partitions: BTreeSet<_> = (0..2).map(|p| format!("{}-{p}", topic.name)).collect();
    let other_topics = folder_of(&["another-topic", &topic.name]);
    let wanted = format!("{}:0=3", topic.name);
    for path in [format!("/yelp-kafka/{group}"), format!("/yelp-kafka/{group}/{other_topics}")] {
        let mut python = KazooMember::join(&zookeeper(), &path, "python-1", &partitions);
        until("the Python member is there", || (!python.owns().is_empty()).then_some(()));
        for storage in ["kafka", "zookeeper", "dual"] {
            let said = set(&group, &[&wanted, "--storage", storage]);
            let _said = said.exits(64).saying(&["python-1", &path, "--force"]);
        }
        let _said = offsets("rewind", &group, &["-t", &topic.name]).exits(64).saying(&["python-1"]);
        assert_eq!(committed(&topic, &group, 0), None);

        // Without ZooKeeper only Kafka's are seen.
        let blind = run(["offsets", "set", "-b", &brokers(), "-g", &group, &wanted, "--dry-run"]);
        let _said = blind.exits(0).saying(&["-z ZOOKEEPER"]);
        let forced = set(&group, &[&wanted, "--force", "--storage", "zookeeper"]).exits(0);
        assert!(forced.out.ends_with(" -> 3\n"), "{forced:?}");
        python.leave();
        until("the Python member has left", || python.has_left().then_some(()));
    }
    until("all is gone", || {
        read_group(&zookeeper(), &format!("/yelp-kafka/{group}")).members.is_empty().then_some(())
    });
    let _said = set(&group, &[&wanted]).exits(0);
}

#[test]
fn a_mistyped_chroot_hides_no_members() {
    let (topic, group) = (topic_of(1), unique("group"));
    let mistyped = format!("{}/{}", zookeeper(), unique("mistyped"));
    let wanted = format!("{}:0=3", topic.name);
    for storage in ["kafka", "zookeeper"] {
        let arguments = [&*brokers(), "-z", &mistyped, "-g", &group, "--storage", storage, &wanted];
        let said = run(["offsets", "set", "-b"].iter().chain(&arguments));
        let _said = said.exits(1).saying(&["there is no /", "-z"]);
    }
    assert_eq!(committed(&topic, &group, 0), None);
}

#[test]
fn a_supervisor_that_starts_then_begins_there() {
    for killed in [false, true] {
        let (topic, records) = (topic_of(2), Records::new());
        let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
        instance.wait_consumed(&topic, 2);
        let wanted = format!("{}:0=4", topic.name);
        let member = instance.status().unwrap().assignment.member.expect("a member");
        let _said = set(&instance.group(), &[&wanted]).exits(64).saying(&[&member]);
        if killed {
            // It leaves its pages, which know better than what is committed unless somebody else has changed that.
            instance.kill();
            until("its session has ended", || {
                let said = set(&instance.group(), &[&wanted]);
                assert!(matches!(said.code, 0 | 64), "{said:?}");
                (said.code == 0).then_some(())
            });
        } else {
            instance.stop();
            let done = set(&instance.group(), &[&wanted]).exits(0);
            assert_eq!(done.out, format!("{}:0: 10 -> 4\n", topic.name));
        }
        instance.start_again();
        instance.wait_deliveries(&records, 26);
        instance.wait_consumed(&topic, 2);
        let history = History::of(&records, &topic);
        let repeated: Vec<_> = (4..10).map(|offset| (0, offset)).collect();
        assert_eq!(history.duplicates(), repeated);
        instance.stop();
    }
}

#[test]
fn offsets_in_zookeeper_are_set_alone_or_with_kafkas() {
    let (topic, group) = (topic_of(2), unique("group"));
    write_classic_offset(&zookeeper(), &group, &topic.name, 0, 5);
    let classic = |partition| classic_offset(&zookeeper(), &group, &topic.name, partition);
    let wanted = [format!("{}:0=3", topic.name), format!("{}:1=4", topic.name)];
    let done = set(&group, &[&wanted[0], &wanted[1], "--storage", "zookeeper"]).exits(0);
    assert_eq!(done.out, format!("{0}:0: 5 -> 3\n{0}:1: none -> 4\n", topic.name));
    assert_eq!([classic(0), classic(1)], [Some("3".to_owned()), Some("4".to_owned())]);
    assert_eq!(all_committed(&topic, &group, 2), [].into());

    let both = offsets("advance", &group, &["-t", &topic.name, "--storage", "dual"]).exits(0);
    assert_eq!(both.out, format!("{0}:0: 3 -> 10\n{0}:1: 4 -> 10\n", topic.name));
    assert_eq!([classic(0), classic(1)], [Some("10".to_owned()), Some("10".to_owned())]);
    assert_eq!(all_committed(&topic, &group, 2), [(0, 10), (1, 10)].into());
}

#[test]
fn a_node_that_is_no_number_is_overwritten_with_force_alone() {
    let (topic, group) = (topic_of(1), unique("group"));
    let path = classic_path(&group, &topic.name, 0);
    write_node(&zookeeper(), &path, "some text");
    let wanted = format!("{}:0=3", topic.name);
    let wanted = [wanted.as_str(), "--storage", "zookeeper"];
    let _said = set(&group, &wanted).exits(1).saying(&[&path, "some text"]);
    assert_eq!(classic_offset(&zookeeper(), &group, &topic.name, 0).as_deref(), Some("some text"));
    let done = set(&group, &[&wanted[..], &["--force"]].concat()).exits(0).saying(&[&path]);
    assert_eq!(done.out, format!("{}:0: none -> 3\n", topic.name));
    assert_eq!(classic_offset(&zookeeper(), &group, &topic.name, 0).as_deref(), Some("3"));

    // Kafka's offset hides nothing of it.
    commit(&topic, &group, 0, 7);
    write_node(&zookeeper(), &path, "some text");
    let both = [wanted[0], "--storage", "dual"];
    let _said = set(&group, &both).exits(1).saying(&[&path, "--force"]);
    assert_eq!(committed(&topic, &group, 0), Some(7));
}
