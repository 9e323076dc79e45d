//! What holds for every protocol: what one side writes the other reads, wherever the bytes are cut; and no bytes at all
//! bring a decoder down.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::ids::{FencingToken, Generation, Group, Offset, Partition, Topic};
use crate::text;

/// Decoding in chunks of these lengths, over and over.
type Cuts = Vec<usize>;

fn cut<'a>(mut bytes: &'a [u8], cuts: &Cuts) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut lengths = cuts.iter().cycle();
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at_checked(*lengths.next().unwrap()).unwrap_or((bytes, b""));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

fn cuts() -> impl Strategy<Value = Cuts> {
    prop_oneof![vec(1..9_usize, 1..5), vec(1..5000_usize, 1..5), Just(vec![usize::MAX])]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        4 => "\\PC{0,40}|[\\x00-\\x7f]{0,40}".prop_map(String::into_bytes),
        1 => (any::<u8>(), 0..2_000_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

prop_compose! {
    fn message()(
        offset in 0..=i64::MAX,
        timestamp in any::<i64>(),
        key in option::of(bytes()),
        value in option::of(bytes()),
        headers in vec(("\\PC{0,9}", option::of(vec(any::<u8>(), 0..20))), 0..4),
        attempt in prop_oneof![3 => Just(1_u32), 1 => 2..=u32::MAX],
    ) -> OwnedMessage {
        let headers = headers.into_iter().map(|(name, value)| OwnedHeader { name, value }).collect();
        OwnedMessage { offset: Offset(offset), timestamp, key, value, headers, attempt }
    }
}

prop_compose! {
    fn init()(
        (group, topic) in ("[a-z._-]{3,9}", "[A-Z0-9]{1,9}"),
        (partition, offset, generation) in (0..=i32::MAX, 0..=i64::MAX, any::<u64>()),
        token in option::of(any::<i64>()),
    ) -> Init {
        Init {
            group: Group::new(&group).unwrap(),
            topic: Topic::new(&topic).unwrap(),
            partition: Partition(partition),
            offset: Offset(offset),
            generation: Generation(generation),
            fencing_token: token.map(FencingToken),
        }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let reason =
        prop_oneof![Just(StopReason::Rebalance), Just(StopReason::Shutdown), Just(StopReason::Restart)];
    prop_oneof![
        1 => init().prop_map(Request::Init),
        9 => message().prop_map(Request::Message),
        1 => Just(Request::Flush),
        1 => reason.prop_map(Request::Stop),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let offset = || (0..=i64::MAX).prop_map(Offset);
    prop_oneof![
        offset().prop_map(Answer::Ack),
        offset().prop_map(Answer::Busy),
        (offset(), "\\PC{0,40}|[\\x00-\\x7f]{0,40}")
            .prop_map(|(offset, error)| Answer::Reject { offset, error }),
    ]
}

fn tell(codec: &mut dyn Codec, out: &mut Vec<u8>, request: &Request) {
    match request {
        Request::Init(init) => codec.init(out, init),
        Request::Flush => codec.flush(out),
        Request::Stop(reason) => codec.stop(out, *reason),
        Request::Message(message) => {
            let header = |header: &'_ OwnedHeader| -> (Vec<u8>, Option<Vec<u8>>) {
                (header.name.clone().into_bytes(), header.value.clone())
            };
            let owned: Vec<_> = message.headers.iter().map(header).collect();
            let headers: Vec<_> =
                owned.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
            let borrowed = Message {
                offset: message.offset.0,
                timestamp: message.timestamp,
                key: message.key.as_deref(),
                value: message.value.as_deref(),
                headers: &headers,
            };
            codec.message(out, &borrowed, message.attempt);
        }
    }
}

fn both() -> [(Box<dyn Codec>, Box<dyn HandlerCodec>); 2] {
    [
        (Box::new(Jsonl::new()), Box::new(JsonlHandler::new())),
        (Box::new(Binary::new()), Box::new(BinaryHandler::new())),
    ]
}

/// What a worker hears: answers, and log lines joined.
fn heard(codec: &mut dyn Codec, bytes: &[u8], cuts: &Cuts) -> Result<(Vec<Answer>, usize), ProtocolError> {
    let (mut answers, mut logged) = (Vec::new(), 0);
    let mut sink = |output: Output<'_>| match output {
        Output::Answer(answer) => answers.push(answer),
        Output::Log(line) => logged += line.len(),
    };
    for chunk in cut(bytes, cuts) {
        codec.decode(chunk, &mut sink)?;
    }
    codec.decode_end(&mut sink)?;
    Ok((answers, logged))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_handler_reads_what_a_worker_writes(requests in vec((request(), any::<bool>()), 0..12), cuts in cuts()) {
        for (mut worker, mut handler) in both() {
            let mut bytes = Vec::new();
            for (request, end) in &requests {
                tell(worker.as_mut(), &mut bytes, request);
                if *end {
                    worker.end_batch(&mut bytes);
                }
            }
            worker.end_batch(&mut bytes);
            let mut read = Vec::new();
            for chunk in cut(&bytes, &cuts) {
                handler.decode(chunk, &mut |request| read.push(request)).unwrap();
            }
            handler.decode_end().unwrap();
            prop_assert!(read.iter().eq(requests.iter().map(|(request, _)| request)));
        }
    }

    #[test]
    fn a_worker_reads_what_a_handler_writes(answers in vec(answer(), 0..40), cuts in cuts()) {
        for (mut worker, mut handler) in both() {
            let mut bytes = Vec::new();
            for answer in &answers {
                handler.answer(&mut bytes, answer);
            }
            let (read, logged) = heard(worker.as_mut(), &bytes, &cuts).unwrap();
            let kept = |answer: &Answer| match answer {
                Answer::Reject { offset, error } => Answer::Reject { offset: *offset, error: text::kept(error) },
                Answer::Ack(_) | Answer::Busy(_) => answer.clone(),
            };
            prop_assert_eq!((read, logged), (answers.iter().map(kept).collect::<Vec<_>>(), 0));
        }
    }

    #[test]
    fn answers_are_found_among_log_lines(lines in vec("[a-z{}\":\\[ ]{0,20}", 0..9), cuts in cuts()) {
        let mut bytes = Vec::new();
        for (line, offset) in lines.iter().zip(0..) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(format!("\n{{\"ack\":{offset}}}\n").as_bytes());
        }
        let (read, logged) = heard(&mut Jsonl::new(), &bytes, &cuts).unwrap();
        prop_assert_eq!(read, (0..).take(lines.len()).map(|n| Answer::Ack(Offset(n))).collect::<Vec<_>>());
        prop_assert_eq!(logged, lines.iter().map(String::len).sum::<usize>());
    }

    #[test]
    fn no_bytes_bring_a_decoder_down(
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..60),
            "(\\{|\\}|\"ack\"|\"reject\"|\"busy\"|\"error\"|:|,|[0-9.]|\n|\\[|\"){0,20}".prop_map(String::into_bytes),
            (0..80_u8, prop_oneof![1..6_u8, 129..132_u8], vec(any::<u8>(), 0..80))
                .prop_map(|(length, kind, body)| [&[length, 0, 0, 0, kind][..], &body].concat()),
        ], 0..20),
        cuts in cuts(),
    ) {
        let bytes = pieces.concat();
        for ((mut worker, mut handler), (mut again, _)) in both().into_iter().zip(both()) {
            let whole = heard(worker.as_mut(), &bytes, &vec![usize::MAX]);
            prop_assert_eq!(whole, heard(again.as_mut(), &bytes, &cuts));
            for chunk in cut(&bytes, &cuts) {
                if handler.decode(chunk, &mut |_| ()).is_err() {
                    break;
                }
            }
        }
    }
}
