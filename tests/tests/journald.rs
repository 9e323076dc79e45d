//! The log in systemd's journal: a real one, in a mount namespace of its own, read back with `journalctl`.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::processes;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A `/run` that nobody else sees.
const OWN_RUN: &str = "mount -t tmpfs tmpfs /run || exit 9;";

/// What makes a mount namespace of one's own.
fn unshare() -> &'static str {
    if nix::unistd::geteuid().is_root() { "unshare --mount" } else { "unshare --mount --map-root-user" }
}

/// A journal in a namespace of its own.
struct Journal {
    child: Child,
    folder: TempDir,
}

impl Journal {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "exec {} sh -c '{OWN_RUN} mkdir -p /run/systemd/journal /run/log/journal; exec /lib/systemd/systemd-journald'",
            unshare()
        );
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn();
        let journal = Self { child: child.unwrap(), folder };
        until("the journal listens", || {
            journal.root().join("run/systemd/journal/socket").exists().then_some(())
        });
        journal
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid()))
    }

    /// A script that starts a program where it is.
    fn enter(&self) -> String {
        let user = if nix::unistd::geteuid().is_root() { "" } else { "--user --preserve-credentials" };
        // Entered, the working directory is another one.
        format!(
            "exec nsenter --target {} --mount {user} -- sh -c 'cd \"$0\" && exec \"$@\"' \"$PWD\" \"$@\"",
            self.pid()
        )
    }

    /// Each entry of Kafkavisor's, as `journalctl` has it.
    fn entries(&self) -> Vec<Value> {
        let output = Command::new("journalctl")
            .arg("--directory")
            .arg(self.root().join("run/log/journal"))
            .args(["--output=json", "--all", "--quiet", "--identifier=kafkavisor"])
            .output()
            .expect("journalctl is there: script/test installs it");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait_for(&self, words: &str) -> Value {
        let says = |entry: &Value| entry["MESSAGE"].as_str().is_some_and(|message| message.contains(words));
        until(&format!("the journal has {words:?}"), || self.entries().into_iter().find(says))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.folder.path().join("said")).unwrap_or_default());
        }
    }
}

const LONG: usize = 900_000;

#[test]
fn entries_have_fields_of_their_own_however_long_they_are() {
    let (topic, journal) = (Topic::new(1), Journal::start());
    let script = format!(
        "echo \"of $$\" >&2; head -c {LONG} /dev/zero | tr '\\0' y >&2; echo >&2; exec cat >/dev/null"
    );
    let instance = Builder::fixed(&topic, &[0])
        .set("log.format", "journald")
        .shell(&script)
        .under(&journal.enter())
        .start();
    let status = instance.wait_ready(1);
    let handler = status.partition(0).handler_pid.unwrap().to_string();
    let said = journal.wait_for(&format!("[{handler}] of {handler}"));
    for (field, value) in [
        ("PRIORITY", "6"),
        ("TARGET", "handler"),
        ("KAFKAVISOR_GROUP", &instance.group()),
        ("KAFKAVISOR_TOPIC", &topic.name),
        ("KAFKAVISOR_PARTITION", "0"),
        ("KAFKAVISOR_PID", &handler),
    ] {
        assert_eq!(said[field], value, "{field}: {said}");
    }
    let worker = status.partition(0).worker_pid.unwrap().to_string();
    assert_eq!(said["SYSLOG_PID"].as_str(), Some(&*worker), "who sent it");
    // Longer than a datagram.
    let long = journal.wait_for("yyyyyyyy");
    assert!(long["MESSAGE"].as_str().unwrap().len() > LONG);
    instance.stop();
    let stopping = journal.wait_for("SIGTERM: draining");
    assert!(stopping["KAFKAVISOR_TOPIC"].is_null() && stopping["KAFKAVISOR_GROUP"] == *instance.group());
    assert_eq!(instance.log(), "", "nothing is said twice");
}

#[test]
fn a_journal_that_stands_still_or_dies_holds_nothing_up() {
    let (topic, journal) = (Topic::new(1), Journal::start());
    let instance = Builder::fixed(&topic, &[0])
        .set("log.format", "journald")
        .shell("while :; do echo spam; done >&2 & exec cat >/dev/null")
        .under(&journal.enter())
        .start();
    instance.wait_ready(1);
    journal.wait_for("spam");
    processes::signal(journal.pid(), Signal::SIGSTOP);
    (0..200).for_each(|_| instance.signal(Signal::SIGUSR1));
    throughout(Duration::from_secs(2), "it answers", || instance.status().is_some());
    processes::signal(journal.pid(), Signal::SIGKILL);
    instance.signal(Signal::SIGUSR1);
    instance.wait_for_log("<4>the journal takes no lines (");
    instance.wait_for_log("<6>");
    instance.stop();
}

#[test]
fn without_a_journal_the_priority_stands_in_front_on_stderr_and_that_is_said_once() {
    let topic = Topic::new(2);
    let instance = Builder::fixed(&topic, &[0, 1])
        .set("log.format", "journald")
        .shell("echo spoken >&2; exec cat >/dev/null")
        .under(&format!("exec {} sh -c '{OWN_RUN} exec \"$@\"' sh \"$@\"", unshare()))
        .start();
    instance.wait_ready(2);
    let handler = instance.status().unwrap().partition(1).handler_pid.unwrap();
    instance.wait_for_log(&format!("<6>{}:1 [{handler}] spoken\n", topic.name));
    instance.stop();
    assert_eq!(
        instance.log().matches("<4>systemd's journal can't be reached (").count(),
        1,
        "{}",
        instance.log()
    );
}
