//! JSON written by hand, straight into the buffer of a pipe: every message passes here, so nothing is allocated and bytes
//! that need no escape are found sixteen at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr_iter;

/// As many bytes are looked at together; the compiler makes one comparison of them.
const STEP: usize = 16;

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
    while let Some((before, escape, after)) = split_at_separator(rest) {
        escaped(out, before);
        out.extend_from_slice(escape);
        rest = after;
    }
    escaped(out, rest);
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

/// What comes before the first U+2028 or U+2029, how that is written, and what comes after.
fn split_at_separator(bytes: &[u8]) -> Option<(&[u8], &'static [u8], &[u8])> {
    memchr_iter(0xe2, bytes).find_map(|at| match bytes.split_at_checked(at)? {
        (before, [_, 0x80, 0xa8, after @ ..]) => Some((before, &b"\\u2028"[..], after)),
        (before, [_, 0x80, 0xa9, after @ ..]) => Some((before, &b"\\u2029"[..], after)),
        _ => None,
    })
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let (steps, tail) = bytes.as_chunks::<STEP>();
    for step in steps.iter().map(<[u8; STEP]>::as_slice).chain([tail]) {
        if step.iter().fold(false, |any, &byte| any | is_special(byte)) {
            escaped_step(out, step);
        } else {
            out.extend_from_slice(step);
        }
    }
}

#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "without branches, sixteen bytes are compared at once")]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// JSON within JSON has a quote every few bytes, too irregular to branch for each: two bytes are written every time, and
/// where no backslash was needed the next ones begin over the second.
fn escaped_step(out: &mut Vec<u8>, step: &[u8]) {
    let mut written = [0; 2 * STEP];
    let mut length = 0;
    let mut slowly = false;
    for &byte in step {
        let letter = LETTERS.get(usize::from(byte)).copied().unwrap_or_default();
        if let Some(pair) = written.get_mut(length..).and_then(<[u8]>::first_chunk_mut) {
            *pair = [if letter == 0 { byte } else { b'\\' }, letter];
        }
        length += 1 + usize::from(letter != 0);
        slowly |= letter == NUMBER;
    }
    if slowly {
        return escaped_slowly(out, step);
    }
    out.extend_from_slice(written.get(..length).unwrap_or_default());
}

fn escaped_slowly(out: &mut Vec<u8>, step: &[u8]) {
    for &byte in step {
        match LETTERS.get(usize::from(byte)) {
            None | Some(0) => out.push(byte),
            Some(&NUMBER) => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                out.extend_from_slice(&[b'\\', NUMBER, b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            Some(letter) => out.extend_from_slice(&[b'\\', *letter]),
        }
    }
}

/// Stands for a byte that has no letter of its own.
const NUMBER: u8 = b'u';

/// The letter that stands for a byte after a backslash, [`NUMBER`], or 0 for a byte that needs no escape.
const LETTERS: [u8; 256] = letters();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
const fn letters() -> [u8; 256] {
    let mut letters = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        letters[control] = NUMBER;
        control += 1;
    }
    letters[b'"' as usize] = b'"';
    letters[b'\\' as usize] = b'\\';
    letters[b'\n' as usize] = b'n';
    letters[b'\r' as usize] = b'r';
    letters[b'\t' as usize] = b't';
    letters[0x08] = b'b';
    letters[0x0c] = b'f';
    letters
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
