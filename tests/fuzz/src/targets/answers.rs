//! What a worker hears from its handler. Wherever the stream is cut, the same is heard; an answer that was accepted is one that
//! the library for handlers can write; and what is kept of an unfinished one stays within its limit.

use kafkavisor::protocol::{
    Answer, Binary, BinaryHandler, Codec, HandlerCodec, Jsonl, JsonlHandler, Output, ProtocolError,
};
use kafkavisor::protocol::{binary, jsonl};
use kafkavisor::text;

use crate::input::{pieces, stretched};

/// What is kept of a frame, at most: its reason, and what stands before it.
const KEPT_FRAME: usize = text::KEPT + 64;

#[derive(Debug, Default, PartialEq)]
struct Heard {
    answers: Vec<Answer>,
    logged: Vec<Vec<u8>>,
    error: Option<ProtocolError>,
}

fn hear(codec: &mut dyn Codec, reads: &[&[u8]], limit: usize) -> Heard {
    let mut heard = Heard::default();
    let (answers, logged) = (&mut heard.answers, &mut heard.logged);
    let mut sink = |output: Output<'_>| match output {
        Output::Answer(answer) => answers.push(answer),
        Output::Log(line) => logged.push(line.to_vec()),
    };
    for read in reads {
        if let Err(error) = codec.decode(read, &mut sink) {
            heard.error = Some(error);
            return heard;
        }
        assert!(codec.kept() <= limit, "{} bytes are kept", codec.kept());
    }
    heard.error = codec.decode_end(&mut sink).err();
    assert_eq!(codec.kept(), 0);
    heard
}

/// What holds for both protocols. `new` makes a codec.
fn check<C: Codec>(new: impl Fn() -> C, handler: &mut dyn HandlerCodec, data: &[u8], limit: usize) -> Heard {
    let whole = hear(&mut new(), &[data], limit);
    assert_eq!(hear(&mut new(), &pieces(data), limit), whole, "in pieces it means something else");
    let mut again = Vec::new();
    whole.answers.iter().for_each(|answer| handler.answer(&mut again, answer));
    let echo = hear(&mut new(), &[&again], limit);
    assert_eq!((echo.error, echo.logged), (None, Vec::new()));
    assert_eq!(echo.answers, whole.answers);
    for answer in &whole.answers {
        if let Answer::Reject { error, .. } = answer {
            assert!(error.len() <= text::KEPT && !error.chars().any(char::is_control), "{error:?}");
        }
    }
    whole
}

/// Lines on a handler's stdout.
pub(super) fn jsonl(data: &[u8]) {
    let data = stretched(data);
    let heard = check(Jsonl::new, &mut JsonlHandler::new(), &data, jsonl::MAX_ANSWER);
    for line in &heard.logged {
        assert!(!line.is_empty() && line.len() <= jsonl::MAX_LINE, "a log line of {} bytes", line.len());
        assert!(!line.contains(&b'\n'));
    }
    for answer in &heard.answers {
        let (Answer::Ack(offset) | Answer::Busy(offset) | Answer::Reject { offset, .. }) = answer;
        assert!(offset.0 >= 0, "{answer:?}");
    }
}

/// Frames on a handler's descriptor 4.
pub(super) fn binary(data: &[u8]) {
    let heard = check(Binary::new, &mut BinaryHandler::new(), data, KEPT_FRAME);
    assert!(heard.logged.is_empty(), "frames are no log");
    // However long the frame is that has begun: it fills up, or is refused, within the limit.
    let mut codec = Binary::new();
    let filler = vec![0; 64 << 10];
    let fill = 2 * binary::MAX_ANSWER as usize / filler.len();
    let reads = std::iter::once(data).chain(std::iter::repeat_n(&filler[..], fill));
    let full = hear(&mut codec, &reads.collect::<Vec<_>>(), KEPT_FRAME);
    assert!(full.error.is_some(), "zeros are no frames");
}
