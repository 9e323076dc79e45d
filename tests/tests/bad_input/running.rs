//! Running a command in a folder of its own, and what is expected of every error.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

pub(crate) use kafkavisor_tests::environment::{brokers, kafkavisor};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest that one command may take, on a machine that is busy with something else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One of these is in every error: what to do about it.
pub(crate) const REMEDIES: &[&str] = &[
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

/// Whether a text has these words, and not only their letters: "because" is no "use", "offset" no "set".
pub(crate) fn says(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric))
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder with a handler in it, where commands run in an environment of their own.
pub(crate) struct Scene(TempDir);

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a temporary folder"));
        scene.write("handler", "#!/bin/sh\nexec cat >/dev/null\n");
        fs::set_permissions(scene.path("handler"), Permissions::from_mode(0o755)).unwrap();
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn executable(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
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

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        bounded(self.command(kafkavisor(), arguments))
    }

    /// On a terminal: everything it shows.
    pub(crate) fn run_on_a_terminal(&self, arguments: &[&str], no_color: bool) -> String {
        let program = kafkavisor();
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
pub(crate) fn bounded(mut command: Command) -> Ran {
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
    pub(crate) fn complaints(&self, code: i32, words: &[&str]) -> Vec<String> {
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
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        let wrong = self.complaints(code, words);
        assert!(wrong.is_empty(), "{wrong:#?}\nin:\n{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
    }
}

/// Failures of a whole table.
#[derive(Default)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn note(&mut self, arguments: &[&str], file: Option<&str>, ran: &Ran, wrong: &[String]) {
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
    pub(crate) fn assert_empty(self) {
        assert!(self.0.is_empty(), "{} cases fail:\n\n{}", self.0.len(), self.0.join("\n\n"));
    }
}

/// Arguments as one text, words between spaces; `''` is an empty one.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect()
}

/// Four lines that are right.
pub(crate) const RIGHT: &str = "\
group: g
topics: [t]
cluster: {brokers: '127.0.0.1:1', zookeeper: '127.0.0.1:1', connect_timeout: 1s}
handler: {command: [./handler]}
";

pub(crate) const SERVERS: &str = "-b 127.0.0.1:1 -z 127.0.0.1:1";

/// A static instance that would run, but for `more`.
pub(crate) fn fixed(more: &str) -> String {
    format!(
        "group: bad-input.{}\ncluster: {{brokers: '{}', connect_timeout: 20s}}\nhandler: {{command: [./handler]}}\n\
         assignment: {{mode: static, partitions: {{bad-input.none: [0]}}}}\n{more}\n",
        std::process::id(),
        brokers()
    )
}

/// An address at which nobody listens.
pub(crate) fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
