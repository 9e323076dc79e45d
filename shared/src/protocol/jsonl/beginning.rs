//! How a handler's output begins: with a byte order mark, which is passed over, or in another encoding, which is named, since
//! nothing in it would ever be taken for an answer.

/// U+FEFF in UTF-8, as some languages put it before whatever they write first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How much of a byte order mark has come; none once something else has.
#[derive(Debug)]
pub(super) struct Beginning(Option<usize>);

impl Beginning {
    pub(super) fn new() -> Self {
        Self(Some(0))
    }

    /// What was held back, if it turns out to be no mark, and what is left of `bytes`.
    pub(super) fn pass<'a>(&mut self, bytes: &'a [u8]) -> (&'static [u8], &'a [u8]) {
        let Some(matched) = self.0 else { return (b"", bytes) };
        let (before, missing) = MARK.split_at_checked(matched).unwrap_or((MARK, b""));
        if let Some(rest) = bytes.strip_prefix(missing) {
            self.0 = None;
            return (b"", rest);
        }
        if missing.starts_with(bytes) {
            self.0 = Some(matched + bytes.len());
            return (b"", b"");
        }
        self.0 = None;
        (before, bytes)
    }

    /// What is held back at the end of the output.
    pub(super) fn finish(&mut self) -> &'static [u8] {
        self.0.take().and_then(|matched| MARK.get(..matched)).unwrap_or_default()
    }
}

/// The encoding of an output whose first line begins like this, if it is none that can be read.
pub(super) fn other_encoding(line: &[u8]) -> Option<&'static str> {
    match line {
        [0xff, 0xfe, _, 0, ..] | [b'{', 0, ..] => Some("UTF-16 (little-endian)"),
        [0xfe, 0xff, 0, ..] | [0, b'{', ..] => Some("UTF-16 (big-endian)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_passed_over_however_it_is_cut_and_nothing_else_is() {
        for (bytes, left) in [
            (&b"\xef\xbb\xbfx"[..], &b"x"[..]),
            (b"\xef\xbb\xbf\xef\xbb\xbf", b"\xef\xbb\xbf"),
            (b"\xef\xbbx", b"\xef\xbbx"),
            (b"\xef\xbb", b"\xef\xbb"),
            (b"\xef\xef\xbb\xbf", b"\xef\xef\xbb\xbf"),
            (b"{\"ack\":1}", b"{\"ack\":1}"),
            (b"", b""),
        ] {
            for length in 1..=bytes.len().max(1) {
                let (mut beginning, mut passed) = (Beginning::new(), Vec::new());
                for piece in bytes.chunks(length) {
                    let (held, rest) = beginning.pass(piece);
                    passed.extend([held, rest].concat());
                }
                passed.extend(beginning.finish());
                assert_eq!(passed, left, "{bytes:?} in pieces of {length}");
            }
        }
    }
}
