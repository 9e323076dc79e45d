//! `jsonl`: one JSON object per line, both ways; any language speaks it without a library.
//!
//! To the handler: `init`, `message`, `flush`, `stop` ([`Jsonl`] writes them, [`JsonlHandler`] reads them). From the handler: a
//! line that is an object with exactly the keys of an answer is one; the same keys with a wrong value break the protocol;
//! every other line is a line for the log, except empty ones, which are passed over. So is a byte order mark at the beginning.

mod answer;
mod beginning;
mod encode;
mod lines;
mod request;
mod worker;

pub use lines::{MAX_ANSWER, MAX_LINE};
pub use request::JsonlHandler;
pub use worker::Jsonl;

pub(super) use encode::init;
