//! How one side may break a protocol. Each error says what came and what was expected, since the reader of the log is
//! the author of a handler.

/// Bytes that are not of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// `jsonl`: an answer's key with a value that can't be.
    #[error("the answer {line:?} is wrong: {key:?} must be {expected}")]
    Value {
        /// The line, cut.
        line: String,
        /// The key with the wrong value.
        key: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// `jsonl`: an answer with the same key twice.
    #[error("the answer {line:?} is wrong: it has a key twice")]
    Twice {
        /// The line, cut.
        line: String,
    },
    /// `jsonl`: an answer longer than any may be.
    #[error("an answer of over {max} bytes, which begins {line:?}")]
    LongAnswer {
        /// The line, cut.
        line: String,
        /// The most a worker takes.
        max: usize,
    },
    /// `jsonl`: output in an encoding that is not UTF-8.
    #[error(
        "its output is {encoding}, so that no answer in it can be read; jsonl is UTF-8: set the encoding of the handler's \
         standard output"
    )]
    Encoding {
        /// The encoding that it begins like.
        encoding: &'static str,
    },
    /// `jsonl`: a line that tells the handler nothing.
    #[error("the line {line:?} is no request: {reason}")]
    Request {
        /// The line, cut.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `jsonl`: the input ended within a line.
    #[error("the input ended within a line, after {length} bytes of it")]
    HalfLine {
        /// How much of it came.
        length: usize,
    },
    /// `binary`: a frame of length 0, without a kind.
    #[error("an empty frame; a frame's length counts its kind byte, so it is at least 1")]
    EmptyFrame,
    /// `binary`: a kind that this side does not take.
    #[error("a frame of unknown kind {kind}; expected one of {expected}")]
    Kind {
        /// The kind byte.
        kind: u8,
        /// The kinds this side takes.
        expected: &'static str,
    },
    /// `binary`: a frame whose length does not fit its kind.
    #[error("a frame of kind {kind} and length {length}; expected {expected}")]
    Length {
        /// The kind byte.
        kind: u8,
        /// The frame's length as it said.
        length: u32,
        /// The lengths that the kind has.
        expected: &'static str,
    },
    /// `binary`: a frame longer than any may be, before its kind is known.
    #[error(
        "a frame of length {length}; at most {max} are taken (were other bytes written between the frames?)"
    )]
    LongFrame {
        /// The frame's length as it said.
        length: u32,
        /// The most this side takes.
        max: u32,
    },
    /// `binary`: an offset that Kafka can't have.
    #[error("offset {offset}; the largest is {}", i64::MAX)]
    Offset {
        /// The offset as it was said.
        offset: u64,
    },
    /// `binary`: a body that ends too early or can't be read.
    #[error("the body of a frame of kind {kind} is wrong: {reason}")]
    Body {
        /// The kind byte.
        kind: u8,
        /// What is wrong with it.
        reason: String,
    },
    /// `binary`: the stream ended within a frame.
    #[error("the stream ended within a frame, after {length} bytes of it")]
    HalfFrame {
        /// How much of it came, with its length field.
        length: usize,
    },
}
