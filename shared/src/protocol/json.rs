//! JSON written by hand, straight into the buffer of a pipe: every message passes here, so nothing is allocated and bytes
//! that need no escape are found sixteen at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// As many bytes are looked at together; the compiler makes one comparison of them.
const STEP: usize = 16;

/// The first byte of U+2028 and U+2029 (among others).
const E2: u8 = 0xe2;

/// Appends a number.
pub(super) fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut left = value.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        start -= 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Appends a string with its quotes.
///
/// U+2028 and U+2029 are escaped though JSON does not ask for it: Node's `readline` takes them for line ends.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((before, byte, after)) = split_at_special(rest) {
        out.extend_from_slice(before);
        rest = after;
        match (byte, after) {
            (E2, [0x80, last @ (0xa8 | 0xa9), after @ ..]) => {
                out.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                rest = after;
            }
            (E2, _) => out.push(E2),
            _ => escape(out, byte),
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends bytes as base64, with quotes.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    // Four characters for every three bytes begun; the encoder says how many it wrote.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(start..).map_or(Ok(0), |room| STANDARD.encode_slice(bytes, room));
    debug_assert!(written.is_ok_and(|written| start + written == out.len()));
    out.push(b'"');
}

fn split_at_special(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let chunks = bytes.chunks_exact(STEP);
    let tail = chunks.remainder();
    let clean =
        chunks.take_while(|chunk| !chunk.iter().fold(false, |any, &byte| any | is_special(byte))).count();
    // Nothing special in all the chunks, or in those before one: then it is in that one, or in the tail, or nowhere.
    let from = clean * STEP;
    let chunk = bytes.get(from..from + STEP).unwrap_or(tail);
    let at = from + chunk.iter().position(|&byte| is_special(byte))?;
    let (before, rest) = bytes.split_at_checked(at)?;
    let (&byte, after) = rest.split_first()?;
    Some((before, byte, after))
}

#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "without branches the compiler compares sixteen bytes at once")]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == E2)
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for value in [0, 1, -1, 9, 10, 99, 100, 1_700_000_000_000, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| integer(out, value)), value.to_string());
        }
    }

    #[test]
    fn every_character_that_json_forbids_is_escaped() {
        for code in 0..=0x7f_u8 {
            let text = format!("before {} after, for longer than one step", char::from(code));
            let json = written(|out| string(out, &text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert_eq!(json, serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn no_reader_of_lines_takes_a_separator_for_a_line_end() {
        let json = written(|out| string(out, "a\u{2028}b\u{2029}c\u{2030}d\u{2028}"));
        assert_eq!(json, "\"a\\u2028b\\u2029c\u{2030}d\\u2028\"");
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in
            [(&b""[..], ""), (b"\xff", "/w=="), (b"\xff\xfe", "//4="), (b"\xff\xfe\xfd", "//79")]
        {
            assert_eq!(written(|out| base64(out, bytes)), format!("\"{text}\""));
        }
    }

    proptest! {
        #[test]
        fn a_string_reads_back(text in "[\\x00-\\x7f\u{2020}-\u{2030}é😀]{0,70}|\\PC{0,100}") {
            let json = written(|out| string(out, &text));
            let line_ends = ['\n', '\r', '\u{2028}', '\u{2029}'];
            prop_assert!(!json.contains(line_ends));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
