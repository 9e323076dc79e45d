//! A Kafka and ZooKeeper of a test's own, to be stopped, paused and started again.
//!
//! One at a time in a process: a second one would only make both slow.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;

use crate::environment::project;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A cluster that is up; it goes down when it goes out of scope.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    /// Its broker.
    pub brokers: String,
    /// Its ZooKeeper.
    pub zookeeper: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Brings one up: `kafka1` on `zookeeper1`.
    pub fn up() -> Self {
        Self::of_brokers(1)
    }

    /// Brings one up with `kafka1` to as many as are wanted.
    pub fn of_brokers(count: u8) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        script(folder.path(), &["up", "--brokers", &count.to_string()]);
        let variables = script(folder.path(), &["env"]);
        let variable = |name: &str| {
            let line = variables.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("no {name} in {variables}")).to_owned()
        };
        let (brokers, zookeeper) =
            (variable("KAFKAVISOR_TEST_BROKERS"), variable("KAFKAVISOR_TEST_ZOOKEEPER"));
        Self { folder, brokers, zookeeper, _turn: turn }
    }

    /// The process of a server that runs.
    pub fn pid(&self, name: &str) -> i32 {
        script(self.folder.path(), &["pid", name]).trim().parse().expect("a process")
    }

    /// `stop`, `start`, `kill`, `pause` or `resume` a server.
    pub fn server(&self, verb: &str, name: &str) {
        script(self.folder.path(), &[verb, name]);
    }
}

fn script(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(project().join("script/cluster"))
        .args(arguments)
        .arg("--dir")
        .arg(folder.join("cluster"))
        .stdin(Stdio::null())
        .output()
        .expect("script/cluster runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "script/cluster {arguments:?} failed: {said}");
    String::from_utf8(output.stdout).expect("text")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let down = Command::new(project().join("script/cluster"))
            .arg("down")
            .arg("--dir")
            .arg(self.folder.path().join("cluster"))
            .output();
        if let Ok(output) = down
            && !output.status.success()
        {
            println!("script/cluster down: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
