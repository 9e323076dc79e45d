//! The handler's side of `binary`: [`BinaryHandler`]. A frame may be as long as the longest message makes it.

use super::super::{Answer, HandlerCodec, ProtocolError, Request, StopReason};
use super::frames::{Frames, close, open};
use super::{ACK, BUSY, FLUSH, INIT, MESSAGES, REDELIVERED, REJECT, STOP, record};
use crate::text;

/// The handler's codec of `binary`.
#[derive(Debug)]
pub struct BinaryHandler {
    frames: Frames,
}

impl BinaryHandler {
    /// A codec for this process.
    pub fn new() -> Self {
        Self { frames: Frames::new(u32::MAX, usize::MAX, check) }
    }
}

impl Default for BinaryHandler {
    fn default() -> Self {
        Self::new()
    }
}

impl HandlerCodec for BinaryHandler {
    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Request)) -> Result<(), ProtocolError> {
        self.frames.feed(bytes, |kind, body, _| {
            read(kind, body, sink).map_err(|reason| ProtocolError::Body { kind, reason })
        })
    }

    fn decode_end(&mut self) -> Result<(), ProtocolError> {
        self.frames.finish()
    }

    /// Of a reason as much is written as a worker keeps.
    fn answer(&mut self, out: &mut Vec<u8>, answer: &Answer) {
        let (kind, offset, error) = match answer {
            Answer::Ack(offset) => (ACK, offset, String::new()),
            Answer::Reject { offset, error } => (REJECT, offset, text::kept(error)),
            Answer::Busy(offset) => (BUSY, offset, String::new()),
        };
        let start = open(out, kind);
        out.extend_from_slice(&offset.0.cast_unsigned().to_le_bytes());
        out.extend_from_slice(error.as_bytes());
        close(out, start);
    }
}

fn check(kind: u8, _length: u32) -> Result<(), ProtocolError> {
    match kind {
        INIT..=REDELIVERED => Ok(()),
        _ => {
            Err(ProtocolError::Kind { kind, expected: "1 init, 2 messages, 3 stop, 4 flush, 5 redelivered" })
        }
    }
}

fn read(kind: u8, mut body: &[u8], sink: &mut dyn FnMut(Request)) -> Result<(), String> {
    match kind {
        INIT => sink(Request::Init(serde_json::from_slice(body).map_err(|error| error.to_string())?)),
        MESSAGES => {
            while !body.is_empty() {
                sink(Request::Message(record::decode(&mut body, 1).ok_or("a record does not fit")?));
            }
        }
        REDELIVERED => {
            let attempt = record::fixed(&mut body).map(u32::from_le_bytes).filter(|attempt| *attempt > 0);
            let message = attempt.and_then(|attempt| record::decode(&mut body, attempt));
            let alone = message.filter(|_| body.is_empty());
            sink(Request::Message(alone.ok_or("expected a u32 attempt from 1 and one record")?));
        }
        STOP => sink(Request::Stop(reason(body).ok_or("expected a u8 reason from 0 to 2")?)),
        FLUSH if body.is_empty() => sink(Request::Flush),
        _ => return Err("expected an empty body".to_owned()),
    }
    Ok(())
}

fn reason(body: &[u8]) -> Option<StopReason> {
    match body {
        [0] => Some(StopReason::Rebalance),
        [1] => Some(StopReason::Shutdown),
        [2] => Some(StopReason::Restart),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_frames_are_refused_with_a_reason() {
        for (bytes, part) in [
            (&b"\x01\0\0\0\x81"[..], "unknown kind 129"),
            (b"\x02\0\0\0\x03\x03", "reason from 0 to 2"),
            (b"\x02\0\0\0\x04\0", "empty body"),
            (b"\x02\0\0\0\x02\0", "a record does not fit"),
            (b"\x01\0\0\0\x05", "attempt"),
            (b"\x05\0\0\0\x05\0\0\0\0", "attempt from 1"),
            (b"\x03\0\0\0\x01{}", "missing field"),
        ] {
            let error = BinaryHandler::new().decode(bytes, &mut |_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
