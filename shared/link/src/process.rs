//! What supervisor, guardian and worker know of processes: ending whole groups and descendants, and reaping without ever
//! sending a signal to a recycled pid.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};
use serde::{Deserialize, Serialize};

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
    match try_send(scope, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => log::warn!("failed to send {signal} to {scope:?}: {error}"),
    }
}

fn try_send(scope: KillScope, signal: Signal) -> nix::Result<()> {
    match scope {
        KillScope::Process(pid) => kill(pid, signal),
        KillScope::Group(leader) => kill(Pid::from_raw(-leader.as_raw()), signal),
    }
}

/// Descendants whose parents die become children of this process, so that it can end them.
pub fn become_subreaper() -> nix::Result<()> {
    prctl::set_child_subreaper(true)
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Kills the group of `leader`, a child that has ended, and then reaps it, in this order: until it is reaped neither its pid nor
/// its group's number can be anybody else's, and so the kill always finds at least the leader itself.
pub fn end_group(leader: Pid) -> nix::Result<()> {
    let killed = try_send(KillScope::Group(leader), Signal::SIGKILL);
    reap(leader);
    killed
}

/// Reaps the child `pid`, which has ended: from here on its pid may belong to somebody else.
pub fn reap(pid: Pid) {
    while waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Err(Errno::EINTR) {}
}

/// A child that came to us as subreaper and was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// Its pid; it is our child, so nobody else's before it is reaped.
    pub pid: Pid,
    /// It has become another user's, and we may not kill it.
    pub refused: bool,
}

impl Stray {
    /// Kills the child `pid`.
    pub fn kill(pid: Pid) -> Self {
        Self { pid, refused: kill(pid, Signal::SIGKILL) == Err(Errno::EPERM) }
    }

    /// What an operator can find it by.
    pub fn describe(&self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        let user = fs::metadata(format!("/proc/{}", self.pid)).map_or(0, |process| process.uid());
        format!("{} (pid {}, user {user})", name.trim_end().escape_debug(), self.pid)
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "what reaps it is what is tested")]
    fn a_group_is_killed_before_its_leader_is_reaped() {
        let child = Command::new("true").process_group(0).spawn().unwrap();
        let leader = Pid::from_raw(child.id().try_into().unwrap());
        while ended_pid(leader).is_none() {
            std::thread::yield_now();
        }
        // Of this group only the leader is left: once it is reaped, the number is free for anybody.
        assert_eq!(end_group(leader), Ok(()), "the signal went to a number that was nobody's any more");
        assert_eq!(kill(leader, None), Err(Errno::ESRCH), "it is reaped");
    }
}
