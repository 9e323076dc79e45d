//! `exec`: one process per batch, payloads on its standard input, its exit status the answer.
//!
//! So there is nothing to decode and no [`Codec`](super::Codec); the batch's offsets go into the environment, which is the
//! worker's business.

/// Appends one payload and the delimiter after it; a null payload is an empty one.
///
/// A payload that holds the delimiter is not escaped: a handler of such a topic asks for `nul` or another protocol.
pub fn payload(out: &mut Vec<u8>, value: Option<&[u8]>, delimiter: u8) {
    out.extend_from_slice(value.unwrap_or_default());
    out.push(delimiter);
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn each_payload_is_followed_by_the_delimiter() {
        let mut out = Vec::new();
        for value in [Some(&b"one"[..]), None, Some(b""), Some(b"two")] {
            payload(&mut out, value, b'\n');
        }
        payload(&mut out, Some(b"\xff\n"), 0);
        assert_eq!(out, b"one\n\n\ntwo\n\xff\n\0");
    }
}
