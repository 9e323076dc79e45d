//! The socket to the supervisor: it is our standard input, its end is our end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use kafkavisor_link::message::{BadLine, FromWorker, Lines, ToWorker, line};

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
}

impl Link {
    /// Takes standard input, which the supervisor made a socket.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { socket, lines: Lines::default(), heard: Vec::new() })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
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

    /// Says something. These lines are few and small and the supervisor always reads: a full socket means it is stopped, and
    /// then what is lost with it is only how we ended.
    pub(crate) fn say(&mut self, message: &FromWorker) {
        if let Err(error) = self.socket.write_all(&line(message)) {
            log::debug!("the supervisor does not hear: {error}");
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
        let mut link = Link { socket: ours, lines: Lines::default(), heard: Vec::new() };
        let decide = |offset| ToWorker::Decide { offset: Offset(offset), verdict: Verdict::Retry };
        theirs.write_all(&[line(&decide(1)), line(&decide(2))].concat()).unwrap();
        let offset = |message: &ToWorker| match message {
            ToWorker::Decide { offset, .. } => offset.0,
            ToWorker::Start(_) | ToWorker::Stop { .. } => -1,
        };
        assert_eq!(link.first().unwrap().as_ref().map(offset), Some(1));
        theirs.write_all(&line(&decide(3))).unwrap();
        let Heard::Messages(messages) = link.hear().unwrap() else { panic!("it is open") };
        assert_eq!(messages.iter().map(offset).collect::<Vec<_>>(), [2, 3]);
    }
}
