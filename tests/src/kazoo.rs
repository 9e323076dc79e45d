//! A real Python member of a group: kazoo's `SetPartitioner`, in the script that the library's own tests use.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::environment::{project, python};
use crate::records::Records;
use crate::topic::Topic;

/// A line of the script.
#[derive(serde::Deserialize)]
struct Said {
    state: String,
    partitions: BTreeSet<String>,
}

/// What a member consumes.
#[derive(Debug)]
pub struct Consumed<'a> {
    /// Its topic.
    pub topic: &'a Topic,
    /// How many partitions that has.
    pub partitions: i32,
    /// Where it records what it handles.
    pub records: &'a Records,
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
        let mut command = Command::new(python());
        command.arg(project().join("shared/tests/fixtures/kazoo_member.py"));
        command.args([zookeeper, path, identifier, "0.5"]).args(partitions);
        Self::spawn(command)
    }

    /// Joins with this name and password (`NAME:PASSWORD`), and with nodes that are for it alone if `creator`.
    pub fn join_as(
        zookeeper: &str,
        path: &str,
        identifier: &str,
        partitions: &BTreeSet<String>,
        (auth, creator): (&str, bool),
    ) -> Self {
        let mut command = Command::new(python());
        command.arg(project().join("shared/tests/fixtures/kazoo_member.py"));
        command.args([zookeeper, path, identifier, "0.5"]).args(partitions).env("AUTH", auth);
        if creator {
            command.env("CREATOR", "1");
        }
        Self::spawn(command)
    }

    /// Joins the group with a session of three seconds and consumes: it keeps its offsets in ZooKeeper as yelp_kafka does, and
    /// records what it handles beside the recording handlers. All that it will consume must have been produced.
    pub fn consume(zookeeper: &str, path: &str, identifier: &str, group: &str, of: &Consumed<'_>) -> Self {
        let Consumed { topic, partitions, records } = of;
        let produced = topic.produced();
        let contents = |number| produced.get(&number).map(|all| all.iter().map(|m| &m.content).collect());
        let contents: Vec<Vec<_>> =
            (0..*partitions).map(|number| contents(number).unwrap_or_default()).collect();
        let messages = records.path().with_file_name(format!("messages-{identifier}"));
        std::fs::write(&messages, serde_json::to_vec(&contents).expect("JSON")).expect("the messages' file");
        let mut command = Command::new(python());
        command.arg(project().join("tests/fixtures/python_consumer.py"));
        command.args([zookeeper, path, identifier, "3.0", group, &topic.name]);
        command.args([&messages, &records.path()]);
        command.args((0..*partitions).map(|number| format!("{}-{number}", topic.name)));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
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

    /// Ends it with KILL: its session, and what it holds, lasts on.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
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
