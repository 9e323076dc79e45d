//! Messages as lines: what is said is written as one, and put together again from what a socket gives.

use serde::{Deserialize, Serialize};

/// Longest line either side takes.
pub const MAX_LINE: usize = 1 << 20;

/// One message as a line.
pub fn line<M: Serialize>(message: &M) -> Vec<u8> {
    // Nothing in these types can fail to serialize: keys are strings and there are no maps of another kind.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Puts lines together from what a socket gives.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

/// A line that is no message, or far too long.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// Not one of the messages.
    #[error("not understood: {0}")]
    Unknown(#[from] serde_json::Error),
    /// Longer than [`MAX_LINE`].
    #[error("a line of over {MAX_LINE} bytes")]
    TooLong,
}

impl Lines {
    /// How many bytes are kept of a line that has not ended.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    /// Takes what was read and returns the messages that are complete.
    pub fn push<M: for<'de> Deserialize<'de>>(&mut self, bytes: &[u8]) -> Result<Vec<M>, BadLine> {
        self.buffer.extend_from_slice(bytes);
        let whole = match self.buffer.iter().rposition(|b| *b == b'\n') {
            Some(end) => {
                let rest = self.buffer.split_off(end + 1);
                std::mem::replace(&mut self.buffer, rest)
            }
            None => Vec::new(),
        };
        if self.buffer.len() > MAX_LINE {
            return Err(BadLine::TooLong);
        }
        let lines = whole.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(message).collect()
    }
}

fn message<M: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<M, BadLine> {
    if line.len() > MAX_LINE {
        return Err(BadLine::TooLong);
    }
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Ending, FromWorker};

    #[test]
    fn messages_survive_any_cut() {
        let messages = [
            FromWorker::Ready,
            FromWorker::Ended {
                ending: Ending::ProtocolError { detail: "two\nlines".to_owned() },
                stderr: "last\nlines".to_owned(),
            },
            FromWorker::CommitWanted,
        ];
        let bytes: Vec<u8> = messages.iter().flat_map(line).collect();
        for cut in 0..bytes.len() {
            let mut lines = Lines::default();
            let (first, second) = bytes.split_at(cut);
            let mut got: Vec<FromWorker> = lines.push(first).unwrap();
            got.extend(lines.push(second).unwrap());
            assert_eq!(got, messages);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert!(Lines::default().push::<FromWorker>(b"{\"from_worker\":\"sing\"}\n").is_err());
        assert!(Lines::default().push::<FromWorker>(&vec![b'x'; MAX_LINE + 1]).is_err());
    }

    #[test]
    fn a_line_is_too_long_however_it_comes() {
        let ending = Ending::Unable { error: "x".repeat(MAX_LINE) };
        let long = line(&FromWorker::Ended { ending, stderr: String::new() });
        for before in [0, 1, MAX_LINE] {
            let (first, second) = long.split_at(before);
            let mut lines = Lines::default();
            assert!(lines.push::<FromWorker>(first).unwrap().is_empty());
            assert!(matches!(lines.push::<FromWorker>(second), Err(BadLine::TooLong)), "{before}");
        }
        let behind_another = [&line(&FromWorker::Ready)[..], &long[..=MAX_LINE]].concat();
        assert!(matches!(Lines::default().push::<FromWorker>(&behind_another), Err(BadLine::TooLong)));
    }
}
