//! What a handler's library reads from its worker. A request that was read is written again as the same; a whole session
//! answers only for messages that it was given.

use std::collections::BTreeSet;

use kafkavisor::handler::{Context, Done, Failure, Handler, Message, serve_on};
use kafkavisor::protocol::{
    Answer, Binary, BinaryHandler, Codec, HandlerCodec, Header, Jsonl, JsonlHandler, Output, OwnedMessage,
    ProtocolError, Request,
};

use crate::input::{pieces, stretched};

fn read(codec: &mut dyn HandlerCodec, reads: &[&[u8]]) -> (Vec<Request>, Option<ProtocolError>) {
    let mut requests = Vec::new();
    for read in reads {
        if let Err(error) = codec.decode(read, &mut |request| requests.push(request)) {
            return (requests, Some(error));
        }
    }
    let error = codec.decode_end().err();
    (requests, error)
}

fn write(codec: &mut dyn Codec, requests: &[Request]) -> Vec<u8> {
    let mut out = Vec::new();
    for request in requests {
        match request {
            Request::Init(init) => codec.init(&mut out, init),
            Request::Message(message) => deliver(codec, &mut out, message),
            Request::Flush => codec.flush(&mut out),
            Request::Stop(reason) => codec.stop(&mut out, *reason),
        }
    }
    codec.end_batch(&mut out);
    out
}

fn deliver(codec: &mut dyn Codec, out: &mut Vec<u8>, message: &OwnedMessage) {
    let header = |header: &'_ kafkavisor::protocol::OwnedHeader| (header.name.clone(), header.value.clone());
    let owned: Vec<_> = message.headers.iter().map(header).collect();
    let headers: Vec<_> =
        owned.iter().map(|(name, value)| Header { name: name.as_bytes(), value: value.as_deref() }).collect();
    let borrowed = kafkavisor::protocol::Message {
        offset: message.offset.0,
        timestamp: message.timestamp,
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &headers,
    };
    codec.message(out, &borrowed, message.attempt);
}

/// What holds for both protocols. `new` makes a codec.
fn check<C: HandlerCodec>(new: impl Fn() -> C, worker: &mut dyn Codec, data: &[u8]) {
    let (requests, error) = read(&mut new(), &[data]);
    assert_eq!(
        read(&mut new(), &pieces(data)),
        (requests.clone(), error),
        "in pieces it means something else"
    );
    let again = write(worker, &requests);
    assert_eq!(read(&mut new(), &[&again]), (requests, None), "{}", String::from_utf8_lossy(&again));
}

/// Lines on a handler's stdin.
pub(super) fn jsonl(data: &[u8]) {
    check(JsonlHandler::new, &mut Jsonl::new(), &stretched(data));
}

/// Frames on a handler's descriptor 3.
pub(super) fn binary(data: &[u8]) {
    check(BinaryHandler::new, &mut Binary::new(), data);
}

/// Does, holds, rejects or fails, as the offset says; remembers what it was given.
#[derive(Debug, Default)]
struct Fickle {
    given: BTreeSet<i64>,
}

impl Handler for Fickle {
    fn message(&mut self, message: &Message, context: &mut Context<'_>) -> Result<Done, Failure> {
        self.given.insert(message.offset.0);
        match message.offset.0.rem_euclid(10) {
            0..4 => Ok(Done::Now),
            4..7 => Ok(Done::Later),
            7 => context.busy().map(|()| Done::Now).map_err(Failure::from),
            8 => Err(Failure::reject("because of its offset")),
            _ => Err(Failure::fatal("can't go on")),
        }
    }
}

fn serve(codec: &mut dyn HandlerCodec, worker: &mut dyn Codec, mut data: &[u8]) {
    let (mut handler, mut said) = (Fickle::default(), Vec::new());
    // How it ends is up to the bytes.
    let _ended = serve_on(&mut handler, codec, &mut data, &mut said);
    let mut sink = |output: Output<'_>| match output {
        Output::Answer(Answer::Ack(offset) | Answer::Busy(offset) | Answer::Reject { offset, .. }) => {
            assert!(handler.given.contains(&offset.0), "an answer for {offset}, which never came");
        }
        Output::Log(line) => panic!("not an answer: {}", String::from_utf8_lossy(line)),
    };
    let heard = worker.decode(&said, &mut sink).and_then(|()| worker.decode_end(&mut sink));
    assert_eq!(heard, Ok(()));
}

/// A whole session of a handler written with the library.
pub(super) fn session(data: &[u8]) {
    serve(&mut JsonlHandler::new(), &mut Jsonl::new(), data);
    serve(&mut BinaryHandler::new(), &mut Binary::new(), data);
}
