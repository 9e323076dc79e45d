//! Starting a handler: pipes, environment, process group, and its death with ours.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use kafkavisor::service_manager::without_service_manager;
use kafkavisor_link::inherited::Birth;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, pipe2};

/// The handler's input pipe is grown to this where the system lets us.
const INPUT_PIPE: i32 = 256 * 1024;
/// No pipe holds more, unless an administrator allows it.
pub(super) const PIPE: usize = 1 << 20;
/// Descriptors of the protocol `binary`, as the handler sees them.
const BINARY_IN: RawFd = 3;
const BINARY_OUT: RawFd = 4;

/// Where the protocol goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Standard input and output.
    Standard,
    /// Descriptors 3 and 4; standard output is log output.
    OwnDescriptors,
}

/// A started handler and our ends of its pipes, none of which ever blocks us.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) input: Option<OwnedFd>,
    pub(crate) output: Option<OwnedFd>,
    /// Standard error, and standard output where the protocol is elsewhere.
    pub(crate) log: Option<OwnedFd>,
}

/// What a handler is started as.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) wiring: Wiring,
}

fn nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// Out of the way of the descriptors that the handler is to see.
fn above_standard(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    Ok(own(raw))
}

#[expect(unsafe_code, reason = "a descriptor that fcntl has just made comes as a number")]
fn own(raw: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: `raw` was returned by F_DUPFD_CLOEXEC a moment ago and nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

impl Spec {
    fn command(&self) -> io::Result<Command> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| io::Error::other("the handler's command is empty"))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment.iter().map(|(k, v)| (k, v))).process_group(0);
        without_service_manager(&mut command);
        Ok(command)
    }

    /// Starts the handler. Call it from the main thread only: its death is tied to the thread that starts it.
    pub(crate) fn start(&self) -> io::Result<Child> {
        let (theirs_in, input) = pipe2(OFlag::O_CLOEXEC)?;
        let (output, theirs_out) = pipe2(OFlag::O_CLOEXEC)?;
        let (log, theirs_log) = pipe2(OFlag::O_CLOEXEC)?;
        for ours in [&input, &output, &log] {
            nonblocking(ours)?;
        }
        // Best effort: an ordinary user has only so much of it.
        let _grown_or_not = fcntl(&input, FcntlArg::F_SETPIPE_SZ(INPUT_PIPE));
        let mut command = self.command()?;
        command.stderr(Stdio::from(theirs_log.try_clone()?));
        let mut kept = None;
        match self.wiring {
            Wiring::Standard => {
                command.stdin(Stdio::from(theirs_in)).stdout(Stdio::from(theirs_out));
            }
            Wiring::OwnDescriptors => {
                command.stdin(Stdio::null()).stdout(Stdio::from(theirs_log));
                command.env("KAFKAVISOR_IN_FD", BINARY_IN.to_string());
                command.env("KAFKAVISOR_OUT_FD", BINARY_OUT.to_string());
                kept = Some((above_standard(&theirs_in)?, above_standard(&theirs_out)?));
            }
        }
        let descriptors = kept
            .as_ref()
            .map(|(input, output)| [(input.as_raw_fd(), BINARY_IN), (output.as_raw_fd(), BINARY_OUT)]);
        Birth { at_our_end: Signal::SIGKILL, leaves_signals: false, descriptors }.of(&mut command);
        let child = command.spawn()?;
        // Dropping std's handle neither kills nor reaps; we reap by pid ourselves.
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        Ok(Child { pid, input: Some(input), output: Some(output), log: Some(log) })
    }
}
