//! A real Python member of a group: kazoo's `SetPartitioner`, in the script that the library's own tests use.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::environment::{project, python};

/// A line of the script.
#[derive(serde::Deserialize)]
struct Said {
    state: String,
    partitions: BTreeSet<String>,
}

/// The member.
#[derive(Debug)]
pub struct KazooMember {
    child: Child,
    state: Arc<Mutex<(String, BTreeSet<String>)>>,
}

impl KazooMember {
    /// Joins the group at `path`, with partitions such as `topic-0`.
    pub fn join(zookeeper: &str, path: &str, identifier: &str, partitions: &BTreeSet<String>) -> Self {
        let mut child = Command::new(python())
            .arg(project().join("shared/tests/fixtures/kazoo_member.py"))
            .args([zookeeper, path, identifier, "0.5"])
            .args(partitions)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter of KAFKAVISOR_TEST_PYTHON starts");
        let state = Arc::<Mutex<_>>::default();
        let (said, known) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&state));
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let said: Said = serde_json::from_str(&line).expect("the script says JSON");
                *known.lock().unwrap() = (said.state, said.partitions);
            }
        });
        Self { child, state }
    }

    /// What it has acquired; none while it has not.
    pub fn owns(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().1.clone()
    }

    /// Asks it to leave; it still has to release.
    pub fn leave(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Whether it has left.
    pub fn has_left(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }
}

impl Drop for KazooMember {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder's name that a Python 3 member computes for these topics, by Python itself.
pub fn folder_of(topics: &[&str]) -> String {
    let script = "import hashlib, sys; print(hashlib.sha1(repr(sorted(sys.argv[1:])).encode()).hexdigest())";
    let output = Command::new(python()).args(["-c", script]).args(topics).output().expect("Python runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
