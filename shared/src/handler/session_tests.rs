//! A handler's whole life on streams in memory, as jsonl lines.

use std::error::Error as StdError;
use std::io::Cursor;

use super::*;
use crate::protocol::{Answer, Binary, BinaryHandler, Codec, Init, JsonlHandler, Output};

const INIT: &str =
    r#"{"type":"init","group":"g","topic":"t","partition":0,"offset":1,"generation":1,"fencing_token":null}"#;

/// Does what the payload says, and notes what it was called for.
#[derive(Default)]
struct Obedient {
    calls: Vec<String>,
    flush_fails: bool,
}

impl Handler for Obedient {
    fn init(&mut self, init: &Init) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.calls.push(format!("init {}", init.topic));
        Ok(())
    }

    fn message(&mut self, message: &Message, context: &mut Context<'_>) -> Result<Done, Failure> {
        self.calls.push(format!("{} try {}", message.offset, message.attempt));
        match message.payload() {
            b"hold" => return Ok(Done::Later),
            b"busy" => context.busy()?,
            b"reject" => return Err(Failure::reject("can't")),
            b"fail" => return Err(Failure::fatal("broken")),
            _ => {}
        }
        Ok(Done::Now)
    }

    fn flush(&mut self, _: &mut Context<'_>) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.calls.push("flush".to_owned());
        if self.flush_fails { Err("disk full".into()) } else { Ok(()) }
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.calls.push(format!("stop {}", reason.as_str()));
        Ok(())
    }
}

/// One read per item: each passes as it is, after a line end is put to it.
struct Reads(Vec<String>);

impl Read for Reads {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(read) = (!self.0.is_empty()).then(|| self.0.remove(0)) else { return Ok(0) };
        Cursor::new(read + "\n").read(bytes)
    }
}

fn say(offset: i64, payload: &str) -> String {
    format!(r#"{{"type":"message","offset":{offset},"timestamp":0,"key":null,"value":"{payload}"}}"#)
}

/// What came of it, what was answered, and the handler.
fn drive(reads: &[&[String]], mut handler: Obedient) -> (Result<(), Error>, String, Obedient) {
    let mut input = Reads(reads.iter().map(|lines| lines.join("\n")).collect());
    let mut output = Vec::new();
    let result = serve_on(&mut handler, &mut JsonlHandler::new(), &mut input, &mut output);
    (result, String::from_utf8(output).unwrap().replace('\n', " "), handler)
}

fn stop() -> String {
    r#"{"type":"stop","reason":"rebalance"}"#.to_owned()
}

fn flush() -> String {
    r#"{"type":"flush"}"#.to_owned()
}

#[test]
fn what_one_read_brought_is_acknowledged_together() {
    let reads =
        [&[INIT.to_owned(), say(1, ""), say(2, ""), say(3, "")][..], &[say(4, "")], &[stop(), say(5, "")]];
    let (result, answers, handler) = drive(&reads, Obedient::default());
    result.unwrap();
    assert_eq!(answers, r#"{"ack":3} {"ack":4} "#);
    assert_eq!(handler.calls, ["init t", "1 try 1", "2 try 1", "3 try 1", "4 try 1", "stop rebalance"]);
}

#[test]
fn a_thousand_messages_are_acknowledged_before_the_next() {
    let acks = served_as_binary(1500);
    assert!(acks.len() >= 2 && acks.iter().any(|ack| *ack <= 1000), "{acks:?}");
    assert_eq!(acks.last(), Some(&1500));
}

#[test]
fn held_messages_are_acknowledged_by_a_flush() {
    let reads = [&[say(1, "hold"), say(2, "hold")][..], &[flush()], &[flush()], &[stop()]];
    let (result, answers, handler) = drive(&reads, Obedient::default());
    result.unwrap();
    assert_eq!(answers, r#"{"ack":2} "#);
    assert_eq!(handler.calls, ["1 try 1", "2 try 1", "flush", "stop rebalance"]);
}

#[test]
fn held_messages_are_done_with_a_later_one() {
    let (_, answers, handler) = drive(&[&[say(1, "hold"), say(2, "")], &[flush()]], Obedient::default());
    assert_eq!(answers, r#"{"ack":2} "#);
    assert_eq!(handler.calls, ["1 try 1", "2 try 1"]);
}

#[test]
fn a_stop_finishes_what_is_held() {
    let (result, answers, handler) = drive(&[&[say(1, "hold"), stop()]], Obedient::default());
    result.unwrap();
    assert_eq!(answers, r#"{"ack":1} "#);
    assert_eq!(handler.calls, ["1 try 1", "flush", "stop rebalance"]);
}

#[test]
fn the_end_without_a_stop_lets_go_what_is_held() {
    let (result, answers, handler) = drive(&[&[say(1, ""), say(2, "hold")]], Obedient::default());
    result.unwrap();
    assert_eq!(answers, r#"{"ack":1} "#);
    assert_eq!(handler.calls, ["1 try 1", "2 try 1"]);
}

#[test]
fn a_reject_finishes_what_came_before_and_goes_on() {
    let reads = [&[say(1, "hold"), say(2, "reject"), say(3, "")][..]];
    let (result, answers, handler) = drive(&reads, Obedient::default());
    result.unwrap();
    assert_eq!(answers, r#"{"ack":1} {"reject":2,"error":"can't"} {"ack":3} "#);
    assert_eq!(handler.calls, ["1 try 1", "2 try 1", "flush", "3 try 1"]);
}

#[test]
fn busy_says_what_is_done_and_what_is_not() {
    let (_, answers, _) = drive(&[&[say(1, ""), say(2, "busy")]], Obedient::default());
    assert_eq!(answers, r#"{"ack":1} {"busy":2} {"ack":2} "#);
}

#[test]
fn a_failure_acknowledges_only_what_came_before() {
    let (result, answers, _) = drive(&[&[say(1, ""), say(2, "fail"), say(3, "")]], Obedient::default());
    assert_eq!(result.unwrap_err().to_string(), "failed at offset 2: broken");
    assert_eq!(answers, r#"{"ack":1} "#);
    let fails = Obedient { flush_fails: true, ..Obedient::default() };
    let (result, answers, _) = drive(&[&[say(1, ""), say(2, "hold"), stop()]], fails);
    assert_eq!(result.unwrap_err().to_string(), "failed to flush: disk full");
    assert_eq!(answers, r#"{"ack":1} "#);
}

#[test]
fn nonsense_from_the_worker_is_an_error() {
    let (result, _, _) = drive(&[&["hello".to_owned()]], Obedient::default());
    assert!(matches!(result, Err(Error::Protocol(_))));
}

#[test]
fn binary_is_served_as_well() {
    assert_eq!(served_as_binary(3), [3]);
}

/// What is acknowledged of so many messages that come in one read.
fn served_as_binary(count: i64) -> Vec<i64> {
    let (mut worker, mut bytes) = (Binary::new(), Vec::new());
    for offset in 1..=count {
        let message = crate::protocol::Message { offset, timestamp: 0, key: None, value: None, headers: &[] };
        worker.message(&mut bytes, &message, 1);
    }
    worker.stop(&mut bytes, StopReason::Shutdown);
    assert!(bytes.len() < READ);
    let (mut output, mut handler, mut acks) = (Vec::new(), Obedient::default(), Vec::new());
    serve_on(&mut handler, &mut BinaryHandler::new(), &mut Cursor::new(bytes), &mut output).unwrap();
    let mut sink = |said: Output<'_>| match said {
        Output::Answer(Answer::Ack(offset)) => acks.push(offset.0),
        other @ (Output::Answer(_) | Output::Log(_)) => panic!("{other:?}"),
    };
    worker.decode(&output, &mut sink).unwrap();
    assert_eq!(handler.calls.last().unwrap(), "stop shutdown");
    acks
}
