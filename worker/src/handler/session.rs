//! A handler that lives as long as its worker and talks through pipes: protocols `jsonl` and `binary`.
//!
//! Messages are encoded once, into one buffer, and written as the pipe takes them; answers are decoded as they come. The
//! handler may write faster than it is read, never read, or do both at once: neither side of the pipe ever blocks us.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kafkavisor::protocol::{Codec, Message, Output, StopReason};
use kafkavisor_link::message::Verdict;
use kafkavisor_link::process::{KillScope, ended_pid, send};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, read};
use rustix::io::ioctl_fionread;

use super::child::{Child, PIPE, Spec, Wiring};
use super::descendants::Descendants;
use super::driver::{Context, Driver, Said};
use super::log_lines::LogLines;
use super::near_answers::NearAnswers;
use super::outgoing::{Outgoing, Written};

/// Read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks read in one turn, so that a handler that never stops writing does not keep the loop from turning.
const CHUNKS: usize = 16;
/// A handler that lives so long after the end of its output has closed it, and is not just exiting.
const LIVES_ON: Duration = Duration::from_millis(500);

/// A long-lived handler.
pub(crate) struct Session {
    context: Context,
    codec: Box<dyn Codec>,
    wiring: Wiring,
    child: Option<Child>,
    outgoing: Outgoing,
    /// A frame may be open in the codec.
    open: bool,
    close_input: bool,
    broken: bool,
    /// Its answers wait in the pipe.
    held: bool,
    /// When its output ended; said only if it lives on, for every exit begins with this.
    output_ended: Option<Instant>,
    log: LogLines,
    near: NearAnswers,
    descendants: Descendants,
    chunk: Vec<u8>,
}

impl Session {
    pub(crate) fn new(context: Context, codec: Box<dyn Codec>, wiring: Wiring) -> Self {
        let log = LogLines::new(context.log_allowance);
        Self {
            context,
            codec,
            wiring,
            child: None,
            outgoing: Outgoing::default(),
            open: false,
            close_input: false,
            broken: false,
            held: false,
            output_ended: None,
            log,
            near: NearAnswers::default(),
            descendants: Descendants::default(),
            chunk: vec![0; CHUNK],
        }
    }

    fn write(&mut self) {
        let Some(child) = &mut self.child else { return };
        let Some(input) = &child.input else { return };
        if self.open {
            self.codec.end_batch(self.outgoing.end());
            self.open = false;
        }
        match self.outgoing.write(input) {
            Written::Some => {}
            Written::All if !self.close_input => {}
            // It closed its input, or we do. What it has may still be answered; if not, its silence is measured.
            Written::All | Written::Closed => child.input = None,
        }
    }

    /// Reads answers; true when there may be more at once.
    fn read_output(&mut self, now: Instant, said: &mut Vec<Said>, chunks: usize) -> bool {
        for _ in 0..chunks {
            let Some(output) = self.child.as_ref().and_then(|child| child.output.as_ref()) else {
                return false;
            };
            match read(output, &mut self.chunk) {
                Ok(0) => {
                    self.output_ended(now, said);
                    return false;
                }
                Ok(count) => self.decode(now, count, said),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn decode(&mut self, now: Instant, count: usize, said: &mut Vec<Said>) {
        if self.broken {
            return;
        }
        let (log, near) = (&mut self.log, &mut self.near);
        let mut sink = |output: Output<'_>| match output {
            Output::Answer(answer) => said.push(Said::Answer(answer)),
            Output::Log(line) => {
                near.look(line);
                log.line(now, line);
            }
        };
        if let Err(error) = self.codec.decode(self.chunk.get(..count).unwrap_or_default(), &mut sink) {
            self.broken = true;
            said.push(Said::Broken(error.to_string()));
        }
    }

    fn output_ended(&mut self, now: Instant, said: &mut Vec<Said>) {
        if let Some(child) = &mut self.child {
            child.output = None;
        }
        self.output_ended = Some(now);
        if self.broken {
            return;
        }
        let (log, near) = (&mut self.log, &mut self.near);
        let mut sink = |output: Output<'_>| match output {
            Output::Answer(answer) => said.push(Said::Answer(answer)),
            Output::Log(line) => {
                near.look(line);
                log.line(now, line);
            }
        };
        // Half a frame is no more than a death in the middle of it: what counts is how it ends.
        let _half_a_frame = self.codec.decode_end(&mut sink);
    }

    fn read_log(&mut self, now: Instant, chunks: usize) -> bool {
        let Some(child) = &mut self.child else { return false };
        self.log.read(&mut child.log, &mut self.chunk, now, chunks)
    }

    /// If the handler has exited: reads what it left in its pipes, ends what it started, reaps it.
    fn reap(&mut self, now: Instant, said: &mut Vec<Said>) {
        let Some(pid) = self.pid() else { return };
        let Some(exit) = ended_pid(pid) else { return };
        // What it wrote before it exited is in the pipe by now, and that is all that is read: whoever else holds the pipe has
        // nothing to say, and may never stop.
        self.read_output(now, said, PIPE / CHUNK + 1);
        self.read_log(now, PIPE / CHUNK + 1);
        self.log.end(now);
        self.descendants.end_all(pid, true);
        self.child = None;
        said.push(Said::Exited(exit));
    }
}

impl Driver for Session {
    fn start(&mut self) -> io::Result<()> {
        let spec = Spec {
            command: self.context.handler.command.clone(),
            environment: self.context.environment.clone(),
            wiring: self.wiring,
        };
        let child = spec.start()?;
        self.log.of(child.pid);
        self.child = Some(child);
        self.codec.init(self.outgoing.end(), &self.context.init);
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(|child| child.pid)
    }

    fn deliver(&mut self, _now: Instant, message: &Message<'_>, attempt: u32) {
        self.codec.message(self.outgoing.end(), message, attempt);
        self.open = true;
    }

    fn flush(&mut self, _full: bool) {
        self.codec.flush(self.outgoing.end());
    }

    fn stop(&mut self, reason: StopReason) {
        self.codec.stop(self.outgoing.end(), reason);
    }

    fn close_input(&mut self) {
        self.close_input = true;
    }

    fn drop_unwritten(&mut self) {
        // In the middle of a message nothing can be said any more but the end of the input.
        if (self.outgoing.is_begun() || self.open)
            && let Some(child) = &mut self.child
        {
            child.input = None;
        }
        self.outgoing.clear();
    }

    fn decided(&mut self, _verdict: Verdict) {}

    fn has_everything(&self) -> bool {
        true
    }

    fn has_read_all(&self) -> bool {
        let input = self.child.as_ref().and_then(|child| child.input.as_ref());
        self.unwritten() == 0 && input.is_none_or(|input| ioctl_fionread(input) == Ok(0))
    }

    fn hold(&mut self, hold: bool) {
        self.held = hold;
    }

    fn unwritten(&self) -> usize {
        self.outgoing.len()
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let Some(child) = &self.child else { return Vec::new() };
        let mut descriptors = Vec::with_capacity(3);
        if let Some(input) = &child.input
            && self.unwritten() > 0
        {
            descriptors.push((input.as_fd(), PollFlags::POLLOUT));
        }
        let output = child.output.as_ref().filter(|_| !self.held);
        descriptors.extend(output.map(|fd| (fd.as_fd(), PollFlags::POLLIN)));
        descriptors.extend(child.log.as_ref().map(|fd| (fd.as_fd(), PollFlags::POLLIN)));
        descriptors
    }

    fn turn(&mut self, now: Instant, may_write: bool, said: &mut Vec<Said>) -> bool {
        if may_write && (self.unwritten() > 0 || self.open || self.close_input) {
            self.write();
        }
        let more = !self.held && self.read_output(now, said, CHUNKS);
        self.log.turn(now);
        let more_log = self.read_log(now, CHUNKS);
        self.reap(now, said);
        if self.child.is_some() && self.next_deadline(now).is_some_and(|at| now >= at) {
            self.output_ended = None;
            said.push(Said::OutputClosed);
        }
        more || more_log
    }

    fn last_lines(&self) -> String {
        self.log.last_lines()
    }

    fn next_deadline(&self, _now: Instant) -> Option<Instant> {
        self.output_ended.map(|ended| ended + LIVES_ON)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            send(KillScope::Group(pid), signal);
        }
    }
}
