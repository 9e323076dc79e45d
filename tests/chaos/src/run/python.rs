//! One Python member: kazoo's `SetPartitioner`. It holds partitions and consumes nothing; what it holds is in the history.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::environment::{project, python};
use kafkavisor_tests::kazoo::folder_of;
use kafkavisor_tests::processes::{self, MARK};
use kafkavisor_tests::waiting::pause;
use nix::sys::signal::Signal;

use super::world::{PARTITIONS, World};
use crate::history::{Event, PythonDoing};

/// A line of the script.
#[derive(serde::Deserialize)]
struct Said {
    at: u64,
    held: Vec<(i32, u64)>,
}

/// The member.
#[derive(Debug)]
pub(super) struct Member {
    child: Child,
    holds: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Member {
    /// Joins the group under this name.
    pub(super) fn join(world: &World, name: &str) -> Self {
        let folder = format!("/yelp-kafka/{}/{}", world.group, folder_of(&[&world.topic]));
        let mut child = Command::new(python())
            .arg(project().join("tests/chaos/src/run/member.py"))
            .args([&world.cluster.zookeepers.join(","), &folder, name, "0.5", "6.0"])
            .args((0..PARTITIONS).map(|partition| format!("{}-{partition}", world.topic)))
            .env(MARK, world.folder.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Kazoo's complaints about a ZooKeeper that is away.
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let (said, history, member) =
            (BufReader::new(child.stdout.take().expect("a pipe")), world.history(), name.to_owned());
        let holds = Arc::<AtomicBool>::default();
        let now_holds = Arc::clone(&holds);
        let reader = thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let said: Said = serde_json::from_str(&line).expect("the script says JSON");
                now_holds.store(!said.held.is_empty(), Ordering::Relaxed);
                let does = match said.held {
                    none if none.is_empty() => PythonDoing::Released,
                    held => PythonDoing::Acquired { held },
                };
                history.write_at(said.at, Event::Python { member: member.clone(), does });
            }
            // Whatever it held, it is gone now.
            history.write(Event::Python { member, does: PythonDoing::Released });
        });
        Self { child, holds, reader: Some(reader) }
    }

    /// Whether it has said that it holds partitions.
    pub(super) fn holds(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = processes::try_signal(i32::try_from(self.child.id()).expect("a pid"), signal);
    }

    /// Asks it to leave; kills it where it takes too long.
    pub(super) fn leave(&mut self, within: Duration) {
        drop(self.child.stdin.take());
        let end = clock::now() + within;
        while self.child.try_wait().expect("it can be waited for").is_none() && clock::now() < end {
            pause(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
