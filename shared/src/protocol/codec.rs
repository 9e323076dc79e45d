//! The two sides of a handler protocol: [`Codec`] is the worker's, [`HandlerCodec`] the handler's.
//!
//! Both take bytes as they were read, in pieces of any size, and append what they write to the caller's buffer. Every
//! protocol has the same life cycle: init, messages and flushes, stop.

use std::fmt;

use super::{Init, Message, OwnedMessage, ProtocolError, StopReason};
use crate::ids::Offset;

/// What a handler says of the messages it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Everything up to and including this offset is done.
    Ack(Offset),
    /// This message can never succeed; everything before it is done.
    Reject {
        /// The message.
        offset: Offset,
        /// Why.
        error: String,
    },
    /// Still at work on this message.
    Busy(Offset),
}

/// One thing a handler said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'a> {
    /// An answer.
    Answer(Answer),
    /// A line for the log, without its line end. Any bytes; never empty.
    Log(&'a [u8]),
}

/// One thing a handler is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Comes first, and once.
    Init(Init),
    /// A message to work on.
    Message(OwnedMessage),
    /// Acknowledge all that was delivered before this, as soon as it is finished.
    Flush,
    /// Finish, acknowledge, exit 0. Comes last.
    Stop(StopReason),
}

/// The worker's side: encodes what the handler is told, decodes what it answers.
///
/// Between [`message`](Self::message) and [`end_batch`](Self::end_batch) the buffer may hold an open frame: pass the
/// same buffer, with nothing taken out of it, until then. After an error the handler is to be ended; nothing more is to
/// be decoded.
pub trait Codec: fmt::Debug + Send {
    /// Says where the handler begins.
    fn init(&mut self, out: &mut Vec<u8>, init: &Init);

    /// Delivers one message; `attempt` is 1 the first time.
    fn message(&mut self, out: &mut Vec<u8>, message: &Message<'_>, attempt: u32);

    /// Closes an open frame. To be called before the buffer is written out; the other methods do it by themselves.
    fn end_batch(&mut self, out: &mut Vec<u8>);

    /// Asks to acknowledge what was delivered.
    fn flush(&mut self, out: &mut Vec<u8>);

    /// Asks to finish and exit.
    fn stop(&mut self, out: &mut Vec<u8>, reason: StopReason);

    /// Takes bytes as the handler wrote them and passes on what is complete. What is kept between calls is bounded.
    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError>;

    /// How many bytes are kept of an answer or a line that is not complete.
    fn kept(&self) -> usize;

    /// Takes the end of the handler's output.
    fn decode_end(&mut self, sink: &mut dyn FnMut(Output<'_>)) -> Result<(), ProtocolError>;
}

/// The handler's side: decodes what it is told, encodes its answers.
pub trait HandlerCodec: fmt::Debug + Send {
    /// Takes bytes as the worker wrote them and passes on what is complete.
    fn decode(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Request)) -> Result<(), ProtocolError>;

    /// Takes the end of the input; half a request is an error.
    fn decode_end(&mut self) -> Result<(), ProtocolError>;

    /// Appends one answer.
    fn answer(&mut self, out: &mut Vec<u8>, answer: &Answer);
}
