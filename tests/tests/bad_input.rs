//! What people get wrong: command lines, files, combinations, handlers, addresses. Each case has its exit code, says what is
//! wrong where, says what to do, and leaves stdout empty. A table reports every case that fails, not only the first.
//!
//! Needs `eval "$(script/cluster env)"` where an error comes only after Kafka has answered.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "how a test fails")]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest that one command may take, on a machine that is busy with something else.
const DEADLINE: Duration = Duration::from_secs(60);

/// One of these is in every error: what to do about it.
const REMEDIES: &[&str] = &[
    "a host name has",
    "add ",
    "another",
    "build it",
    "check ",
    "chmod ",
    "did you mean",
    "expected ",
    "give ",
    "install ",
    "instead",
    "is it running",
    "keep one",
    "known here",
    "leave ",
    "must not be empty",
    "name an ",
    "name the ",
    "not valid YAML", // the place and the reason are all that can be said
    "pass ",
    "possible values",
    "raise it or lower",
    "remove ",
    "remove it",
    "save ",
    "say ",
    "set ",
    "shorten ",
    "start ",
    "stop it",
    "the highest is",
    "try '--help'",
    "use ",
    "write ",
];

// ---------------------------------------------------------------------------------------------------------------------
// Running it

/// The folder of the programs under test, built once from the present sources: `cargo test` does not build the programs of
/// other packages, and one left over would be tested without anybody noticing.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its path");
        let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST").to_owned();
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--bins", "--profile", profile])
            .args(["-p", "kafkavisor-supervisor", "-p", "kafkavisor-worker", "--target-dir"])
            .arg(folder.parent().expect("target"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(
            built.status.success(),
            "the programs don't build:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        folder
    })
}

fn brokers() -> String {
    std::env::var("KAFKAVISOR_TEST_BROKERS").unwrap_or_else(|_| {
        panic!("this test needs a Kafka: script/cluster up, then eval \"$(script/cluster env)\"")
    })
}

/// Whether a text has these words, and not only their letters: "because" is no "use", "offset" no "set".
fn says(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric))
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A folder with a handler in it, where commands run in an environment of their own.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a temporary folder"));
        scene.write("handler", "#!/bin/sh\nexec cat >/dev/null\n");
        fs::set_permissions(scene.path("handler"), Permissions::from_mode(0o755)).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn executable(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.0.path())
            .env("TMPDIR", self.0.path())
            .env("RUNTIME_DIRECTORY", self.path("run"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        bounded(self.command(programs().join("kafkavisor"), arguments))
    }

    /// On a terminal: everything it shows.
    fn run_on_a_terminal(&self, arguments: &[&str], no_color: bool) -> String {
        let program = programs().join("kafkavisor");
        let line = format!("{} {}", program.display(), arguments.join(" "));
        // A machine without pseudo-terminals (a bare chroot) gets its own, which nobody else sees.
        let own = "mount --make-rprivate /dev && mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts && \
                   mount --bind /dev/pts/ptmx /dev/ptmx && exec \"$@\"";
        let script = ["script", "-qec", &line, "/dev/null"];
        let within = ["--mount", "--propagation", "unchanged", "sh", "-c", own, "sh"];
        let mut command = if Path::new("/dev/pts/ptmx").exists() {
            self.command(script[0], &script[1..])
        } else {
            self.command("unshare", &[&within[..], &script[..]].concat())
        };
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        bounded(command).stdout
    }
}

/// Runs to the end, which must come in time. The command has a process group of its own, ended with it.
fn bounded(mut command: Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (ended_in, ended) = channel();
    thread::spawn(move || ended_in.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(DEADLINE) else {
        let _gone = killpg(group, Signal::SIGKILL);
        panic!("{command:?} has not ended within {DEADLINE:?}");
    };
    Ran::from(output.expect("it can be waited for"))
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// What is wrong with this as a refusal with exit code `code` that says `words`.
    fn complaints(&self, code: i32, words: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.code != Some(code) {
            wrong.push(format!("exit code {code} expected, found {:?}", self.code));
        }
        wrong.extend(
            words.iter().filter(|w| !self.stderr.contains(**w)).map(|w| format!("it does not say {w:?}")),
        );
        if !REMEDIES.iter().any(|remedy| says(&self.stderr, remedy)) {
            wrong.push("it does not say what to do".to_owned());
        }
        if !self.stdout.is_empty() {
            wrong.push(format!("stdout is not empty: {:?}", self.stdout));
        }
        if self.stderr.contains("panicked") || self.stderr.contains('\x1b') {
            wrong.push("a panic or an escape sequence is no message".to_owned());
        }
        wrong
    }

    #[track_caller]
    fn assert_refused(&self, code: i32, words: &[&str]) {
        let wrong = self.complaints(code, words);
        assert!(wrong.is_empty(), "{wrong:#?}\nin:\n{}", self.stderr);
    }

    #[track_caller]
    fn assert_clean(&self) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
    }
}

/// Failures of a whole table.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    fn note(&mut self, arguments: &[&str], file: Option<&str>, ran: &Ran, wrong: &[String]) {
        if !wrong.is_empty() {
            let file = file.map_or_else(String::new, |text| format!("\n--- k.yaml\n{text}"));
            let wrong = wrong.join("\n  ");
            self.0.push(format!(
                "kafkavisor {}\n  {wrong}\n--- stderr\n{}{file}",
                arguments.join(" "),
                ran.stderr
            ));
        }
    }

    #[track_caller]
    fn assert_empty(self) {
        assert!(self.0.is_empty(), "{} cases fail:\n\n{}", self.0.len(), self.0.join("\n\n"));
    }
}

/// Arguments as one text, words between spaces; `''` is an empty one.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// The command line alone: 64

const SERVERS: &str = "-b 127.0.0.1:1 -z 127.0.0.1:1";

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
    ("ALL --http 127.0.0.1:9464 -- ./handler", &["--http: not available yet"]),
    ("ALL -- ''", &["HANDLER: the program's name is empty"]),
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
    ("man run", &["run"]),
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

// ---------------------------------------------------------------------------------------------------------------------
// Files: 78, with line and column

/// Four lines that are right.
const RIGHT: &str = "\
group: g
topics: [t]
cluster: {brokers: '127.0.0.1:1', zookeeper: '127.0.0.1:1', connect_timeout: 1s}
handler: {command: [./handler]}
";

/// A fifth line, where it is wrong, and what is said.
const FIFTH_LINES: &[(&str, &str, &[&str])] = &[
    ("naem: x", "5:1", &["unknown key `naem`; did you mean `name`?"]),
    ("xyz: x", "5:1", &["unknown key `xyz`; known here: group"]),
    ("group: h", "5:1", &["`group` is given twice, first on line 1"]),
    ("name: 5", "5:7", &["`name`: expected a name, found the number 5", "quotes"]),
    ("name: a b", "5:7", &["name \"a b\" holds ' '"]),
    ("offsets: [latest]", "5:10", &["`offsets`: expected a map, found a list"]),
    ("offsets: {reset: latst}", "5:18", &["`offsets.reset`: expected `earliest`", "did you mean `latest`?"]),
    ("offsets: {commit_interval: 1000}", "5:28", &["`offsets.commit_interval`", "add a unit"]),
    ("offsets: {commit-interval: 1s}", "5:11", &["did you mean `commit_interval`?"]),
    ("offsets: {commit_messages: 0}", "5:28", &["expected a whole number from 1"]),
    ("offsets: {storage: zookeeper}", "5:20", &["`offsets.storage: zookeeper` is not available yet"]),
    ("restart: {initial: 1m, max: 10s}", "5:29", &["`restart.max` (10s) is below `restart.initial`"]),
    ("stop: {timeout: 10}", "5:17", &["`stop.timeout`", "add a unit", "`10s`"]),
    ("stop: {timeout: 2h}", "5:17", &["expected 1ms to 1h, found 2h"]),
    ("assignment: {mode: auto}", "5:20", &["expected `zookeeper` or `static`"]),
    ("assignment: {mode: static}", "5:20", &["set `assignment.partitions` or pass --partitions"]),
    ("assignment: {partitions: {t: [0]}}", "5:14", &["set `assignment.mode: static` or remove it"]),
    ("assignment: {session_timeout: 61s}", "5:31", &["expected 1s to 60s, found 61s"]),
    ("assignment: {use_group_sha: yes}", "5:29", &["expected `true` or `false`"]),
    ("admin: {socket: run/x}", "5:17", &["`admin.socket`: expected a path that begins with '/'"]),
    ("admin: {http: '127.0.0.1:9464'}", "5:9", &["`admin.http` is not available yet"]),
    ("metrics: {statsd: '127.0.0.1:8125'}", "5:1", &["`metrics` is not available yet"]),
    ("log: {level: loud}", "5:14", &["expected `off`, `error`, `warn`, `info`"]),
    ("kafka: {bootstrap.servers: 'k:1'}", "5:9", &["set `cluster.brokers` instead"]),
    ("kafka: {group.id: x}", "5:9", &["set `group` instead"]),
    ("kafka: {auto.offset.reset: latest}", "5:9", &["set `offsets.reset` instead"]),
    ("kafka: {enable.auto.commit: true}", "5:9", &["`offsets.commit_interval`"]),
    ("kafka: {topic.auto.offset.reset: latest}", "5:9", &["set `offsets.reset` instead"]),
    ("kafka: {transactional.id: t}", "5:9", &["without transactions"]),
    ("kafka: {retries: 3, message.send.max.retries: 4}", "5:21", &["is `retries`, first on line 5"]),
    ("kafka: {security.protocol: ssl}", "5:9", &["TLS and SASL are not available yet"]),
];

/// Whole files: where they are wrong, and what is said.
const FILES: &[(&str, &str, &[&str])] = &[
    ("", "", &["no group", "no topics", "no brokers", "no ZooKeeper", "no handler"]),
    ("group: [a\nname: b\n", ":2:", &["not valid YAML", "k.yaml"]),
    ("- a\n", ":1:1: ", &["expected keys such as `group: services.billing`, found a list"]),
    ("group: g\n---\ngroup: h\n", ":2:1: ", &["a second document begins here"]),
    ("a: &a [x]\nb: *a\n", ":2:4: ", &["aliases", "write the value out"]),
    (
        "groop: g\ntopics: [t, t]\ncluster: {brokers: k, zokeeper: 'z:1'}\nhandler: {command: ./h, timeout: 10}\n",
        ":1:1: ",
        &[
            "did you mean `group`?",
            ":2:13: ",
            ":3:20: ",
            ":3:23: ",
            "did you mean `zookeeper`?",
            ":4:20: ",
            ":4:34: ",
        ],
    ),
];

#[test]
fn a_wrong_file_is_78_with_line_and_column() {
    let scene = Scene::new();
    let mut table = Table::default();
    let lines = FIFTH_LINES
        .iter()
        .map(|(line, place, says)| (format!("{RIGHT}{line}\n"), format!("k.yaml:{place}: "), *says));
    let files = FILES.iter().map(|(text, place, says)| ((*text).to_owned(), (*place).to_owned(), *says));
    for (text, place, says) in lines.chain(files) {
        scene.write("k.yaml", &text);
        let says: Vec<&str> = says.iter().copied().chain([place.as_str()]).collect();
        for command in ["check", "run"] {
            let arguments = [command, "-c", "k.yaml"];
            let ran = scene.run(&arguments);
            table.note(&arguments, Some(&text), &ran, &ran.complaints(78, &says));
        }
    }
    assert!(!scene.path("run").exists(), "nothing is made for a file that is wrong");
    table.assert_empty();
}

#[test]
fn a_file_that_can_not_be_read_is_78() {
    let scene = Scene::new();
    scene.write("latin.yaml", b"group: caf\xe9\n");
    scene.write("large.yaml", format!("# {}\n", "x".repeat(2_000_000)));
    let mut table = Table::default();
    for (file, says) in [
        ("missing.yaml", "missing.yaml: can't be read"),
        (".", ".: can't be read"),
        ("handler/below.yaml", "handler/below.yaml: can't be read"),
        ("latin.yaml", "latin.yaml:1:11: a byte that is not UTF-8"),
        ("large.yaml", "large.yaml: larger than"),
        ("/dev/zero", "/dev/zero: larger than"),
    ] {
        for command in ["check", "run"] {
            let ran = scene.run(&[command, "-c", file]);
            let mut wrong = ran.complaints(78, &[says]);
            // A question is an answer, too: "is this the configuration file?"
            wrong.retain(|w| w != "it does not say what to do" || !ran.stderr.contains("is this the"));
            table.note(&[command, "-c", file], None, &ran, &wrong);
        }
    }
    table.assert_empty();
}

/// `check` finds everything that `run` would before it connects.
#[test]
fn a_property_that_librdkafka_refuses_is_78_with_line_and_column() {
    let dead_letters = RIGHT.replace("[./handler]", "[./handler], poison: {topic: dead}");
    let secret = "kafka: {fetch.min.bytes: 1,\n  client.token: hunter2}";
    let cases: [(&str, &str, &[&str]); 13] = [
        (RIGHT, "kafka: {no.such.property: 1}", &["5:9: `kafka.no.such.property`: No such"]),
        (RIGHT, "kafka: {fetch.min.bytes: many}", &["5:9: `kafka.fetch.min.bytes`: "]),
        (RIGHT, "kafka: {fetch.min.bytes: 0}", &["5:9: `kafka.fetch.min.bytes`: "]),
        (RIGHT, "kafka: {compression.codec: brotli}", &["5:9: `kafka.compression.codec`: "]),
        (RIGHT, "kafka:\n  client.id: x\n  acks: 7x\n  a.b: 1\n  c.d: 2", &["7:3: ", "8:3: ", "9:3: "]),
        // What only making a client shows.
        (RIGHT, "kafka: {reconnect.backoff.ms: 5000}", &["5:9: ", "`reconnect.backoff.max.ms` must be >="]),
        (RIGHT, "kafka: {max.poll.interval.ms: 1000}", &["5:9: ", "`session.timeout.ms`"]),
        (RIGHT, "kafka: {fetch.max.bytes: 1000}", &["5:9: ", "`message.max.bytes`"]),
        (RIGHT, "kafka: {receive.message.max.bytes: 1000000}", &["5:9: ", "`fetch.max.bytes` + 512"]),
        (RIGHT, "kafka: {fetch.wait.max.ms: 70000}", &["5:9: ", "below `socket.timeout.ms` (60000)"]),
        (RIGHT, "kafka: {fetch.wait.max.ms: 2000, socket.timeout.ms: 2000}", &["5:9: ", "(2000)"]),
        // What only the producer of dead letters shows.
        (&dead_letters, "kafka: {retries: 0}", &["5:9: ", "`retries` must be set >= 1"]),
        (RIGHT, secret, &["6:3: `kafka.client.token`: librdkafka refuses it or its value"]),
    ];
    let scene = Scene::new();
    let mut table = Table::default();
    for (right, property, says) in cases {
        let text = format!("{right}{property}\n");
        scene.write("k.yaml", &text);
        for command in ["check", "run"] {
            let arguments = [command, "-c", "k.yaml"];
            let ran = scene.run(&arguments);
            let mut wrong = ran.complaints(78, says);
            if ran.stderr.contains("hunter2") {
                wrong.push("a secret is shown".to_owned());
            }
            table.note(&arguments, Some(&text), &ran, &wrong);
        }
    }
    table.assert_empty();
}

/// Errors of the text, of librdkafka, of the machine and of the flags, in one go.
#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "group: g\ntopics: [t, t]\ncluster: {brokers: '127.0.0.1:1', zookeeper: '127.0.0.1:1'}\n\
                handler: {command: [./missing], timeout: 5}\nkafka: {a.b: 1, group.id: x}\n\
                admin: {socket: /nowhere/control.sock}\n";
    let scene = Scene::new();
    scene.write("k.yaml", text);
    let says = [
        "k.yaml:2:13: topic t is listed twice",
        "k.yaml:4:20: `handler.command`: handler ./missing does not exist",
        "k.yaml:4:42: ",
        "k.yaml:5:9: `kafka.a.b`: ",
        "k.yaml:5:17: `kafka.group.id`: ",
        "k.yaml:6:17: `admin.socket`: control socket /nowhere/control.sock",
        "--from: ",
        "--worker-binary /nowhere/worker: ",
    ];
    let mut table = Table::default();
    for command in ["check", "run"] {
        let line = format!("{command} -c k.yaml --from newest --worker-binary /nowhere/worker");
        let ran = scene.run(&words(&line));
        let says = says.map(|words| words.strip_prefix("k.yaml:2:13: ").unwrap_or(words));
        table.note(&words(&line), Some(text), &ran, &ran.complaints(78, &says));
    }
    let ran = scene.run(&words("check -c missing.yaml --from newest"));
    ran.assert_refused(78, &["missing.yaml: can't be read", "--from: "]);
    table.assert_empty();
}

// ---------------------------------------------------------------------------------------------------------------------
// Combinations of a file and flags: 78

#[test]
fn a_wrong_combination_is_78() {
    let fixed = "group: g\ncluster: {brokers: '127.0.0.1:1'}\nhandler: {command: [./handler]}\n\
                 assignment: {mode: static, partitions: {t: [0]}}\n";
    let batch = RIGHT.replace("[./handler]", "[./handler], protocol: exec, batch: {messages: 5}");
    let no_handler = RIGHT.replace("handler: {command: [./handler]}\n", "");
    let no_zookeeper = RIGHT.replace(" zookeeper: '127.0.0.1:1',", "");
    let misspelt = RIGHT.replace("zookeeper", "zookeper");
    let cases: [(&str, &str, &[&str]); 6] = [
        (fixed, "-t other", &["topic other", "assignment.partitions"]),
        (&batch, "--protocol jsonl", &["`handler.batch` is for protocol exec only"]),
        (&no_handler, "", &["no handler: set `handler.command`"]),
        (&no_zookeeper, "", &["no ZooKeeper: set `cluster.zookeeper`"]),
        (&misspelt, "--from newest", &["k.yaml:3:", "did you mean `zookeeper`?", "--from: "]),
        (RIGHT, "--partitions u:0 -t t", &["topic t has no partitions"]),
    ];
    let scene = Scene::new();
    let mut table = Table::default();
    for (text, flags, says) in cases {
        scene.write("k.yaml", text);
        // The last of them is the flags' own fault: what the file says does not matter to it.
        let code = if flags.contains("--partitions") { 64 } else { 78 };
        for command in ["check", "run"] {
            let line = format!("{command} -c k.yaml {flags}");
            let ran = scene.run(&words(&line));
            table.note(&words(&line), Some(text), &ran, &ran.complaints(code, says));
        }
    }
    table.assert_empty();
}

// ---------------------------------------------------------------------------------------------------------------------
// Handlers, workers, folders: 78

#[test]
fn a_handler_that_can_not_be_executed_is_78() {
    let scene = Scene::new();
    scene.write("plain", "#!/bin/sh\n");
    let mut program = fs::read("/bin/sh").unwrap();
    let loader = program.windows(4).position(|at| at == b"/lib").unwrap();
    program[loader + 1] = b'L';
    scene.executable("musl", &program);
    program[18] = 22;
    scene.executable("foreign", &program);
    scene.executable("dos", b"#!/bin/sh\r\nexec cat\r\n");
    scene.executable("python9", b"#!/usr/bin/env python9\n");
    scene.executable("nothing", b"#!/nowhere/sh\n");
    scene.executable("text", b"exec cat\n");
    fs::create_dir(scene.path("folder")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    let mut table = Table::default();
    for (handler, says) in [
        ("./missing", "handler ./missing does not exist"),
        ("no-such-program", "handler no-such-program is in no folder of PATH"),
        ("./folder", "handler ./folder is a folder"),
        ("./plain", "handler ./plain is not executable: chmod +x ./plain"),
        ("./dangling", "handler ./dangling does not exist"),
        ("./handler/below", "handler ./handler/below does not exist"),
        ("/dev/null", "handler /dev/null is not a regular file"),
        ("./dos", "handler ./dos: its first line ends with a carriage return"),
        ("./python9", "asks env for \"python9\""),
        ("./nothing", "names /nowhere/sh, which does not exist"),
        ("./text", "handler ./text is neither a program nor a script"),
        ("./foreign", "handler ./foreign is a program for s390x"),
        ("./musl", "handler ./musl needs the loader /Lib"),
    ] {
        scene.write("k.yaml", RIGHT.replace("./handler", handler));
        for line in [
            format!("run {SERVERS} -g g -t t -- {handler}"),
            format!("check {SERVERS} -g g -t t -- {handler}"),
            "run -c k.yaml".to_owned(),
            "check -c k.yaml".to_owned(),
            format!("demo --seconds 4 -- {handler}"),
        ] {
            let ran = scene.run(&words(&line));
            table.note(&words(&line), None, &ran, &ran.complaints(78, &[says]));
        }
    }
    table.assert_empty();
}

#[test]
fn a_missing_worker_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    scene.write("plain", "");
    fs::copy(programs().join("kafkavisor"), scene.path("kafkavisor")).unwrap();
    let alone = bounded(scene.command(scene.path("kafkavisor"), &["run", "-c", "k.yaml"]));
    let mut table = Table::default();
    table.note(
        &["run", "-c", "k.yaml"],
        None,
        &alone,
        &alone.complaints(78, &["kafkavisor-worker", "--worker-binary"]),
    );
    for worker in ["/nowhere/worker", "./plain", "."] {
        let arguments = ["run", "-c", "k.yaml", "--worker-binary", worker];
        let ran = scene.run(&arguments);
        table.note(&arguments, None, &ran, &ran.complaints(78, &["--worker-binary", worker]));
    }
    table.assert_empty();
}

#[test]
fn a_runtime_directory_that_can_not_be_one_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    scene.write("file", "in the way");
    symlink("handler", scene.path("link")).unwrap();
    let mut table = Table::default();
    for (folder, commands) in [
        ("file", ["check", "run"].as_slice()),
        ("link", &["check", "run"]),
        ("file/below", &["check", "run"]),
        // Only an attempt shows that there nothing can be made.
        ("/proc/kafkavisor", &["run"]),
    ] {
        for name in commands {
            let mut command = scene.command(programs().join("kafkavisor"), &[name, "-c", "k.yaml"]);
            command.env("RUNTIME_DIRECTORY", folder);
            let ran = bounded(command);
            table.note(
                &[name, "in", folder],
                None,
                &ran,
                &ran.complaints(78, &[folder, "RUNTIME_DIRECTORY"]),
            );
        }
    }
    assert_eq!(fs::read_to_string(scene.path("file")).unwrap(), "in the way");
    table.assert_empty();
}

#[test]
fn a_socket_path_that_is_too_long_is_78() {
    let scene = Scene::new();
    let mut table = Table::default();
    let long = "x".repeat(107);
    for (line, place) in [
        (format!("name: {long}"), "k.yaml:5:7: `name`: control socket "),
        (format!("admin: {{socket: /{long}}}"), "k.yaml:5:17: `admin.socket`: "),
    ] {
        let text = format!("{RIGHT}{line}\n");
        scene.write("k.yaml", &text);
        for command in ["check", "run"] {
            let mut command = scene.command(programs().join("kafkavisor"), &[command, "-c", "k.yaml"]);
            command.env_remove("RUNTIME_DIRECTORY");
            let ran = bounded(command);
            table.note(
                &["-c", "k.yaml"],
                Some(&text),
                &ran,
                &ran.complaints(78, &[place, "at most 107 bytes"]),
            );
        }
    }
    scene.write("k.yaml", RIGHT);
    let mut command = scene.command(programs().join("kafkavisor"), &["check", "-c", "k.yaml"]);
    command.env("RUNTIME_DIRECTORY", scene.path(&long));
    let ran = bounded(command);
    table.note(&["check"], None, &ran, &ran.complaints(78, &["k.yaml:1:8: `group`: control socket "]));
    table.assert_empty();
}

#[test]
fn a_name_that_runs_already_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    fs::create_dir(scene.path("run")).unwrap();
    let held = File::create(scene.path("run/lock")).unwrap();
    held.lock().unwrap();
    let says = ["an instance named \"g\" runs already", "--name"];
    scene.run(&["run", "-c", "k.yaml"]).assert_refused(78, &says);
    drop(held);
    scene.run(&["run", "-c", "k.yaml"]).assert_refused(69, &["Kafka at 127.0.0.1:1"]);
}

/// A static instance that would run, but for `more`.
fn fixed(more: &str) -> String {
    format!(
        "group: bad-input.{}\ncluster: {{brokers: '{}', connect_timeout: 20s}}\nhandler: {{command: [./handler]}}\n\
         assignment: {{mode: static, partitions: {{bad-input.none: [0]}}}}\n{more}\n",
        std::process::id(),
        brokers()
    )
}

#[test]
fn a_socket_path_that_can_not_be_written_is_78() {
    let scene = Scene::new();
    let mut table = Table::default();
    for (path, commands) in [
        ("/nowhere/control.sock", ["check", "run"].as_slice()),
        ("/dev/null/control.sock", &["check", "run"]),
        ("/etc/passwd", &["check", "run"]),
        // Only an attempt shows that there nothing can be made.
        ("/proc/control.sock", &["run"]),
    ] {
        scene.write("k.yaml", fixed(&format!("admin: {{socket: {path}}}")));
        for command in commands {
            let ran = scene.run(&[command, "-c", "k.yaml"]);
            let says = ["control socket", path, "admin.socket"];
            table.note(&[command], None, &ran, &ran.complaints(78, &says));
        }
    }
    table.assert_empty();
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let scene = Scene::new();
    scene.write("precious", "data");
    let path = scene.path("precious");
    // Where it is not refused it would run on: then it is asked to stop.
    scene.write("k.yaml", fixed(&format!("admin: {{socket: {}}}", path.display())));
    let mut command = scene.command("timeout", &["--signal=TERM", "10"]);
    command.arg(programs().join("kafkavisor")).args(["run", "-c", "k.yaml"]);
    let ran = bounded(command);
    assert_eq!(
        fs::read_to_string(&path).ok().as_deref(),
        Some("data"),
        "the file is as it was:\n{}",
        ran.stderr
    );
    ran.assert_refused(78, &["precious", "admin.socket"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Servers and supervisors that don't answer: 69

/// An address at which nobody listens.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_kafka_that_is_not_reached_is_69() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let mut table = Table::default();
    for address in [closed().as_str(), silent_address.as_str(), "no-such-host.invalid:9092"] {
        for line in ["run -c k.yaml", "check -c k.yaml --online"] {
            let line = format!("{line} -b {address}");
            let ran = scene.run(&words(&line));
            let says = [&format!("Kafka at {address} was not reached within 1s"), "is it running"];
            table.note(&words(&line), None, &ran, &ran.complaints(69, &says.map(|s: &str| s)));
        }
    }
    table.assert_empty();
}

#[test]
fn a_zookeeper_that_is_not_reached_is_69() {
    let scene = Scene::new();
    // Long enough for a busy Kafka, which is asked first.
    let text = RIGHT.replace("connect_timeout: 1s", "connect_timeout: 5s");
    scene.write("k.yaml", text.replace("brokers: '127.0.0.1:1'", &format!("brokers: '{}'", brokers())));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let mut table = Table::default();
    for address in [closed(), silent_address] {
        for line in ["run -c k.yaml", "check -c k.yaml --online"] {
            let line = format!("{line} -z {address}");
            let ran = scene.run(&words(&line));
            let says = [&format!("ZooKeeper at {address} was not reached within 5s"), "is it running"];
            table.note(&words(&line), None, &ran, &ran.complaints(69, &says.map(|s: &str| s)));
        }
    }
    table.assert_empty();
}

#[test]
fn no_supervisor_to_answer_is_69() {
    let scene = Scene::new();
    let mut table = Table::default();
    for command in ["status", "status --json", "status --watch", "stop"] {
        for (which, says) in [
            ("", "no supervisor is running here"),
            ("-g g", "no supervisor of group g is running here"),
            ("--name n", "no supervisor answers at "),
            ("--socket ./nowhere", "no supervisor answers at ./nowhere"),
            ("--socket ./handler", "no supervisor answers at ./handler"),
        ] {
            let line = format!("{command} {which}");
            let ran = scene.run(&words(&line));
            table.note(&words(&line), None, &ran, &ran.complaints(69, &[says]));
        }
    }
    table.assert_empty();
}

// ---------------------------------------------------------------------------------------------------------------------
// What is right is not refused

#[test]
fn what_is_right_is_shown_resolved() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let ran = scene.run(&["check", "-c", "k.yaml"]);
    ran.assert_clean();
    assert!(ran.stdout.contains("session_timeout: 10s"), "{}", ran.stdout);
    scene.write("again.yaml", &ran.stdout);
    assert_eq!(
        scene.run(&["check", "-c", "again.yaml"]).stdout,
        ran.stdout,
        "what is printed is a configuration"
    );
    let json = scene.run(&["check", "-c", "k.yaml", "--json"]);
    json.assert_clean();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["handler"]["command"], serde_json::json!(["./handler"]));
}

#[test]
fn every_command_has_help_with_examples() {
    let scene = Scene::new();
    for command in [
        "run",
        "check",
        "demo",
        "status",
        "stop",
        "pause",
        "resume",
        "restart",
        "skip",
        "seek",
        "completions",
        "man",
    ] {
        for flag in ["--help", "-h"] {
            let ran = scene.run(&[command, flag]);
            ran.assert_clean();
            assert!(ran.stdout.contains(&format!("Usage: kafkavisor {command}")), "{}", ran.stdout);
            assert!(ran.stdout.contains(&format!("  kafkavisor {command}")), "an example:\n{}", ran.stdout);
        }
    }
    let ran = scene.run(&["--help"]);
    ran.assert_clean();
    for text in ["Exit codes", "64", "69", "75", "78"] {
        assert!(ran.stdout.contains(text), "{text}:\n{}", ran.stdout);
    }
    let version = scene.run(&["--version"]);
    version.assert_clean();
    assert!(version.stdout.starts_with("kafkavisor "), "{}", version.stdout);
}

#[test]
fn completions_and_the_man_page_are_printed() {
    let scene = Scene::new();
    for (arguments, text) in [
        (["completions", "bash"].as_slice(), "complete -F"),
        (&["completions", "zsh"], "#compdef kafkavisor"),
        (&["completions", "fish"], "complete -c kafkavisor"),
        (&["man"], ".TH kafkavisor"),
    ] {
        let ran = scene.run(arguments);
        ran.assert_clean();
        assert!(ran.stdout.contains(text), "{arguments:?} has {text:?}:\n{}", ran.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let program = programs().join("kafkavisor");
    let mut failed = Vec::new();
    for arguments in ["completions bash", "man", "check -c k.yaml", "--help"] {
        // The reading end is closed before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = scene.command(&program, &words(arguments));
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let status = child.wait().unwrap();
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        if !status.success() || !said.is_empty() {
            failed.push(format!(
                "{arguments}: {status}: {}",
                said.lines().take(3).collect::<Vec<_>>().join(" ")
            ));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn no_color_is_honoured_on_a_terminal() {
    let scene = Scene::new();
    // Colours are `ESC [ ... m`; a live table moves the cursor, which is no colour.
    let coloured = |shown: &str| {
        shown
            .split("\x1b[")
            .skip(1)
            .any(|s| s.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    let usage = ["frobnicate"];
    assert!(coloured(&scene.run_on_a_terminal(&usage, false)), "a terminal has colours");
    assert!(!coloured(&scene.run_on_a_terminal(&usage, true)));
    let demo = scene.run_on_a_terminal(&["demo", "--seconds", "4"], true);
    assert!(demo.contains("Summary") && !coloured(&demo), "{demo}");
    let plain = scene.run(&["demo", "--seconds", "4"]);
    plain.assert_clean();
    assert!(plain.stdout.contains("Summary") && !plain.stdout.contains('\x1b'), "{}", plain.stdout);
}
