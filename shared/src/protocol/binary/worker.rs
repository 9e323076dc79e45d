//! The worker's side of `binary`: [`Binary`]. First deliveries share a frame until it is full or the batch ends; a
//! redelivered message has a frame of its own.

use super::super::{Answer, Codec, Init, Message, Output, ProtocolError, StopReason, jsonl};
use super::frames::{Frames, close, open};
use super::{ACK, BUSY, FLUSH, INIT, MESSAGES, REDELIVERED, REJECT, STOP, record};
use crate::ids::Offset;
use crate::text;

/// The longest frame of several messages, by its length field. One message that is longer makes a longer frame alone.
pub const MAX_BATCH: usize = 1 << 20;

/// The longest answer, by its length field: a reason has nine bytes less.
pub const MAX_ANSWER: u32 = 16 << 20;

/// As much of a frame is kept: its head, its offset, and of the reason what is needed to know that it is too long.
const KEEP: usize = 4 + SHORT as usize + text::KEPT + 1;

/// Kind and offset.
const SHORT: u32 = 9;

/// The worker's codec of `binary`. Keeps hardly more of an answer that is not complete than of its
/// reason in the end.
#[derive(Debug)]
pub struct Binary {
    /// Where in the caller's buffer the open frame of messages begins.
    batch: Option<usize>,
    answers: Frames,
}

impl Binary {
    /// A codec for one handler process.
    pub fn new() -> Self {
        Self { batch: None, answers: Frames::new(MAX_ANSWER, KEEP, check) }
    }

    fn frame(&mut self, out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.end_batch(out);
        let start = open(out, kind);
        body(out);
        close(out, start);
    }
}

impl Default for Binary {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec for Binary {
    fn init(&mut self, out: &mut Vec<u8>, init: &Init) {
        self.frame(out, INIT, |out| jsonl::init(out, init));
    }

    fn message(&mut self, out: &mut Vec<u8>, message: &Message<'_>, attempt: u32) {
        if attempt > 1 {
            return self.frame(out, REDELIVERED, |out| {
                out.extend_from_slice(&attempt.to_le_bytes());
                record::encode(out, message);
            });
        }
        let length = record::length(message);
        out.reserve(length);
        if self.batch.is_some_and(|start| out.len() + length > start + 4 + MAX_BATCH) {
            self.end_batch(out);
        }
        self.batch.get_or_insert_with(|| open(out, MESSAGES));
        record::encode(out, message);
    }

    fn end_batch(&mut self, out: &mut Vec<u8>) {
        if let Some(start) = self.batch.take() {
            close(out, start);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        self.frame(out, FLUSH, |_| ());
    }

    fn stop(&mut self, out: &mut Vec<u8>, reason: StopReason) {
        let code = match reason {
            StopReason::Rebalance => 0,
            StopReason::Shutdown => 1,
            StopReason::Restart => 2,
        };
        self.frame(out, STOP, |out| out.push(code));
    }

    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        self.answers.feed(bytes, |kind, body, length| {
            sink(Output::Answer(answer(kind, body, length)?));
            Ok(())
        })
    }

    fn kept(&self) -> usize {
        self.answers.kept()
    }

    fn decode_end(&mut self, _sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        self.answers.finish()
    }
}

fn check(kind: u8, length: u32) -> Result<(), ProtocolError> {
    match kind {
        ACK | BUSY if length == SHORT => Ok(()),
        ACK | BUSY => {
            Err(ProtocolError::Length { kind, length, expected: "length 9: the kind and a u64 offset" })
        }
        REJECT if length >= SHORT => Ok(()),
        REJECT => {
            let expected = "a length of at least 9: the kind, a u64 offset and the reason";
            Err(ProtocolError::Length { kind, length, expected })
        }
        _ => Err(ProtocolError::Kind { kind, expected: "129 ack, 130 reject, 131 busy" }),
    }
}

/// Kind and length have been checked; `body` is the beginning of one that is `length` bytes long.
fn answer(kind: u8, mut body: &[u8], length: usize) -> Result<Answer, ProtocolError> {
    let reason = length.saturating_sub(size_of::<u64>());
    let offset = u64::from_le_bytes(record::fixed(&mut body).unwrap_or_default());
    let offset = i64::try_from(offset).map(Offset).map_err(|_| ProtocolError::Offset { offset })?;
    Ok(match kind {
        ACK => Answer::Ack(offset),
        BUSY => Answer::Busy(offset),
        _ => Answer::Reject { offset, error: text::bounded(body, reason, text::KEPT) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Header;

    fn answers(bytes: &[u8]) -> Result<Vec<Answer>, ProtocolError> {
        let mut binary = Binary::new();
        let mut answers = Vec::new();
        let mut sink = |output: Output<'_>| match output {
            Output::Answer(answer) => answers.push(answer),
            Output::Log(line) => panic!("{line:?}"),
        };
        binary.decode(bytes, &mut sink)?;
        binary.decode_end(&mut sink)?;
        Ok(answers)
    }

    fn message(offset: i64, value: &[u8]) -> Message<'_> {
        Message { offset, timestamp: 7, key: None, value: Some(value), headers: &[] }
    }

    #[test]
    fn frames_are_exactly_those_of_the_contract() {
        let mut binary = Binary::new();
        let mut out = Vec::new();
        let headers = [Header { name: b"n", value: Some(b"xy") }, Header { name: b"", value: None }];
        binary.message(&mut out, &Message { headers: &headers, ..message(1, b"v") }, 1);
        binary.message(&mut out, &Message { key: Some(b""), value: None, ..message(2, b"") }, 1);
        binary.message(&mut out, &message(3, b"w"), 2);
        binary.flush(&mut out);
        binary.stop(&mut out, StopReason::Restart);
        let mut expected = vec![73, 0, 0, 0, 2];
        expected.extend(b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\xff\xff\xff\xff\x01\0\0\0\x0f\0\0\0v");
        expected.extend(b"\x01\0n\x02\0\0\0xy\0\0\xff\xff\xff\xff");
        expected.extend(b"\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0");
        expected.extend(b"\x22\0\0\0\x05\x02\0\0\0");
        expected.extend(b"\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\xff\xff\xff\xff\x01\0\0\0\0\0\0\0w");
        expected.extend(b"\x01\0\0\0\x04\x02\0\0\0\x03\x02");
        assert_eq!(out, expected);
    }

    #[test]
    fn only_one_message_alone_makes_a_frame_longer_than_the_limit() {
        let mut binary = Binary::new();
        let mut out = Vec::new();
        for value in
            [vec![0; 1000], vec![0; MAX_BATCH - 2000], vec![0; 3 * MAX_BATCH], vec![0; 1000], vec![0; 2000]]
        {
            binary.message(&mut out, &message(1, &value), 1);
        }
        binary.end_batch(&mut out);
        binary.end_batch(&mut out);
        let (mut lengths, mut rest) = (Vec::new(), &out[..]);
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
            lengths.push(length);
            rest = &after[length..];
        }
        assert_eq!(lengths, [MAX_BATCH - 1000 + 57, 3 * MAX_BATCH + 29, 3057]);
    }

    #[test]
    fn answers_are_read() {
        let bytes = b"\x09\0\0\0\x81\x39\0\0\0\0\0\0\0\x0b\0\0\0\x82\x3a\0\0\0\0\0\0\0n\xff\x09\0\0\0\x83\x3b\0\0\0\0\0\0\0";
        let reject = Answer::Reject { offset: Offset(58), error: "n\u{fffd}".to_owned() };
        assert_eq!(answers(bytes), Ok(vec![Answer::Ack(Offset(57)), reject, Answer::Busy(Offset(59))]));
    }

    #[test]
    fn of_a_long_reason_the_beginning_is_kept_however_it_comes() {
        for length in [text::KEPT, text::KEPT + 1, 64 << 10, (16 << 20) - 9] {
            let mut bytes = u32::try_from(9 + length).unwrap().to_le_bytes().to_vec();
            bytes.push(REJECT);
            bytes.extend(7_u64.to_le_bytes());
            bytes.resize(bytes.len() + length, b'x');
            bytes.extend(b"\x09\0\0\0\x81\x39\0\0\0\0\0\0\0");
            let error = text::bounded(&vec![b'x'; length], length, text::KEPT);
            let expected = vec![Answer::Reject { offset: Offset(7), error }, Answer::Ack(Offset(57))];
            assert_eq!(answers(&bytes).as_ref(), Ok(&expected), "{length}");
            let (mut binary, mut said) = (Binary::new(), Vec::new());
            for piece in bytes.chunks(4099) {
                let mut sink = |output: Output<'_>| match output {
                    Output::Answer(answer) => said.push(answer),
                    Output::Log(line) => panic!("{line:?}"),
                };
                binary.decode(piece, &mut sink).unwrap();
                assert!(binary.kept() <= KEEP);
            }
            assert_eq!(said, expected, "{length}");
        }
    }

    #[test]
    fn what_is_no_answer_breaks_the_protocol_at_once() {
        for (bytes, part) in [
            (&b"\0\0\0\0"[..], "empty frame"),
            (b"\x09\0\0\0\x01", "unknown kind 1"),
            (b"\x0a\0\0\0\x81", "length 10"),
            (b"\x08\0\0\0\x82", "at least 9"),
            (b"HTTP/1.1", "at most 16777216"),
            (b"\x01\0\0\x01", "length 16777217"),
            (b"\x09\0\0\0\x83\xff\xff\xff\xff\xff\xff\xff\xff", "offset 18446744073709551615"),
        ] {
            let mut binary = Binary::new();
            let error = binary.decode(bytes, &mut |_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(answers(b"\x09\0\0\0\x81\0"), Err(ProtocolError::HalfFrame { length: 6 }));
    }
}
