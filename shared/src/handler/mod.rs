//! Handlers in Rust without a thought for bytes: give [`run`] a function, or [`serve`] a [`Handler`], and call it from `main`.
//!
//! The protocol is found in the environment: `binary` where the worker passed descriptors for it, else `jsonl`. Messages are
//! acknowledged together, after what one read brought, every 1000 messages and every 100 ms, and always before a read
//! that might wait. Everything happens on the calling thread, in order.
//!
//! With `jsonl`, standard output carries the answers: print whole lines there, or log to standard error.
//!
//! ```no_run
//! use kafkavisor::handler::{self, Failure, Message};
//!
//! fn main() -> Result<(), handler::Error> {
//!     handler::run(|message: &Message| {
//!         let text = str::from_utf8(message.payload()).map_err(Failure::reject)?;  // poison: never again
//!         eprintln!("{}: {text}", message.offset);
//!         std::fs::write("/tmp/last", text)?;  // another error ends this handler; the message comes again
//!         Ok(())
//!     })
//! }
//! ```

mod answers;
mod error;
mod serve;
mod session;
mod streams;

pub use answers::Context;
pub use error::{Error, Failure};
pub use serve::{Done, Handler, run, serve};
pub use session::serve_on;

pub use crate::protocol::{Init, OwnedHeader as Header, OwnedMessage as Message, StopReason};
