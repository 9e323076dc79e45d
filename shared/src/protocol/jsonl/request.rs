//! The handler's side of `jsonl`: [`JsonlHandler`]. A line may be as long as the longest message makes it.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::{Answer, HandlerCodec, OwnedHeader, OwnedMessage, ProtocolError, Request, StopReason};
use super::answer::shown;
use super::encode;
use super::lines::{Limits, Line, Lines, without_return};
use crate::ids::Offset;

/// The handler's codec of `jsonl`.
#[derive(Debug)]
pub struct JsonlHandler {
    lines: Lines,
}

impl JsonlHandler {
    /// A codec for this process.
    pub fn new() -> Self {
        Self { lines: Lines::new(Limits::NONE) }
    }
}

impl Default for JsonlHandler {
    fn default() -> Self {
        Self::new()
    }
}

impl HandlerCodec for JsonlHandler {
    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Request)) -> Result<(), ProtocolError> {
        self.lines.feed(bytes, |line| {
            let (Line::Whole(line) | Line::Cut(line, _) | Line::LongAnswer(line)) = line;
            if !without_return(line).is_empty() {
                sink(parse(without_return(line))?);
            }
            Ok(())
        })
    }

    fn decode_end(&mut self) -> Result<(), ProtocolError> {
        let length = self.lines.kept();
        self.lines.finish(|_| Err(ProtocolError::HalfLine { length }))
    }

    fn answer(&mut self, out: &mut Vec<u8>, answer: &Answer) {
        encode::answer(out, answer);
    }
}

/// The keys of `message`, `flush` and `stop` together; a key that is new in a later version is passed over.
#[derive(Deserialize)]
struct Fields {
    r#type: String,
    offset: Option<i64>,
    timestamp: Option<i64>,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<HeaderValue>)>,
    attempt: Option<NonZeroU32>,
    reason: Option<StopReason>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes { base64: String },
}

/// Reads one line, without its line end.
fn parse(line: &[u8]) -> Result<Request, ProtocolError> {
    read(line)
        .map_err(|reason| ProtocolError::Request { line: shown(&String::from_utf8_lossy(line)), reason })
}

fn read(line: &[u8]) -> Result<Request, String> {
    let fields: Fields = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match fields.r#type.as_str() {
        "message" => message(fields).map(Request::Message),
        "flush" => Ok(Request::Flush),
        "stop" => fields.reason.map(Request::Stop).ok_or_else(|| missing("reason")),
        "init" => serde_json::from_slice(line).map(Request::Init).map_err(|error| error.to_string()),
        other => Err(format!("its type {other:?} is unknown")),
    }
}

fn message(fields: Fields) -> Result<OwnedMessage, String> {
    let headers = fields.headers.into_iter().map(|(name, value)| {
        let value = match value {
            None => None,
            Some(HeaderValue::Text(text)) => Some(text.into_bytes()),
            Some(HeaderValue::Bytes { base64 }) => Some(decoded(&base64)?),
        };
        Ok(OwnedHeader { name, value })
    });
    Ok(OwnedMessage {
        offset: Offset(fields.offset.filter(|offset| *offset >= 0).ok_or_else(|| missing("offset"))?),
        timestamp: fields.timestamp.ok_or_else(|| missing("timestamp"))?,
        headers: headers.collect::<Result<_, String>>()?,
        key: bytes(fields.key, fields.key_base64)?,
        value: bytes(fields.value, fields.value_base64)?,
        attempt: fields.attempt.map_or(1, NonZeroU32::get),
    })
}

fn bytes(text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, String> {
    match base64 {
        Some(base64) => decoded(&base64).map(Some),
        None => Ok(text.map(String::into_bytes)),
    }
}

fn decoded(base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|error| format!("its base64 is wrong: {error}"))
}

fn missing(key: &str) -> String {
    format!("it has no {key:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_the_contract_are_read() {
        let line = br#"{"type":"init","group":"g","topic":"t","partition":0,"offset":42,"generation":3,"fencing_token":null}"#;
        let Request::Init(init) = parse(line).unwrap() else { panic!("no init") };
        assert_eq!((init.topic.as_str(), init.offset, init.fencing_token), ("t", Offset(42), None));
        let stop = br#"{"type":"stop","reason":"rebalance","new":[]}"#;
        assert_eq!(parse(stop), Ok(Request::Stop(StopReason::Rebalance)));
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        for (line, part) in [
            ("hello", "expected value"),
            ("{\"type\":\"pause\"}", "unknown"),
            ("{\"type\":\"message\",\"timestamp\":1}", "no \"offset\""),
            ("{\"type\":\"message\",\"offset\":1,\"timestamp\":1,\"key_base64\":\"?\"}", "base64"),
            ("{\"type\":\"message\",\"offset\":-1,\"timestamp\":1}", "no \"offset\""),
            ("{\"type\":\"message\",\"offset\":1,\"timestamp\":1,\"attempt\":0}", "nonzero"),
            ("{\"type\":\"stop\"}", "no \"reason\""),
        ] {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn half_a_line_is_an_error() {
        let mut handler = JsonlHandler::new();
        handler
            .decode(b"{\"type\":\"flush\"}\r\n\n{\"type\"", &mut |got| assert_eq!(got, Request::Flush))
            .unwrap();
        assert_eq!(handler.decode_end(), Err(ProtocolError::HalfLine { length: 7 }));
    }
}
