//! Flags that are refused, and whose fault an error is.

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "what a flag holds")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// With this in place of one flag, the error is in that flag alone.
#[test]
fn flags_are_refused_by_name() {
    let cases = [
        (
            Flags { reset: text("tomorrow"), ..Flags::default() },
            "--from: expected `earliest`, `latest`, `smallest` or `largest`, found \"tomorrow\"",
        ),
        (
            Flags { protocol: text("jsn"), ..Flags::default() },
            "--protocol: expected `jsonl`, `binary` or `exec`, found \"jsn\"",
        ),
        (
            Flags { protocol: text("kcl"), ..Flags::default() },
            "--protocol: `kcl` is not available yet in this version; use another",
        ),
        (Flags { brokers: text("k"), ..Flags::default() }, "-b: \"k\" has no port from 1 to 65535"),
        (Flags { zookeeper: text("z:1//"), ..Flags::default() }, "-z: \"//\" is no path in ZooKeeper"),
        (Flags { group: text("a/b"), ..Flags::default() }, "-g: group \"a/b\" holds '/'"),
        (Flags { name: text("a/b"), ..Flags::default() }, "--name: name \"a/b\" holds '/'"),
        (Flags { topics: texts(&["a", "a"]), ..Flags::default() }, "-t: topic a is listed twice"),
        (Flags { topics: texts(&["a,b"]), ..Flags::default() }, "-t: topic \"a,b\" holds ','"),
        (
            Flags { http: text("box"), ..Flags::default() },
            "--http: \"box\" has no port from 0 (the system chooses) to 65535",
        ),
        (Flags { command: texts(&["", "x"]), ..Flags::default() }, "HANDLER: the program's name is empty"),
        (
            Flags { partitions: texts(&["t"]), ..Flags::default() },
            "--partitions: \"t\" is not TOPIC:PARTITIONS; write for example orders:0,1,4-7",
        ),
        (Flags { partitions: texts(&["t:"]), ..Flags::default() }, "is not TOPIC:PARTITIONS"),
        (Flags { partitions: texts(&["t:1-"]), ..Flags::default() }, "is not TOPIC:PARTITIONS"),
        (Flags { partitions: texts(&["t:+1"]), ..Flags::default() }, "is not TOPIC:PARTITIONS"),
        (Flags { partitions: texts(&["t:3-1"]), ..Flags::default() }, "write the lower partition first"),
        (Flags { partitions: texts(&["t:0-3,2"]), ..Flags::default() }, "--partitions: t:2 is listed twice"),
        (Flags { partitions: texts(&["t:0", "t:0"]), ..Flags::default() }, "t:0 is listed twice"),
        (Flags { partitions: texts(&["t:0-2147483647"]), ..Flags::default() }, "the highest is 999999"),
        (
            Flags { partitions: texts(&["t:0-999999"]), ..Flags::default() },
            "more than 100000 partitions of t",
        ),
        (
            Flags { partitions: texts(&["t:0"]), topics: texts(&["u"]), ..Flags::default() },
            "-t: topic u has no partitions",
        ),
        (
            Flags { partitions: texts(&["t:0"]), zookeeper: text("z:1"), ..Flags::default() },
            "--partitions: this means static assignment, without ZooKeeper: leave out -z or --partitions",
        ),
    ];
    for (flags, words) in cases {
        let errors = Config::load(Some(&source(MINIMAL)), &flags).unwrap_err();
        assert_eq!(errors.iter().count(), 1, "{errors}");
        assert!(errors.to_string().contains(words), "{words}: {errors}");
        assert!(errors.only_flags(), "{errors}");
    }
}

#[test]
fn the_command_line_alone_is_wrong_only_when_no_file_has_a_part() {
    let alone = Config::load(None, &Flags { group: text("g"), ..Flags::default() }).unwrap_err();
    assert!(alone.only_flags(), "{alone}");
    assert!(alone.to_string().starts_with("no brokers: "), "{alone}");
    let with_file = Config::load(Some(&source("topics: [t]")), &Flags::default()).unwrap_err();
    assert!(!with_file.only_flags(), "{with_file}");
    let both = Flags { reset: text("tomorrow"), ..Flags::default() };
    let both = Config::load(Some(&source(&format!("{MINIMAL}stop: 5"))), &both).unwrap_err();
    assert!(!both.only_flags() && both.iter().count() == 2, "{both}");
    let batch = format!("{}\n", MINIMAL.replace("[x]}", "[x], protocol: exec, batch: {messages: 5}}"));
    let combination = Flags { protocol: text("jsonl"), ..Flags::default() };
    let combination = Config::load(Some(&source(&batch)), &combination).unwrap_err();
    assert!(!combination.only_flags(), "{combination}");
    let bad_yaml =
        Config::load(Some(&source("[")), &Flags { reset: text("x"), ..Flags::default() }).unwrap_err();
    assert_eq!(bad_yaml.iter().count(), 2, "{bad_yaml}");
}
