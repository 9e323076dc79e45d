//! What supervisor and worker both know of processes: dying with the parent, ending whole groups and descendants, and
//! reaping without ever sending a signal to a recycled pid.

use std::fs;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid, getppid};

/// What a signal goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillScope {
    /// One process.
    Process(Pid),
    /// A process group, by its leader's pid.
    Group(Pid),
}

/// Sends `signal`; that there is nobody left to get it is no error.
pub fn send(scope: KillScope, signal: Signal) {
    let pid = match scope {
        KillScope::Process(pid) => pid,
        KillScope::Group(leader) => Pid::from_raw(-leader.as_raw()),
    };
    match kill(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => log::warn!("failed to send {signal} to {scope:?}: {error}"),
    }
}

/// Asks the kernel to kill this process when the thread that started it ends, then checks that `parent` still is its
/// parent: it may have died before the kernel was asked. False means: end at once.
pub fn die_with_parent(parent: Pid) -> bool {
    prctl::set_pdeathsig(Signal::SIGKILL).is_ok() && getppid() == parent
}

/// Descendants whose parents die become children of this process, so that it can end them.
pub fn become_subreaper() -> nix::Result<()> {
    prctl::set_child_subreaper(true)
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with status {status}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was killed by {signal}"),
                Err(_) => write!(f, "was killed by signal {number}"),
            },
        }
    }
}

/// The next child that has ended, left as it is: its pid can't be given to anybody else before [`reap`].
pub fn ended_child() -> Option<(Pid, Exit)> {
    ended(Id::All)
}

/// Whether the child `pid` has ended, and how; it is left as it is.
pub fn ended_pid(pid: Pid) -> Option<Exit> {
    ended(Id::Pid(pid)).map(|(_, exit)| exit)
}

fn ended(id: Id<'_>) -> Option<(Pid, Exit)> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // With WNOHANG it does not wait, so no signal interrupts it.
    match waitid(id, flags) {
        Ok(WaitStatus::Exited(pid, status)) => Some((pid, Exit::Status(status))),
        Ok(WaitStatus::Signaled(pid, signal, _)) => Some((pid, Exit::Signal(signal as i32))),
        // Killed by a real-time signal, which nix has no name for: it can't say whom, but it has ended all the same.
        Err(Errno::EINVAL) => {
            children().into_iter().find(|pid| is_zombie(*pid)).map(|pid| (pid, Exit::Signal(0)))
        }
        _ => None,
    }
}

/// Reaps the child `pid`, which has ended: from here on its pid may belong to somebody else.
pub fn reap(pid: Pid) {
    while waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Err(Errno::EINTR) {}
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state stands behind the name, which may hold anything, brackets too.
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// The pids of this process's children, those that came to it as subreaper included.
pub fn children() -> Vec<Pid> {
    let me = getpid();
    let Ok(tasks) = fs::read_dir(format!("/proc/{me}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for task in tasks.flatten() {
        if let Ok(text) = fs::read_to_string(task.path().join("children")) {
            children
                .extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw));
        }
    }
    children
}
