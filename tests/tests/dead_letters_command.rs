//! `dead-letters`: what lies in a dead-letter topic is looked at, sent back where it came from, or let go, and nothing of it is lost.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafkavisor::clock::{now, wall_millis};
use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{self, brokers, kafkavisor, unique};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::Message;
use kafkavisor_tests::offsets::{all_committed, committed};
use kafkavisor_tests::reading::read;
use kafkavisor_tests::secure::{self, User};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Rejects everything until there is a file `mended`; then writes down what comes.
const REJECTING: &str = r#"while IFS= read -r line; do
    case $line in '{"type":"message",'*)
        offset=${line#*'"offset":'}; offset=${offset%%,*}
        if [ -e mended ]; then echo "$line" >> got; echo "{\"ack\":$offset}"
        else echo "{\"reject\":$offset,\"error\":\"not yet\"}"; fi ;;
    esac
done"#;

fn dead_letters(command: &str, dead: &Topic, more: &[&str]) -> Said {
    let brokers = brokers();
    run(["dead-letters", command, "-b", &brokers, "-t", &dead.name].iter().chain(more))
}

/// What is printed with `--json`, an object a line.
#[track_caller]
fn objects(command: &str, dead: &Topic, more: &[&str]) -> Vec<Value> {
    let said = dead_letters(command, dead, &[more, &["--json"]].concat()).exits(0);
    said.out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

#[track_caller]
fn offsets(command: &str, dead: &Topic, more: &[&str]) -> Vec<(i64, i64)> {
    let of = |row: &Value| (row["partition"].as_i64().unwrap(), row["offset"].as_i64().unwrap());
    objects(command, dead, more).iter().map(of).collect()
}

/// A letter as a supervisor writes it.
fn letter(to: i32, from: (&str, i32), group: &str, value: &str) -> Message {
    let (topic, partition) = (from.0, from.1.to_string());
    let headers = [
        ("mine", "yes"),
        ("kafkavisor.topic", topic),
        ("kafkavisor.partition", &partition),
        ("kafkavisor.offset", "42"),
        ("kafkavisor.timestamp", "1700000000000"),
        ("kafkavisor.group", group),
        ("kafkavisor.attempts", "5"),
        ("kafkavisor.error", "handler exited with status 1"),
        ("kafkavisor.stderr", ""),
        ("kafkavisor.host", "h1"),
    ];
    let message = Message::to(to, value).key("k");
    headers.iter().fold(message, |message, (name, value)| message.header(name, Some(value.as_bytes())))
}

fn values(topic: &Topic, count: usize) -> Vec<String> {
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap()).unwrap();
    read(topic, count).into_iter().map(|message| text(message.value)).collect()
}

fn position(group: &str) -> String {
    format!("{group}.dead-letters")
}

#[test]
fn what_a_handler_rejects_is_listed_shown_sent_back_as_it_was_and_consumed() {
    let (topic, dead) = (Topic::new(2), Topic::new(1));
    let first = Message::to(1, "bad 1").key("k1").header("mine", Some(b"\xff")).header("null", None);
    topic.produce(&[first, Message::to(1, vec![0xff, 0])]);
    let before = wall_millis();
    let instance =
        Builder::of(&topic).set("handler.poison", json!({"topic": dead.name})).shell(REJECTING).start();
    instance.wait_consumed(&topic, 2);
    let group = instance.group();
    let rows = objects("list", &dead, &[]);
    let time = rows[0]["timestamp"].as_i64().unwrap();
    assert!((before - 60_000..=before + 60_000).contains(&time), "{rows:?}");
    let from = |offset| json!({"topic": topic.name, "partition": 1, "offset": offset});
    assert_eq!(
        rows[0],
        json!({"topic": dead.name, "partition": 0, "offset": 0, "timestamp": time, "from": from(0),
            "group": group, "attempts": 1, "error": "not yet", "key": "k1", "value": "bad 1"})
    );
    assert_eq!((&rows[1]["key"], &rows[1]["value_base64"], rows.len()), (&Value::Null, &json!("/wA="), 2));
    let place = format!("{}:0:0", dead.name);
    let shown = objects("show", &dead, &[&place]);
    assert_eq!(shown[0]["headers"], json!([["mine", {"base64": "/w=="}], ["null", null]]));
    let for_people = dead_letters("show", &dead, &[&place]).exits(0).out;
    assert!(for_people.contains("not yet") && for_people.contains("bad 1"), "{for_people}");
    assert!(dead_letters("list", &dead, &[]).exits(0).out.contains(&format!("{}:1:0", topic.name)));

    std::fs::write(instance.folder().join("mended"), "").unwrap();
    let sent = objects("redrive", &dead, &["--from", "earliest"]);
    assert_eq!(sent.iter().map(|row| row["to"].clone()).collect::<Vec<_>>(), [from(2), from(3)]);
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let got = std::fs::read_to_string(instance.folder().join("got")).unwrap();
    let got: Vec<Value> = got.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&got[0]["key"], &got[0]["value"]), (&json!("k1"), &json!("bad 1")));
    assert_eq!(got[0]["headers"], json!([["mine", {"base64": "/w=="}], ["null", null]]));
    assert_eq!((&got[1]["value_base64"], got[1].get("headers"), got.len()), (&json!("/wA="), None, 2));
    // It goes on where it ended: there is nothing more.
    assert_eq!(objects("redrive", &dead, &[]), [] as [Value; 0]);
    assert_eq!(committed(&dead, &position(&group), 0), Some(2));
}

#[test]
fn without_a_position_it_asks_where_to_begin_and_then_goes_on_over_all_partitions() {
    let (topic, dead, group) = (Topic::new(1), Topic::new(2), unique("group"));
    let letters = |to| (0..3).map(move |number| (to, number));
    let all = letters(0).chain(letters(1));
    let made = all.map(|(to, number)| letter(to, (&topic.name, 0), &group, &format!("{to}-{number}")));
    dead.produce(&made.collect::<Vec<_>>());
    for command in ["redrive", "discard"] {
        let _said = dead_letters(command, &dead, &[]).exits(64).saying(&["--from", &position(&group)]);
        let dry = offsets(command, &dead, &["--from", "earliest", "--count", "4", "--dry-run"]);
        assert_eq!(dry, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    }
    assert_eq!((topic.watermarks(0), all_committed(&dead, &position(&group), 2)), ((0, 0), [].into()));
    let sent = offsets("redrive", &dead, &["--from", "earliest", "--count", "2"]);
    assert_eq!(sent, [(0, 0), (0, 1)]);
    assert_eq!(all_committed(&dead, &position(&group), 2), [(0, 2), (1, 0)].into());
    assert_eq!(offsets("discard", &dead, &["--count", "2"]), [(0, 2), (1, 0)]);
    assert_eq!(all_committed(&dead, &position(&group), 2), [(0, 3), (1, 1)].into());
    assert_eq!(offsets("redrive", &dead, &["-g", &group, "--rate", "100/s"]), [(1, 1), (1, 2)]);
    assert_eq!(values(&topic, 4), ["0-0", "0-1", "1-1", "1-2"]);
    // A time is where the letters begin that are not older.
    let later = ["--from", "2100-01-01T00:00:00Z"];
    assert_eq!(offsets("list", &dead, &later), []);
    assert_eq!(offsets("list", &dead, &["--from", "2020-01-01T00:00:00Z", "--count", "1"]), [(0, 0)]);
}

#[test]
fn letters_that_are_named_go_back_alone_and_leave_the_position_alone() {
    let (topic, dead, group) = (Topic::new(1), Topic::new(1), unique("group"));
    dead.produce(&["a", "b", "c"].map(|value| letter(0, (&topic.name, 0), &group, value)));
    let place = |offset| format!("{}:0:{offset}", dead.name);
    let said = dead_letters("redrive", &dead, &[&place(1), &place(7), &place(3)]).exits(1);
    let _said = said.saying(&[&place(7), &place(3)]);
    assert_eq!(topic.watermarks(0), (0, 0), "all of them or none");
    let said = dead_letters("redrive", &dead, &[&place(1)]).exits(0);
    assert_eq!(said.out, format!("{} -> {}:0:0\n", place(1), topic.name));
    let message = &read(&topic, 1)[0];
    assert_eq!((message.key.as_deref(), message.value.as_deref()), (Some(&b"k"[..]), Some(&b"b"[..])));
    assert_eq!(message.headers, [("mine".to_owned(), Some(b"yes".to_vec()))]);
    assert_eq!(committed(&dead, &position(&group), 0), None);
    for (command, more, code, word) in [
        ("list", vec![place(9)], 1, "no letter"),
        ("show", vec![format!("{}:5:0", dead.name)], 1, "no such partition"),
        ("show", vec![format!("{}:0:0", topic.name)], 64, "another topic"),
        ("redrive", vec![place(0), "--count".to_owned(), "1".to_owned()], 64, "--count"),
        ("redrive", vec![place(0), "-g".to_owned(), "another".to_owned()], 1, &group),
        ("discard", vec![place(0)], 64, "in order"),
        ("list", vec!["--since".to_owned(), "yesterday".to_owned()], 64, "2026-03-01"),
        ("redrive", vec!["--rate".to_owned(), "0/s".to_owned()], 64, "50/s"),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let _said = dead_letters(command, &dead, &more).exits(code).saying(&[word]);
    }
    let nowhere = Topic::named(&brokers(), &unique("topic"));
    let _said = dead_letters("list", &nowhere, &[]).exits(1).saying(&[&nowhere.name]);
    let gone = run(["dead-letters", "list", "-b", "127.0.0.1:1", "-t", "t"]);
    let _said = gone.exits(69).saying(&["127.0.0.1:1"]);
}

#[test]
fn a_letter_that_cant_go_back_stays_and_holds_its_partition_alone() {
    let (small, dead, group) =
        (Topic::with(1, &[("max.message.bytes", "300")]), Topic::new(3), unique("group"));
    let gone = Topic::named(&brokers(), &unique("topic"));
    let (large, small_one) = ("x".repeat(2000), (small.name.as_str(), 0));
    dead.produce(&[
        letter(0, small_one, &group, "a"),
        letter(0, small_one, &group, &large),
        letter(0, small_one, &group, "b"),
        letter(1, (&gone.name, 0), &group, "nowhere"),
        letter(1, (&small.name, 7), &group, "no such partition"),
        letter(2, small_one, &group, "c"),
    ]);
    let place = |partition, offset| format!("{}:{partition}:{offset}", dead.name);
    let said = dead_letters("redrive", &dead, &["--from", "earliest"]).exits(1);
    let _said = said.saying(&[&place(0, 1), &place(1, 0), &gone.name, "stays where it is"]);
    assert_eq!(values(&small, 2), ["a", "c"]);
    let at = || all_committed(&dead, &position(&group), 3);
    assert_eq!(at(), [(0, 1), (1, 0), (2, 1)].into());
    let _said = dead_letters("list", &gone, &[]).exits(1).saying(&["no topic"]);
    let _said = dead_letters("redrive", &dead, &[&place(0, 1)]).exits(1).saying(&[&place(0, 1)]);
    // The operator lets them go, one by one.
    assert_eq!(offsets("discard", &dead, &["--count", "1"]), [(0, 1)]);
    let said = dead_letters("redrive", &dead, &[]).exits(1);
    let _said = said.saying(&[&place(1, 0)]);
    assert_eq!(offsets("discard", &dead, &["--count", "1"]), [(1, 0)]);
    let said = dead_letters("redrive", &dead, &[]).exits(1).saying(&[&place(1, 1), "1 partitions"]);
    assert_eq!((said.out.as_str(), at()), ("", [(0, 3), (1, 1), (2, 1)].into()));
    assert_eq!(values(&small, 3), ["a", "c", "b"], "each once");
}

#[test]
fn letters_of_two_groups_are_told_apart() {
    let (topic, dead, groups) = (Topic::new(1), Topic::new(1), [unique("one"), unique("two")]);
    let of = |which: usize, value: &str| letter(0, (&topic.name, 0), &groups[which], value);
    dead.produce(&[of(0, "a"), of(1, "b"), Message::to(0, "foreign"), of(0, "c")]);
    let _said = dead_letters("redrive", &dead, &["--from", "earliest"])
        .exits(64)
        .saying(&[&groups[0], &groups[1], "-g"]);
    let listed = dead_letters("list", &dead, &["--json"]).exits(0).saying(&["kafkavisor."]);
    assert_eq!(listed.out.lines().count(), 3);
    assert_eq!(offsets("list", &dead, &["-g", &groups[1]]), [(0, 1)]);
    assert_eq!(offsets("redrive", &dead, &["-g", &groups[0], "--from", "earliest"]), [(0, 0), (0, 3)]);
    assert_eq!(committed(&dead, &position(&groups[1]), 0), None);
    assert_eq!(offsets("discard", &dead, &["-g", &groups[1], "--from", "earliest"]), [(0, 1)]);
    assert_eq!(groups.each_ref().map(|group| committed(&dead, &position(group), 0)), [Some(4); 2]);
    assert_eq!(values(&topic, 2), ["a", "c"]);
}

#[test]
fn filters_let_through_and_what_they_leave_out_is_not_passed() {
    let (one, two, dead, group) = (Topic::new(1), Topic::new(2), Topic::new(1), unique("group"));
    let timed_out = |mut message: Message| {
        message.headers[7].1 = Some(b"timeout".to_vec());
        message
    };
    dead.produce(&[
        timed_out(letter(0, (&one.name, 0), &group, "a")),
        letter(0, (&two.name, 1), &group, "b").key("other"),
        timed_out(letter(0, (&two.name, 0), &group, "c")),
    ]);
    let origin = format!("{}:1", two.name);
    for (filter, expected) in [
        (vec!["--error", "timeout"], vec![(0, 0), (0, 2)]),
        (vec!["--origin", &two.name], vec![(0, 1), (0, 2)]),
        (vec!["--origin", &origin], vec![(0, 1)]),
        (vec!["--key", "other"], vec![(0, 1)]),
        (
            vec!["--since", "2023-11-14T22:13:20Z", "--until", "2023-11-14T22:13:21Z"],
            vec![(0, 0), (0, 1), (0, 2)],
        ),
        (vec!["--until", "2023-11-14T22:13:20Z"], vec![]),
    ] {
        assert_eq!(offsets("list", &dead, &filter), expected, "{filter:?}");
    }
    let said = dead_letters("redrive", &dead, &["--from", "earliest", "--error", "timeout"]).exits(0);
    let _said = said.saying(&[&format!("{}:0:1", dead.name), "filter"]);
    assert_eq!((values(&one, 1), one.watermarks(0).1, two.watermarks(0).1), (vec!["a".to_owned()], 1, 1));
    assert_eq!(committed(&dead, &position(&group), 0), Some(1));
}

#[test]
fn marks_of_transactions_and_what_was_aborted_hold_nothing_up() {
    let (topic, dead, group) = (Topic::new(1), Topic::new(1), unique("group"));
    let of = |value: &str| letter(0, (&topic.name, 0), &group, value);
    dead.produce_transaction(&[of("a"), of("b")], true);
    dead.produce_transaction(&[of("never")], false);
    let open = dead.open_transaction(&[of("later")]);
    let began = now();
    assert_eq!(offsets("redrive", &dead, &["--from", "earliest"]), [(0, 0), (0, 1)]);
    // An aborted letter and two marks, and no further than the transaction that is open.
    assert_eq!(committed(&dead, &position(&group), 0), Some(5));
    let _said = dead_letters("show", &dead, &[&format!("{}:0:2", dead.name)]).exits(1).saying(&["no letter"]);
    let _said = dead_letters("show", &dead, &[&format!("{}:0:3", dead.name)]).exits(1).saying(&["no letter"]);
    assert!(now() - began < Duration::from_secs(30), "nothing was waited for: {:?}", now() - began);
    dead.end_transaction(open, true);
    assert_eq!(offsets("redrive", &dead, &[]), [(0, 5)]);
    assert_eq!(values(&topic, 3), ["a", "b", "later"]);
}

fn start(dead: &Topic, more: &[&str]) -> Child {
    let mut command = Command::new(kafkavisor());
    command.args(["dead-letters", "redrive", "-b", &brokers(), "-t", &dead.name]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("kafkavisor starts")
}

#[test]
fn killed_in_the_middle_of_a_redrive_nothing_is_lost() {
    let (topic, dead, group) = (Topic::new(1), Topic::new(1), unique("group"));
    let all: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    dead.produce(&all.iter().map(|value| letter(0, (&topic.name, 0), &group, value)).collect::<Vec<_>>());
    let mut more = vec!["--rate", "100/s", "--from", "earliest"];
    for round in 1..=2 {
        let before = committed(&dead, &position(&group), 0).unwrap_or(0);
        let mut child = start(&dead, &more);
        let at = until("the position moves on", || {
            committed(&dead, &position(&group), 0).filter(|offset| *offset > before)
        });
        assert!(child.try_wait().unwrap().is_none(), "round {round}: it is still at it, at {at}");
        let (_, end) = topic.watermarks(0);
        assert!(at <= end, "the position, {at}, is not beyond what is confirmed, {end}");
        child.kill().unwrap();
        child.wait().unwrap();
        more.truncate(2);
    }
    let _said = dead_letters("redrive", &dead, &[]).exits(0);
    assert_eq!(committed(&dead, &position(&group), 0), Some(400));
    let sent = values(&topic, 400);
    let repeated = sent.len() - 400;
    assert!(repeated < 300, "{repeated} came twice");
    let mut first = Vec::new();
    for value in sent {
        if !first.contains(&value) {
            first.push(value);
        }
    }
    assert_eq!(first, all, "each is back, in order");
}

#[test]
fn a_right_that_is_missing_to_send_back_is_named_and_others_are_sent() {
    let [mine, theirs] = [1, 1].map(secure::topic);
    let dead = secure::topic(3);
    let from = |partition, name| letter(partition, (name, 0), "g", "v");
    dead.produce(&[from(0, &theirs.name), from(1, &theirs.name), from(2, &mine.name)]);
    let user = User::reading(&dead);
    user.allow("read", &format!("topic:{}", theirs.name));
    user.allow("write", &format!("topic:{}", mine.name));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yaml");
    std::fs::write(&config, serde_json::to_string(&json!({"kafka": user.scram()})).unwrap()).unwrap();
    let (brokers, config) = (environment::secure("SASL_TLS"), config.display().to_string());
    let redrive = ["dead-letters", "redrive", "-b", &brokers, "-t", &dead.name, "-c", &config];
    let said = run(redrive.iter().chain(&["--from", "earliest"])).exits(1);
    let why = format!("can't be sent back to {}:0: not allowed to write to the topic", theirs.name);
    assert_eq!(said.err.matches(&why).count(), 2, "{}", said.err);
    assert_eq!(said.err.matches("give this user WRITE on it").count(), 2, "{}", said.err);
    assert!(said.out.contains(&format!("{}:2:0 -> {}:0:0", dead.name, mine.name)), "{said:?}");
    assert_eq!(theirs.watermarks(0), (0, 0));
}

#[test]
fn a_time_that_is_to_come_is_refused_and_passes_nothing_over() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    let group = unique("group");
    dead.produce(&[letter(0, (&topic.name, 0), &group, "v")]);
    for command in ["redrive", "discard"] {
        let said = dead_letters(command, &dead, &["-g", &group, "--from", "2999-01-01T00:00:00Z"]).exits(64);
        let _said = said.saying(&["--from 2999-01-01T00:00:00.000Z", "still to come"]);
    }
    assert!(all_committed(&dead, &position(&group), 1).is_empty(), "no position is committed");
}

#[test]
fn what_is_done_counts_though_it_cannot_be_printed() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    let group = unique("group");
    dead.produce(&["a", "b"].map(|value| letter(0, (&topic.name, 0), &group, value)));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let arguments = ["dead-letters", "redrive", "-b", &brokers(), "-t", &dead.name, "-g", &group];
    let mut command = Command::new(kafkavisor());
    let output = command.args(arguments).args(["--from", "earliest"]).stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 letter of group") && said.contains("standard output"), "{said}");
    assert_eq!(values(&topic, 1), ["a"]);
    assert_eq!(offsets("redrive", &dead, &["-g", &group]), [(0, 1)], "it does not go twice");
}

#[test]
fn a_redrive_that_is_interrupted_commits_what_is_done() {
    let (topic, dead) = (Topic::new(1), Topic::new(1));
    let group = unique("group");
    let letters: Vec<_> = (0..50).map(|n| letter(0, (&topic.name, 0), &group, &n.to_string())).collect();
    dead.produce(&letters);
    let rate = ["-g", &group, "--from", "earliest", "--rate", "10/s"];
    let mut command = Command::new(kafkavisor());
    command.args(["dead-letters", "redrive", "-b", &brokers(), "-t", &dead.name]).args(rate);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("some are back", || (topic.watermarks(0).1 >= 3).then_some(()));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let done = topic.watermarks(0).1;
    assert!(done < 50 && said.contains("interrupted"), "{said}");
    assert!(said.contains(&format!("{done} letters of group {group} sent back")), "{said}");
    assert_eq!(committed(&dead, &position(&group), 0), Some(done));
}
