//! One handler's life on any pair of streams: read, work, acknowledge, until stop or the end of the input.
//!
//! | the worker says | then |
//! |---|---|
//! | init | [`Handler::init`] |
//! | message | [`Handler::message`]: done, held, rejected, or the end with a failure |
//! | flush | [`Handler::flush`] if any are held, then everything is acknowledged |
//! | stop | the same, then [`Handler::stop`], and the end |
//! | nothing more (it is gone) | the end; what is held is let go, for its next owner |

use std::io::{self, Read, Write};

use super::answers::{Answers, Context};
use super::{Done, Error, Failure, Handler, Message, StopReason};
use crate::ids::Offset;
use crate::protocol::{HandlerCodec, Request};

/// A pipe holds as much.
const READ: usize = 64 << 10;

/// Serves with `handler` on streams of the caller's: for tests of handlers, and for other transports.
pub fn serve_on(
    handler: &mut dyn Handler,
    codec: &mut dyn HandlerCodec,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), Error> {
    let mut session = Session { handler, answers: Answers::new(codec, output), held: None };
    let mut bytes = vec![0; READ];
    let mut requests = Vec::new();
    loop {
        session.answers.acknowledge().map_err(answering)?;
        let length = read(input, &mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        let read = bytes.get(..length).unwrap_or_default();
        session.answers.codec().decode(read, &mut |request| requests.push(request))?;
        for request in requests.drain(..) {
            if session.take(request)? == Life::Over {
                return Ok(());
            }
        }
    }
}

fn read(input: &mut dyn Read, bytes: &mut [u8]) -> Result<usize, Error> {
    loop {
        match input.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => {
                return result
                    .map_err(|source| Error::Io { what: "read from the worker".to_owned(), source });
            }
        }
    }
}

fn answering(source: io::Error) -> Error {
    Error::Io { what: "answer the worker".to_owned(), source }
}

#[derive(PartialEq, Eq)]
enum Life {
    GoesOn,
    Over,
}

struct Session<'a> {
    handler: &'a mut dyn Handler,
    answers: Answers<'a>,
    /// The last message that is held.
    held: Option<Offset>,
}

impl Session<'_> {
    fn take(&mut self, request: Request) -> Result<Life, Error> {
        match request {
            Request::Init(init) => {
                self.handler.init(&init).map_err(|source| Error::Handler { what: "begin", source })?;
            }
            Request::Message(message) => self.message(&message)?,
            Request::Flush => self.flush()?,
            Request::Stop(reason) => return self.stop(reason).map(|()| Life::Over),
        }
        Ok(Life::GoesOn)
    }

    fn message(&mut self, message: &Message) -> Result<(), Error> {
        let offset = message.offset;
        match self.handler.message(message, &mut Context::new(&mut self.answers, offset)) {
            Ok(Done::Now) => {
                self.held = None;
                self.answers.done(offset).map_err(answering)
            }
            Ok(Done::Later) => {
                self.held = Some(offset);
                Ok(())
            }
            Err(Failure::Reject(reason)) => {
                // A reject acknowledges what came before, so that has to be finished.
                self.flush()?;
                self.answers.reject(offset, reason).map_err(answering)
            }
            Err(Failure::Fatal(source)) => {
                self.answers.acknowledge().map_err(answering)?;
                Err(Error::Message { offset, source })
            }
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(offset) = self.held {
            let flushed = self.handler.flush(&mut Context::new(&mut self.answers, offset));
            if let Err(source) = flushed {
                self.answers.acknowledge().map_err(answering)?;
                return Err(Error::Handler { what: "flush", source });
            }
            self.held = None;
            self.answers.done(offset).map_err(answering)?;
        }
        self.answers.acknowledge().map_err(answering)
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Error> {
        self.flush()?;
        self.handler.stop(reason).map_err(|source| Error::Handler { what: "stop", source })
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
