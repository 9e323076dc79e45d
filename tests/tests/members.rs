//! `members` shows who is in a group and who holds what, whoever the members are.

use std::collections::BTreeSet;

use kafkavisor_tests::command::run;
use kafkavisor_tests::environment::{brokers, kraft_brokers, unique, zookeeper};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::kazoo::{KazooMember, folder_of};
use kafkavisor_tests::offsets::{Subscriber, commit};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::{Value, json};

fn in_zookeeper(group: &str, more: &[&str]) -> Value {
    let zookeeper = zookeeper();
    run(["members", "-z", &zookeeper, "-g", group, "--json"].iter().chain(more)).exits(0).json()
}

fn in_kafka(brokers: &str, group: &str) -> Value {
    run(["members", "-b", brokers, "-g", group, "--json"]).exits(0).json()
}

fn row(topic: &Topic, partition: i32, owner: &Value) -> Value {
    json!({"topic": topic.name, "partition": partition, "owner": owner})
}

#[test]
fn a_supervisor_is_a_member_and_holds_its_partitions_until_it_stops() {
    let topic = Topic::new(2);
    let instance = Builder::of(&topic).shell("cat >/dev/null").start();
    let status = instance.wait_ready(2);
    let member = json!(status.assignment.member.expect("a member"));
    let path = format!("/yelp-kafka/{}/{}", instance.group(), folder_of(&[&topic.name]));
    let expected = json!({"group": instance.group(), "path": path, "members": [member],
        "partitions": [row(&topic, 0, &member), row(&topic, 1, &member)]});
    assert_eq!(in_zookeeper(&instance.group(), &[]), expected);
    assert_eq!(in_zookeeper(&instance.group(), &["-t", &topic.name]), expected);
    let for_people = run(["members", "-z", &zookeeper(), "-g", &instance.group()]).exits(0);
    assert!(for_people.out.contains(&path) && for_people.out.contains("1 member\n"), "{for_people:?}");

    instance.stop();
    let empty = json!({"group": instance.group(), "path": path, "members": [],
        "partitions": [row(&topic, 0, &Value::Null), row(&topic, 1, &Value::Null)]});
    assert_eq!(in_zookeeper(&instance.group(), &[]), empty);
}

#[test]
fn python_members_are_shown_wherever_they_are() {
    let (topic, group) = (Topic::named(&brokers(), &unique("topic")), unique("group"));
    let partitions: BTreeSet<_> = (0..2).map(|p| format!("{}-{p}", topic.name)).collect();
    let plain = format!("/yelp-kafka/{group}");
    let hashed = format!("{plain}/{}", folder_of(&[&topic.name]));
    let python = |path: &str, id: &str| {
        let member = KazooMember::join(&zookeeper(), path, id, &partitions);
        until("the Python member owns all", || (member.owns() == partitions).then_some(()));
        member
    };
    let one = json!("python-1");
    let mut first = python(&plain, "python-1");
    let rows = json!([row(&topic, 0, &one), row(&topic, 1, &one)]);
    assert_eq!(
        in_zookeeper(&group, &[]),
        json!({"group": group, "path": plain, "members": ["python-1"], "partitions": rows})
    );

    // A second one in another folder: kazoo does not look there, and what both hold is shown.
    let _second = python(&hashed, "python-2");
    let both = in_zookeeper(&group, &[]);
    assert_eq!((&both["path"], &both["members"]), (&json!(plain), &json!(["python-1", "python-2"])));
    assert_eq!(both["partitions"].as_array().unwrap().len(), 4, "{both}");
    let of_topic = in_zookeeper(&group, &["-t", &topic.name]);
    assert_eq!((&of_topic["path"], &of_topic["members"]), (&json!(hashed), &json!(["python-2"])));

    first.leave();
    until("the first has left", || first.has_left().then_some(()));
    assert_eq!(in_zookeeper(&group, &[])["path"], json!(hashed));
}

#[test]
fn consumers_that_are_subscribed_are_shown_by_their_ids() {
    let (topic, group) = (Topic::new(2), unique("group"));
    let subscriber = Subscriber::join(&topic, &group, "some-consumer");
    let seen = in_kafka(&brokers(), &group);
    let member = &seen["members"][0];
    assert!(member.as_str().unwrap().starts_with("some-consumer-"), "{seen}");
    let expected = json!({"group": group, "path": null, "members": [member],
        "partitions": [row(&topic, 0, member), row(&topic, 1, member)]});
    assert_eq!(seen, expected);
    drop(subscriber);
    commit(&topic, &group, 0, 0);
    let empty = json!({"group": group, "path": null, "members": [],
        "partitions": [row(&topic, 0, &Value::Null), row(&topic, 1, &Value::Null)]});
    until("the consumer is gone", || (in_kafka(&brokers(), &group) == empty).then_some(()));
}

#[test]
fn members_of_kafkas_newer_protocol_are_shown_and_refuse_changes() {
    let brokers = kraft_brokers();
    let (topic, group) = (Topic::on(&brokers, 2), unique("group"));
    let _subscriber =
        Subscriber::join_with(&topic, &group, "new-consumer", &[("group.protocol", "consumer")]);
    let seen = in_kafka(&brokers, &group);
    let member = &seen["members"][0];
    assert_eq!(seen["partitions"], json!([row(&topic, 0, member), row(&topic, 1, member)]));
    let wanted = format!("{}:0=0", topic.name);
    let set =
        |more: &[&str]| run(["offsets", "set", "-b", &brokers, "-g", &group, &wanted].iter().chain(more));
    let _said = set(&[]).exits(64).saying(&["new-consumer"]);
    let _said = set(&["--force"]).exits(1).saying(&["not set"]);
    let refused = Builder::of(&topic).without("cluster.zookeeper").group(&group).shell("cat >/dev/null");
    let refused = refused.set("assignment", json!({"mode": "static", "partitions": {&topic.name: [0, 1]}}));
    assert!(refused.expect_exit(78).contains("new-consumer"));
}

#[test]
fn a_group_that_never_was_is_named() {
    let (group, zookeeper, brokers) = (unique("group"), zookeeper(), brokers());
    let _said = run(["members", "-z", &zookeeper, "-g", &group]).exits(1).saying(&[&group, &zookeeper]);
    let _said = run(["members", "-b", &brokers, "-g", &group, "--json"]).exits(1).saying(&[&group, &brokers]);
    let mistyped = format!("{zookeeper}/{}", unique("mistyped"));
    let _said = run(["members", "-z", &mistyped, "-g", &group]).exits(1).saying(&["there is no /", "-z"]);
}

/// As where an identifier is a host's name: each counts.
#[test]
fn members_of_the_same_name_are_several() {
    let (topic, group) = (Topic::named(&brokers(), &unique("topic")), unique("group"));
    let partitions: BTreeSet<_> = [format!("{}-0", topic.name)].into();
    let plain = format!("/yelp-kafka/{group}");
    let hashed = format!("{plain}/{}", folder_of(&[&topic.name]));
    let joined = [plain, hashed].map(|path| {
        let member = KazooMember::join(&zookeeper(), &path, "host-1", &partitions);
        until("the Python member owns all", || (member.owns() == partitions).then_some(()));
        member
    });
    let seen = in_zookeeper(&group, &[]);
    let twice = row(&topic, 0, &json!("host-1"));
    assert_eq!(
        (&seen["members"], &seen["partitions"]),
        (&json!(["host-1", "host-1"]), &json!([twice, twice]))
    );
    let people = run(["members", "-z", &zookeeper(), "-g", &group]).exits(0).out;
    assert!(people.contains("2 members\nhost-1  1 of 2 partitions\nhost-1  1 of 2 partitions\n"), "{people}");
    drop(joined);
}
