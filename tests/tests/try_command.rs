//! `try`: a handler on real messages or on a file's, with nothing committed, and through trouble that is made for it. What a bad
//! handler does wrong it is told in words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{brokers, kafkavisor, project, python};
use kafkavisor_tests::handlers;
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes::{MARK, marked_with};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

const ALL: &str = "crash,hang,redeliver,stop,flush";

/// Does what its first argument says wrong.
const BAD: &str = r#"
import json, os, signal, sys, time
mode, held = sys.argv[1], []
print("handler begins", file=sys.stderr, flush=True)
def say(**keys): print(json.dumps(keys), flush=True)
def settle():
    if held: say(ack=held[-1])
    held.clear()
if mode == "at init": say(ack=0)
if mode == "ignores stop": signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "message":
        offset = request["offset"]
        # Beyond the first window, however fast the next one opens.
        if mode == "ahead": say(ack=offset + 4)
        elif mode == "never": pass
        elif mode in ("only at stop", "never at stop", "ignores flush"): held.append(offset)
        elif offset != 3: say(ack=offset)
        elif mode == "exits": sys.exit(3)
        elif mode == "is killed": os.kill(os.getpid(), 9)
        # After the time-out, and well before nothing more is waited for (twice that).
        elif mode == "late": time.sleep(3); say(ack=3)
        elif mode == "backwards": say(ack=3); say(ack=1)
        elif mode == "nonsense": print('{"ack":"x"}', flush=True)
        elif mode == "hangs": time.sleep(1000)
        else: say(ack=3)
    elif request["type"] == "flush" and mode == "never at stop": settle()
    elif request["type"] == "stop":
        if mode == "only at stop": settle()
        if mode == "bad status": sys.exit(4)
        if mode != "ignores stop": sys.exit(0)
while mode == "ignores stop": time.sleep(1)
"#;

/// A folder with what is tried.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("bad.py", BAD);
        folder.write("short.yaml", "handler: {timeout: 2s, start_timeout: 3s}\nstop: {timeout: 1s}\n");
        let one = |number| json!({"key": format!("k{number}"), "value": format!("v{number}")}).to_string();
        let mut lines: Vec<_> = (0..11).map(one).collect();
        lines.push(r#"{"value_base64":"/w=="}"#.to_owned());
        folder.write("messages.jsonl", &lines.join("\n"));
        fs::create_dir(folder.path("tmp")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Twelve messages, the last of which is no UTF-8.
    fn messages(&self) -> String {
        self.path("messages.jsonl").display().to_string()
    }

    fn bad(&self, mode: &str) -> Vec<String> {
        vec![python(), self.path("bad.py").display().to_string(), mode.to_owned()]
    }

    /// Tries a handler on them, with short time-outs.
    fn tries(&self, more: &[&str], handler: &[String]) -> Said {
        let (file, short) = (self.messages(), self.path("short.yaml").display().to_string());
        let arguments = [&["try", "-c", &short, "--file", &file], more, &["--"]].concat();
        run(arguments.into_iter().chain(handler.iter().map(String::as_str)))
    }

    /// The same as a process of its own, whose every process and file can be told.
    fn start(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = Command::new(kafkavisor());
        command.arg("try").args(arguments).env(MARK, self.0.path()).env("TMPDIR", self.path("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn await_nothing_left(&self) {
        until("nothing is left", || marked_with(self.0.path()).is_empty().then_some(()));
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0, "a folder is left");
    }
}

fn on(topic: &Topic, more: &[&str], handler: &[&str]) -> Said {
    let (brokers, partition) = (brokers(), format!("{}:0", topic.name));
    run([&["try", "-b", &brokers, "-t", &partition], more, &["--"], handler].concat())
}

fn objects(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

#[track_caller]
fn offsets(said: &Said) -> Vec<i64> {
    objects(said).iter().filter_map(|object| object["offset"].as_i64()).collect()
}

/// What was injected, with whether it was borne.
fn injected(said: &Said) -> Vec<(String, bool)> {
    let of = |object: &Value| Some((object["inject"].as_str()?.to_owned(), object["borne"].as_bool()?));
    objects(said).iter().filter_map(of).collect()
}

#[test]
fn real_messages_are_shown_with_their_answers_and_nothing_is_committed() {
    let topic = Topic::new(1);
    topic.produce(&[
        Message::to(0, "plain").key("k"),
        Message::to(0, "\u{1b}[31mred\n"),
        Message::null(0).header("h", None),
        Message::to(0, vec![0xff]),
    ]);
    let said = on(&topic, &[], &[&handlers::python()]).exits(0);
    let lines: Vec<_> = said.out.lines().collect();
    assert!(
        lines[1].contains("ack") && lines[1].contains(" ms  k ") && lines[1].ends_with("plain"),
        "{said:#?}"
    );
    assert!(lines[2].ends_with(r"\u{1b}[31mred\n"), "{said:#?}");
    assert!(lines[4].contains("reject") && lines[4].contains("[the payload is not UTF-8]"), "{said:#?}");
    assert!(said.out.contains("4 messages: 3 acknowledged, 1 rejected, 0 unanswered"), "{said:#?}");
    assert!(all_committed(&topic, "kafkavisor-try", 1).is_empty(), "nothing is committed");
    assert_eq!(topic.watermarks(0), (0, 4), "nothing is produced");
}

#[test]
fn where_it_begins_and_how_many_they_are() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 10));
    let shell = handlers::shell();
    let offsets = |more: &[&str]| offsets(&on(&topic, &[more, &["--json"]].concat(), &[&shell]).exits(0));
    assert_eq!(offsets(&["--offset", "7"]), [7, 8, 9]);
    assert_eq!(offsets(&["--offset", "-2"]), [8, 9]);
    assert_eq!(offsets(&["--offset", "-99", "--count", "3"]), [0, 1, 2]);
    assert_eq!(offsets(&["--count", "99"]).len(), 10);
    for empty in ["latest", "10"] {
        let said = on(&topic, &["--offset", empty, "--inject", "crash,stop"], &[&shell]).exits(1);
        let words = format!("failed: no message to try: there is none in {}:0 from offset 10 on", topic.name);
        assert!(said.out.contains("0 messages") && said.out.contains(&words), "{said:#?}");
        for kind in ["crash ", "stop "] {
            let line = said.out.lines().find(|line| line.starts_with(kind));
            assert!(line.is_some_and(|line| line.contains("not borne: not tried")), "{kind}: {said:#?}");
        }
    }
    let _said = on(&topic, &["--offset", "11"], &[&shell]).exits(1).saying(&["begins at 0 and ends at 10"]);
    let beyond = format!("{}:1", topic.name);
    for (partition, words) in
        [("no-such-topic:0", "no topic no-such-topic"), (beyond.as_str(), "has partitions 0 to 0")]
    {
        let said = run(["try", "-b", &brokers(), "-t", partition, "--", &shell]);
        let _said = said.exits(1).saying(&[words]);
    }
}

#[test]
fn with_latest_and_a_count_it_waits_for_what_comes() {
    let (topic, folder) = (Topic::new(1), Folder::new());
    topic.produce(&numbered(1, 5));
    let partition = format!("{}:0", topic.name);
    let shell = handlers::shell();
    let latest =
        ["-b", &brokers(), "-t", &partition, "--offset", "latest", "--count", "2", "--json", "--", &shell];
    let child = folder.start(&latest);
    until("its handler waits", || (marked_with(folder.0.path()).len() >= 4).then_some(()));
    topic.produce(&numbered(1, 3));
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && out.contains(r#""offset":5,"#) && out.contains(r#""offset":6,"#),
        "{out}"
    );
    assert!(!out.contains(r#""offset":7,"#), "{out}");
    folder.await_nothing_left();
}

#[test]
fn a_file_is_as_good_as_a_topic() {
    let folder = Folder::new();
    let lines = [
        r#"{"type":"message","offset":42,"timestamp":1700000000000,"key":null,"value":"text","headers":[["a","b"]]}"#,
        "",
        r#"{"key_base64":"/w==","value_base64":"YWJj"}"#,
        r#"{"value":null}"#,
    ];
    let file = folder.write("file.jsonl", &lines.join("\n"));
    let seen = folder.path("seen").display().to_string();
    let script = handlers::shell();
    let shell = ["/bin/sh", "-c", &format!("OUT={seen} exec {script}")].map(str::to_owned);
    let run = |more: &[&str]| {
        let arguments = [&["try", "--file", &file, "--json"], more, &["--"]].concat();
        run(arguments.into_iter().chain(shell.iter().map(String::as_str)))
    };
    assert_eq!(offsets(&run(&["--offset", "-2", "--count", "1"]).exits(0)), [1]);
    fs::remove_file(&seen).unwrap();
    assert_eq!(offsets(&run(&[]).exits(0)), [0, 1, 2]);
    let seen = fs::read_to_string(seen).unwrap();
    let lines: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = json!({"type":"message","offset":0,"timestamp":1_700_000_000_000_i64,"key":null,"value":"text","headers":[["a","b"]]});
    assert_eq!(lines[0], first);
    assert_eq!((&lines[1]["key_base64"], &lines[1]["value"]), (&json!("/w=="), &json!("abc")));
    assert_eq!((&lines[2]["key"], &lines[2]["value"]), (&Value::Null, &Value::Null));
    for (text, words) in [
        ("{\"value\":\"x\"}\n\n{\"value\":1}\n", ["line 3", "invalid type"]),
        ("{\"Value\":\"x\"}", ["line 1", "unknown field"]),
        ("not json", ["line 1", "column 2"]),
        ("\n", ["no message", "JSON object a line"]),
    ] {
        folder.write("file.jsonl", text);
        let _said = run(&[]).exits(78).saying(&words);
    }
}

/// The mock that it stands in keeps 5 MiB.
#[test]
fn a_file_may_be_larger_than_what_a_mock_keeps() {
    let folder = Folder::new();
    let value = "x".repeat(20_000);
    let lines: Vec<_> =
        (0..500).map(|number| json!({"key": number.to_string(), "value": value}).to_string()).collect();
    let file = folder.write("large.jsonl", &lines.join("\n"));
    let handler = handlers::rust();
    let arguments = ["--protocol", "binary", "--inject", "redeliver", "--json", "--", &handler];
    let said = run(["try", "--file", &file].iter().chain(&arguments)).exits(0);
    assert_eq!(offsets(&said), (0..500).collect::<Vec<_>>());
    let from_the_middle = ["--offset", "400", "--protocol", "binary", "--json", "--", &handler];
    let said = run(["try", "--file", &file].iter().chain(&from_the_middle)).exits(0);
    assert_eq!(offsets(&said), (400..500).collect::<Vec<_>>());
}

/// The blocks of code in the README that are handlers, as files.
fn in_readme(folder: &Folder) -> Vec<String> {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let blocks = readme.split("```").skip(1).step_by(2);
    let handlers =
        blocks.filter_map(|block| Some(block.split_once('\n')?.1)).filter(|code| code.starts_with("#!"));
    handlers
        .enumerate()
        .map(|(number, code)| {
            let orders = folder.path("orders").display().to_string();
            let path = folder.write(&format!("readme{number}"), &code.replace("/tmp/orders", &orders));
            make_executable(Path::new(&path));
            path
        })
        .collect()
}

fn make_executable(program: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn each_example_bears_all_that_is_injected() {
    let folder = Folder::new();
    let mut examples = vec![
        ("jsonl", handlers::shell()),
        ("jsonl", handlers::python()),
        ("exec", handlers::words()),
        ("jsonl", handlers::rust()),
        ("binary", handlers::rust()),
    ];
    let in_readme = in_readme(&folder);
    assert_eq!(in_readme.len(), 2, "the README's handlers");
    examples.extend(in_readme.into_iter().map(|path| ("jsonl", path)));
    let file = folder.messages();
    let all = |(protocol, handler): &(&str, String)| {
        let more = ["--protocol", protocol, "--inject", ALL, "--json", "--", handler];
        let said = run(["try", "--file", &file].iter().chain(&more)).exits(0);
        let borne: Vec<_> = ALL.split(',').map(|kind| (kind.to_owned(), true)).collect();
        assert_eq!(injected(&said), borne, "{said:#?}");
    };
    thread::scope(|scope| examples.iter().for_each(|example| drop(scope.spawn(|| all(example)))));
}

#[test]
fn a_real_topic_comes_again_where_trouble_is_made() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 150));
    let said = on(&topic, &["--inject", ALL], &[&handlers::python()]).exits(0);
    let kinds: Vec<_> = said.out.lines().filter(|line| line.contains(" borne: ")).collect();
    assert_eq!(kinds.len(), 5, "{said:#?}");
    assert!(kinds[2].starts_with("redeliver borne: 100 acknowledged messages came again"), "{said:#?}");
    assert!(all_committed(&topic, "kafkavisor-try", 1).is_empty(), "nothing is committed");
}

#[test]
fn who_does_wrong_is_told_so_in_words() {
    let folder = Folder::new();
    let wrongs: [(&str, &[&str]); 12] = [
        ("at init", &["acknowledged too early", "offset 0 before anything was delivered"]),
        ("ahead", &["acknowledged too early", "offset 4, which was not delivered", "offsets 0 to 3"]),
        ("never", &["not acknowledged at all: 4 messages (offsets 0 to 3)", "asked to finish them (flush)"]),
        (
            "only at stop",
            &["acknowledged too late: 4 messages (offsets 0 to 3)", "only when the handler was told to stop"],
        ),
        ("ignores flush", &["not acknowledged at all", "exited without acknowledging"]),
        ("late", &["acknowledged too late: offset 3 answered after 3.", "handler.timeout is 2.0 s"]),
        ("backwards", &["went backwards: it acknowledged offset 1 after it had answered 3"]),
        ("exits", &["the handler exited with status 3, and left ", "offset"]),
        ("is killed", &["the handler was killed by SIGKILL, and left"]),
        ("nonsense", &["broke the protocol", "must be an offset"]),
        ("hangs", &["not acknowledged at all", "ignored stop, too"]),
        ("bad status", &["at stop the handler exited with status 4, not with status 0"]),
    ];
    let tried = |(mode, words): &(&str, &[&str])| {
        let said = folder.tries(&[], &folder.bad(mode)).exits(1).saying(&["handler begins"]);
        let summary = said.out.lines().find(|line| line.starts_with("failed: ")).unwrap_or_default();
        words.iter().for_each(|word| assert!(summary.contains(word), "{mode}: {word:?} is not in {said:#?}"));
    };
    thread::scope(|scope| wrongs.iter().for_each(|wrong| drop(scope.spawn(|| tried(wrong)))));
}

#[test]
fn each_kind_says_who_does_not_bear_it() {
    let folder = Folder::new();
    let borne = |mode: &str, kinds: &str| {
        let said = folder.tries(&["--inject", kinds, "--json"], &folder.bad(mode)).exits(1);
        let borne: Vec<_> =
            injected(&said).into_iter().filter(|(_, borne)| *borne).map(|(kind, _)| kind).collect();
        (borne.join(","), said.out)
    };
    let (stops_early, out) = borne("never at stop", ALL);
    assert_eq!(stops_early, "crash,hang,redeliver,flush", "{out}");
    assert!(out.contains("exited with status 0 without acknowledging"), "{out}");
    let (ignores, out) = borne("ignores stop", "stop,redeliver");
    assert_eq!(ignores, "redeliver", "{out}");
    assert!(out.contains("ignored stop: it did not exit within 1.0 s"), "{out}");
    let (never, out) = borne("never", "flush,crash");
    assert!(never.is_empty() && out.contains("not tried, for undisturbed it answered no message"), "{out}");
}

#[test]
fn a_process_for_each_batch_is_judged_by_its_status() {
    let folder = Folder::new();
    let file = folder.messages();
    let short = folder.write("exec.yaml", "handler: {protocol: exec, timeout: 600ms, start_timeout: 600ms}");
    let exec = |script: &str| run(["try", "-c", &short, "--file", &file, "--", "/bin/sh", "-c", script]);
    let said = exec("cat >/dev/null; test $KAFKAVISOR_LAST_OFFSET -lt 7").exits(1);
    assert!(said.out.contains("failed: offset 7 failed alone: handler exited with status 1"), "{said:#?}");
    assert!(said.err.contains("12 messages from offset 0 on failed"), "{said:#?}");
    let said = exec("exit 75").exits(1);
    assert!(said.out.contains("put its batch off") && said.out.contains("status 75"), "{said:#?}");
    let said = exec("sleep 1000").exits(1);
    assert!(said.out.contains("failed alone") && said.out.contains("did not finish in time"), "{said:#?}");
}

#[test]
fn interrupted_or_killed_it_leaves_nothing_behind() {
    let folder = Folder::new();
    let file = folder.messages();
    let script = "setsid sleep 1000 & while read -r line; do :; done";
    let arguments = ["--file", &file, "--", "/bin/sh", "-c", script];
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let child = folder.start(&arguments);
        until("its handler runs", || (marked_with(folder.0.path()).len() >= 5).then_some(()));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        if signal == Signal::SIGINT {
            assert_eq!(output.status.code(), Some(1));
            let out = String::from_utf8(output.stdout).unwrap();
            assert!(out.contains("failed: interrupted"), "{out}");
        }
        folder.await_nothing_left();
    }
}

#[test]
fn a_wrong_command_line_or_configuration_is_refused() {
    let folder = Folder::new();
    let file = folder.messages();
    let bad = folder.write("bad.yaml", "handler: {timeout: soon}\n");
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--", "cat"], 64, "--brokers"),
        (&["--file", &file, "-b", "k:9092", "--", "cat"], 64, "--brokers"),
        (&["--file", &file, "--inject", "earthquake", "--", "cat"], 64, "crash"),
        (&["--file", &file, "--offset", "soon", "--", "cat"], 64, "is no place to begin"),
        (&["--file", &file, "--protocol", "xml", "--", "cat"], 64, "jsonl"),
        (&["--file", &file], 64, "no handler"),
        (&["--file", &file, "--", "./nowhere"], 78, "./nowhere does not exist"),
        (&["--file", &file, "-c", &bad, "--", "cat"], 78, "1:"),
        (&["-b", "127.0.0.1:1", "-t", "orders:0", "--", "cat"], 69, "127.0.0.1:1"),
    ];
    let refused = |(arguments, code, words): &(&[&str], i32, &str)| {
        let _said = run([&["try"], *arguments].concat()).exits(*code).saying(&[words]);
    };
    thread::scope(|scope| cases.iter().for_each(|case| drop(scope.spawn(|| refused(case)))));
}
