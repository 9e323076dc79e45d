//! Programs that are run for what they print, such as the one that prints tokens: bounded in time and output, with nothing left of
//! them. The event loop reaps whatever child has ended; how one ended it leaves here.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::service_manager::without_service_manager;
use kafkavisor_link::inherited::Birth;
use kafkavisor_link::process::{Exit, end_group, ended_pid, reap};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::secrecy;

/// Largest output that is taken, in bytes.
const MOST: usize = 1 << 20;
/// How it ended is looked for at least so often, in milliseconds.
const LOOK: u16 = 20;

/// Those that run, and those that have ended and are not asked for yet. Whoever reaps one, or signals it, holds this.
static RUNNING: Mutex<BTreeMap<i32, Option<Exit>>> = Mutex::new(BTreeMap::new());

fn running() -> MutexGuard<'static, BTreeMap<i32, Option<Exit>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program has printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Why a program has printed nothing of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("can't be started: {0}")]
    NotStarted(io::Error),
    #[error("has not ended within {0:.1?} and was killed")]
    TooLate(Duration),
    #[error("printed more than 1 MiB and was killed")]
    TooMuch,
}

/// Reaps a child that is no worker of ours.
pub(super) fn reap_other(pid: Pid, exit: Exit) {
    match running().get_mut(&pid.as_raw()) {
        Some(slot) => {
            let _itself_at_least = end_group(pid);
            *slot = Some(exit);
        }
        None => reap(pid),
    }
}

/// Runs `words`, a program and its arguments, for no longer than `within`.
pub(crate) fn run(words: &[String], within: Duration) -> Result<Printed, ProgramError> {
    let mut program = Program::start(words).map_err(ProgramError::NotStarted)?;
    let end = now() + within;
    loop {
        let open = program.read().map_err(ProgramError::NotStarted)?;
        if program.stdout.bytes.len() > MOST || program.stderr.bytes.len() > MOST {
            return Err(ProgramError::TooMuch);
        }
        if let Some(exit) = program.ended() {
            // What it printed last is in the pipe by now.
            program.read().map_err(ProgramError::NotStarted)?;
            let stdout = std::mem::take(&mut program.stdout.bytes);
            return Ok(Printed { exit, stdout, stderr: std::mem::take(&mut program.stderr.bytes) });
        }
        let left = end.saturating_duration_since(now());
        if left.is_zero() {
            return Err(ProgramError::TooLate(within));
        }
        program.wait(open);
    }
}

struct Program {
    pid: Pid,
    stdout: Pipe<std::process::ChildStdout>,
    stderr: Pipe<std::process::ChildStderr>,
}

struct Pipe<T> {
    end: Option<T>,
    bytes: Vec<u8>,
}

impl<T: Read + AsFd> Pipe<T> {
    fn of(end: Option<T>) -> io::Result<Self> {
        if let Some(end) = &end {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { end, bytes: Vec::new() })
    }

    /// Takes what is there; whether more can come.
    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        while let Some(end) = &mut self.end {
            match end.read(&mut chunk) {
                Ok(0) => self.end = None,
                Ok(_) if self.bytes.len() > MOST => break,
                Ok(count) => self.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end.is_some())
    }
}

impl Program {
    fn start(words: &[String]) -> io::Result<Self> {
        let (program, arguments) =
            words.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        without_service_manager(&mut command);
        secrecy::take_out(&mut command);
        Birth { at_our_end: Signal::SIGKILL, leaves_signals: false, descriptors: None }.of(&mut command);
        // Held until it is known: the loop must not find it ended before.
        let mut running = running();
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        running.insert(pid.as_raw(), None);
        drop(running);
        Ok(Self { pid, stdout: Pipe::of(child.stdout.take())?, stderr: Pipe::of(child.stderr.take())? })
    }

    fn read(&mut self) -> io::Result<bool> {
        let stdout = self.stdout.read()?;
        Ok(self.stderr.read()? || stdout)
    }

    /// How it ended, whoever has reaped it.
    fn ended(&self) -> Option<Exit> {
        let mut running = running();
        let slot = running.get_mut(&self.pid.as_raw())?;
        if slot.is_none() {
            *slot = ended_pid(self.pid);
            if slot.is_some() {
                let _itself_at_least = end_group(self.pid);
            }
        }
        *slot
    }

    fn wait(&self, open: bool) {
        let descriptors =
            [self.stdout.end.as_ref().map(AsFd::as_fd), self.stderr.end.as_ref().map(AsFd::as_fd)];
        let mut descriptors: Vec<_> =
            descriptors.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        if !open {
            descriptors.clear();
        }
        // Interrupted or not: everything is looked at.
        let _interrupted = poll(&mut descriptors, PollTimeout::from(LOOK));
    }
}

impl Drop for Program {
    /// Nothing is left of it.
    fn drop(&mut self) {
        let mut running = running();
        if running.remove(&self.pid.as_raw()).flatten().is_none() {
            let _killed = killpg(self.pid, Signal::SIGKILL);
            let end = now() + Duration::from_secs(2);
            while ended_pid(self.pid).is_none() && now() < end {
                let _a_moment = poll(&mut [], PollTimeout::from(2_u8));
            }
            let _itself_at_least = end_group(self.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Result<Printed, ProgramError> {
        run(&["sh", "-c", script].map(str::to_owned), within)
    }

    #[test]
    fn what_it_prints_and_how_it_ends_is_known() {
        let printed = shell("echo out; echo err >&2; exit 3", Duration::from_secs(20)).unwrap();
        assert_eq!(printed.exit, Exit::Status(3));
        assert_eq!((printed.stdout.as_slice(), printed.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        let long = shell("head -c 300000 /dev/zero", Duration::from_secs(20)).unwrap();
        assert_eq!(long.stdout.len(), 300_000);
    }

    #[test]
    fn whoever_hangs_or_says_too_much_is_ended_with_what_it_started() {
        let began = now();
        let marked = format!("{}.5", 100_000 + std::process::id());
        let late = shell(&format!("sleep {marked} & sleep {marked}"), Duration::from_millis(100));
        assert!(matches!(late, Err(ProgramError::TooLate(_))), "{late:?}");
        let much = shell("yes", Duration::from_secs(60));
        assert!(matches!(much, Err(ProgramError::TooMuch)), "{much:?}");
        let none = run(&["/no/such/program".to_owned()], Duration::from_secs(1));
        assert!(matches!(none, Err(ProgramError::NotStarted(_))), "{none:?}");
        assert!(began.elapsed() < Duration::from_secs(50));
        let left = std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
            std::fs::read(process.path().join("cmdline"))
                .is_ok_and(|words| words.windows(marked.len()).any(|word| word == marked.as_bytes()))
        });
        assert!(!left, "a sleep is left");
    }

    #[test]
    fn one_that_the_loop_has_reaped_ends_all_the_same() {
        let reaper = std::thread::spawn(|| {
            let end = now() + Duration::from_secs(20);
            while now() < end {
                let pids: Vec<i32> =
                    running().iter().filter(|(_, exit)| exit.is_none()).map(|(pid, _)| *pid).collect();
                for pid in pids.into_iter().map(Pid::from_raw) {
                    if let Some(exit) = ended_pid(pid) {
                        reap_other(pid, exit);
                        return;
                    }
                }
            }
        });
        let printed = shell("exit 7", Duration::from_secs(20)).unwrap();
        assert_eq!(printed.exit, Exit::Status(7));
        reaper.join().unwrap();
    }
}
