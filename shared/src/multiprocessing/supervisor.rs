//! The child's life: started, asked, stopped, and never left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::conversation::{Question, ask};
use super::said::{Said, Sink};
use super::{ConsumerGroupError, Ending};
use crate::clock::now;
use crate::runtime_directory;
use crate::service_manager::without_service_manager;

/// It gives up by itself when Kafka or ZooKeeper is not reached within `cluster.connect_timeout`; so much longer it is waited for.
const BESIDE_CONNECTING: Duration = Duration::from_secs(60);
/// How long it may take beyond its drains, and the commits behind them: to kill what does not end, to leave the group.
const BESIDE_DRAINS: Duration = Duration::from_secs(15);
/// Once it is told to hurry.
const HURRIES: Duration = Duration::from_secs(5);
/// Whether it has ended, or is up, is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Until all that it has said is read, once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How it is started.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) binary: &'a Path,
    pub(super) worker_binary: Option<&'a Path>,
    /// Its configuration file.
    pub(super) text: &'a str,
    pub(super) runtime_directory: Option<&'a Path>,
    pub(super) environment: &'a [(OsString, OsString)],
    /// Where it will listen.
    pub(super) socket: PathBuf,
    /// How long it may take to reach Kafka and ZooKeeper.
    pub(super) connect_timeout: Duration,
    /// How long its drains may take.
    pub(super) stop_timeout: Duration,
}

/// The child. When it goes out of scope, it is stopped: asked, then told to hurry, then killed.
#[derive(Debug)]
pub(super) struct Supervisor {
    pid: u32,
    life: Mutex<Life>,
    said: Said,
    socket: PathBuf,
    connect_timeout: Duration,
    stop_timeout: Duration,
}

#[derive(Debug)]
struct Life {
    child: Child,
    ended: Option<Ending>,
}

impl Launch<'_> {
    /// Starts it.
    pub(super) fn start(&self, sink: Arc<Mutex<Sink>>) -> Result<Supervisor, ConsumerGroupError> {
        let failed =
            |error: io::Error| ConsumerGroupError::system(format!("start {}", self.binary.display()), error);
        let mut child = self.command().map_err(failed)?.spawn().map_err(failed)?;
        let (pid, stderr) = (child.id(), child.stderr.take());
        let mut supervisor = Supervisor {
            pid,
            life: Mutex::new(Life { child, ended: None }),
            said: Said::default(),
            socket: self.socket.clone(),
            connect_timeout: self.connect_timeout,
            stop_timeout: self.stop_timeout,
        };
        if let Some(stderr) = stderr {
            supervisor.said = Said::read(stderr, sink).map_err(failed)?;
        }
        Ok(supervisor)
    }

    /// The configuration is its standard input, which it may read as often as it likes: it is on no disk, and in no command line.
    pub(super) fn command(&self) -> io::Result<Command> {
        let mut file = File::from(memfd_create("kafkavisor.yaml", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(self.text.as_bytes())?;
        file.rewind()?;
        let mut command = Command::new(self.binary);
        // A terminal's signals are this program's: it stops its group when it likes, or ends, and the child with it.
        command.process_group(0).args(["run", "-c", "/dev/stdin", "--parent"]);
        command.arg(std::process::id().to_string());
        if let Some(worker) = self.worker_binary {
            command.arg("--worker-binary").arg(worker);
        }
        if let Some(folder) = self.runtime_directory {
            command.env(runtime_directory::VARIABLE, folder);
        }
        // Where this program is a unit, it is the one that says when it is ready, and when it stops.
        without_service_manager(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(file).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }
}

impl Supervisor {
    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until it is up: everything that can be wrong at a start is not, and it answers.
    pub(super) fn wait_up(&self) -> Result<(), ConsumerGroupError> {
        let within = self.connect_timeout + BESIDE_CONNECTING;
        let deadline = now() + within;
        while now() < deadline {
            if let Some(ending) = self.ended() {
                return Err(ConsumerGroupError::NotStarted { ending, said: self.said.last(LAST_WORDS) });
            }
            if ask::<Value>(&self.socket, self.pid(), Question::Status).is_ok() {
                return Ok(());
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        self.kill();
        Err(ConsumerGroupError::NotUp { within, said: self.said.last(LAST_WORDS) })
    }

    /// Asks it something.
    pub(super) fn ask<T: DeserializeOwned>(&self, question: Question) -> Result<T, ConsumerGroupError> {
        ask(&self.socket, self.pid(), question).map_err(|error| {
            let silent = || ConsumerGroupError::NoAnswer(error.to_string());
            self.ended().map_or_else(silent, ConsumerGroupError::Ended)
        })
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&self) -> Option<Ending> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).look()
    }

    /// Waits for its end, until then.
    pub(super) fn wait(&self, deadline: Instant) -> Option<Ending> {
        loop {
            let ended = self.ended();
            if ended.is_some() || now() >= deadline {
                return ended;
            }
            thread::park_timeout(LOOK_AGAIN);
        }
    }

    /// Asks it to stop, and waits: for its drains, then for one that hurries; then it is killed.
    pub(super) fn stop(&self) -> Ending {
        if let Some(ended) = self.ended() {
            return ended;
        }
        if self.ask::<Value>(Question::Stop { now: false }).is_err() {
            self.signal(Signal::SIGTERM);
        }
        if let Some(ended) = self.wait(now() + 2 * self.stop_timeout + BESIDE_DRAINS) {
            return ended;
        }
        log::warn!("kafkavisor (process {}) does not end: it is told to hurry", self.pid());
        if self.ask::<Value>(Question::Stop { now: true }).is_err() {
            self.signal(Signal::SIGTERM);
        }
        self.wait(now() + HURRIES).unwrap_or_else(|| self.kill())
    }

    /// What it leaves is ended by its guardian.
    fn kill(&self) -> Ending {
        log::error!("kafkavisor (process {}) is killed", self.pid());
        self.signal(Signal::SIGKILL);
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = life.child.wait().map_or(Ending::Unknown, Ending::of);
        *life.ended.get_or_insert(waited)
    }

    /// As long as it is our child and not waited for, no other process has its number.
    fn signal(&self, signal: Signal) {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Ok(pid)) = (life.look(), i32::try_from(self.pid)) {
            let _ended_meanwhile = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Life {
    fn look(&mut self) -> Option<Ending> {
        if self.ended.is_none() {
            self.ended = match self.child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(Ending::of(status)),
                // Somebody else has waited for it.
                Err(_) => Some(Ending::Unknown),
            };
        }
        self.ended
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
        // What it has said is handed on before whoever dropped us goes on.
        self.said.last(LAST_WORDS);
    }
}
