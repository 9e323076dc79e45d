//! Ends with the process that has started this one, however that ends: what a program starts for itself must not outlive it.
//!
//! A parent-death signal (`PR_SET_PDEATHSIG`) would come when the *thread* ends that has started us, and it can only be asked for
//! between fork and exec. Here the parent names itself, so that it can be told whether it has ended before we looked: whoever else
//! has taken us over since is not the one that is named.

use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getppid};
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::AsFd as _;

use crate::exit::Failure;

/// Where the system can't tell us, we look so often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// From here on TERM comes when the process `parent` ends; at once where it is not our parent any more.
pub(crate) fn end_with(parent: i32) -> Result<(), Failure> {
    let parent = Pid::from_raw(parent);
    let watch = move || {
        while getppid() == parent {
            wait_for(parent);
        }
        log::warn!("process {parent}, which has started this one and is to be ended with, is gone");
        // What is asked of ourselves is not refused.
        let _always_there = kill(getpid(), Signal::SIGTERM);
    };
    let thread = thread::Builder::new().name("parent".to_owned()).spawn(watch);
    thread.map(drop).map_err(|error| Failure::bug(format!("failed to start a thread: {error}")))
}

/// Until it ends, or a little while.
fn wait_for(parent: Pid) {
    let process = rustix::process::Pid::from_raw(parent.as_raw());
    let process = process.and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
    match process {
        // It may have been another one's when it was opened: then it is not our parent's, and whoever looks again sees that.
        Some(process) if getppid() == parent => {
            let mut ends = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            let _interrupted_or_ended = poll(&mut ends, PollTimeout::NONE);
            // It is seen to have ended a moment before we are seen to be another one's.
            thread::park_timeout(Duration::from_millis(1));
        }
        Some(_) => {}
        None => thread::park_timeout(LOOK_AGAIN),
    }
}
