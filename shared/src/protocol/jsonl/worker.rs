//! The worker's side of `jsonl`: [`Jsonl`]. Lines have no frames, so a batch needs no end.

use super::super::{Codec, Init, Message, Output, ProtocolError, StopReason};
use super::beginning::{Beginning, other_encoding};
use super::lines::{Limits, Line, Lines, MAX_ANSWER, MAX_LINE, without_return};
use super::{answer, encode};
use crate::text;

/// The worker's codec of `jsonl`. Keeps at most [`MAX_LINE`] bytes of a line that has not ended, and [`MAX_ANSWER`] of one that
/// may be an answer.
#[derive(Debug)]
pub struct Jsonl {
    lines: Lines,
    beginning: Beginning,
    /// No line has come yet.
    first: bool,
}

const LIMITS: Limits = Limits { line: MAX_LINE, answer: MAX_ANSWER, may_be_answer: answer::may_become };

impl Jsonl {
    /// A codec for one handler process.
    pub fn new() -> Self {
        Self { lines: Lines::new(LIMITS), beginning: Beginning::new(), first: true }
    }

    fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        let first = &mut self.first;
        self.lines.feed(bytes, |line| take(line, first, sink))
    }
}

fn take(line: Line<'_>, first: &mut bool, sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
    let (Line::Whole(beginning) | Line::Cut(beginning, _) | Line::LongAnswer(beginning)) = line;
    if std::mem::take(first)
        && let Some(encoding) = other_encoding(beginning)
    {
        return Err(ProtocolError::Encoding { encoding });
    }
    match line {
        Line::Whole(line) => {
            let line = without_return(line);
            match answer::parse(line)? {
                Some(answer) => sink(Output::Answer(answer)),
                None if line.is_empty() => {}
                None => sink(Output::Log(&text::log_line(line, line.len()))),
            }
        }
        Line::Cut(line, length) => sink(Output::Log(&text::log_line(line, length))),
        Line::LongAnswer(line) => {
            let line = answer::shown(&String::from_utf8_lossy(line.get(..KEPT_OF_LONG).unwrap_or(line)));
            return Err(ProtocolError::LongAnswer { line, max: MAX_ANSWER });
        }
    }
    Ok(())
}

/// As much of an answer that is too long is looked at for the error.
const KEPT_OF_LONG: usize = 1024;

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
        let (held, rest) = self.beginning.pass(bytes);
        self.feed(held, sink)?;
        self.feed(rest, sink)
    }

    fn kept(&self) -> usize {
        self.lines.kept()
    }

    fn decode_end(&mut self, sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError> {
        let held = self.beginning.finish();
        self.feed(held, sink)?;
        // Half a line may be half of an answer: it is never taken for a whole one.
        self.lines.finish(|line| {
            let (Line::Whole(half) | Line::Cut(half, _) | Line::LongAnswer(half)) = line;
            let length = if let Line::Cut(_, length) = line { length } else { half.len() };
            sink(Output::Log(&text::log_line(half, length)));
            Ok(())
        })
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
    fn a_byte_order_mark_is_passed_over_at_the_beginning_only() {
        assert_eq!(said(b"\xef\xbb\xbf{\"ack\":7}\n"), ["Ack(Offset(7))"]);
        assert_eq!(said(b"\xef\xbb\xbf\r\n{\"ack\":7}\n"), ["Ack(Offset(7))"]);
        assert_eq!(said(b"x\n\xef\xbb\xbf{\"ack\":7}\n"), ["log 1 x", "log 12 \u{feff}{\"ack\":7}"]);
    }

    #[test]
    fn another_encoding_is_named() {
        for output in [&b"{\0\"\0\n\0"[..], b"\xff\xfeh\0i\0\n\0", b"\xfe\xff\0h\0i\0\n"] {
            let error = Jsonl::new().decode(output, &mut |_| ()).unwrap_err();
            assert!(matches!(error, ProtocolError::Encoding { .. }), "{error}");
        }
        // Later, and without the zeros, it is a line like any other.
        assert_eq!(said(b"\xff\xfe\nx\n{\0\n").len(), 3);
    }

    /// `{"reject":7,"error":"xxx…"}`, `length` bytes long, and an acknowledgement after it.
    fn long_answer(length: usize) -> Vec<u8> {
        let mut output = b"{\"reject\":7,\"error\":\"".to_vec();
        output.resize(length - 2, b'x');
        output.extend_from_slice(b"\"}\n{\"ack\":8}\n");
        output
    }

    #[test]
    fn a_long_answer_is_an_answer() {
        for length in [MAX_LINE, MAX_LINE + 1, MAX_ANSWER] {
            let mut jsonl = Jsonl::new();
            let mut answers = Vec::new();
            for read in long_answer(length).chunks(64 << 10) {
                jsonl.decode(read, &mut |output| answers.push(format!("{output:?}"))).unwrap();
            }
            assert_eq!(answers.len(), 2, "{length}");
            assert!(answers[0].contains("Reject") && answers[0].len() < 17_000, "{length}");
            assert!(jsonl.lines.kept() == 0, "{length}");
        }
        let error = Jsonl::new().decode(&long_answer(MAX_ANSWER + 1), &mut |_| ()).unwrap_err();
        assert!(error.to_string().len() < 300 && error.to_string().contains("16777216"), "{error}");
    }

    #[test]
    fn a_long_line_that_begins_like_an_answer_and_is_none_is_for_the_log() {
        let mut output = b"{\"error\":\"".to_vec();
        output.resize(2 << 20, b'x');
        output.extend_from_slice(b"\",\"level\":3}\n{\"ack\":8}\n");
        assert_eq!(said(&output), [&format!("log {MAX_LINE} {{\"error\":\"xxxxxxxxxx"), "Ack(Offset(8))"]);
    }

    #[test]
    fn of_a_line_that_never_ends_only_the_beginning_is_kept() {
        let mut jsonl = Jsonl::new();
        let read = vec![b'['; 64 << 10];
        let mut logged = 0;
        for _ in 0..1600 {
            jsonl.decode(&read, &mut |_| logged += 1).unwrap();
            assert!(jsonl.lines.kept() <= MAX_LINE);
        }
        jsonl.decode_end(&mut |_| logged += 1).unwrap();
        assert_eq!((logged, jsonl.lines.kept()), (1, 0));
    }
}
