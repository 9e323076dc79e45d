//! A real kazoo member: `fixtures/kazoo_member.py` under the interpreter of `KAFKAVISOR_TEST_PYTHON`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kafkavisor::ids::TopicPartition;
use kafkavisor::partitioner::allocation::{kazoo_name, parse_kazoo_name};

use super::group::Owner;

/// A line of the script.
#[derive(serde::Deserialize)]
struct Said {
    partitions: Vec<String>,
}

pub(crate) struct Python {
    identifier: String,
    child: Mutex<Child>,
    has: Arc<Mutex<BTreeSet<TopicPartition>>>,
}

impl Python {
    pub(crate) fn start(
        servers: &str,
        path: &str,
        identifier: &str,
        boundary: Duration,
        partitions: &BTreeSet<TopicPartition>,
        stubborn: bool,
    ) -> Self {
        let python = std::env::var("KAFKAVISOR_TEST_PYTHON").expect(
            "KAFKAVISOR_TEST_PYTHON is not set; these tests need a Python with kazoo: run `eval \"$(script/cluster env)\"`",
        );
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kazoo_member.py"))
            .args([servers, path, identifier, &boundary.as_secs_f64().to_string()])
            .args(partitions.iter().map(kazoo_name))
            .env("STUBBORN", if stubborn { "1" } else { "" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter of KAFKAVISOR_TEST_PYTHON starts");
        let has = Arc::<Mutex<_>>::default();
        let (words, known) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&has));
        thread::spawn(move || {
            for line in words.lines().map_while(Result::ok) {
                let said: Said = serde_json::from_str(&line).expect("the script says JSON");
                *known.lock().unwrap() =
                    said.partitions.iter().map(|partition| parse_kazoo_name(partition).unwrap()).collect();
            }
        });
        Self { identifier: identifier.to_owned(), child: Mutex::new(child), has }
    }

    /// What it says it has acquired.
    pub(crate) fn has(&self) -> BTreeSet<TopicPartition> {
        self.has.lock().unwrap().clone()
    }

    pub(crate) fn leave(&self) {
        drop(self.child.lock().unwrap().stdin.take());
    }

    pub(crate) fn kill(&self) {
        self.child.lock().unwrap().kill().unwrap();
        self.has.lock().unwrap().clear();
    }
}

impl Owner for Python {
    fn owns(&self) -> BTreeSet<TopicPartition> {
        self.has()
    }

    fn id(&self) -> String {
        self.identifier.clone()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}
