//! What is encoded for a handler and not yet in its pipe: encoded once, written as the pipe takes it, and never kept for longer.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::write;

/// What is written and still stands before the rest is thrown away from so many bytes on: moving the rest down then costs no more
/// than encoding it did.
const THROWN_AWAY: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    written: usize,
    /// Something of what stood here since it was last empty is written: there is no taking back.
    begun: bool,
}

/// How far writing came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// The pipe is full.
    Some,
    /// Nobody reads any more, and nothing is left to be written.
    Closed,
}

impl Outgoing {
    /// Where to encode what comes next.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether a handler may have part of what stands here.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.written, self.begun) = (0, false);
    }

    /// Writes what the pipe takes. Nothing that is encoded may still be open: what is written is thrown away.
    pub(super) fn write(&mut self, pipe: impl AsFd) -> Written {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match write(&pipe, rest) {
                Ok(count) => {
                    self.written += count;
                    self.begun = true;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    if self.written >= THROWN_AWAY {
                        self.bytes.drain(..self.written);
                        self.written = 0;
                    }
                    return Written::Some;
                }
                Err(_) => {
                    self.clear();
                    return Written::Closed;
                }
            }
        }
        self.clear();
        Written::All
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pipe() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, theirs)
    }

    fn read_some(from: &mut UnixStream, most: usize) -> Vec<u8> {
        let mut chunk = vec![0; most];
        let count = from.read(&mut chunk).unwrap_or(0);
        chunk.truncate(count);
        chunk
    }

    #[test]
    fn one_that_never_empties_keeps_no_more_than_what_is_not_written() {
        let (ours, mut theirs) = pipe();
        let (mut outgoing, mut sent) = (Outgoing::default(), 0u32);
        for _ in 0..4000 {
            while outgoing.len() < THROWN_AWAY {
                outgoing.end().extend(sent.to_le_bytes().repeat(4096));
                sent += 1;
            }
            assert_eq!(outgoing.write(&ours), Written::Some);
            read_some(&mut theirs, 64 * 1024);
        }
        assert!(sent > 10_000, "{sent} were on their way");
        let capacity = outgoing.bytes.capacity();
        assert!(capacity <= 8 * THROWN_AWAY, "{capacity} bytes are held");
    }

    #[test]
    fn everything_arrives_in_order_whatever_was_thrown_away() {
        let (ours, mut theirs) = pipe();
        let (mut outgoing, mut heard) = (Outgoing::default(), Vec::new());
        let all: Vec<u8> = (0..u32::try_from(THROWN_AWAY).unwrap()).flat_map(u32::to_le_bytes).collect();
        let mut rest = all.chunks(100_000);
        loop {
            if outgoing.len() < THROWN_AWAY
                && let Some(next) = rest.next()
            {
                outgoing.end().extend(next);
            }
            let written = outgoing.write(&ours);
            heard.extend(read_some(&mut theirs, 50_000));
            if written == Written::All && heard.len() == all.len() {
                break;
            }
        }
        assert_eq!(heard, all);
    }

    #[test]
    fn what_is_written_in_part_is_begun_until_it_is_empty() {
        let (ours, mut theirs) = pipe();
        let mut outgoing = Outgoing::default();
        outgoing.end().resize(4 * THROWN_AWAY, 0);
        assert!(!outgoing.is_begun());
        assert_eq!(outgoing.write(&ours), Written::Some);
        assert!(outgoing.is_begun());
        while outgoing.write(&ours) == Written::Some {
            assert!(outgoing.is_begun(), "also once what was written is thrown away");
            read_some(&mut theirs, 1 << 20);
        }
        assert!(!outgoing.is_begun() && outgoing.len() == 0);
    }

    #[test]
    fn nothing_is_kept_for_one_that_reads_no_more() {
        let (ours, theirs) = pipe();
        drop(theirs);
        let mut outgoing = Outgoing::default();
        outgoing.end().extend(*b"x");
        assert_eq!(outgoing.write(&ours), Written::Closed);
        assert_eq!(outgoing.len(), 0);
    }
}
