//! Cuts a stream into lines, however it was cut into reads. A line that lies whole in one read is passed on without a copy;
//! of one longer than the limit the beginning is passed on, once, and the rest let go, so that a handler that never ends a line
//! costs no more memory than the limit.

use memchr::memchr;

/// The longest line that a worker takes, without its line end: what is longer is cut, and a line for the log.
pub const MAX_LINE: usize = 1 << 20;

/// One line, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    Cut(&'a [u8]),
}

/// The line that has begun.
#[derive(Debug)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// The rest of a line that was cut is on its way.
    skipping: bool,
    limit: usize,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { begun: Vec::new(), skipping: false, limit }
    }

    /// Passes on the lines that end within `bytes`, up to an error, and keeps what begins a line.
    pub(super) fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((line, rest)) = memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end)) {
            bytes = rest.get(1..).unwrap_or_default();
            self.end(line, &mut each)?;
        }
        self.keep(bytes, &mut each)
    }

    /// What came of a line that did not end; none if the stream ended with a line.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        self.skipping = false;
        Some(std::mem::take(&mut self.begun)).filter(|begun| !begun.is_empty())
    }

    /// How many bytes are kept of a line that has not ended.
    pub(super) fn kept(&self) -> usize {
        self.begun.len()
    }

    fn end<E>(&mut self, line: &[u8], each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if !self.skipping && self.begun.is_empty() && line.len() <= self.limit {
            return each(Line::Whole(line));
        }
        self.keep(line, each)?;
        if std::mem::take(&mut self.skipping) {
            return Ok(());
        }
        let result = each(Line::Whole(&self.begun));
        self.begun.clear();
        result
    }

    fn keep<E>(&mut self, bytes: &[u8], each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.skipping {
            return Ok(());
        }
        let room = self.limit - self.begun.len();
        self.begun.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() <= room {
            return Ok(());
        }
        self.skipping = true;
        each(Line::Cut(&std::mem::take(&mut self.begun)))
    }
}

/// A line without the `\r` that some languages put before the `\n`.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(reads: &[&[u8]], limit: usize) -> Vec<(char, String)> {
        let mut lines = Lines::new(limit);
        let mut seen = Vec::new();
        for read in reads {
            let each = |line: Line<'_>| -> Result<(), ()> {
                let (kind, text) = match line {
                    Line::Whole(text) => ('w', text),
                    Line::Cut(text) => ('c', text),
                };
                seen.push((kind, String::from_utf8(text.to_vec()).unwrap()));
                Ok(())
            };
            lines.feed(read, each).unwrap();
            assert!(lines.begun.len() <= limit);
        }
        seen.extend(lines.finish().map(|half| ('h', String::from_utf8(half).unwrap())));
        seen
    }

    #[test]
    fn lines_are_put_together_again() {
        for reads in [&[&b"one\n\ntwo\nthr"[..]][..], &[b"on", b"e", b"\n", b"\ntwo\nt", b"hr"]] {
            let lines = [('w', "one"), ('w', ""), ('w', "two"), ('h', "thr")].map(|(k, l)| (k, l.to_owned()));
            assert_eq!(cut(reads, 3), lines);
        }
    }

    #[test]
    fn the_rest_of_a_line_that_is_too_long_is_let_go() {
        for reads in [&[&b"four\nabc\n12345678"[..]][..], &[b"fou", b"r", b"\nabc", b"\n123", b"45", b"678"]]
        {
            let lines = [('c', "fou"), ('w', "abc"), ('c', "123")].map(|(k, l)| (k, l.to_owned()));
            assert_eq!(cut(reads, 3), lines);
        }
    }
}
