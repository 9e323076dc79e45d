//! One message within a frame: `u64` offset, `i64` timestamp, `i32` key length, `i32` value length (-1 is null), `u32` headers
//! length, key, value, headers (`u16` name length, name, `i32` value length, value, …).

use super::super::{Header, Message, OwnedHeader, OwnedMessage};
use crate::ids::Offset;

/// Offset, timestamp and three lengths.
const FIXED: usize = 28;

/// How many bytes `message` takes.
pub(super) fn length(message: &Message<'_>) -> usize {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    FIXED + bytes(message.key) + bytes(message.value) + headers_length(message.headers)
}

/// Appends `message`. Kafka's own limits keep every length within its field, but for a header's name: a longer one is cut at
/// 65,535 bytes.
pub(super) fn encode(out: &mut Vec<u8>, message: &Message<'_>) {
    let headers_length = u32::try_from(headers_length(message.headers)).unwrap_or(u32::MAX);
    out.extend_from_slice(&message.offset.cast_unsigned().to_le_bytes());
    out.extend_from_slice(&message.timestamp.to_le_bytes());
    out.extend_from_slice(&nullable_length(message.key));
    out.extend_from_slice(&nullable_length(message.value));
    out.extend_from_slice(&headers_length.to_le_bytes());
    out.extend_from_slice(message.key.unwrap_or_default());
    out.extend_from_slice(message.value.unwrap_or_default());
    for header in message.headers {
        let name = name(header);
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(&nullable_length(header.value));
        out.extend_from_slice(header.value.unwrap_or_default());
    }
}

fn headers_length(headers: &[Header<'_>]) -> usize {
    headers.iter().map(|header| 6 + name(header).len() + header.value.map_or(0, <[u8]>::len)).sum()
}

fn name<'a>(header: &Header<'a>) -> &'a [u8] {
    header.name.get(..usize::from(u16::MAX)).unwrap_or(header.name)
}

fn nullable_length(bytes: Option<&[u8]>) -> [u8; 4] {
    bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX)).to_le_bytes()
}

/// Reads one message from the front of `body`; none if it ends too early or a length can't be.
pub(super) fn decode(body: &mut &[u8], attempt: u32) -> Option<OwnedMessage> {
    let offset = Offset(i64::try_from(u64::from_le_bytes(fixed(body)?)).ok()?);
    let timestamp = i64::from_le_bytes(fixed(body)?);
    let key_length = i32::from_le_bytes(fixed(body)?);
    let value_length = i32::from_le_bytes(fixed(body)?);
    let headers_length = u32::from_le_bytes(fixed(body)?);
    let key = nullable(body, key_length)?;
    let value = nullable(body, value_length)?;
    let mut headers = body.split_off(..usize::try_from(headers_length).ok()?)?;
    let headers = headers_from(&mut headers)?;
    Some(OwnedMessage { offset, timestamp, key, value, headers, attempt })
}

fn headers_from(bytes: &mut &[u8]) -> Option<Vec<OwnedHeader>> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let name_length = u16::from_le_bytes(fixed(bytes)?);
        let name = bytes.split_off(..usize::from(name_length))?;
        let name = String::from_utf8_lossy(name).into_owned();
        let value_length = i32::from_le_bytes(fixed(bytes)?);
        headers.push(OwnedHeader { name, value: nullable(bytes, value_length)? });
    }
    Some(headers)
}

/// Takes so many bytes from the front.
pub(super) fn fixed<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[expect(clippy::option_option, reason = "the outer none is an error, the inner one a null")]
fn nullable(bytes: &mut &[u8], length: i32) -> Option<Option<Vec<u8>>> {
    match length {
        -1 => Some(None),
        length => bytes.split_off(..usize::try_from(length).ok()?).map(|bytes| Some(bytes.to_vec())),
    }
}
