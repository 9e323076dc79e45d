//! The guardian: one small process an instance that outlives it for a moment. When the supervisor is gone, however it went,
//! the pipe between them ends; then the guardian kills every process that carries the instance's id in its environment,
//! stopped ones too, until none is left, and exits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_link::message::INSTANCE_VARIABLE;
use kafkavisor_link::process::{KillScope, send};
use nix::fcntl::OFlag;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, pipe2};

/// Longest that the kernel may take to end what was killed.
const WITHIN: Duration = Duration::from_secs(10);

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Guardian {
    binary: File,
    instance: String,
    pid: Pid,
    /// Its end is the sign; held, not used.
    pipe: OwnedFd,
}

impl Guardian {
    /// Starts it. Main thread only, as for workers.
    pub(super) fn start(instance: &str) -> io::Result<Self> {
        let binary = File::open("/proc/self/exe")?;
        let (pid, pipe) = spawn(&binary, instance)?;
        Ok(Self { binary, instance: instance.to_owned(), pid, pipe })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// It has ended before us, which is nothing it does of itself.
    pub(super) fn restart(&mut self) {
        log::warn!("the guardian has ended; it is started again");
        match spawn(&self.binary, &self.instance) {
            Ok((pid, pipe)) => (self.pid, self.pipe) = (pid, pipe),
            Err(error) => log::error!("the guardian can't be started: {error}"),
        }
    }
}

fn spawn(binary: &File, instance: &str) -> io::Result<(Pid, OwnedFd)> {
    let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
    let child = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()))
        .arg0("kafkavisor-guardian")
        .args(["guardian", instance])
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok((Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?), ours))
}

/// The guardian itself: waits for the end of its input, then leaves nothing of `instance` alive.
pub(crate) fn guard(instance: &str) {
    let mut sink = [0; 64];
    while let Ok(1..) = io::stdin().read(&mut sink) {}
    let deadline = now() + WITHIN;
    loop {
        let left = marked(instance);
        if left.is_empty() || now() >= deadline {
            return;
        }
        left.into_iter().for_each(|pid| send(KillScope::Process(pid), Signal::SIGKILL));
        let _a_moment = poll(&mut [], PollTimeout::from(5u8));
    }
}

/// Living processes with the instance's id in their environment.
fn marked(instance: &str) -> Vec<Pid> {
    let mark = format!("{INSTANCE_VARIABLE}={instance}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    // The environment of a zombie is empty.
    let carries = |pid: &Pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
    };
    pids.filter(|pid| *pid != getpid()).filter(carries).collect()
}
