//! A file of messages: one JSON object a line, with the keys of `jsonl`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafkavisor::text::named;
use serde::Deserialize;

use crate::exit::Failure;

/// What has to stand in a line.
const WRITE: &str = r#"write an object such as {"key":"k","value":"text"}"#;

/// One message of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    /// About what it takes in a log.
    pub(super) fn size(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers + 100
    }
}

/// As they stand in a line; `type`, `offset` and `attempt` mean nothing here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    r#type: Option<String>,
    #[serde(rename = "offset")]
    _offset: Option<i64>,
    #[serde(rename = "attempt")]
    _attempt: Option<u32>,
    timestamp: Option<i64>,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<HeaderValue>)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes { base64: String },
}

/// All messages of the file at `path`.
pub(super) fn read(path: &Path) -> Result<Vec<Message>, Failure> {
    let wrong = |what: String| Failure::configuration(format!("--file {}: {what}", named(path.display())));
    let unreadable = |error: std::io::Error| wrong(format!("can't be read: {error}"));
    let mut messages = Vec::new();
    for (index, line) in BufReader::new(File::open(path).map_err(unreadable)?).split(b'\n').enumerate() {
        let line = line.map_err(unreadable)?;
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| index == 0).unwrap_or(&line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        messages.push(message(line).map_err(|why| wrong(format!("line {}: {why}", index + 1)))?);
    }
    if messages.is_empty() {
        return Err(wrong("there is no message in it: write one JSON object a line".to_owned()));
    }
    Ok(messages)
}

fn message(line: &[u8]) -> Result<Message, String> {
    // What reads objects takes an array of their values, too.
    if line.trim_ascii_start().first() == Some(&b'[') {
        return Err(format!("column 1: an array is no message; {WRITE}"));
    }
    let fields: Fields = serde_json::from_slice(line).map_err(|error| {
        let column = error.column();
        let why = named(error).split(" at line ").next().unwrap_or_default().to_owned();
        format!("column {column}: {why}; {WRITE}")
    })?;
    if let Some(kind) = fields.r#type.filter(|kind| kind != "message") {
        return Err(format!("it is of type {kind:?}: only messages may stand here"));
    }
    if fields.timestamp.is_some_and(|millis| millis < 0) {
        return Err("its timestamp is below 0: write milliseconds since 1970".to_owned());
    }
    let headers = fields.headers.into_iter().map(|(name, value)| {
        let value = match value {
            None => None,
            Some(HeaderValue::Text(text)) => Some(text.into_bytes()),
            Some(HeaderValue::Bytes { base64 }) => Some(decoded("a header's base64", &base64)?),
        };
        if name.contains('\0') { Err("a header's name holds a NUL".to_owned()) } else { Ok((name, value)) }
    });
    Ok(Message {
        timestamp: fields.timestamp,
        headers: headers.collect::<Result<_, String>>()?,
        key: bytes("key", fields.key, fields.key_base64)?,
        value: bytes("value", fields.value, fields.value_base64)?,
    })
}

fn bytes(key: &str, text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("{key} and {key}_base64 are both there: keep one")),
        (_, Some(base64)) => decoded(&format!("{key}_base64"), &base64).map(Some),
        (text, None) => Ok(text.map(String::into_bytes)),
    }
}

fn decoded(what: &str, base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|error| format!("{what} is wrong: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_jsonl_are_messages() {
        let line = r#"{"type":"message","offset":42,"timestamp":17,"key":"k","value_base64":"/w==","headers":[["a","b"],["c",{"base64":"/w=="}],["d",null]],"attempt":2}"#;
        let read = message(line.as_bytes()).unwrap();
        let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
        assert_eq!(read.headers, [header("a", Some(b"b")), header("c", Some(b"\xff")), header("d", None)]);
        assert_eq!(
            (read.timestamp, read.key.unwrap(), read.value.unwrap()),
            (Some(17), b"k".to_vec(), vec![0xff])
        );
        let empty = message(b"{}").unwrap();
        assert_eq!((empty.key, empty.value, empty.timestamp), (None, None, None));
        assert_eq!(message(br#"{"key":null,"value":""}"#).unwrap().value, Some(Vec::new()));
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        for (line, part) in [
            ("hello", "column 1: expected value"),
            (r#"{"value":1}"#, "invalid type"),
            (r#"{"Value":"x"}"#, "unknown field"),
            (r#"{"type":"flush"}"#, "only messages"),
            (r#"{"value":"","value_base64":""}"#, "keep one"),
            (r#"{"key_base64":"?"}"#, "key_base64 is wrong"),
            (r#"{"timestamp":-5}"#, "below 0"),
            (r#"["x"]"#, "column 1: an array is no message; write an object"),
            ("[1]", "an array is no message"),
        ] {
            let why = message(line.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
