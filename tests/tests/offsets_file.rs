//! `offsets save` writes what a group has to a file, and `offsets restore` sets it to that.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{brokers, unique, zookeeper};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{Subscriber, all_committed, commit, committed};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::zookeeper::{classic_offset, classic_path, write_classic_offset, write_node};
use tempfile::TempDir;

fn offsets(verb: &str, group: &str, file: &Path, more: &[&str]) -> Said {
    let (brokers, zookeeper) = (brokers(), zookeeper());
    let file = file.to_str().expect("paths are text here");
    run(["offsets", verb, "-b", &brokers, "-z", &zookeeper, "-g", group, file].iter().chain(more))
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("saved.yaml");
    (folder, file)
}

fn topic_of(partitions: i32) -> Topic {
    let topic = Topic::new(partitions);
    topic.produce(&numbered(partitions, usize::try_from(partitions).unwrap() * 10));
    topic
}

#[test]
fn what_was_saved_is_restored() {
    let (one, two, group, (_folder, file)) = (topic_of(3), topic_of(1), unique("group"), folder());
    commit(&one, &group, 0, 3);
    commit(&one, &group, 2, 5);
    commit(&two, &group, 0, 7);
    let _said = offsets("save", &group, &file, &[]).exits(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(&format!("group: {group}\nstorage: kafka\noffsets:\n")), "{text}");
    assert!(text.contains(&format!("  {}:\n    0: 3\n    2: 5\n", one.name)), "{text}");
    assert!(text.contains(&format!("  {}:\n    0: 7\n", two.name)), "{text}");

    commit(&one, &group, 0, 9);
    commit(&one, &group, 1, 9);
    commit(&two, &group, 0, 9);
    let _said = offsets("restore", &group, &file, &["--dry-run"]).exits(0);
    assert_eq!(committed(&two, &group, 0), Some(9));
    let of_two = offsets("restore", &group, &file, &["-t", &two.name]).exits(0);
    assert_eq!(of_two.out, format!("{}:0: 9 -> 7\n", two.name));
    let _said = offsets("restore", &group, &file, &[]).exits(0);
    assert_eq!(
        all_committed(&one, &group, 3),
        [(0, 3), (1, 9), (2, 5)].into(),
        "what it does not hold is left"
    );
}

#[test]
fn a_file_is_replaced_and_left_alone_where_there_is_nothing() {
    let (topic, group, (folder, file)) = (topic_of(1), unique("group"), folder());
    fs::write(&file, "before").unwrap();
    let _said = offsets("save", &group, &file, &[]).exits(1).saying(&[&group, "nothing was saved"]);
    commit(&topic, &group, 0, 3);
    let _said = offsets("save", &group, &file, &["-t", "another"]).exits(1).saying(&["another"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    let _said = offsets("save", &group, &file, &["-t", &topic.name]).exits(0);
    assert!(fs::read_to_string(&file).unwrap().contains("0: 3"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    for nowhere in
        [folder.path().join("none/saved.yaml"), folder.path().to_owned(), "/proc/saved.yaml".into()]
    {
        let said = offsets("save", &group, &nowhere, &[]);
        let _said = said.exits(1).saying(&[nowhere.to_str().unwrap(), "can't be written"]);
    }
}

#[test]
fn offsets_go_where_they_came_from_or_where_they_are_sent() {
    let (topic, group, other, (_folder, file)) = (topic_of(2), unique("group"), unique("group"), folder());
    write_classic_offset(&zookeeper(), &group, &topic.name, 1, 4);
    let _said = offsets("save", &group, &file, &["--storage", "zookeeper"]).exits(0);
    assert!(fs::read_to_string(&file).unwrap().contains("\nstorage: zookeeper\n"));

    let of_another = offsets("restore", &other, &file, &[]).exits(0).saying(&[&group, &other]);
    assert_eq!(of_another.out, format!("{}:1: none -> 4\n", topic.name));
    assert_eq!(classic_offset(&zookeeper(), &other, &topic.name, 1).as_deref(), Some("4"));
    assert_eq!(committed(&topic, &other, 1), None);

    let _said =
        offsets("restore", &group, &file, &["--storage", "kafka"]).exits(0).saying(&["zookeeper", "kafka"]);
    assert_eq!(committed(&topic, &group, 1), Some(4));
    let path = file.to_str().unwrap();
    let _said = run(["offsets", "restore", "-b", &brokers(), "-g", &group, path]).exits(64).saying(&["-z"]);
}

#[test]
fn a_file_that_is_none_is_78_and_changes_nothing() {
    let (topic, group, (_folder, file)) = (topic_of(1), unique("group"), folder());
    let name = &topic.name;
    for (text, place) in [
        ("", ""),
        ("group: g\nstorage: kafka\noffsets: {\n", ":"),
        ("group: g\nstorage: both\noffsets: {}\n", ":2:10:"),
        (&format!("group: g\nstorage: kafka\noffsets:\n  {name}:\n    0: -4\n"), ":5:8:"),
        (&format!("group: g\nstorage: kafka\noffsets:\n  {name}:\n    0: 4\n    0: 5\n"), ":6:5:"),
        (&format!("group: g\nstorage: kafka\noffsets: {{{name}: [4]}}\nmore: 1\n"), ":4:1:"),
    ] {
        fs::write(&file, text).unwrap();
        let said = offsets("restore", &group, &file, &[]).exits(78);
        let _said = said.saying(&[&format!("{}{place}", file.display())]);
    }
    fs::write(&file, b"group: \xff").unwrap();
    let _said = offsets("restore", &group, &file, &[]).exits(78);
    let missing = file.with_file_name("missing.yaml");
    let _said = offsets("restore", &group, &missing, &[]).exits(78).saying(&["missing.yaml"]);
    fs::write(&file, "group: g\nstorage: kafka\noffsets: {}\n").unwrap();
    let _said = offsets("restore", &group, &file, &[]).exits(1).saying(&["no offsets"]);
    assert_eq!(committed(&topic, &group, 0), None);
}

#[test]
fn what_can_not_be_restored_whole_is_not_restored() {
    let (topic, group, (_folder, file)) = (topic_of(2), unique("group"), folder());
    let write = |topics: &str| {
        fs::write(&file, format!("group: {group}\nstorage: kafka\noffsets: {{{topics}}}\n")).unwrap();
    };
    let gone = unique("topic");
    write(&format!("{}: {{0: 4}}, {gone}: {{0: 1}}", topic.name));
    let _said = offsets("restore", &group, &file, &[]).exits(1).saying(&[&gone]);
    write(&format!("{}: {{0: 4, 1: 11}}", topic.name));
    let _said = offsets("restore", &group, &file, &[]).exits(1).saying(&["0 to 10"]);
    let _said = offsets("restore", &group, &file, &["-t", &gone]).exits(1).saying(&[&gone]);
    write(&format!("{}: {{0: 4}}", topic.name));
    let subscriber = Subscriber::join(&topic, &group, "some-consumer");
    let _said = offsets("restore", &group, &file, &[]).exits(64).saying(&["some-consumer"]);
    drop(subscriber);
    assert_eq!(all_committed(&topic, &group, 2), [].into());
}

#[test]
fn nothing_is_saved_where_something_can_not_be_read() {
    let (topic, group, (_folder, file)) = (topic_of(2), unique("group"), folder());
    write_classic_offset(&zookeeper(), &group, &topic.name, 0, 4);
    let path = classic_path(&group, &topic.name, 1);
    write_node(&zookeeper(), &path, "x");
    let _said = offsets("save", &group, &file, &["--storage", "zookeeper"]).exits(1).saying(&[&path]);
    assert!(!file.exists());
}

/// As large a group as there is fits; what is no such file at all is refused by its size.
#[test]
fn a_file_of_many_thousand_partitions_is_restored() {
    let (topic, group, (_folder, file)) = (topic_of(1), unique("group"), folder());
    let mut many = String::new();
    for partition in 0..150_000 {
        writeln!(many, "    {partition}: 1234567890").unwrap();
    }
    let text =
        format!("group: {group}\nstorage: kafka\noffsets:\n  {}:\n    0: 4\n  another:\n{many}", topic.name);
    assert!(text.len() > 2 << 20);
    fs::write(&file, text).unwrap();
    let _said = offsets("restore", &group, &file, &["-t", &topic.name]).exits(0);
    assert_eq!(committed(&topic, &group, 0), Some(4));
    fs::write(&file, "#".repeat((16 << 20) + 1)).unwrap();
    let said = offsets("restore", &group, &file, &[]).exits(78);
    let _said = said.saying(&["saved.yaml", "larger than 16 MiB", "`kafkavisor offsets save`"]);
}

#[test]
fn a_topic_without_offsets_is_said_and_the_others_are_saved() {
    let (topic, without, group, (_folder, file)) = (topic_of(1), topic_of(1), unique("group"), folder());
    commit(&topic, &group, 0, 3);
    let said = offsets("save", &group, &file, &["-t", &topic.name, "-t", &without.name]).exits(0);
    let _said = said.saying(&[&format!("no offsets of {}", without.name)]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&topic.name) && !text.contains(&without.name), "{text}");
}

/// A restore would refuse them, and with them the rest.
#[test]
fn offsets_of_what_is_gone_are_left_out_and_said() {
    let (topic, group, (_folder, file)) = (topic_of(1), unique("group"), folder());
    let (gone, save) = (unique("topic"), ["--storage", "zookeeper"]);
    write_classic_offset(&zookeeper(), &group, &gone, 0, 9);
    let said = offsets("save", &group, &file, &save).exits(1);
    let _said = said.saying(&[&gone, "nothing was saved"]);
    write_classic_offset(&zookeeper(), &group, &topic.name, 0, 2);
    write_classic_offset(&zookeeper(), &group, &topic.name, 7, 4);
    let said = offsets("save", &group, &file, &save).exits(0);
    let _said = said.saying(&[&format!("{}:7", topic.name), &format!("{gone}:0"), "left out"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with(&format!("  {}:\n    0: 2\n", topic.name)), "{text}");
    let _said = offsets("restore", &group, &file, &[]).exits(0);
}
