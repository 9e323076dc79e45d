//! Python members and Kafkavisor share a group with its offsets in ZooKeeper while a service migrates: whoever is killed, nothing
//! is lost, and no message is handled by two at once.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::zookeeper;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::kazoo::{Consumed, KazooMember, folder_of};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use kafkavisor_tests::zookeeper::classic_offset;

const PARTITIONS: i32 = 4;
const MESSAGES: usize = 8000;
/// A Python member commits after so many, and so many of ours are in flight at most.
const WINDOW: usize = 50;

/// A group of a Python member and one of ours, both at work.
struct Mixed {
    topic: Topic,
    records: Records,
    ours: Instance,
    python: KazooMember,
}

impl Mixed {
    fn start() -> Self {
        let (topic, records) = (Topic::new(PARTITIONS), Records::new());
        topic.produce(&numbered(PARTITIONS, MESSAGES));
        let builder = Builder::of(&topic)
            .set("assignment.cooldown", "500ms")
            .set("assignment.session_timeout", "3s")
            .set("offsets.storage", "zookeeper")
            .set("handler.max_in_flight.messages", WINDOW)
            .recorder(&Recorder::new(&records).delay_ms(4));
        let group = builder.group_name();
        let python = join(&topic, &records, &group, "python-1");
        until("Python has everything", || (python.owns().len() == 4).then_some(()));
        let ours = builder.start();
        let mixed = Self { topic, records, ours, python };
        mixed.wait_shared();
        mixed
    }

    fn wait_shared(&self) {
        self.ours.wait_for("we have half", |status| status.is_ready(2));
        until("Python has half", || (self.python.owns().len() == 2).then_some(()));
    }

    /// How far the group is by its nodes.
    fn offsets(&self) -> BTreeMap<i32, i64> {
        let of = |number| {
            let text = classic_offset(&zookeeper(), &self.ours.group(), &self.topic.name, number)?;
            Some((number, text.parse().expect("a number")))
        };
        (0..PARTITIONS).filter_map(of).collect()
    }

    fn finish(mut self) {
        let all: BTreeMap<i32, i64> = (0..PARTITIONS).map(|number| (number, 2000)).collect();
        until_within(Duration::from_secs(120), "everything is committed", || {
            (self.offsets() == all).then_some(())
        });
        self.python.leave();
        self.ours.stop();
        History::of(&self.records, &self.topic).assert_nothing_lost();
    }
}

fn join(topic: &Topic, records: &Records, group: &str, name: &str) -> KazooMember {
    let path = format!("/yelp-kafka/{group}/{}", folder_of(&[&topic.name]));
    let of = Consumed { topic, partitions: PARTITIONS, records };
    KazooMember::consume(&zookeeper(), &path, name, group, &of)
}

#[test]
fn a_python_member_is_killed_and_we_take_over() {
    let mut mixed = Mixed::start();
    let seen = mixed.records.deliveries();
    mixed.ours.wait_deliveries(&mixed.records, seen + 400);
    mixed.python.kill();
    mixed.ours.wait_for("we have everything", |status| status.is_ready(4));
    mixed.finish();
}

#[test]
fn ours_is_killed_and_a_python_member_takes_over_and_gives_back() {
    let mixed = Mixed::start();
    let seen = mixed.records.deliveries();
    mixed.ours.wait_deliveries(&mixed.records, seen + 400);
    mixed.ours.kill();
    until("Python has everything", || (mixed.python.owns().len() == 4).then_some(()));
    let before = mixed.offsets();
    until("it goes on", || {
        mixed.offsets().iter().all(|(number, offset)| *offset > before[number]).then_some(())
    });
    mixed.ours.start_again();
    mixed.wait_shared();
    mixed.finish();
}
