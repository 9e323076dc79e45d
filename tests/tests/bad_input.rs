//! What users get wrong: command lines, files and handlers, each with its exit code and the words that help.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::environment::{brokers, kafkavisor, project, zookeeper};
use tempfile::TempDir;

/// Runs `kafkavisor` in a folder with its own runtime directory.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let began = clock::now();
    let output = Command::new(kafkavisor())
        .args(arguments)
        .current_dir(folder)
        .env("RUNTIME_DIRECTORY", folder.join("run"))
        .stdin(Stdio::null())
        .output()
        .expect("kafkavisor runs");
    assert!(began.elapsed() < Duration::from_secs(30), "{arguments:?} took {:?}", began.elapsed());
    output
}

/// Asserts exit code and words on stderr; nothing goes to stdout.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?} said:\n{said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no {word:?} in:\n{said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {:?}", String::from_utf8_lossy(&output.stdout));
}

/// A folder with an executable `handler` in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let handler = folder.path().join("handler");
    fs::write(&handler, "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
    fs::set_permissions(&handler, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

const RIGHT: &[&str] = &["-b", "127.0.0.1:1", "-z", "127.0.0.1:1", "-g", "g", "-t", "t"];

/// `run` with right flags, but for what `change` says: flags that replace others come last.
fn with<'a>(without: &[&str], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run"];
    for pair in RIGHT.chunks(2).filter(|pair| !without.contains(&pair[0])) {
        arguments.extend(pair);
    }
    arguments.extend(more);
    arguments
}

#[test]
fn the_command_line_alone_is_wrong() {
    let folder = folder();
    let handler = ["--", "./handler"];
    let cases: Vec<(Vec<&str>, &[&str])> = vec![
        (vec![], &["Usage"]),
        (vec!["frobnicate"], &["frobnicate"]),
        (vec!["runn"], &["run"]),
        (vec!["run", "--frobnicate"], &["--frobnicate"]),
        (
            vec!["run"],
            &[
                "no group",
                "no brokers",
                "no ZooKeeper",
                "no topics",
                "no handler",
                "-g",
                "-b",
                "-z",
                "-t",
                "--",
            ],
        ),
        (vec!["run", "-b"], &["brokers"]),
        (vec!["run", "-c"], &["config"]),
        (with(&[], &["./handler"]), &["./handler"]),
        (with(&[], &[]), &["no handler", "--"]),
        (with(&["-g"], &handler), &["no group", "-g"]),
        (with(&["-b"], &handler), &["no brokers", "-b"]),
        (with(&["-t"], &handler), &["no topics", "-t"]),
        (with(&["-z"], &handler), &["no ZooKeeper", "-z", "--partitions"]),
        (with(&["-b"], &["-b", "kafka", "--", "./handler"]), &["-b", "kafka", "HOST:PORT"]),
        (with(&["-b"], &["-b", "kafka:0", "--", "./handler"]), &["-b", "kafka:0", "port"]),
        (with(&["-b"], &["-b", "kafka:65536", "--", "./handler"]), &["-b", "port"]),
        (with(&["-b"], &["-b", "k:1,k:1", "--", "./handler"]), &["-b", "twice"]),
        (with(&["-b"], &["-b", "", "--", "./handler"]), &["-b"]),
        (with(&["-b"], &["-b", "http://k:1", "--", "./handler"]), &["-b", "HOST:PORT"]),
        (with(&["-z"], &["-z", "zk", "--", "./handler"]), &["-z", "zk", "HOST:PORT"]),
        (with(&["-z"], &["-z", "zk:1/a//b", "--", "./handler"]), &["-z", "path"]),
        (with(&["-g"], &["-g", "a b", "--", "./handler"]), &["-g", "a b"]),
        (with(&["-g"], &["-g", "a/b", "--", "./handler"]), &["-g", "a/b"]),
        (with(&["-g"], &["-g", "", "--", "./handler"]), &["-g", "empty"]),
        (with(&["-t"], &["-t", "a/b", "--", "./handler"]), &["-t", "a/b"]),
        (with(&["-t"], &["-t", "a", "-t", "a", "--", "./handler"]), &["-t", "twice"]),
        (
            with(&["-z", "-t"], &["--partitions", "orders", "--", "./handler"]),
            &["--partitions", "orders:0,1,4-7"],
        ),
        (with(&["-z", "-t"], &["--partitions", "orders:", "--", "./handler"]), &["--partitions"]),
        (
            with(&["-z", "-t"], &["--partitions", "orders:x", "--", "./handler"]),
            &["--partitions", "orders:x"],
        ),
        (with(&["-z", "-t"], &["--partitions", "orders:4-1", "--", "./handler"]), &["--partitions", "lower"]),
        (with(&["-z", "-t"], &["--partitions", "orders:0,0", "--", "./handler"]), &["--partitions", "twice"]),
        (
            with(&["-z", "-t"], &["--partitions", "orders:99999999", "--", "./handler"]),
            &["--partitions", "99999999"],
        ),
        (with(&["-t"], &["--partitions", "orders:0", "--", "./handler"]), &["--partitions", "-z"]),
        (with(&["-z"], &["--partitions", "orders:0", "--", "./handler"]), &["topic t", "--partitions t:0"]),
        (with(&[], &["--protocol", "json", "--", "./handler"]), &["--protocol", "did you mean `jsonl`"]),
        (with(&[], &["--protocol", "kcl", "--", "./handler"]), &["--protocol", "not available yet"]),
        (with(&[], &["--from", "newest", "--", "./handler"]), &["--from", "`earliest`", "`latest`"]),
        (with(&[], &["--name", "a/b", "--", "./handler"]), &["--name", "a/b"]),
        (with(&[], &["--http", "nonsense", "--", "./handler"]), &["--http"]),
        (with(&[], &["--", ""]), &["HANDLER", "empty"]),
        (vec!["check"], &["-c"]),
        (vec!["check", "--onlin"], &["--online"]),
        (vec!["status", "--jsno"], &["--json"]),
        (vec!["status", "extra"], &["extra"]),
        (vec!["stop", "--now"], &["--now"]),
        (vec!["demo", "--seconds", "0"], &["seconds"]),
        (vec!["demo", "--seconds", "soon"], &["soon"]),
    ];
    assert!(cases.len() >= 40);
    for (arguments, words) in &cases {
        refused(folder.path(), arguments, 64, words);
    }
    assert!(!folder.path().join("run").exists(), "nothing is made for a command line that is wrong");
}

/// A right file, as text with `CHANGE` at its end.
fn file(change: &str) -> String {
    format!(
        "group: g\ntopics: [t]\ncluster: {{brokers: '127.0.0.1:1', zookeeper: '127.0.0.1:1'}}\n\
         handler: {{command: [./handler]}}\n{change}\n"
    )
}

#[test]
fn the_file_is_wrong() {
    let folder = folder();
    let right = file("");
    let handler = |rest: &str| right.replace("[./handler]", &format!("[./handler], {rest}"));
    let cases: Vec<(String, &[&str])> = vec![
        (String::new(), &["no group", "no brokers", "no handler"]),
        ("# only a comment\n".to_owned(), &["no group"]),
        ("group: [a\n".to_owned(), &["k.yaml:", "YAML"]),
        ("- a\n".to_owned(), &["k.yaml:1:1", "a list"]),
        ("group: g\n\tname: b\n".to_owned(), &["k.yaml:", "YAML"]),
        ("group: g\n---\ngroup: h\n".to_owned(), &["k.yaml:2:1", "second document"]),
        ("a: &a [x]\nb: *a\n".to_owned(), &["k.yaml:2:4", "aliases"]),
        ("group: g\0\n".to_owned(), &["k.yaml:1:", "NUL"]),
        (file("grop: x"), &["k.yaml:5:1", "`grop`", "did you mean `group`?"]),
        (file("group: h"), &["k.yaml:5:1", "twice", "line 1"]),
        (file("stop: {timeout: 10}"), &["k.yaml:5:17", "unit", "`10s`"]),
        (file("stop: {timeout: 10 s}"), &["k.yaml:5:17"]),
        (file("stop: {tiemout: 10s}"), &["k.yaml:5:8", "did you mean `timeout`?"]),
        (file("stop: 10s"), &["k.yaml:5:7", "a map"]),
        (file("restart: {initial: 1m, max: 10s}"), &["`restart.max`", "`restart.initial`"]),
        (file("offsets: {reset: newest}"), &["`offsets.reset`", "`earliest`"]),
        (file("offsets: {commit_messages: -1}"), &["whole number"]),
        (file("offsets: {storage: mysql}"), &["`offsets.storage`"]),
        (file("assignment: {mode: static}"), &["assignment.partitions"]),
        (file("assignment: {partitions: {t: [0]}}"), &["`assignment.mode: static`"]),
        (file("assignment: {mode: static, partitions: {t: [0, 0]}}"), &["twice"]),
        (file("assignment: {session_timeout: 61s}"), &["1s to 60s"]),
        (file("admin: {socket: relative}"), &["`admin.socket`", "'/'"]),
        (file("log: {level: loud}"), &["`log.level`", "`debug`"]),
        (file("kafka: {bootstrap.servers: 'k:1'}"), &["`kafka.bootstrap.servers`", "`cluster.brokers`"]),
        (file("kafka: {group.id: x}"), &["`group`"]),
        (file("kafka: {auto.offset.reset: latest}"), &["`offsets.reset`"]),
        (file("kafka: {enable.auto.commit: true}"), &["`offsets.commit_interval`"]),
        (file("kafka: {fetch.min.bites: 1}"), &["fetch.min.bites"]),
        (file("kafka: {fetch.min.bytes: many}"), &["fetch.min.bytes"]),
        (handler("timeout: 50ms"), &["`handler.timeout`", "100ms"]),
        (handler("max_in_flight: {bytes: 16}"), &["`16MiB`"]),
        (handler("batch: {messages: 5}"), &["`handler.batch`", "exec"]),
        (handler("protocol: kcl"), &["`handler.protocol: kcl`", "not available yet"]),
        (handler("poison: {action: dead-letter}"), &["handler.poison"]),
        (handler("poison: {attempts: 0}"), &["from 1"]),
        (right.replace("[./handler]", "./handler"), &["`handler.command`", "a list"]),
        (right.replace("[./handler]", "[]"), &["`handler.command`", "empty"]),
        (right.replace("topics: [t]", "topics: t"), &["`topics`", "a list"]),
        (right.replace("topics: [t]", "topics: [t, t]"), &["twice"]),
        (
            right.replace("127.0.0.1:1", "127.0.0.1"),
            &["`cluster.brokers`", "`cluster.zookeeper`", "HOST:PORT"],
        ),
        (
            "grop: g\ntopics: [a, a]\ncluster: {brokers: k}\nhandler: {timeout: 5}\n".to_owned(),
            &["k.yaml:1:1", "k.yaml:2:", "k.yaml:3:", "k.yaml:4:", "no group", "no handler"],
        ),
    ];
    assert!(cases.len() >= 40);
    for (text, words) in &cases {
        fs::write(folder.path().join("k.yaml"), text).unwrap();
        for command in ["run", "check"] {
            refused(folder.path(), &[command, "-c", "k.yaml"], 78, words);
        }
    }
    assert!(!folder.path().join("run").exists(), "nothing is made for a file that is wrong");
}

#[test]
fn the_file_can_not_be_read() {
    let folder = folder();
    refused(folder.path(), &["run", "-c", "missing.yaml"], 78, &["missing.yaml"]);
    refused(folder.path(), &["check", "-c", "."], 78, &["."]);
    refused(folder.path(), &["run", "-c", "/dev/zero"], 78, &["/dev/zero"]);
    fs::write(folder.path().join("latin.yaml"), b"group: caf\xe9\n").unwrap();
    refused(folder.path(), &["run", "-c", "latin.yaml"], 78, &["latin.yaml", "UTF-8"]);
    fs::write(folder.path().join("large.yaml"), format!("# {}\n", "x".repeat(20_000_000))).unwrap();
    refused(folder.path(), &["run", "-c", "large.yaml"], 78, &["large.yaml"]);
}

#[test]
fn parts_that_are_not_there_yet_are_refused_by_name() {
    let folder = folder();
    let cases = [
        ("admin: {http: '127.0.0.1:9464'}", "admin.http"),
        ("metrics: {statsd: '127.0.0.1:8125'}", "metrics"),
        ("offsets: {storage: zookeeper}", "offsets.storage"),
        ("offsets: {storage: dual}", "offsets.storage"),
    ];
    for (line, key) in cases {
        fs::write(folder.path().join("k.yaml"), file(line)).unwrap();
        // What has been built meanwhile is no longer refused, and this row is to be taken out.
        refused(folder.path(), &["check", "-c", "k.yaml"], 78, &[key, "not available yet"]);
    }
}

#[test]
fn a_combination_of_file_and_flags_is_wrong() {
    let folder = folder();
    fs::write(
        folder.path().join("k.yaml"),
        "group: g\ncluster: {brokers: '127.0.0.1:1'}\nassignment: {mode: static, partitions: {t: [0]}}\n\
         handler: {command: [./handler]}\n",
    )
    .unwrap();
    refused(
        folder.path(),
        &["run", "-c", "k.yaml", "-t", "other"],
        78,
        &["topic other", "assignment.partitions"],
    );
    fs::write(folder.path().join("k.yaml"), file("").replace("zookeeper", "zookeper")).unwrap();
    refused(folder.path(), &["run", "-c", "k.yaml", "-t", "a b"], 78, &["k.yaml:3:", "zookeeper", "-t: "]);
}

#[test]
fn the_handler_is_missing_or_no_program() {
    let folder = folder();
    fs::write(folder.path().join("plain"), "#!/bin/sh\n").unwrap();
    fs::create_dir(folder.path().join("a-folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let cases: [(&str, &[&str]); 7] = [
        ("./missing", &["./missing", "does not exist"]),
        ("no-such-program-anywhere", &["no-such-program-anywhere", "PATH"]),
        ("./plain", &["./plain", "chmod +x"]),
        ("./a-folder", &["./a-folder", "folder"]),
        ("./dangling", &["./dangling"]),
        ("/dev/null", &["/dev/null"]),
        ("./handler/below", &["./handler/below"]),
    ];
    for (handler, words) in cases {
        refused(folder.path(), &with(&[], &["--", handler]), 78, words);
        fs::write(folder.path().join("k.yaml"), file("").replace("./handler", handler)).unwrap();
        refused(folder.path(), &["check", "-c", "k.yaml"], 78, words);
    }
}

#[test]
fn a_runtime_directory_or_a_worker_that_can_not_be_used() {
    let folder = folder();
    refused(
        folder.path(),
        &with(&[], &["--worker-binary", "/nowhere/worker", "--", "./handler"]),
        78,
        &["/nowhere/worker", "--worker-binary"],
    );
    fs::write(folder.path().join("run"), "a file is in the way").unwrap();
    refused(folder.path(), &with(&[], &["--", "./handler"]), 78, &["runtime directory", "run"]);
}

#[test]
fn servers_that_do_not_answer() {
    let folder = folder();
    let within = "connect_timeout: 500ms";
    let text = file("").replace("zookeeper: '127.0.0.1:1'", &format!("zookeeper: '127.0.0.1:1', {within}"));
    fs::write(folder.path().join("k.yaml"), &text).unwrap();
    let began = clock::now();
    refused(folder.path(), &["run", "-c", "k.yaml"], 69, &["Kafka", "127.0.0.1:1"]);
    refused(folder.path(), &["check", "-c", "k.yaml", "--online"], 69, &["Kafka", "127.0.0.1:1"]);
    refused(folder.path(), &["run", "-c", "k.yaml", "-b", &brokers()], 69, &["ZooKeeper", "127.0.0.1:1"]);
    assert!(began.elapsed() < Duration::from_secs(10), "half a second each: {:?}", began.elapsed());
    refused(
        folder.path(),
        &["run", "-c", "k.yaml", "-b", "no-such-host.invalid:9092"],
        69,
        &["no-such-host.invalid"],
    );
}

#[test]
fn no_supervisor_answers() {
    let folder = folder();
    for command in ["status", "stop"] {
        refused(folder.path(), &[command], 69, &["no supervisor"]);
        refused(folder.path(), &[command, "-g", "g"], 69, &["g"]);
        refused(folder.path(), &[command, "--name", "n"], 69, &["control.sock"]);
        refused(folder.path(), &[command, "--socket", "./nowhere"], 69, &["./nowhere"]);
        refused(folder.path(), &[command, "--socket", "./handler"], 69, &["./handler"]);
    }
}

#[test]
fn what_is_right_is_said_to_be_right() {
    let folder = folder();
    fs::write(folder.path().join("k.yaml"), file("")).unwrap();
    let output = run(folder.path(), &["check", "-c", "k.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let resolved = String::from_utf8(output.stdout).unwrap();
    for line in ["group: g", "session_timeout: 10s", "protocol: jsonl"] {
        assert!(resolved.contains(line), "{line} in:\n{resolved}");
    }
    // What is printed is a configuration again.
    fs::write(folder.path().join("again.yaml"), &resolved).unwrap();
    let again = run(folder.path(), &["check", "-c", "again.yaml"]);
    assert_eq!((again.status.code(), String::from_utf8(again.stdout).unwrap()), (Some(0), resolved));

    let example = project().join("config/kafkavisor.yaml");
    let output = run(folder.path(), &["check", "-c", example.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let online = file("").replace("brokers: '127.0.0.1:1'", &format!("brokers: '{}'", brokers()));
    let online = online.replace("zookeeper: '127.0.0.1:1'", &format!("zookeeper: '{}'", zookeeper()));
    fs::write(folder.path().join("k.yaml"), online).unwrap();
    let output = run(folder.path(), &["check", "-c", "k.yaml", "--online"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn help_is_everywhere_with_examples() {
    let folder = folder();
    for command in ["run", "check", "demo", "status", "stop"] {
        let output = run(folder.path(), &[command, "--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(text.contains(&format!("kafkavisor {command}")) && text.contains("Example"), "{text}");
    }
    let output = run(folder.path(), &["--version"]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("kafkavisor "));
}
