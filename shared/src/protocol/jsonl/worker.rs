//! The worker's side of `jsonl`: [`Jsonl`]. Lines have no frames, so a batch needs no end.

use super::super::{Codec, Init, Message, Output, ProtocolError, StopReason};
use super::lines::{Line, Lines, MAX_LINE, without_return};
use super::{answer, encode};

/// The worker's codec of `jsonl`. Keeps at most [`MAX_LINE`] bytes of a line that has not ended.
#[derive(Debug)]
pub struct Jsonl {
    lines: Lines,
}

impl Jsonl {
    /// A codec for one handler process.
    pub fn new() -> Self {
        Self { lines: Lines::new(MAX_LINE) }
    }
}

impl Default for Jsonl {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec for Jsonl {
    fn init(&mut self, out: &mut Vec<u8>, init: &Init) {
        encode::init(out, init);
        out.push(b'\n');
    }

    fn message(&mut self, out: &mut Vec<u8>, message: &Message<'_>, attempt: u32) {
        encode::message(out, message, attempt);
    }

    fn end_batch(&mut self, _out: &mut Vec<u8>) {}

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"flush\"}\n");
    }

    fn stop(&mut self, out: &mut Vec<u8>, reason: StopReason) {
        encode::stop(out, reason);
    }

    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        self.lines.feed(bytes, |line| {
            let said = match line {
                Line::Cut(line) => Output::Log(line),
                Line::Whole(line) => match without_return(line) {
                    b"" => return Ok(()),
                    line => answer::parse(line)?.map_or(Output::Log(line), Output::Answer),
                },
            };
            sink(said);
            Ok(())
        })
    }

    fn kept(&self) -> usize {
        self.lines.kept()
    }

    fn decode_end(&mut self, sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        if let Some(half) = self.lines.finish() {
            sink(Output::Log(&half));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{FencingToken, Generation, Group, Offset, Partition, Topic};
    use crate::protocol::{Answer, Header};

    fn written(write: impl FnOnce(&mut Jsonl, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut Jsonl::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn said(bytes: &[u8]) -> Vec<String> {
        let mut jsonl = Jsonl::new();
        let mut said = Vec::new();
        let mut sink = |output: Output<'_>| match output {
            Output::Answer(answer) => said.push(format!("{answer:?}")),
            Output::Log(line) => {
                let shown = String::from_utf8_lossy(line).chars().take(20).collect::<String>();
                said.push(format!("log {} {shown}", line.len()));
            }
        };
        jsonl.decode(bytes, &mut sink).unwrap();
        jsonl.decode_end(&mut sink).unwrap();
        said
    }

    #[test]
    fn lines_are_exactly_those_of_the_contract() {
        let message =
            Message { offset: 42, timestamp: 1_700_000_000_000, key: Some(b"k"), value: None, headers: &[] };
        assert_eq!(
            written(|jsonl, out| jsonl.message(out, &message, 1)),
            "{\"type\":\"message\",\"offset\":42,\"timestamp\":1700000000000,\"key\":\"k\",\"value\":null}\n"
        );
        let header = |name, value| Header { name, value };
        let headers = [
            header(&b"name"[..], Some(&b"value"[..])),
            header(b"bytes", Some(b"\xff")),
            header(b"\xffn", None),
        ];
        let message = Message { key: Some(b"\xff"), value: Some(b"\xfe\n"), headers: &headers, ..message };
        assert_eq!(
            written(|jsonl, out| jsonl.message(out, &message, 2)),
            "{\"type\":\"message\",\"offset\":42,\"timestamp\":1700000000000,\"key_base64\":\"/w==\",\
             \"value_base64\":\"/go=\",\"headers\":[[\"name\",\"value\"],[\"bytes\",{\"base64\":\"/w==\"}],\
             [\"\u{fffd}n\",null]],\"attempt\":2}\n"
        );
        assert_eq!(written(Codec::flush), "{\"type\":\"flush\"}\n");
        for reason in [StopReason::Rebalance, StopReason::Shutdown, StopReason::Restart] {
            let word = serde_json::to_string(&reason).unwrap();
            let line = format!("{{\"type\":\"stop\",\"reason\":{word}}}\n");
            assert_eq!(written(|jsonl, out| jsonl.stop(out, reason)), line);
        }
    }

    #[test]
    fn init_has_a_null_token_with_static_assignment() {
        let mut init = Init {
            group: Group::new("g").unwrap(),
            topic: Topic::new("t").unwrap(),
            partition: Partition(0),
            offset: Offset(42),
            generation: Generation(3),
            fencing_token: Some(FencingToken(4_294_967_338)),
        };
        let line = "{\"type\":\"init\",\"group\":\"g\",\"topic\":\"t\",\"partition\":0,\"offset\":42,\"generation\":3,\
                    \"fencing_token\":4294967338}\n";
        assert_eq!(written(|jsonl, out| jsonl.init(out, &init)), line);
        init.fencing_token = None;
        assert_eq!(written(|jsonl, out| jsonl.init(out, &init)), line.replace("4294967338", "null"));
    }

    #[test]
    fn what_is_no_answer_is_a_log_line() {
        let output = b"hello\r\n\n\r\n{\"ack\":5}\r\n{\"ack\":6,\"x\":1}\nend";
        let ack = format!("{:?}", Answer::Ack(Offset(5)));
        assert_eq!(said(output), ["log 5 hello", &ack, "log 15 {\"ack\":6,\"x\":1}", "log 3 end"]);
    }

    #[test]
    fn the_rest_of_a_cut_line_is_no_answer() {
        let mut output = vec![b'x'; MAX_LINE];
        output.extend_from_slice(b"{\"ack\":7}\n{\"ack\":8}\n");
        assert_eq!(said(&output), [&format!("log {MAX_LINE} xxxxxxxxxxxxxxxxxxxx"), "Ack(Offset(8))"]);
    }

    #[test]
    fn half_a_line_at_the_end_is_a_log_line_even_if_it_reads_like_an_answer() {
        assert_eq!(said(b"{\"ack\":7}"), ["log 9 {\"ack\":7}"]);
    }

    #[test]
    fn a_line_that_never_ends_is_never_kept() {
        let mut jsonl = Jsonl::new();
        let read = vec![b'['; 64 << 10];
        let mut logged = 0;
        for _ in 0..1600 {
            jsonl.decode(&read, &mut |_| logged += 1).unwrap();
            assert!(jsonl.lines.kept() <= MAX_LINE);
        }
        assert_eq!((logged, jsonl.lines.kept()), (1, 0));
    }
}
