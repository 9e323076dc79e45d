//! Python members (kazoo's `SetPartitioner`) and Kafkavisor share a group while a service migrates.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::zookeeper;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::kazoo::{KazooMember, folder_of};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::zookeeper::{Group, read_group};

fn partitions(topic: &Topic, partitions: i32) -> BTreeSet<String> {
    (0..partitions).map(|partition| format!("{}-{partition}", topic.name)).collect()
}

fn owned(instance: &Instance) -> BTreeSet<String> {
    let Some(status) = instance.status() else { return BTreeSet::new() };
    let ready = status.partitions.iter().filter(|partition| partition.state == "ready");
    ready.map(|partition| format!("{}-{}", partition.topic, partition.partition)).collect()
}

/// Waits until the members' own words and the lock nodes agree, each partition owned exactly once.
#[track_caller]
fn wait_agreed(
    path: &str,
    all: &BTreeSet<String>,
    members: usize,
    words: impl Fn() -> Vec<BTreeSet<String>>,
) -> Group {
    until(&format!("{members} members own each partition once"), || {
        let (said, group) = (words(), read_group(&zookeeper(), path));
        let mut shares: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (partition, holder) in &group.holders {
            shares.entry(holder).or_default().insert(partition.clone());
        }
        let mut by_nodes: Vec<BTreeSet<String>> = shares.into_values().collect();
        let mut by_words: Vec<BTreeSet<String>> =
            said.into_iter().filter(|share| !share.is_empty()).collect();
        by_nodes.sort();
        by_words.sort();
        let total: usize = by_words.iter().map(BTreeSet::len).sum();
        let covered: BTreeSet<String> = by_words.iter().flatten().cloned().collect();
        // Before the others let go of theirs, a new member has none, and there is nothing to object to.
        let shared = by_words.len() == members.min(all.len());
        let agreed = by_nodes == by_words && total == all.len() && covered == *all && shared;
        (agreed && group.members.len() == members && group.orphans.is_empty()).then_some(group)
    })
}

#[test]
fn a_mixed_group_owns_each_item_once() {
    let (topic, records) = (Topic::new(7), Records::new());
    let builder = Builder::of(&topic).set("assignment.cooldown", "500ms").recorder(&Recorder::new(&records));
    let path = format!("/yelp-kafka/{}/{}", builder.group_name(), folder_of(&[&topic.name]));
    let all = partitions(&topic, 7);
    let mut one = KazooMember::join(&zookeeper(), &path, "a-python-1", &all);
    let mut two = KazooMember::join(&zookeeper(), &path, "z-python-2", &all);
    wait_agreed(&path, &all, 2, || vec![one.owns(), two.owns()]);

    let ours = builder.start();
    let group = wait_agreed(&path, &all, 3, || vec![one.owns(), two.owns(), owned(&ours)]);
    let status = ours.status().unwrap();
    let id = status.assignment.member.clone().expect("a member");
    assert!(group.members.contains(&id), "{id} in {group:#?}");
    assert_eq!(
        (status.assignment.members, status.partitions.len()),
        (3, group.holders.values().filter(|h| **h == id).count())
    );
    assert!(status.partitions.len() >= 2, "seven are shared by three");

    one.leave();
    until("the first Python has left", || one.has_left().then_some(()));
    wait_agreed(&path, &all, 2, || vec![two.owns(), owned(&ours)]);
    two.leave();
    until("the second Python has left", || two.has_left().then_some(()));
    wait_agreed(&path, &all, 1, || vec![owned(&ours)]);
    topic.produce(&numbered(7, 140));
    ours.wait_consumed(&topic, 7);

    let three = KazooMember::join(&zookeeper(), &path, "python-3", &all);
    wait_agreed(&path, &all, 2, || vec![three.owns(), owned(&ours)]);
    ours.stop();
    wait_agreed(&path, &all, 1, || vec![three.owns()]);
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_folder_is_the_one_that_python_computes() {
    let topic = Topic::new(1);
    let other = Topic::new(1);
    let hashed = folder_of(&[&topic.name, &other.name]);
    let sha_without = |instance: &Builder| format!("/yelp-kafka/{}", instance.group_name());
    let topics = serde_json::json!([topic.name, other.name]);
    let both = Builder::of(&topic).set("topics", topics.clone()).handler([handlers::shell()]);
    let plain = both.clone().group(&kafkavisor_tests::environment::unique("plain"));
    let plain = plain.set("assignment.use_group_sha", false);
    let cases = [(&both, format!("{}/{hashed}", sha_without(&both))), (&plain, sha_without(&plain))];
    for (builder, path) in cases {
        let instance = builder.start();
        instance.wait_ready(2);
        let group = read_group(&zookeeper(), &path);
        let held: BTreeSet<String> = group.holders.into_keys().collect();
        assert_eq!(held, [format!("{}-0", topic.name), format!("{}-0", other.name)].into(), "{path}");
        instance.stop();
        let group = read_group(&zookeeper(), &path);
        assert!(group.members.is_empty() && group.holders.is_empty(), "it has left nothing: {group:#?}");
    }
}

#[test]
fn a_chroot_is_the_root_of_everything() {
    let topic = Topic::new(1);
    let chroot = format!("/{}/inner", kafkavisor_tests::environment::unique("chroot"));
    let builder = Builder::of(&topic)
        .set("cluster.zookeeper", format!("{}{chroot}", zookeeper()))
        .set("assignment.group_path", "/own/path")
        .handler([handlers::shell()]);
    let instance = builder.start();
    instance.wait_ready(1);
    let group = read_group(&zookeeper(), &format!("{chroot}/own/path"));
    assert_eq!(group.holders.keys().collect::<Vec<_>>(), [&format!("{}-0", topic.name)]);
    assert!(instance.log().contains(&format!("ZooKeeper has no {chroot}, and it is made: is that the path")));
    instance.stop();
}
