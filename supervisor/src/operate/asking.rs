//! Asking a running instance over its control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use kafkavisor_link::control::Request;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::Value;

use super::asked::{CARRIED_OUT_WITHIN, is_patient};
use super::control::TIMEOUT;

/// Longer than an instance may take that does not hang.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Nobody is there.
    #[error(transparent)]
    Nobody(#[from] io::Error),
    /// Somebody is, and says nothing.
    #[error(
        "it runs (process {pid}), but has not answered within {} s: it stands still or hangs",
        ANSWERS_WITHIN.as_secs()
    )]
    Silent {
        /// The supervisor's.
        pid: i32,
    },
}

/// A conversation with an instance.
pub(crate) struct Conversation {
    lines: BufReader<UnixStream>,
    pid: i32,
}

impl Conversation {
    /// Begins one with the instance behind `socket`.
    pub(crate) fn begin(socket: &Path, request: &Request) -> Result<Self, Unanswered> {
        let mut stream = UnixStream::connect(socket)?;
        let pid = getsockopt(&stream, PeerCredentials).map_err(io::Error::from)?.pid();
        let within = if is_patient(request) { CARRIED_OUT_WITHIN } else { ANSWERS_WITHIN };
        stream.set_read_timeout(Some(within))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(Self { lines: BufReader::new(stream), pid })
    }

    /// From here on it may take as long as it likes.
    pub(crate) fn wait_for_ever(&self) -> Result<(), Unanswered> {
        Ok(self.lines.get_ref().set_read_timeout(None)?)
    }

    /// The next line; nothing at the end.
    pub(crate) fn line(&mut self) -> Result<Option<String>, Unanswered> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Unanswered::Silent { pid: self.pid })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// One answer of the instance behind `socket`.
pub(crate) fn ask(socket: &Path, request: &Request) -> Result<Value, Unanswered> {
    let line = Conversation::begin(socket, request)?.line()?;
    let line = line.ok_or_else(|| io::Error::other("it has ended the conversation without an answer"))?;
    Ok(serde_json::from_str(&line).map_err(io::Error::from)?)
}
