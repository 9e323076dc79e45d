//! One supervisor of the group: a folder, a proxy to ZooKeeper, and one life after another.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafkavisor::clock;
use kafkavisor_tests::processes::{self, MARK};
use kafkavisor_tests::status::Status;
use kafkavisor_tests::waiting::pause;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::command;
use super::proxy::Proxy;
use crate::history::{Event, Writer};

/// When nothing is left of a supervisor that has ended, at the latest. S9 says one second; the figure is printed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of a log that tell why a supervisor has ended.
const LAST_WORDS: usize = 5;

/// A supervisor, whether it runs or not.
#[derive(Debug)]
pub(super) struct Supervisor {
    name: String,
    folder: PathBuf,
    history: Writer,
    /// Its network to ZooKeeper.
    pub(super) proxy: Proxy,
    life: Mutex<Life>,
}

#[derive(Debug)]
struct Life {
    /// The folder of the programs that the next start takes.
    programs: PathBuf,
    number: u32,
    child: Option<Child>,
    /// That it ends is what the runner wants.
    may_end: bool,
}

impl Supervisor {
    /// One that does not run yet. Its configuration is `like`, with what is its own put in.
    pub(super) fn new(name: &str, run: &Path, history: Writer, proxy: Proxy, mut like: Value) -> Self {
        let folder = run.join(name);
        fs::create_dir(&folder).expect("the supervisor's folder");
        like["name"] = json!(name);
        like["cluster"]["zookeeper"] = json!(proxy.addresses.join(","));
        fs::write(folder.join("kafkavisor.yaml"), format!("{like:#}")).expect("the configuration");
        let life = Life { programs: programs(), number: 0, child: None, may_end: false };
        Self { name: name.to_owned(), folder, history, proxy, life: Mutex::new(life) }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its present life, such as `s1.3`.
    pub(super) fn instance(&self) -> String {
        self.instance_of(&self.life())
    }

    fn instance_of(&self, life: &Life) -> String {
        format!("{}.{}", self.name, life.number)
    }

    /// Puts other programs in the place of its own: the next start takes them, whatever runs now goes on.
    pub(super) fn install(&self, programs: &Path) {
        programs.clone_into(&mut self.life().programs);
    }

    /// Starts it, unless it runs.
    pub(super) fn start(&self) {
        let mut life = self.life();
        if life.child.is_some() {
            return;
        }
        life.number += 1;
        life.may_end = false;
        let log =
            OpenOptions::new().create(true).append(true).open(self.folder.join("log")).expect("the log");
        let child = Command::new(life.programs.join("kafkavisor"))
            .args(["run", "-c", "kafkavisor.yaml"])
            .current_dir(&self.folder)
            .env(MARK, &self.folder)
            .env("CHAOS_INSTANCE", self.instance_of(&life))
            .env("RUNTIME_DIRECTORY", self.folder.join("run"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("kafkavisor starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        life.child = Some(child);
        self.history.write(Event::Started { instance: self.instance_of(&life), pid });
    }

    /// Starts it again where it has ended by itself, and says so in the history.
    pub(super) fn look_after(&self) {
        if self.ended_by_itself().is_some() {
            self.start();
        }
    }

    /// Its exit code where it has just ended by itself, which goes into the history.
    pub(super) fn ended_by_itself(&self) -> Option<i32> {
        let mut life = self.life();
        if life.may_end { None } else { self.take_exit(&mut life) }
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// Its process, if it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        let life = self.life();
        life.child.as_ref().and_then(|child| i32::try_from(child.id()).ok())
    }

    /// Sends a signal to the supervisor alone.
    pub(super) fn signal(&self, signal: Signal) {
        // Under the lock nobody reaps it, so the pid is its own.
        let life = self.life();
        if let Some(child) = &life.child {
            let _ = processes::try_signal(i32::try_from(child.id()).expect("a pid"), signal);
        }
    }

    /// Kills it and waits until nothing of it is left; that goes into the history.
    pub(super) fn kill(&self) {
        self.life().may_end = true;
        self.signal(Signal::SIGKILL);
        let began = clock::now();
        self.await_end(PATIENCE);
        self.await_gone(began, PATIENCE);
    }

    /// Asks it to leave and waits until nothing of it is left; that goes into the history. Where it takes too long, it is
    /// killed.
    pub(super) fn leave(&self, within: Duration) {
        self.leave_when(within, || self.signal(Signal::SIGTERM));
    }

    /// The same, asked in another way.
    pub(super) fn leave_when(&self, within: Duration, asked: impl FnOnce()) {
        self.life().may_end = true;
        asked();
        let began = clock::now();
        self.await_end(within);
        if self.pid().is_some() {
            self.await_gone(began, within);
            self.kill();
        } else {
            self.await_gone(clock::now(), PATIENCE);
        }
    }

    fn await_gone(&self, since: Instant, within: Duration) {
        let mut left = self.marked();
        while !left.is_empty() && since.elapsed() < within {
            pause(Duration::from_millis(10));
            left = self.marked();
        }
        let after_ms = u64::try_from(since.elapsed().as_millis()).expect("it fits");
        let left = left.into_iter().map(|pid| format!("{pid} {}", command_line(pid))).collect();
        self.history.write(Event::Gone { instance: self.instance(), after_ms, left });
    }

    fn await_end(&self, within: Duration) {
        let end = clock::now() + within;
        while clock::now() < end {
            let mut life = self.life();
            if life.child.is_none() || self.take_exit(&mut life).is_some() {
                return;
            }
            drop(life);
            pause(Duration::from_millis(2));
        }
    }

    fn take_exit(&self, life: &mut Life) -> Option<i32> {
        let status = life.child.as_mut()?.try_wait().expect("it can be waited for")?;
        life.child = None;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let event = Event::Ended { instance: self.instance_of(life), code, asked: life.may_end };
        self.history.write(event);
        Some(code)
    }

    /// All processes of it.
    pub(super) fn marked(&self) -> Vec<i32> {
        processes::marked_with(&self.folder)
    }

    /// Its workers.
    pub(super) fn workers(&self) -> Vec<i32> {
        self.pid().map(processes::workers).unwrap_or_default()
    }

    /// Its guardian.
    pub(super) fn guardian(&self) -> Option<i32> {
        self.pid().and_then(processes::guardian)
    }

    /// Its handlers.
    pub(super) fn handlers(&self) -> Vec<i32> {
        let of = |worker: i32| processes::children(worker).into_iter().map(|(pid, _)| pid);
        self.workers()
            .into_iter()
            .flat_map(of)
            .filter(|pid| command_line(*pid).contains("chaos-handler"))
            .collect()
    }

    /// A command over its control socket, as the programs in this folder ask it.
    pub(super) fn command(&self, programs: &Path, name: &str) -> Command {
        let mut command = Command::new(programs.join("kafkavisor"));
        command.args([name, "--socket"]).arg(self.folder.join("run/control.sock"));
        command
    }

    /// How many status pages lie in its runtime directory.
    pub(super) fn pages(&self) -> usize {
        let files = fs::read_dir(self.folder.join("run")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "page")).count()
    }

    /// Its handlers and what they have forked, whatever is above them: an earlier version has its processes in another order.
    pub(super) fn of_handlers(&self) -> Vec<i32> {
        let is_handler = |pid: &i32| {
            let line = command_line(*pid);
            line.split(' ').next().is_some_and(|program| program.ends_with("kafkavisor-chaos-handler"))
        };
        self.marked().into_iter().filter(is_handler).collect()
    }

    /// Its status, if it answers in time.
    pub(super) fn status(&self) -> Option<Status> {
        self.pid()?;
        let mut status = self.command(&programs(), "status");
        status.arg("--json");
        // That nobody answers is what half of the faults are for.
        status.stderr(Stdio::null());
        serde_json::from_str(&command::output(&mut status, Duration::from_secs(2))?).ok()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.pid().is_some() {
            self.kill();
        }
        for pid in self.marked() {
            let _ = processes::try_signal(pid, Signal::SIGKILL);
        }
    }
}

/// The folder of the programs that were built with this one.
pub(super) fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("it knows its own path");
    own.parent().expect("a program is in a folder").to_owned()
}

/// One of them.
pub(super) fn program(name: &str) -> PathBuf {
    programs().join(name)
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}
