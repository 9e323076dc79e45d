//! What users write: a function for [`run`], or a [`Handler`] for [`serve`] when a handler batches its work, takes long, or
//! cares for beginning and end.

use std::error::Error as StdError;

use super::session::serve_on;
use super::{Context, Error, Failure, Init, Message, StopReason, streams};
use crate::protocol::HandlerCodec;

/// Whether a message is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// This message is done, and so are all before it, held ones too.
    Now,
    /// Held, with those before it, until a later message is done or [`Handler::flush`] has returned.
    Later,
}

/// A handler of one partition's messages.
pub trait Handler {
    /// Called once, before the first message.
    fn init(&mut self, init: &Init) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _ = init;
        Ok(())
    }

    /// Called for each message, in order. Work that takes long says [`Context::busy`] now and then.
    fn message(&mut self, message: &Message, context: &mut Context<'_>) -> Result<Done, Failure>;

    /// Finishes every message that is held: asked for when nothing more is coming for now, before a reject, and before
    /// the end. What it can't finish it fails for.
    fn flush(&mut self, context: &mut Context<'_>) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _ = context;
        Ok(())
    }

    /// Called once at an orderly end, after everything has been flushed and acknowledged.
    fn stop(&mut self, reason: StopReason) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _ = reason;
        Ok(())
    }
}

struct Each<F>(F);

impl<F: FnMut(&Message) -> Result<(), Failure>> Handler for Each<F> {
    fn message(&mut self, message: &Message, _: &mut Context<'_>) -> Result<Done, Failure> {
        (self.0)(message).map(|()| Done::Now)
    }
}

/// Calls `each` for every message until the worker says stop or goes away; then `main` may return.
pub fn run(each: impl FnMut(&Message) -> Result<(), Failure>) -> Result<(), Error> {
    serve(Each(each))
}

/// Serves with `handler` until the worker says stop or goes away; then `main` may return.
pub fn serve(mut handler: impl Handler) -> Result<(), Error> {
    let mut streams = streams::from_environment()?;
    let codec: &mut dyn HandlerCodec = streams.codec.as_mut();
    serve_on(&mut handler, codec, &mut streams.input, &mut streams.output)
}
