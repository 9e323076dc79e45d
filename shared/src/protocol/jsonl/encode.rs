//! Writes the lines of `jsonl`: what a handler is told, and what it answers.

use super::super::{Answer, Header, Init, Message, StopReason, json};
use crate::text;

/// What a message's line takes beside key, value and headers, and a little more.
const FIXED: usize = 128;

pub(super) fn message(out: &mut Vec<u8>, message: &Message<'_>, attempt: u32) {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    out.reserve(FIXED + length(message.key) + length(message.value));
    out.extend_from_slice(br#"{"type":"message","offset":"#);
    json::integer(out, message.offset);
    out.extend_from_slice(br#","timestamp":"#);
    json::integer(out, message.timestamp);
    field(out, br#","key"#, message.key);
    field(out, br#","value"#, message.value);
    if !message.headers.is_empty() {
        headers(out, message.headers);
    }
    if attempt > 1 {
        out.extend_from_slice(br#","attempt":"#);
        json::integer(out, attempt.into());
    }
    out.extend_from_slice(b"}\n");
}

/// The init object, in `binary` too. Names of groups and topics hold nothing that JSON would escape.
pub(in super::super) fn init(out: &mut Vec<u8>, init: &Init) {
    out.extend_from_slice(br#"{"type":"init","group":"#);
    json::string(out, init.group.as_str());
    out.extend_from_slice(br#","topic":"#);
    json::string(out, init.topic.as_str());
    out.extend_from_slice(br#","partition":"#);
    json::integer(out, init.partition.0.into());
    out.extend_from_slice(br#","offset":"#);
    json::integer(out, init.offset.0);
    out.extend_from_slice(br#","generation":"#);
    out.extend_from_slice(init.generation.to_string().as_bytes());
    out.extend_from_slice(br#","fencing_token":"#);
    match init.fencing_token {
        Some(token) => json::integer(out, token.0),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

pub(super) fn stop(out: &mut Vec<u8>, reason: StopReason) {
    out.extend_from_slice(br#"{"type":"stop","reason":"#);
    json::string(out, reason.as_str());
    out.extend_from_slice(b"}\n");
}

/// Of a reason as much is written as a worker keeps.
pub(super) fn answer(out: &mut Vec<u8>, answer: &Answer) {
    let (key, offset): (&[u8], _) = match answer {
        Answer::Ack(offset) => (br#"{"ack":"#, offset),
        Answer::Reject { offset, .. } => (br#"{"reject":"#, offset),
        Answer::Busy(offset) => (br#"{"busy":"#, offset),
    };
    out.extend_from_slice(key);
    json::integer(out, offset.0);
    if let Answer::Reject { error, .. } = answer {
        out.extend_from_slice(br#","error":"#);
        json::string(out, &text::kept(error));
    }
    out.extend_from_slice(b"}\n");
}

/// Appends `NAME":…` or, for what is not UTF-8, `NAME_base64":…`.
fn field(out: &mut Vec<u8>, name: &[u8], bytes: Option<&[u8]>) {
    out.extend_from_slice(name);
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => out.extend_from_slice(br#"":null"#),
        Some((_, Ok(text))) => {
            out.extend_from_slice(br#"":"#);
            json::string(out, text);
        }
        Some((bytes, Err(_))) => {
            out.extend_from_slice(br#"_base64":"#);
            json::base64(out, bytes);
        }
    }
}

fn headers(out: &mut Vec<u8>, headers: &[Header<'_>]) {
    let mut open: &[u8] = br#","headers":[["#;
    for header in headers {
        out.extend_from_slice(open);
        open = b",[";
        json::string(out, &String::from_utf8_lossy(header.name));
        match header.value.map(|bytes| (bytes, str::from_utf8(bytes))) {
            None => out.extend_from_slice(b",null"),
            Some((_, Ok(text))) => {
                out.push(b',');
                json::string(out, text);
            }
            Some((bytes, Err(_))) => {
                out.extend_from_slice(br#",{"base64":"#);
                json::base64(out, bytes);
                out.push(b'}');
            }
        }
        out.push(b']');
    }
    out.push(b']');
}
