//! The guardian itself: one thread, one loop, nothing that waits. Whom it has started it alone reaps, so it alone signals them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor_link::inherited::Birth;
use kafkavisor_link::process::{
    Exit, KillScope, Stray, become_subreaper, children, end_group, ended_child, reap, send as send_signal,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::messages::{Left, Report, Request, receive, send};

/// How long what a worker has left may take to end. Its successor waits for that, but no longer.
const LEFT_WITHIN: Duration = Duration::from_secs(2);
/// Longest that the kernel may take to end what was killed, when the supervisor is gone.
const ALL_WITHIN: Duration = Duration::from_secs(10);
/// What was killed is looked at again after so many milliseconds: its own children come to us once it is gone.
const LOOK_AGAIN: u8 = 2;
/// No more of what is left is named in a report.
const NAMED: usize = 20;

/// A worker that is reaped; what it has left may not have ended yet.
struct Ended {
    pid: Pid,
    exit: Exit,
    at: Instant,
}

struct Guardian {
    socket: OwnedFd,
    children: SignalFd,
    binary: Option<OwnedFd>,
    /// Those that are not reaped.
    workers: BTreeSet<Pid>,
    ended: Vec<Ended>,
    /// What came to us from workers that are dead, and since when.
    strays: BTreeMap<Pid, Instant>,
    /// Those of them that were reported as left.
    named: BTreeSet<Pid>,
    reports: VecDeque<Report>,
}

/// Guards, until standard input, the socket to the supervisor, ends. Then nothing is left of what was started here.
pub(crate) fn guard() -> io::Result<()> {
    become_subreaper()?;
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGCHLD);
    wanted.thread_block()?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut guardian = Guardian::new(socket, SignalFd::with_flags(&wanted, flags)?);
    while guardian.wait() {
        guardian.reap();
        guardian.end_strays();
        guardian.report();
    }
    guardian.end_everything();
    Ok(())
}

impl Guardian {
    fn new(socket: OwnedFd, children: SignalFd) -> Self {
        Self {
            socket,
            children,
            binary: None,
            workers: BTreeSet::new(),
            ended: Vec::new(),
            strays: BTreeMap::new(),
            named: BTreeSet::new(),
            reports: VecDeque::new(),
        }
    }

    /// Until there is something to do, and takes what is asked for; false when nobody is there any more to ask.
    fn wait(&mut self) -> bool {
        let timeout = if self.ended.is_empty() { PollTimeout::NONE } else { PollTimeout::from(LOOK_AGAIN) };
        let mut for_socket = PollFlags::POLLIN;
        for_socket.set(PollFlags::POLLOUT, !self.reports.is_empty());
        let mut descriptors = [
            PollFd::new(self.socket.as_fd(), for_socket),
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not: everything is looked at.
        let _interrupted = poll(&mut descriptors, timeout);
        let [socket, _] = descriptors;
        let found = socket.revents().unwrap_or(PollFlags::empty());
        while self.children.read_signal().is_ok_and(|signal| signal.is_some()) {}
        // What it asked for before it ended is not begun any more.
        !found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) && self.take_requests()
    }

    fn take_requests(&mut self) -> bool {
        loop {
            match receive(&self.socket) {
                Ok(Some((Request::Binary, binary))) => self.binary = binary,
                Ok(Some((Request::Spawn { ticket, name, without }, stdin))) => {
                    let report = match self.spawn(&name, stdin, &without) {
                        Ok(pid) => Report::Spawned { ticket, pid: pid.as_raw() },
                        Err(error) => Report::Failed { ticket, error: explained(&error) },
                    };
                    self.reports.push_back(report);
                }
                Ok(Some((Request::Signal { pid, signal }, _))) => {
                    let pid = Pid::from_raw(pid);
                    if let Ok(signal) = Signal::try_from(signal)
                        && self.workers.contains(&pid)
                    {
                        send_signal(KillScope::Group(pid), signal);
                    }
                    self.reports.push_back(Report::Signalled);
                }
                Ok(None) => return false,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                // Whoever says what we don't understand is no supervisor of ours.
                Err(_) => return false,
            }
        }
    }

    fn spawn(&mut self, name: &str, stdin: Option<OwnedFd>, without: &[String]) -> io::Result<Pid> {
        let (Some(binary), Some(stdin)) = (&self.binary, stdin) else {
            return Err(io::Error::other("a descriptor did not come with the request"));
        };
        let mut command = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()));
        command.arg0(name).stdin(Stdio::from(stdin)).stdout(Stdio::null()).process_group(0);
        for name in without {
            command.env_remove(name);
        }
        Birth { at_our_end: Signal::SIGKILL, leaves_signals: true, descriptors: None }.of(&mut command);
        let child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        self.workers.insert(pid);
        Ok(pid)
    }

    fn reap(&mut self) {
        while let Some((pid, exit)) = ended_child() {
            if self.workers.remove(&pid) {
                let _itself_at_least = end_group(pid);
                self.ended.push(Ended { pid, exit, at: now() });
            } else {
                reap(pid);
                self.strays.remove(&pid);
                if self.named.remove(&pid) {
                    self.reports.push_back(Report::LeftEnded { pid: pid.as_raw() });
                }
            }
        }
    }

    /// Ends what workers have left: every child that is no worker. Whose it was can't be told where several end at once: each of
    /// them waits for all of it, but for nothing that has had its time.
    fn end_strays(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let time = now();
        let mut left: Vec<(Stray, Instant)> = Vec::new();
        for pid in children().into_iter().filter(|pid| !self.workers.contains(pid)) {
            left.push((Stray::kill(pid), *self.strays.entry(pid).or_insert(time)));
        }
        let had_its_time = |since: Instant| time.saturating_duration_since(since) >= LEFT_WITHIN;
        let all_gone = left.iter().all(|(_, since)| had_its_time(*since));
        let (done, waiting) =
            std::mem::take(&mut self.ended).into_iter().partition(|ended| all_gone || had_its_time(ended.at));
        self.ended = waiting;
        let done: Vec<Ended> = done;
        self.reports.extend(done.into_iter().map(|Ended { pid, exit, at }| {
            let its = left.iter().filter(|(_, since)| *since >= at).take(NAMED);
            let left: Vec<_> = its.map(|(stray, _)| Left::of(*stray)).collect();
            self.named.extend(left.iter().map(|left| Pid::from_raw(left.pid)));
            Report::Ended { pid: pid.as_raw(), exit, left }
        }));
    }

    /// A supervisor that stands still must not keep us from our work: what it does not take is kept.
    fn report(&mut self) {
        while let Some(report) = self.reports.front() {
            match send(self.socket.as_fd(), report, None) {
                Ok(()) => drop(self.reports.pop_front()),
                Err(Errno::EINTR) => {}
                // Either it takes more later, or the socket's end is seen next.
                Err(_) => return,
            }
        }
    }

    fn end_everything(self) {
        let deadline = now() + ALL_WITHIN;
        loop {
            while let Some((pid, _)) = ended_child() {
                if self.workers.contains(&pid) {
                    let _itself_at_least = end_group(pid);
                } else {
                    reap(pid);
                }
            }
            let left = children();
            if left.is_empty() || now() >= deadline {
                return;
            }
            for pid in left {
                let _seen_at_the_next_look = Stray::kill(pid);
            }
            let _a_moment = poll(&mut [], PollTimeout::from(LOOK_AGAIN));
        }
    }
}

fn explained(error: &io::Error) -> String {
    if error.raw_os_error() == Some(Errno::EAGAIN as i32) {
        let remedy = "raise `ulimit -u`, TasksMax= of the unit or the container's pids limit";
        return format!("no more processes may be started ({error}): {remedy}");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt;

    use nix::sys::signal::kill;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// A worker that is reaped while the supervisor says that it is to be killed: its pid may be anybody's by now.
    #[test]
    fn whoever_is_no_worker_of_ours_any_more_is_not_signalled() {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, supervisors) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
        let mut guardian = Guardian::new(ours, SignalFd::new(&SigSet::empty()).unwrap());
        let mut stranger = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let pid = i32::try_from(stranger.id()).unwrap();
        send(supervisors.as_fd(), &Request::Signal { pid, signal: Signal::SIGKILL as i32 }, None).unwrap();
        assert!(guardian.take_requests());
        assert_eq!(guardian.reports.pop_front(), Some(Report::Signalled), "it is answered");
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        assert_eq!(stranger.wait().unwrap().signal(), Some(Signal::SIGTERM as i32), "KILL was there first");
    }

    /// Two variables that we began with, whoever started us, and that no shell sets by itself; and what the second holds.
    fn two_variables() -> [(String, String); 2] {
        let of_shells = ["PATH", "PWD", "OLDPWD", "SHLVL", "_", "IFS", "OPTIND", "PPID", "PS1", "PS2", "PS4"];
        let letters = |text: &str, more: &[u8]| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let usable = |(name, value): &(String, String)| {
            letters(name, b"_") && letters(value, b"_/.-:") && !of_shells.contains(&name.as_str())
        };
        let mut variables = std::env::vars().filter(usable);
        [variables.next().unwrap(), variables.next().unwrap()]
    }

    /// A configuration that is read while we run may name a variable that we began with.
    #[test]
    fn a_worker_does_not_get_the_variables_that_hold_secrets() {
        let (socket, _supervisors) = UnixStream::pair().unwrap();
        let mut guardian = Guardian::new(socket.into(), SignalFd::new(&SigSet::empty()).unwrap());
        guardian.binary = Some(std::fs::File::open("/bin/sh").unwrap().into());
        let (mut ours, stdin) = UnixStream::pair().unwrap();
        let [(hidden, _), (kept, value)] = two_variables();
        let pid = guardian.spawn("worker", Some(stdin.into()), std::slice::from_ref(&hidden)).unwrap();
        writeln!(ours, "echo \"${{{hidden}-none}} ${{{kept}-none}}\" >&0; exit").unwrap();
        let mut said = String::new();
        BufReader::new(&ours).read_line(&mut said).unwrap();
        assert_eq!(said.trim_end(), format!("none {value}").trim_end());
        assert_eq!(nix::sys::wait::waitpid(pid, None).unwrap(), nix::sys::wait::WaitStatus::Exited(pid, 0));
    }
}
