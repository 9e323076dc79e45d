//! Asking the child over its control socket: one JSON object a line.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A child that does not hang answers sooner.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    Status,
    Stop { now: bool },
    Rebalances,
}

impl Question {
    fn json(self) -> Value {
        match self {
            Self::Status => json!({"command": "status"}),
            Self::Stop { now: false } => json!({"command": "stop"}),
            Self::Stop { now: true } => json!({"command": "stop", "now": true}),
            Self::Rebalances => json!({"command": "rebalances"}),
        }
    }
}

/// A conversation with the child.
#[derive(Debug)]
pub(super) struct Conversation {
    lines: BufReader<UnixStream>,
}

impl Conversation {
    /// Begins one with the process `pid` behind `socket`; whoever else is there is not the one that is meant.
    pub(super) fn begin(socket: &Path, pid: u32, question: Question) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        let there = getsockopt(&stream, PeerCredentials)?.pid();
        if u32::try_from(there) != Ok(pid) {
            return Err(io::Error::other(format!(
                "process {there} is there, which is not the one that was started"
            )));
        }
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
        let mut conversation = Self { lines: BufReader::new(stream) };
        conversation.say(&question.json())?;
        Ok(conversation)
    }

    /// One more line to it.
    pub(super) fn say(&mut self, value: &Value) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.lines.get_mut().write_all(&line)
    }

    /// From here on it may take as long as it likes.
    pub(super) fn wait_for_ever(&self) -> io::Result<()> {
        self.lines.get_ref().set_read_timeout(None)
    }

    /// The next line; none at the end.
    pub(super) fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                io::Error::new(io::ErrorKind::TimedOut, format!("nothing came within {ANSWERS_WITHIN:?}"))
            } else {
                error
            }
        });
        Ok((read? > 0).then_some(line))
    }
}

/// One answer.
pub(super) fn ask<T: DeserializeOwned>(socket: &Path, pid: u32, question: Question) -> io::Result<T> {
    let line = Conversation::begin(socket, pid, question)?.line()?;
    let line = line.ok_or_else(|| io::Error::other("it has ended the conversation without an answer"))?;
    let value: Value = serde_json::from_str(&line)?;
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        return Err(io::Error::other(error.to_owned()));
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// One who hears one line and says another.
    fn answers(with: &'static str, question: Question) -> (String, io::Result<Value>) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let there = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut heard = String::new();
            BufReader::new(&stream).read_line(&mut heard).unwrap();
            (&stream).write_all(with.as_bytes()).unwrap();
            heard
        });
        let answer = ask(&socket, std::process::id(), question);
        (there.join().unwrap(), answer)
    }

    #[test]
    fn it_is_asked_as_the_protocol_has_it() {
        for (question, text) in [
            (Question::Status, "{\"command\":\"status\"}\n"),
            (Question::Stop { now: false }, "{\"command\":\"stop\"}\n"),
            (Question::Stop { now: true }, "{\"command\":\"stop\",\"now\":true}\n"),
            (Question::Rebalances, "{\"command\":\"rebalances\"}\n"),
        ] {
            let (heard, answer) = answers("{\"a\":1}\n", question);
            assert_eq!((heard.as_str(), answer.unwrap()), (text, json!({"a": 1})));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (said, words) in
            [("", "without an answer"), ("{\"error\":\"it hangs\"}\n", "it hangs"), ("x\n", "")]
        {
            let error = answers(said, Question::Status).1.unwrap_err().to_string();
            assert!(error.contains(words), "{said:?}: {error}");
        }
    }

    #[test]
    fn another_process_is_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let error = ask::<Value>(&socket, 1, Question::Status).unwrap_err().to_string();
        assert!(error.contains("not the one that was started"), "{error}");
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing was said");
    }
}
