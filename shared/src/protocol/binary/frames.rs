//! Frames, written and read: `u32` length of what follows, `u8` kind, body. A frame that lies whole in one read is passed
//! on without a copy; the beginning of one is kept until the rest has come, after its length and kind were checked. Of a frame
//! that is longer than its reader needs, the rest is let go as it comes.

use super::super::ProtocolError;

/// Length field and kind.
const HEAD: usize = 5;

/// Checks a frame's kind and length before its body has come.
pub(super) type Check = fn(kind: u8, length: u32) -> Result<(), ProtocolError>;

/// Begins a frame; returns where, for [`close`].
pub(super) fn open(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    start
}

/// Ends the frame that began at `start` by writing its length there.
pub(super) fn close(out: &mut [u8], start: usize) {
    let length = out.len().saturating_sub(start + 4);
    let field = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
    debug_assert!(field.is_some() && length > 0, "the buffer was taken while a frame was open");
    if let Some(field) = field {
        *field = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    }
}

/// The frame that has begun.
#[derive(Debug)]
pub(super) struct Frames {
    begun: Vec<u8>,
    /// Bytes of it that came and were let go.
    passed: usize,
    max: u32,
    /// Of a longer frame only so much is kept, and passed on.
    keep: usize,
    check: Check,
}

impl Frames {
    pub(super) fn new(max: u32, keep: usize, check: Check) -> Self {
        Self { begun: Vec::new(), passed: 0, max, keep, check }
    }

    /// Passes on the frames that end within `bytes` as kind, body and length of the whole body, up to an error, and keeps what
    /// begins one.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(u8, &[u8], usize) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        loop {
            bytes = self.go_on(bytes, &mut each)?;
            if bytes.is_empty() {
                return Ok(());
            }
            while let Some((frame, rest)) =
                self.whole(bytes)?.and_then(|length| bytes.split_at_checked(length))
            {
                self.pass(frame, frame.len(), &mut each)?;
                bytes = rest;
            }
            let (head, rest) = bytes.split_at_checked(HEAD).unwrap_or((bytes, b""));
            self.begun.extend_from_slice(head);
            bytes = rest;
        }
    }

    /// Goes on with the frame that has begun, if one has; returns what comes after it.
    fn go_on<'a>(
        &mut self,
        mut bytes: &'a [u8],
        each: &mut impl FnMut(u8, &[u8], usize) -> Result<(), ProtocolError>,
    ) -> Result<&'a [u8], ProtocolError> {
        while !self.begun.is_empty() && !bytes.is_empty() {
            let kept = self.whole(&self.begun)?.unwrap_or(HEAD).min(self.keep);
            let missing = kept.saturating_sub(self.begun.len());
            if missing > 0 {
                let (part, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, b""));
                self.begun.extend_from_slice(part);
                bytes = rest;
            }
            let Some(whole) = self.whole(&self.begun)? else { continue };
            if self.begun.len() == whole.min(self.keep) {
                let over = (whole - self.begun.len() - self.passed).min(bytes.len());
                self.passed += over;
                bytes = bytes.get(over..).unwrap_or_default();
            }
            if self.begun.len() + self.passed == whole {
                let begun = std::mem::take(&mut self.begun);
                self.passed = 0;
                self.pass(&begun, whole, each)?;
                self.begun = begun;
                self.begun.clear();
            }
        }
        Ok(bytes)
    }

    /// How many bytes are kept of a frame that has not ended.
    pub(super) fn kept(&self) -> usize {
        self.begun.len()
    }

    /// Whether the stream ended between two frames.
    pub(super) fn finish(&mut self) -> Result<(), ProtocolError> {
        let length = std::mem::take(&mut self.begun).len() + std::mem::take(&mut self.passed);
        if length == 0 { Ok(()) } else { Err(ProtocolError::HalfFrame { length }) }
    }

    /// How long the frame is that `bytes` begin with, its length field included, as soon as that can be told.
    fn whole(&self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            return Err(ProtocolError::EmptyFrame);
        }
        if length > self.max {
            return Err(ProtocolError::LongFrame { length, max: self.max });
        }
        let Some(&kind) = rest.first() else { return Ok(None) };
        (self.check)(kind, length)?;
        Ok(usize::try_from(length).ok().map(|length| length + 4))
    }

    /// Passes on a frame, `whole` bytes long, of which `frame` is the beginning.
    fn pass(
        &self,
        frame: &[u8],
        whole: usize,
        each: &mut impl FnMut(u8, &[u8], usize) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match frame.get(..frame.len().min(self.keep)) {
            Some([_, _, _, _, kind, body @ ..]) => each(*kind, body, whole.saturating_sub(HEAD)),
            _ => Err(ProtocolError::EmptyFrame),
        }
    }
}
