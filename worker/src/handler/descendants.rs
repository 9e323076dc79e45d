//! Ending everything a handler has started: its process group, and whatever left the group and came back to us as
//! subreaper. Nothing of one handler is left when its successor starts.

use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_link::process::{KillScope, children, ended_child, reap, send};
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// How long the kernel may take to end what was killed.
const WITHIN: Duration = Duration::from_secs(2);

/// Kills the group of `leader`, which has ended and is not reaped yet, reaps it, and ends every child that is left.
pub(crate) fn end_all(leader: Option<Pid>) {
    if let Some(leader) = leader {
        // Before reaping: until then the group's number can't be anybody else's.
        send(KillScope::Group(leader), Signal::SIGKILL);
        reap(leader);
    }
    let deadline = now() + WITHIN;
    loop {
        let left = children();
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|pid| send(KillScope::Process(*pid), Signal::SIGKILL));
        while let Some((pid, _)) = ended_child() {
            reap(pid);
        }
        if now() >= deadline {
            log::error!("processes of the handler can't be ended: {left:?}");
            return;
        }
        // A killed process's own children come to us once it is gone: look again in a moment.
        let _timed_out = poll(&mut [], PollTimeout::from(1u8));
    }
}
