//! `offsets get` shows what a group has, wherever it is kept, beside the ends of the logs; `lag` is the same with a sum.

use std::thread;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::kazoo::KazooMember;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{Subscriber, commit};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::zookeeper::{classic_path, write_classic_offset, write_node};
use serde_json::{Value, json};

fn get(group: &str, more: &[&str]) -> Said {
    let (brokers, zookeeper) = (brokers(), zookeeper());
    let arguments = ["offsets", "get", "-b", &brokers, "-z", &zookeeper, "-g", group, "--json"];
    run(arguments.iter().chain(more))
}

fn row(topic: &Topic, partition: i32, numbers: [Value; 4]) -> Value {
    let [committed, low, high, lag] = numbers;
    json!({"topic": topic.name, "partition": partition, "committed": committed, "low_watermark": low,
        "high_watermark": high, "lag": lag})
}

#[test]
fn all_partitions_of_the_groups_topics_are_shown() {
    let (one, two, group) = (Topic::new(3), Topic::new(1), unique("group"));
    one.produce(&numbered(3, 30));
    two.produce(&numbered(1, 7));
    one.delete_before(1, 4);
    commit(&one, &group, 0, 6);
    commit(&two, &group, 0, 7);
    let mut rows = vec![
        row(&one, 0, [json!(6), json!(0), json!(10), json!(4)]),
        row(&one, 1, [Value::Null, json!(4), json!(10), json!(6)]),
        row(&one, 2, [Value::Null, json!(0), json!(10), json!(10)]),
        row(&two, 0, [json!(7), json!(0), json!(7), json!(0)]),
    ];
    if two.name < one.name {
        rows.rotate_right(1);
    }
    assert_eq!(get(&group, &[]).exits(0).json(), json!(rows));

    let of_two = get(&group, &["-t", &two.name, "-t", &two.name]).exits(0);
    assert_eq!(of_two.json(), json!([row(&two, 0, [json!(7), json!(0), json!(7), json!(0)])]));
    let of_another = get(&unique("group"), &["-t", &two.name]).exits(0);
    assert_eq!(of_another.json(), json!([row(&two, 0, [Value::Null, json!(0), json!(7), json!(7)])]));
}

#[test]
fn a_group_without_offsets_is_an_empty_array() {
    let group = unique("group");
    for storage in ["kafka", "zookeeper", "dual"] {
        assert_eq!(get(&group, &["--storage", storage]).exits(0).json(), json!([]));
        assert_eq!(run(["lag", "-b", &brokers(), "-g", &group, "--json"]).exits(0).json(), json!([]));
    }
    let _said =
        run(["offsets", "get", "-b", &brokers(), "-g", &group]).exits(0).saying(&[&group, "no offsets"]);
}

#[test]
fn a_table_for_people_ends_with_the_sum_in_lag_alone() {
    let (topic, group) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 2600));
    commit(&topic, &group, 1, 1100);
    let lag = run(["lag", "-b", &brokers(), "-g", &group]).exits(0);
    let lines: Vec<_> = lag.out.lines().collect();
    assert_eq!(lines.len(), 4, "{lag:?}");
    let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
    // Offsets go into other commands as they are.
    assert_eq!(words(1), [&format!("{}:0", topic.name), "-", "0", "1300", "1,300"]);
    assert_eq!(words(2), [&format!("{}:1", topic.name), "1100", "0", "1300", "200"]);
    assert_eq!(lines[3], "1,500 behind in 2 partitions");
    let get = run(["offsets", "get", "-b", &brokers(), "-g", &group]).exits(0);
    assert_eq!(get.out.lines().collect::<Vec<_>>(), lines[..3]);
}

#[test]
fn offsets_in_zookeeper_are_shown_where_they_are_asked_for() {
    let (topic, group) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 20));
    commit(&topic, &group, 0, 3);
    write_classic_offset(&zookeeper(), &group, &topic.name, 0, 5);
    write_classic_offset(&zookeeper(), &group, &topic.name, 1, 8);
    let shown = |storage: &str, numbers: [Value; 2]| {
        let rows = get(&group, &["--storage", storage]).exits(0).json();
        let committed: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["committed"].clone()).collect();
        assert_eq!(committed, numbers, "{storage}");
    };
    shown("kafka", [json!(3), Value::Null]);
    shown("zookeeper", [json!(5), json!(8)]);
    shown("dual", [json!(3), json!(8)]);
    let without = ["offsets", "get", "-b", &brokers(), "-g", &group, "--storage", "zookeeper"];
    let _said = run(without).exits(64).saying(&["-z"]);
}

#[test]
fn offsets_of_what_is_gone_are_shown_without_watermarks() {
    let (topic, group) = (Topic::new(1), unique("group"));
    topic.produce(&numbered(1, 5));
    let gone = Topic::named(&brokers(), &unique("topic"));
    write_classic_offset(&zookeeper(), &group, &topic.name, 0, 2);
    write_classic_offset(&zookeeper(), &group, &topic.name, 7, 4);
    write_classic_offset(&zookeeper(), &group, &gone.name, 0, 9);
    let shown = get(&group, &["--storage", "zookeeper"]).exits(0);
    let rows = shown.json();
    for expected in [
        row(&topic, 0, [json!(2), json!(0), json!(5), json!(3)]),
        row(&topic, 7, [json!(4), Value::Null, Value::Null, Value::Null]),
        row(&gone, 0, [json!(9), Value::Null, Value::Null, Value::Null]),
    ] {
        assert!(rows.as_array().unwrap().contains(&expected), "{expected} in {rows}");
    }
    let _said = shown.saying(&[&format!("{}:7: Kafka has no such partition", topic.name), &gone.name]);
    let named = get(&group, &["--storage", "zookeeper", "-t", &gone.name]);
    let _said = named.exits(1).saying(&[&gone.name, &brokers()]);
}

#[test]
fn a_node_that_is_no_number_is_named_and_hides_no_other() {
    let (topic, group) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 20));
    let path = classic_path(&group, &topic.name, 0);
    write_node(&zookeeper(), &path, "not a number");
    write_classic_offset(&zookeeper(), &group, &topic.name, 1, 8);
    let shown = get(&group, &["--storage", "zookeeper"]).exits(1).saying(&[&path, "not a number"]);
    let rows = [
        row(&topic, 0, [Value::Null, json!(0), json!(10), Value::Null]),
        row(&topic, 1, [json!(8), json!(0), json!(10), json!(2)]),
    ];
    assert_eq!(shown.json(), json!(rows));
}

#[test]
fn an_offset_outside_the_log_is_said() {
    let (topic, group) = (Topic::new(2), unique("group"));
    topic.produce(&numbered(2, 20));
    topic.delete_before(0, 5);
    commit(&topic, &group, 0, 2);
    commit(&topic, &group, 1, 99);
    let shown = get(&group, &[]).exits(0).saying(&["below the log's start", "beyond the log's end"]);
    let rows = [
        row(&topic, 0, [json!(2), json!(5), json!(10), json!(8)]),
        row(&topic, 1, [json!(99), json!(0), json!(10), json!(0)]),
    ];
    assert_eq!(shown.json(), json!(rows));
}

#[test]
fn a_topic_that_there_is_not_is_named() {
    let topic = unique("topic");
    for command in [&["lag"][..], &["offsets", "get"]] {
        let brokers = brokers();
        let more = ["-b", &brokers, "-g", "g", "-t", &topic];
        let _said = run(command.iter().chain(&more)).exits(1).saying(&[&topic, &brokers]);
    }
}

#[test]
fn who_does_not_answer_is_named_in_time() {
    let (begun, nobody, brokers) = (now(), "127.0.0.1:1", brokers());
    let unanswered = [
        ("Kafka", vec!["lag", "-b", nobody, "-g", "g"]),
        ("ZooKeeper", vec!["offsets", "get", "-b", &brokers, "-z", nobody, "-g", "g", "--storage", "dual"]),
        ("ZooKeeper", vec!["members", "-z", nobody, "-g", "g"]),
        ("Kafka", vec!["members", "-b", nobody, "-g", "g"]),
    ];
    thread::scope(|all| {
        for (who, command) in unanswered {
            all.spawn(move || run(command).exits(69).saying(&[who, nobody]));
        }
    });
    assert!(now() - begun < Duration::from_secs(30), "10 s are promised, and a busy machine gets more");
}

#[test]
fn a_wrong_command_line_is_64() {
    for wrong in [
        &["lag"][..],
        &["lag", "-b", "k1:9092"],
        &["lag", "-b", "k1", "-g", "g"],
        &["lag", "-b", "k1:9092", "-g", "a b"],
        &["lag", "-b", "k1:9092", "-g", "g", "-t", "a/b"],
        &["lag", "-b", "k1:9092", "-g", "g", "--storage", "both"],
        &["lag", "-b", "k1:9092", "-g", "g", "-z", "zk1"],
        &["offsets"],
        &["offsets", "take"],
        &["members", "-g", "g"],
        &["members", "-g", "g", "-b", "k1:9092", "-z", "zk1:2181"],
    ] {
        let said = run(wrong).exits(64);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{said:?}");
    }
}

#[test]
fn a_group_whose_members_have_committed_nothing_yet_is_said_to_be_there() {
    let (topic, group) = (Topic::new(1), unique("group"));
    let _subscriber = Subscriber::join(&topic, &group, "some-consumer");
    for command in [&["lag"][..], &["offsets", "get"]] {
        let brokers = brokers();
        let said = run(command.iter().chain(&["-b", &brokers, "-g", &group])).exits(0);
        let _said = said.saying(&[&group, "some-consumer", "committed nothing yet in Kafka", "-t TOPIC"]);
    }
    let path = format!("/yelp-kafka/{group}");
    let partitions = [format!("{}-0", topic.name)].into();
    let _python = KazooMember::join(&zookeeper(), &path, "python-1", &partitions);
    let zookeeper = ["--storage", "zookeeper", "-z", &zookeeper()].map(str::to_owned);
    let _said = until("the Python member is seen", || {
        let arguments = ["lag", "-b", &brokers(), "-g", &group].map(str::to_owned);
        let said = run(arguments.iter().chain(&zookeeper)).exits(0);
        said.err.contains("python-1").then_some(said)
    })
    .saying(&["committed nothing yet in ZooKeeper"])
    .exits(0);
}
