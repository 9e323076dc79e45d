//! The example unit, as systemd itself reads it: every option is known, every value right, and the sandbox is a tight one.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use kafkavisor_tests::environment::{kafkavisor, project};
use tempfile::TempDir;

/// In tenths, 0 is the best; what is left comes of what handlers need, see the end of the unit.
const MOST_EXPOSED: &str = "25";

/// `Type=notify-reload` is of this version.
const NOTIFY_RELOAD: u32 = 253;

fn unit() -> String {
    fs::read_to_string(project().join("config/kafkavisor@.service")).unwrap()
}

/// A copy that is to be checked, with the program where it is.
struct Copy {
    _folder: TempDir,
    path: PathBuf,
}

impl Copy {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafkavisor@.service");
        let mut text =
            text.replace("ExecStart=kafkavisor ", &format!("ExecStart={} ", kafkavisor().display()));
        if version() < NOTIFY_RELOAD {
            // As the unit says for older ones.
            text = text.replace("Type=notify-reload", "Type=notify\nExecReload=sh -c 'kill -HUP $MAINPID'");
        }
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn analyze(&self, arguments: &[&str]) -> Output {
        let output = Command::new("systemd-analyze").args(arguments).arg(&self.path).output();
        output.expect("systemd-analyze is there: script/test installs it")
    }

    /// What systemd finds wrong. It passes over what it does not know, and succeeds: so what it says is what counts.
    fn wrong(&self) -> String {
        let output = self.analyze(&["verify", "--man=no"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() || !said.is_empty(), "it failed and does not say why");
        said
    }
}

fn version() -> u32 {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let text =
        String::from_utf8(output.expect("systemd-analyze is there: script/test installs it").stdout).unwrap();
    text.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("systemd NUMBER")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    assert_eq!(Copy::of(&unit()).wrong(), "");
    // And would say so.
    for (right, wrong) in [
        ("OOMPolicy=continue", "OOMPolicy=go-on"),
        ("KillMode=mixed", "KilMode=mixed"),
        ("RestartPreventExitStatus=64 78", "RestartPreventExitStatus=64 EX_NOTHING"),
        ("RuntimeDirectory=kafkavisor/%i", "RuntimeDirectory=/run/kafkavisor"),
        ("LimitNOFILE=65536", "LimitNOFILE=many"),
    ] {
        assert!(unit().contains(right), "{right}");
        assert_ne!(Copy::of(&unit().replace(right, wrong)).wrong(), "", "{wrong}");
    }
}

#[test]
fn its_sandbox_is_a_tight_one() {
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let arguments = ["security", "--offline=yes", "--no-pager", &threshold];
    let output = Copy::of(&unit()).analyze(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let open = unit().replace("SystemCallFilter=@system-service", "").replace("CapabilityBoundingSet=\n", "");
    assert!(!Copy::of(&open).analyze(&arguments).status.success(), "the threshold means nothing");
}

/// What the supervisor's behaviour depends on.
#[test]
fn it_says_what_the_supervisor_needs() {
    let unit = unit();
    let value = |key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {key}"))
    };
    let seconds = |key: &str| value(key).trim_end_matches('s').parse::<u64>().unwrap();
    for (key, needed) in [
        ("Type", "notify-reload"),
        ("RuntimeDirectoryPreserve", "yes"),
        ("KillMode", "mixed"),
        ("OOMPolicy", "continue"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "64 78"),
    ] {
        assert_eq!(value(key), needed, "{key}");
    }
    assert!(seconds("TimeoutStopSec") > 2 * 10, "stop.timeout is 10 s: a drain, then the last commit");
    assert!(seconds("WatchdogSec") >= 10, "the loop beats once a second, on a busy machine later");
}
