//! Protocol `exec`: one process per batch, payloads on its standard input, its exit status the answer.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kafkavisor::config::Delimiter;
use kafkavisor::protocol::{Answer, Message, StopReason, exec};
use kafkavisor_link::message::Verdict;
use kafkavisor_link::process::{Exit, KillScope, ended_pid, send};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, write};

use super::child::{Child, PIPE, Spec, Wiring};
use super::descendants::Descendants;
use super::driver::{Context, Driver, Said};
use super::exec_backoff::Run;
use super::exec_batches::{Batches, Outcome, Queued};
use super::log_lines::LogLines;

/// After ABRT, before KILL.
const KILL_AFTER: Duration = Duration::from_millis(500);
/// Read at once.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 16;

struct Running {
    child: Child,
    count: usize,
    began: Instant,
    input: Vec<u8>,
    written: usize,
    give_up_at: Instant,
    timed_out: bool,
}

/// A number between 0 and 1, another one each time.
fn chance() -> f64 {
    // The standard library's keys are the one source of chance at hand, and good enough for a wait.
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

/// Runs processes one after another.
pub(crate) struct Exec {
    context: Context,
    batches: Batches,
    running: Option<Running>,
    answered_once: bool,
    stopping: bool,
    exited: bool,
    /// How the process ended that was to finish while draining.
    last: Exit,
    log: LogLines,
    descendants: Descendants,
    chunk: Vec<u8>,
}

impl Exec {
    pub(crate) fn new(context: Context) -> Self {
        let batches = Batches::new(
            context.handler.batch.clone(),
            context.restart.clone(),
            context.handler.poison.attempts,
        );
        let log = LogLines::new(context.log_allowance);
        Self {
            context,
            batches,
            running: None,
            answered_once: false,
            stopping: false,
            exited: false,
            last: Exit::Status(0),
            log,
            descendants: Descendants::default(),
            chunk: vec![0; CHUNK],
        }
    }

    fn limit(&self) -> Duration {
        let handler = &self.context.handler;
        if self.answered_once { handler.timeout } else { handler.start_timeout.max(handler.timeout) }
    }

    fn start_batch(&mut self, now: Instant) -> io::Result<()> {
        let delimiter = match self.context.handler.delimiter {
            Delimiter::Newline => b'\n',
            Delimiter::Nul => 0,
        };
        let batch = self.batches.batch();
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        let mut environment = self.context.environment.clone();
        let numbers = [
            ("KAFKAVISOR_FIRST_OFFSET", first.offset.to_string()),
            ("KAFKAVISOR_LAST_OFFSET", last.offset.to_string()),
            ("KAFKAVISOR_COUNT", batch.len().to_string()),
            ("KAFKAVISOR_ATTEMPT", first.attempt.to_string()),
        ];
        environment.extend(numbers.map(|(name, value)| (name.to_owned(), value)));
        let mut input = Vec::new();
        batch.iter().for_each(|message| exec::payload(&mut input, Some(&message.payload), delimiter));
        let count = batch.len();
        let command = self.context.handler.command.clone();
        let child = Spec { command, environment, wiring: Wiring::Standard }.start()?;
        self.log.of(child.pid);
        let give_up_at = now + self.limit();
        self.running =
            Some(Running { child, count, began: now, input, written: 0, give_up_at, timed_out: false });
        Ok(())
    }

    /// What the process says of itself is log output, wherever it writes it.
    fn read_logs(&mut self, now: Instant, chunks: usize) -> bool {
        let Some(running) = &mut self.running else { return false };
        let mut more = self.log.read(&mut running.child.log, &mut self.chunk, now, chunks);
        more |= self.log.read(&mut running.child.output, &mut self.chunk, now, chunks);
        more
    }

    fn write(&mut self) {
        let Some(running) = &mut self.running else { return };
        while let Some(input) = &running.child.input {
            let rest = running.input.get(running.written..).unwrap_or_default();
            if rest.is_empty() {
                running.child.input = None;
                return;
            }
            match write(input, rest) {
                Ok(count) => running.written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // It does not want to know more: its exit status says what that means.
                Err(_) => running.child.input = None,
            }
        }
    }

    fn reap(&mut self, now: Instant, said: &mut Vec<Said>) {
        let Some(pid) = self.pid() else { return };
        let Some(exit) = ended_pid(pid) else { return };
        self.read_logs(now, PIPE / CHUNK + 1);
        self.log.end(now);
        self.descendants.end_all(pid, self.stopping);
        let Some(running) = self.running.take() else { return };
        let how = if running.timed_out { "did not finish in time".to_owned() } else { exit.to_string() };
        let exit = if running.timed_out { Exit::Signal(Signal::SIGABRT as i32) } else { exit };
        self.answered_once |= exit == Exit::Status(0);
        if self.stopping && exit != Exit::Status(0) {
            self.last = exit;
            let first = self.batches.first().unwrap_or_default();
            log::warn!(
                "the handler {how} while draining: it left {} messages unacknowledged, from offset {first}: they come again",
                running.count
            );
            return;
        }
        let lasted = now.saturating_duration_since(running.began);
        let outcome = self.batches.ended(now, running.count, Run { exit, lasted, chance: chance() });
        let count = u32::try_from(running.count).unwrap_or(u32::MAX);
        match outcome {
            Outcome::Acknowledged(_) => {}
            Outcome::Later | Outcome::Failed { .. } => {
                log::warn!("the handler {how}, with {count} messages: they are tried again");
            }
            Outcome::Refused { .. } | Outcome::Poison { .. } => {
                log::warn!("the handler {how}, with {count} messages: what becomes of them is decided");
            }
        }
        let error = format!("handler {how}");
        match outcome {
            Outcome::Acknowledged(offset) => said.push(Said::Answer(Answer::Ack(offset))),
            Outcome::Later => said.push(Said::Postponed { error }),
            Outcome::Failed { offset } => said.push(Said::BatchFailed { offset, count, error }),
            Outcome::Refused { offset } => said.push(Said::Answer(Answer::Reject { offset, error })),
            Outcome::Poison { offset, attempts } => {
                said.push(Said::BatchFailed { offset, count, error: error.clone() });
                said.push(Said::Poison { offset, attempts, error });
            }
        }
    }

    fn give_up(&mut self, now: Instant) {
        let Some(running) = self.running.as_mut().filter(|running| now >= running.give_up_at) else { return };
        let signal = if running.timed_out { Signal::SIGKILL } else { Signal::SIGABRT };
        running.timed_out = true;
        running.give_up_at = now + KILL_AFTER;
        send(KillScope::Group(running.child.pid), signal);
    }
}

impl Driver for Exec {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        self.running.as_ref().map(|running| running.child.pid)
    }

    fn deliver(&mut self, now: Instant, message: &Message<'_>, attempt: u32) {
        let payload = message.value.unwrap_or_default().to_vec();
        self.batches.push(Queued { offset: message.offset, payload, attempt, queued_at: now });
    }

    fn flush(&mut self, full: bool) {
        if full {
            self.batches.hurry();
        }
    }

    fn stop(&mut self, _reason: StopReason) {
        self.stopping = true;
        // What no process has begun is not in its hands.
        self.batches.clear_behind(self.running.as_ref().map_or(0, |running| running.count));
    }

    fn close_input(&mut self) {
        self.stopping = true;
    }

    fn drop_unwritten(&mut self) {
        if let Some(running) = &mut self.running
            && running.written < running.input.len()
        {
            running.child.input = None;
        }
        self.batches.clear_behind(self.running.as_ref().map_or(0, |running| running.count));
    }

    fn decided(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Retry => self.batches.try_again(),
            Verdict::Apply(_) => self.batches.settled(),
        }
    }

    /// A process has one batch of what is delivered; what becomes of that is said at its end.
    fn has_everything(&self) -> bool {
        false
    }

    /// Nothing is written before a process has its batch.
    fn has_read_all(&self) -> bool {
        true
    }

    /// Its answer is an exit status.
    fn hold(&mut self, _hold: bool) {}

    fn unwritten(&self) -> usize {
        0
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let Some(running) = &self.running else { return Vec::new() };
        let child = &running.child;
        let mut descriptors = Vec::with_capacity(3);
        descriptors.extend(child.input.as_ref().map(|fd| (fd.as_fd(), PollFlags::POLLOUT)));
        descriptors.extend(child.output.as_ref().map(|fd| (fd.as_fd(), PollFlags::POLLIN)));
        descriptors.extend(child.log.as_ref().map(|fd| (fd.as_fd(), PollFlags::POLLIN)));
        descriptors
    }

    fn turn(&mut self, now: Instant, may_write: bool, said: &mut Vec<Said>) -> bool {
        let due = self.batches.next_start(now).is_some_and(|at| now >= at);
        if self.running.is_none()
            && !self.stopping
            && may_write
            && due
            && let Err(error) = self.start_batch(now)
        {
            said.push(Said::Missing(error.to_string()));
            return false;
        }
        if may_write {
            self.write();
        }
        let more = self.read_logs(now, CHUNKS);
        self.log.turn(now);
        self.reap(now, said);
        self.give_up(now);
        if self.stopping && self.running.is_none() && !self.exited {
            self.exited = true;
            said.push(Said::Exited(self.last));
        }
        more
    }

    /// A process says nothing before its end.
    fn silence(&self) -> Option<(Instant, Instant)> {
        self.running.as_ref().map(|running| (running.began, running.give_up_at))
    }

    fn last_lines(&self) -> String {
        self.log.last_lines()
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match &self.running {
            Some(running) => Some(running.give_up_at),
            None if self.stopping => None,
            None => self.batches.next_start(now),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            send(KillScope::Group(pid), signal);
        }
    }
}
