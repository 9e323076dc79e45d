//! What a process hands down to its children without being asked: blocked and ignored signals, open descriptors, and the
//! question of who ends whom.
//!
//! [`set_right`] undoes what our parent has left us; [`Birth`] begins a child (guardian, worker, handler) with nothing of ours
//! but what is meant for it. Here is what runs between fork and exec, and so the unsafe code around starting processes.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpid, getppid};

use crate::core_dumps;

/// Signals are numbered up to here on Linux.
const LAST_SIGNAL: i32 = 64;
/// The first descriptor that no process has by right.
const FIRST: RawFd = 3;
/// What people and service managers send to all processes at once and mean for the supervisor.
const LEFT_TO_THE_SUPERVISOR: [Signal; 4] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1];
/// What comes of writing, and must not stop or end whoever writes a log: a terminal that lets nobody in the background write, a
/// file that may grow no more.
const OF_WRITING: [Signal; 2] = [Signal::SIGTTOU, Signal::SIGXFSZ];

/// Sets right what a parent may have left us: no signal stays blocked, none ignored but PIPE (writing to nobody is an error
/// for us, no death), TTOU and XFSZ (that a log can't be written is no reason to stand still, or to die), and no descriptor goes on
/// to our children. Descriptors stay open here: `-c <(...)` names one. To be called before the first thread.
pub fn set_right() -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    for number in (1..=LAST_SIGNAL).filter(|number| *number != libc::SIGPIPE && is_ignored(*number)) {
        set(number, libc::SIG_DFL);
    }
    OF_WRITING.iter().for_each(|signal| set(*signal as i32, libc::SIG_IGN));
    Ok(close_on_exec()?)
}

/// How a child begins: no signal blocked, none ignored, and no descriptor of ours besides standard input, output and error.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// What it gets when the thread that starts it ends, however it does.
    pub at_our_end: Signal,
    /// It ignores what asks the supervisor to do something: TERM, INT, HUP, USR1.
    pub leaves_signals: bool,
    /// Descriptors of ours, 10 or above, that it gets under these numbers.
    pub descriptors: Option<[(RawFd, RawFd); 2]>,
}

impl Birth {
    /// Makes `command` begin so.
    #[expect(unsafe_code, reason = "what runs between fork and exec")]
    pub fn of(self, command: &mut Command) {
        let (parent, core) = (getpid(), core_dumps::found());
        let prepare = move || {
            prctl::set_pdeathsig(self.at_our_end)?;
            // We may have died before the kernel was asked.
            if getppid() != parent {
                return Err(io::Error::from(Errno::ESRCH));
            }
            (1..=LAST_SIGNAL).for_each(|number| set(number, libc::SIG_DFL));
            if self.leaves_signals {
                let ignored = LEFT_TO_THE_SUPERVISOR.iter().chain(&OF_WRITING);
                ignored.for_each(|signal| set(*signal as i32, libc::SIG_IGN));
            }
            SigSet::empty().thread_set_mask()?;
            if let Some(limit) = core {
                core_dumps::give_back(limit);
            }
            close_on_exec()?;
            for (from, to) in self.descriptors.into_iter().flatten() {
                duplicate(from, to)?;
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls only (prctl, getppid, sigaction, sigprocmask, prlimit, close_range or fcntl, dup2):
        // nothing that allocates, locks or panics, so it is safe in the child of a process with threads.
        unsafe {
            command.pre_exec(prepare);
        }
    }
}

/// What the kernel keeps of a disposition: first the disposition itself, then what is zero for those that are no code of ours.
type Action = [usize; 8];
/// Bytes of the kernel's set of signals.
const SET: usize = 8;

#[expect(unsafe_code, reason = "the C library hides two of the signals")]
fn is_ignored(number: i32) -> bool {
    let mut found: Action = [0; 8];
    // SAFETY: without a new disposition the kernel only fills in `found`, which is no shorter than what it writes.
    let asked = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, number, std::ptr::null::<Action>(), &raw mut found, SET)
    };
    asked == 0 && found.first() == Some(&libc::SIG_IGN)
}

/// KILL and STOP can't be set and need not be.
#[expect(unsafe_code, reason = "the C library hides two of the signals")]
fn set(number: i32, disposition: libc::sighandler_t) {
    let action: Action = [disposition, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: `disposition` is SIG_DFL or SIG_IGN: no code of ours is ever called by it; `action` is no shorter than what the
    // kernel reads.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, number, &raw const action, std::ptr::null::<Action>(), SET);
    }
}

/// No descriptor but the first three outlives an exec.
#[expect(unsafe_code, reason = "a system call that nix does not have")]
fn close_on_exec() -> Result<(), Errno> {
    // SAFETY: it closes nothing now; it only marks this process's own descriptors.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    // A kernel before 5.11, or a sandbox that does not know the call, refuses it.
    if result == 0 { Ok(()) } else { close_each_on_exec() }
}

#[expect(unsafe_code, reason = "descriptors by number, whoever owns them")]
fn close_each_on_exec() -> Result<(), Errno> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    for number in FIRST..RawFd::try_from(limit).unwrap_or(RawFd::MAX) {
        // SAFETY: it closes nothing now; where no such descriptor is open it fails and changes nothing.
        unsafe {
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "dup2 onto a descriptor that nobody owns")]
fn duplicate(from: RawFd, to: RawFd) -> Result<(), Errno> {
    // SAFETY: runs between fork and exec; `from` is at least 10, so the two differ, and whatever stands at `to` in the
    // child is close-on-exec and not used before exec.
    Errno::result(unsafe { libc::dup2(from, to) }).map(drop)
}
