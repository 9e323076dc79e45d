//! Cuts a stream into lines, however it was cut into reads. A line that lies whole in one read is passed on without a copy.
//! Of one longer than [`Limits::line`] only the beginning is kept, so that a handler that never ends a line costs no more
//! memory than that; unless it may be an answer, which may be longer, up to [`Limits::answer`].

use memchr::memchr;

use crate::text;

/// The longest line for the log that a worker passes on, without its line end: what is longer is cut.
pub const MAX_LINE: usize = text::LINE;

/// The longest answer, without its line end.
pub const MAX_ANSWER: usize = 16 << 20;

/// How long lines may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Any line.
    pub(super) line: usize,
    /// A line that may be an answer, as its beginning shows.
    pub(super) answer: usize,
    pub(super) may_be_answer: fn(&[u8]) -> bool,
}

impl Limits {
    /// Lines of any length.
    pub(super) const NONE: Self = Self { line: usize::MAX, answer: usize::MAX, may_be_answer: |_| false };
}

/// One line, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// The beginning of one that is no answer, and how long all of it was.
    Cut(&'a [u8], usize),
    /// The beginning of an answer that is too long; it has not ended yet.
    LongAnswer(&'a [u8]),
}

/// The line that has begun.
#[derive(Debug)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// How much of it has come; more than is kept of one that is no answer.
    length: usize,
    /// It is longer than a line may be, and may be an answer.
    answer: bool,
    limits: Limits,
}

impl Lines {
    pub(super) fn new(limits: Limits) -> Self {
        Self { begun: Vec::new(), length: 0, answer: false, limits }
    }

    /// Passes on the lines that end within `bytes`, up to an error, and keeps what begins a line.
    pub(super) fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((line, rest)) = memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end)) {
            bytes = rest.get(1..).unwrap_or_default();
            if self.length == 0 && line.len() <= self.limits.line {
                each(Line::Whole(line))?;
            } else {
                self.keep(line, &mut each)?;
                self.end(&mut each)?;
            }
        }
        self.keep(bytes, &mut each)
    }

    /// Passes on a line that did not end.
    pub(super) fn finish<E>(&mut self, mut each: impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.length > 0 { self.end(&mut each) } else { Ok(()) }
    }

    /// How many bytes are kept of a line that has not ended.
    pub(super) fn kept(&self) -> usize {
        self.begun.len()
    }

    fn end<E>(&mut self, each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut begun = std::mem::take(&mut self.begun);
        let length = std::mem::take(&mut self.length);
        self.answer = false;
        let result =
            each(if begun.len() == length { Line::Whole(&begun) } else { Line::Cut(&begun, length) });
        // What one long line took is given back; what ordinary ones take is kept.
        if begun.capacity() <= KEPT_CAPACITY {
            begun.clear();
            self.begun = begun;
        }
        result
    }

    fn keep<E>(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Limits { line, answer, may_be_answer } = self.limits;
        while !bytes.is_empty() {
            if self.begun.len() < self.length {
                self.length += bytes.len();
                return Ok(());
            }
            let limit = if self.answer { answer } else { line };
            let (part, rest) = bytes.split_at_checked(limit - self.begun.len()).unwrap_or((bytes, b""));
            self.begun.extend_from_slice(part);
            self.length += part.len();
            bytes = rest;
            if bytes.is_empty() {
                return Ok(());
            }
            let may_be_answer = may_be_answer(&self.begun);
            if self.answer && may_be_answer {
                return each(Line::LongAnswer(&self.begun));
            }
            self.answer = may_be_answer;
            if !self.answer {
                self.begun.truncate(line);
                self.begun.shrink_to_fit();
                self.length += bytes.len();
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A buffer larger than this is not kept from line to line.
const KEPT_CAPACITY: usize = 256 << 10;

/// A line without the `\r` that some languages put before the `\n`.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { line: 3, answer: 6, may_be_answer: |line| line.starts_with(b"{") };

    fn cut(reads: &[&[u8]]) -> Vec<(char, String)> {
        let mut lines = Lines::new(LIMITS);
        let mut seen = Vec::new();
        let mut each = |line: Line<'_>| {
            let (kind, text) = match line {
                Line::Whole(text) => ('w', text),
                Line::Cut(text, length) => (char::from_digit(length.try_into().unwrap(), 36).unwrap(), text),
                Line::LongAnswer(text) => ('a', text),
            };
            seen.push((kind, String::from_utf8(text.to_vec()).unwrap()));
            if kind == 'a' { Err(()) } else { Ok(()) }
        };
        for read in reads {
            if lines.feed(read, &mut each).is_err() {
                return seen;
            }
            assert!(lines.kept() <= LIMITS.answer);
        }
        lines.finish(&mut each).unwrap();
        assert_eq!(lines.kept(), 0);
        seen
    }

    /// What comes of `bytes`, wherever they are cut.
    #[track_caller]
    fn assert_cut(bytes: &[u8], expected: &[(char, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        for length in 1..=bytes.len() {
            assert_eq!(cut(&bytes.chunks(length).collect::<Vec<_>>()), expected, "in pieces of {length}");
        }
    }

    #[test]
    fn lines_are_put_together_again() {
        assert_cut(b"one\n\ntwo\nthr", &[('w', "one"), ('w', ""), ('w', "two"), ('w', "thr")]);
    }

    #[test]
    fn the_rest_of_a_line_that_is_too_long_is_let_go_and_counted() {
        assert_cut(b"four\nabc\n12345678", &[('4', "fou"), ('w', "abc"), ('8', "123")]);
    }

    #[test]
    fn what_may_be_an_answer_may_be_longer_but_not_for_ever() {
        assert_cut(b"{12345\n{12\nabcd\n", &[('w', "{12345"), ('w', "{12"), ('4', "abc")]);
        assert_cut(b"{12345\n{123456789\nabc\n", &[('w', "{12345"), ('a', "{12345")]);
    }

    #[test]
    fn what_turns_out_to_be_no_answer_is_cut_like_any_line() {
        let limits = Limits { may_be_answer: |line| line.len() < 6, ..LIMITS };
        let mut lines = Lines::new(limits);
        let mut seen = Vec::new();
        let mut each = |line: Line<'_>| -> Result<(), ()> {
            seen.push(format!("{line:?}"));
            Ok(())
        };
        lines.feed(b"12345678\n", &mut each).unwrap();
        assert_eq!(seen, [format!("{:?}", Line::Cut(b"123", 8))]);
    }
}
