//! Worker processes: started by exec through a descriptor, heard through a socketpair, reaped without pid races.
//!
//! A worker has ended for the core once its process is reaped, its last words are read, and nothing that it or its handler had
//! started is left: only then a successor starts or the partition is released.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::message::{FromWorker, INSTANCE_VARIABLE, Lines, ToWorker, line};
use kafkavisor_link::process::{Exit, KillScope, children, ended_child, reap, send};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::guardian::Guardian;

/// How long what a worker left may take to end.
const STRAYS_WITHIN: Duration = Duration::from_secs(2);

/// From a worker's socket.
#[derive(Debug)]
pub(crate) enum Heard {
    Said(FromWorker),
    /// Nothing more will come.
    Closed,
}

struct Worker {
    item: TopicPartition,
    words: UnboundedSender<Vec<u8>>,
    exit: Option<(Exit, Instant)>,
    closed: bool,
}

impl Worker {
    /// Its group, as long as it is not reaped: after that the number may be anybody's.
    fn signalled(&self, pid: Pid) -> Option<KillScope> {
        self.exit.is_none().then_some(KillScope::Group(pid))
    }
}

/// A worker that is gone with all it had started.
pub(crate) struct Gone {
    pub(crate) item: TopicPartition,
    pub(crate) pid: Pid,
    pub(crate) exit: Exit,
}

/// All worker processes of this instance.
pub(crate) struct Workers {
    binary: File,
    instance: String,
    runtime: Handle,
    heard: Sender<(Pid, Heard)>,
    workers: BTreeMap<Pid, Worker>,
    guardian: Guardian,
}

impl Workers {
    /// Opens the worker's binary: what is started later is this one, whatever becomes of the file.
    pub(crate) fn new(
        binary: &Path,
        instance: String,
        runtime: Handle,
        heard: Sender<(Pid, Heard)>,
    ) -> io::Result<Self> {
        let guardian = Guardian::start(&instance)?;
        Ok(Self { binary: File::open(binary)?, instance, runtime, heard, workers: BTreeMap::new(), guardian })
    }

    pub(crate) fn item(&self, pid: Pid) -> Option<&TopicPartition> {
        self.workers.get(&pid).map(|worker| &worker.item)
    }

    /// Starts a worker and tells it its work. Main thread only: its death is tied to the thread that starts it.
    pub(crate) fn spawn(&mut self, item: &TopicPartition, start: &ToWorker) -> io::Result<Pid> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(format!("/proc/self/fd/{}", self.binary.as_raw_fd()))
            .arg0(format!("kafkavisor-worker: {item}"))
            .env(INSTANCE_VARIABLE, &self.instance)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        ours.set_nonblocking(true)?;
        let (words, to_say) = unbounded_channel();
        let _heard_at_once = words.send(line(start));
        self.runtime.spawn(listen(ours, pid, self.heard.clone(), to_say));
        self.workers.insert(pid, Worker { item: item.clone(), words, exit: None, closed: false });
        Ok(pid)
    }

    pub(crate) fn say(&self, pid: Pid, message: &ToWorker) {
        if let Some(worker) = self.workers.get(&pid) {
            // One that is gone hears nothing; its exit is on the way.
            let _gone = worker.words.send(line(message));
        }
    }

    /// Kills a worker and its group, unless it is reaped already.
    pub(crate) fn kill(&self, pid: Pid) {
        if let Some(scope) = self.workers.get(&pid).and_then(|worker| worker.signalled(pid)) {
            send(scope, Signal::SIGKILL);
        }
    }

    pub(crate) fn closed(&mut self, pid: Pid) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.closed = true;
        }
    }

    /// Reaps every child that has ended: workers, and whatever else came to us.
    pub(crate) fn reap(&mut self, now: Instant) {
        while let Some((pid, exit)) = ended_child() {
            if let Some(worker) = self.workers.get_mut(&pid) {
                // Before reaping: until then neither the pid nor the group can be anybody else's.
                if let Some(scope) = worker.signalled(pid) {
                    send(scope, Signal::SIGKILL);
                }
                worker.exit = Some((exit, now));
            }
            reap(pid);
            if pid == self.guardian.pid() {
                self.guardian.restart();
            }
        }
    }

    /// Workers of which nothing is left, or whose remains can't be ended.
    pub(crate) fn gone(&mut self, now: Instant) -> Vec<Gone> {
        if self.workers.values().all(|worker| worker.exit.is_none()) {
            return Vec::new();
        }
        let strays = self.end_strays();
        let late = |at: Instant| now.saturating_duration_since(at) >= STRAYS_WITHIN;
        let done = |worker: &Worker| {
            worker.exit.is_some_and(|(_, at)| (worker.closed && strays.is_empty()) || late(at))
        };
        let pids: Vec<_> =
            self.workers.iter().filter(|(_, worker)| done(worker)).map(|(pid, _)| *pid).collect();
        if !pids.is_empty() && !strays.is_empty() {
            log::error!("processes that a worker left behind can't be ended: {strays:?}");
        }
        let take = |pid| {
            let worker = self.workers.remove(&pid)?;
            Some(Gone { item: worker.item, pid, exit: worker.exit?.0 })
        };
        pids.into_iter().filter_map(take).collect()
    }

    /// Whether [`Workers::gone`] has somebody to wait for.
    pub(crate) fn going(&self) -> bool {
        self.workers.values().any(|worker| worker.exit.is_some())
    }

    /// Ends children that are no workers: what came to us from a worker that died. Returns those that are left.
    fn end_strays(&self) -> Vec<Pid> {
        let mut strays = children();
        strays.retain(|pid| {
            !self.workers.contains_key(pid) && *pid != self.guardian.pid() && self.is_ours(*pid)
        });
        strays.iter().for_each(|pid| send(KillScope::Process(*pid), Signal::SIGKILL));
        strays
    }

    /// As pid 1 of a container we are given other people's orphans too: those we leave alone.
    fn is_ours(&self, pid: Pid) -> bool {
        if getpid().as_raw() != 1 {
            return true;
        }
        let mark = format!("{INSTANCE_VARIABLE}={}", self.instance);
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
    }
}

async fn listen(
    socket: UnixStream,
    pid: Pid,
    heard: Sender<(Pid, Heard)>,
    mut to_say: UnboundedReceiver<Vec<u8>>,
) {
    if let Ok(socket) = tokio::net::UnixStream::from_std(socket) {
        let (mut input, mut output) = socket.into_split();
        let say = async {
            while let Some(words) = to_say.recv().await {
                if output.write_all(&words).await.is_err() {
                    break;
                }
            }
            // Held open until it has said its last: for the worker our end means that we are gone.
            std::future::pending::<()>().await;
        };
        let hear = async {
            let mut lines = Lines::default();
            let mut chunk = vec![0; 4096];
            while let Ok(count @ 1..) = input.read(&mut chunk).await {
                match lines.push(chunk.get(..count).unwrap_or_default()) {
                    Ok(messages) => {
                        messages.into_iter().for_each(|said| drop(heard.send((pid, Heard::Said(said)))));
                    }
                    Err(error) => {
                        log::error!("worker {pid}: {error}");
                        break;
                    }
                }
            }
        };
        tokio::select! {
            () = say => {}
            () = hear => {}
        }
    }
    let _loop_is_over = heard.send((pid, Heard::Closed));
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    #[test]
    fn a_reaped_pid_is_signalled_no_more() {
        let (words, _to_say) = unbounded_channel();
        let item = "orders:3".parse().unwrap();
        let pid = Pid::from_raw(4711);
        let mut worker = Worker { item, words, exit: None, closed: false };
        assert!(matches!(worker.signalled(pid), Some(KillScope::Group(group)) if group == pid));
        worker.exit = Some((Exit::Status(0), now()));
        assert!(worker.signalled(pid).is_none());
    }
}
