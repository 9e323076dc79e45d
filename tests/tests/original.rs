//! The real yelp_kafka, on Python 2.7, and Kafkavisor in one group with offsets in ZooKeeper. Run by `script/original`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, project, unique, zookeeper};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::{Produced, numbered};
use kafkavisor_tests::nodes::{Node, tree};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal};
use kafkavisor_tests::zookeeper::read_group;

/// The broker keeps its nodes here, and so the groups' offsets that it is given in the old form.
fn chrooted() -> String {
    format!("{}/kafka", zookeeper())
}

/// A member that is yelp_kafka itself.
struct Original(Child);

impl Original {
    fn join(topic: &Topic, group: &str, records: &Records, name: &str) -> Self {
        let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name}: run script/original"));
        let child = Command::new(variable("KAFKAVISOR_TEST_PYTHON27"))
            .arg(project().join("tests/original/member.py"))
            .args([&brokers(), &chrooted(), group, &topic.name])
            .arg(records.path())
            .arg(name)
            .stdin(Stdio::piped())
            .env("PYTHONPATH", variable("KAFKAVISOR_TEST_ORIGINAL"))
            .spawn()
            .expect("Python 2.7 starts");
        Self(child)
    }

    fn stop(mut self) {
        drop(self.0.stdin.take());
        let status = until("it has left", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _gone_or_not = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Every partition is held, and by so many members.
#[track_caller]
fn wait_shared(path: &str, partitions: usize, members: usize) {
    until(&format!("{members} members hold {partitions} partitions"), || {
        let group = read_group(&zookeeper(), path);
        let holders: BTreeSet<_> = group.holders.values().collect();
        (group.holders.len() == partitions && group.members.len() == members && holders.len() == members)
            .then_some(())
    });
}

fn offsets(group: &str, topic: &Topic, partitions: i32) -> Vec<Option<String>> {
    let of = |partition| {
        let path = format!("/kafka/consumers/{group}/offsets/{}/{partition}", topic.name);
        tree(&zookeeper(), &path).first().map(|node| node.data.clone())
    };
    (0..partitions).map(of).collect()
}

fn ends(topic: &Topic, partitions: i32) -> Vec<Option<String>> {
    (0..partitions).map(|partition| Some(topic.watermarks(partition).1.to_string())).collect()
}

/// Whoever works on a topic has begun its last message.
#[track_caller]
fn wait_handled(records: &Records, topic: &Topic) {
    until("all is handled", || {
        let history = History::of(records, topic);
        let seen = |(partition, all): (i32, Vec<Produced>)| {
            let last = all.last().map(|message| message.offset);
            history.lives(partition).iter().any(|life| life.delivered.last().copied() >= last)
        };
        topic.produced().into_iter().all(seen).then_some(())
    });
}

fn folder(group: &str, topic: &Topic) -> String {
    format!("/kafka/yelp-kafka/{group}/{}", kafkavisor_tests::kazoo::folder_of(&[&topic.name]))
}

#[test]
fn a_group_moves_over_member_by_member_and_back() {
    let (topic, records, group) = (Topic::new(4), Records::new(), unique("services.original"));
    let path = folder(&group, &topic);
    let one = Original::join(&topic, &group, &records, "python-1");
    let two = Original::join(&topic, &group, &records, "python-2");
    wait_shared(&path, 4, 2);
    let flow = topic.flow(4);
    until("both work", || (records.deliveries() > 40).then_some(()));

    let builder = Builder::of(&topic)
        .group(&group)
        .set("cluster.zookeeper", chrooted())
        .set("assignment.cooldown", "1s")
        .set("offsets.storage", "zookeeper")
        .recorder(&Recorder::new(&records));
    let rust = builder.start();
    wait_shared(&path, 4, 3);
    one.stop();
    wait_shared(&path, 4, 2);
    two.stop();
    wait_shared(&path, 4, 1);
    rust.wait_for("it has all", |status| status.is_ready(4));

    let back = Original::join(&topic, &group, &records, "python-3");
    wait_shared(&path, 4, 2);
    let before = records.deliveries();
    until("both work", || (records.deliveries() > before + 40).then_some(()));
    rust.stop();
    wait_shared(&path, 4, 1);
    flow.stop();
    wait_handled(&records, &topic);
    back.stop();
    until_equal("all is committed", &ends(&topic, 4), || offsets(&group, &topic, 4));
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn whoever_is_killed_loses_nothing() {
    let (topic, records, group) = (Topic::new(4), Records::new(), unique("services.original"));
    let path = folder(&group, &topic);
    let python = Original::join(&topic, &group, &records, "python-1");
    let rust = Builder::of(&topic)
        .group(&group)
        .set("cluster.zookeeper", chrooted())
        .set("assignment.cooldown", "1s")
        .set("offsets.storage", "zookeeper")
        .recorder(&Recorder::new(&records))
        .start();
    wait_shared(&path, 4, 2);
    let flow = topic.flow(4);
    until("both work", || (records.deliveries() > 40).then_some(()));
    python.kill();
    wait_shared(&path, 4, 1);
    let before = records.deliveries();
    until("it has taken over", || (records.deliveries() > before + 40).then_some(()));
    let python = Original::join(&topic, &group, &records, "python-2");
    wait_shared(&path, 4, 2);
    rust.kill();
    wait_shared(&path, 4, 1);
    flow.stop();
    wait_handled(&records, &topic);
    python.stop();
    until_equal("all is committed", &ends(&topic, 4), || offsets(&group, &topic, 4));
    History::of(&records, &topic).assert_nothing_lost();
}

/// As the fixture has it: what differs from run to run has a name in braces.
fn normal(node: &Node, group: &str, topic: &Topic, folder: &str) -> Node {
    let node = node.with(&[(group, "{group}"), (&topic.name, "{topic}"), (folder, "{folder}")]);
    let known = |part: &str| {
        let hex = part.get(..32).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (hex, part.get(32..)) {
            (Some(_), Some(rest)) if rest.starts_with("__lock__") => "{hex}__lock__{sequence}".to_owned(),
            (Some(_), Some(rest)) if rest.starts_with('-') => "{hex}-{host}-{pid}".to_owned(),
            _ => part.to_owned(),
        }
    };
    let path = node.path.split('/').map(known).collect::<Vec<_>>().join("/");
    let data = if node.ephemeral && !node.data.is_empty() { "{host}-{pid}".to_owned() } else { node.data };
    Node { path, data, ..node }
}

#[test]
fn what_it_leaves_in_zookeeper_is_what_the_other_tests_believe() {
    let (topic, records, group) = (Topic::new(2), Records::new(), unique("services.original"));
    topic.produce(&numbered(2, 20));
    let path = folder(&group, &topic);
    let python = Original::join(&topic, &group, &records, "python-1");
    wait_shared(&path, 2, 1);
    wait_handled(&records, &topic);
    let mut nodes = tree(&zookeeper(), &format!("/kafka/yelp-kafka/{group}"));
    // It commits what it has done when the next message comes, and when it stops.
    python.stop();
    until_equal("all is committed", &ends(&topic, 2), || offsets(&group, &topic, 2));
    nodes.extend(tree(&zookeeper(), &format!("/kafka/consumers/{group}")));
    let name = path.rsplit_once('/').unwrap().1;
    let mut nodes: Vec<_> = nodes.iter().map(|node| normal(node, &group, &topic, name)).collect();
    nodes.iter_mut().for_each(|node| node.path = node.path.replacen("/kafka", "", 1));
    let file: PathBuf = project().join("tests/fixtures/yelp_kafka.json");
    if std::env::var_os("KAFKAVISOR_RECORD_ORIGINAL").is_some() {
        std::fs::write(&file, format!("{:#}\n", serde_json::to_value(&nodes).unwrap())).unwrap();
    }
    let kept: Vec<Node> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(nodes, kept, "if that is right: script/original --record");
}
