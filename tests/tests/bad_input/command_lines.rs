//! The command line alone: 64.

use crate::running::*;

/// The line and what it says; `RUN` stands for a run that has all but topics, `ALL` for one that lacks a handler only.
const COMMAND_LINES: &[(&str, &[&str])] = &[
    ("frobnicate", &["frobnicate", "--help"]),
    ("statsu", &["a similar subcommand exists: 'status'"]),
    ("run --frob", &["--frob", "--from"]),
    ("run handler", &["unexpected argument 'handler'", "-- <HANDLER>"]),
    ("run -b", &["--brokers <BROKERS>"]),
    ("run -c", &["--config <FILE>"]),
    ("run -c a.yaml -c b.yaml", &["--config <FILE>", "multiple times"]),
    (
        "run",
        &["no group", "-g", "no brokers", "-b", "no ZooKeeper", "-z", "no topics", "-t", "no handler", "--"],
    ),
    ("ALL", &["no handler: set `handler.command` in the file or give the handler after --"]),
    ("RUN -- ./handler", &["no topics: set `topics` in the file or pass -t TOPIC"]),
    ("run -z z:1 -g g -t t -- ./handler", &["no brokers: set `cluster.brokers` in the file or pass -b"]),
    ("run -b k:1 -g g -t t -- ./handler", &["no ZooKeeper", "pass -z", "--partitions"]),
    ("run -b k:1 -z z:1 -t t -- ./handler", &["no group: set `group` in the file or pass -g"]),
    ("run -b k -z z:1 -g g -t t -- ./handler", &["-b: \"k\" has no port", "HOST:PORT"]),
    ("run -b k:65536 -z z:1 -g g -t t -- ./handler", &["-b: \"k:65536\" has no port from 1 to 65535"]),
    ("run -b k:1,k:1 -z z:1 -g g -t t -- ./handler", &["-b: \"k:1\" is listed twice"]),
    ("run -b kafka://k:1 -z z:1 -g g -t t -- ./handler", &["-b: ", "is no HOST:PORT"]),
    ("run -b '' -z z:1 -g g -t t -- ./handler", &["-b: "]),
    ("run -b k:1 -z z -g g -t t -- ./handler", &["-z: \"z\" has no port"]),
    ("run -b k:1 -z z:1/a/ -g g -t t -- ./handler", &["-z: \"/a/\" is no path in ZooKeeper"]),
    ("run -b k:1 -z z:1 -g a/b -t t -- ./handler", &["-g: group \"a/b\" holds '/'"]),
    ("run -b k:1 -z z:1 -g '' -t t -- ./handler", &["-g: ", "empty"]),
    ("RUN -t a,b -- ./handler", &["-t: topic \"a,b\" holds ','"]),
    ("RUN -t t -t t -- ./handler", &["-t: topic t is listed twice"]),
    (
        "run -b k:1 -g g --partitions t -- ./handler",
        &["--partitions: \"t\" is not TOPIC:PARTITIONS", "orders:0,1,4-7"],
    ),
    ("run -b k:1 -g g --partitions t:x -- ./handler", &["--partitions: \"t:x\" is not TOPIC:PARTITIONS"]),
    ("run -b k:1 -g g --partitions t:7-4 -- ./handler", &["--partitions: t:7-4 is empty"]),
    (
        "run -b k:1 -g g --partitions t:0 --partitions t:0 -- ./handler",
        &["--partitions: t:0 is listed twice"],
    ),
    ("run -b k:1 -g g --partitions t:0-9999999 -- ./handler", &["--partitions: ", "the highest is 999999"]),
    ("RUN --partitions t:0 -- ./handler", &["--partitions: ", "leave out -z or --partitions"]),
    (
        "run -b k:1 -g g --partitions t:0 -t u -- ./handler",
        &["-t: topic u has no partitions", "--partitions u:0"],
    ),
    ("ALL --protocol json -- ./handler", &["--protocol: ", "did you mean `jsonl`?"]),
    ("ALL --protocol kcl -- ./handler", &["--protocol: `kcl` is not available yet"]),
    ("ALL --from newest -- ./handler", &["--from: expected `earliest`, `latest`"]),
    ("ALL --name a/b -- ./handler", &["--name: name \"a/b\" holds '/'"]),
    ("ALL --http box -- ./handler", &["--http: \"box\" has no port"]),
    ("ALL -- ''", &["HANDLER: the program's name is empty"]),
    ("compl", &["a similar subcommand exists: 'completions'"]),
    ("check", &["nothing to check: say -c FILE"]),
    ("check --onlin", &["--online"]),
    ("check -c k.yaml extra", &["extra"]),
    ("demo --seconds 0", &["--seconds", "4..=3600"]),
    ("demo --seconds soon", &["--seconds", "soon"]),
    ("demo ./handler", &["./handler", "-- <HANDLER>"]),
    ("status --jsno", &["--json"]),
    ("status extra", &["extra"]),
    ("status --name a/b", &["--name", "a/b"]),
    ("stop --watch", &["--watch"]),
    ("stop --name ../other", &["--name", "../other"]),
    ("completions", &["<SHELL>"]),
    ("completions klingon", &["klingon", "bash", "zsh", "fish"]),
    ("man guardian", &["no page for \"guardian\"", "kafkavisor-offsets-set, ", "kafkavisor.yaml"]),
    ("man run --dir man", &["--dir"]),
];

#[test]
fn a_wrong_command_line_is_64() {
    let scene = Scene::new();
    let mut table = Table::default();
    for (line, says) in COMMAND_LINES {
        let run = format!("run {SERVERS} -g g");
        let line = line.replace("ALL", &format!("{run} -t t")).replace("RUN", &run);
        let arguments = words(&line);
        let ran = scene.run(&arguments);
        table.note(&arguments, None, &ran, &ran.complaints(64, says));
    }
    assert!(!scene.path("run").exists(), "nothing is made for a command line that is wrong");
    table.assert_empty();
}

#[test]
fn nothing_typed_shows_the_help() {
    let ran = Scene::new().run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    assert!(ran.stderr.contains("Usage: kafkavisor") && ran.stderr.contains("--help"), "{}", ran.stderr);
}
