//! The socket to the supervisor: it is our standard input, its end is our end.
//!
//! The supervisor may be stopped and not read for as long as it likes. What does not fit the socket is kept and written when it
//! does, never half a line lost and never waiting; [`Link::backed_up`] says when it is better not to say much more.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_link::lines::{BadLine, Lines, line};
use kafkavisor_link::message::{FromWorker, ToWorker};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What comes from the supervisor.
#[derive(Debug)]
pub(crate) enum Heard {
    Messages(Vec<ToWorker>),
    /// The supervisor is gone.
    Closed,
}

/// Why the supervisor can't be heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the socket to the supervisor: {0}")]
    Io(#[from] io::Error),
    #[error("the supervisor said something that is {0}")]
    Line(#[from] BadLine),
}

/// Our end of the socket.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UnixStream,
    lines: Lines,
    /// Said in one breath with the first.
    heard: Vec<ToWorker>,
    /// What the socket has not taken yet.
    unsaid: Vec<u8>,
}

/// With so much unsaid the handler had better wait.
const BACKED_UP: usize = 256 << 10;

impl Link {
    /// Takes standard input, which the supervisor made a socket.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self::new(socket))
    }

    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, lines: Lines::default(), heard: Vec::new(), unsaid: Vec::new() }
    }

    /// What to wait for: what the supervisor says, and room for what is unsaid.
    pub(crate) fn descriptor(&self) -> PollFd<'_> {
        let room = if self.unsaid.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        PollFd::new(self.socket.as_fd(), PollFlags::POLLIN | room)
    }

    /// Waits for the first message; from here on nothing blocks.
    pub(crate) fn first(&mut self) -> Result<Option<ToWorker>, LinkError> {
        self.socket.set_nonblocking(false)?;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = self.socket.read(&mut chunk)?;
            if count == 0 {
                return Ok(None);
            }
            let mut messages = self.lines.push(chunk.get(..count).unwrap_or_default())?.into_iter();
            if let Some(first) = messages.next() {
                self.heard.extend(messages);
                self.socket.set_nonblocking(true)?;
                return Ok(Some(first));
            }
        }
    }

    /// What has come since.
    pub(crate) fn hear(&mut self) -> Result<Heard, LinkError> {
        let mut chunk = [0; 16 * 1024];
        let mut messages = std::mem::take(&mut self.heard);
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => {
                    return Ok(if messages.is_empty() { Heard::Closed } else { Heard::Messages(messages) });
                }
                Ok(count) => messages.extend(self.lines.push(chunk.get(..count).unwrap_or_default())?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Heard::Messages(messages));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says something, at once or as soon as there is room.
    pub(crate) fn say(&mut self, message: FromWorker) {
        self.unsaid.extend_from_slice(&line(&message.bounded()));
        self.go_on();
    }

    /// Whether the supervisor has not read for a while.
    pub(crate) fn backed_up(&self) -> bool {
        self.unsaid.len() > BACKED_UP
    }

    /// Writes what there is room for.
    pub(crate) fn go_on(&mut self) {
        let mut written = 0;
        while let Some(rest) = self.unsaid.get(written..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    log::debug!("the supervisor does not hear: {error}");
                    written = self.unsaid.len();
                }
            }
        }
        self.unsaid.drain(..written);
    }

    /// Waits, at most so long, until the supervisor has been told everything.
    pub(crate) fn finish(&mut self, within: Duration) {
        let end = now() + within;
        loop {
            self.go_on();
            let left = end.saturating_duration_since(now());
            if self.unsaid.is_empty() || left.is_zero() {
                return;
            }
            let left = PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX);
            // Interrupted or not: the loop turns.
            let _interrupted = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)], left);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::ids::Offset;
    use kafkavisor_link::message::Verdict;

    use super::*;

    #[test]
    fn what_is_said_in_one_breath_is_heard_in_order() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new(ours);
        let decide = |offset| ToWorker::Decide { offset: Offset(offset), verdict: Verdict::Retry };
        theirs.write_all(&[line(&decide(1)), line(&decide(2))].concat()).unwrap();
        let offset = |message: &ToWorker| match message {
            ToWorker::Decide { offset, .. } => offset.0,
            ToWorker::Start(_) | ToWorker::Stop { .. } | ToWorker::LogLevel { .. } => -1,
            ToWorker::Token(_) | ToWorker::Describe | ToWorker::Lead(_) => -1,
        };
        assert_eq!(link.first().unwrap().as_ref().map(offset), Some(1));
        theirs.write_all(&line(&decide(3))).unwrap();
        let Heard::Messages(messages) = link.hear().unwrap() else { panic!("it is open") };
        assert_eq!(messages.iter().map(offset).collect::<Vec<_>>(), [2, 3]);
    }

    fn failed(offset: i64) -> FromWorker {
        FromWorker::Failed {
            offset: Offset(offset),
            attempts: 1,
            error: "x".repeat(16 << 10),
            rejected: true,
        }
    }

    #[test]
    fn whoever_reads_late_hears_everything_and_nothing_torn() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut link = Link::new(ours);
        let mut said = 0;
        while !link.backed_up() {
            link.say(failed(said));
            said += 1;
        }
        assert!(!link.unsaid.is_empty() && link.descriptor().events().contains(PollFlags::POLLOUT));
        let reader = std::thread::spawn(move || {
            let mut lines = Lines::default();
            let mut heard: Vec<FromWorker> = Vec::new();
            let mut chunk = [0; 1000];
            while let Ok(count @ 1..) = theirs.read(&mut chunk) {
                heard.extend(lines.push::<FromWorker>(&chunk[..count]).unwrap());
            }
            heard
        });
        link.say(FromWorker::CommitWanted);
        link.finish(Duration::from_secs(30));
        assert!(!link.descriptor().events().contains(PollFlags::POLLOUT));
        drop(link);
        let expected: Vec<_> = (0..said).map(failed).chain([FromWorker::CommitWanted]).collect();
        assert_eq!(reader.join().unwrap(), expected);
    }

    #[test]
    fn whoever_never_reads_is_not_waited_for_long() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut link = Link::new(ours);
        while !link.backed_up() {
            link.say(failed(0));
        }
        let began = now();
        link.finish(Duration::from_millis(100));
        assert!(began.elapsed() < Duration::from_secs(20) && link.backed_up());
        drop(theirs);
        // A child that another test starts just now may have it for a moment more.
        let until = now() + Duration::from_secs(10);
        while !link.unsaid.is_empty() {
            assert!(now() < until, "nobody is left to be told");
            link.go_on();
        }
    }
}
