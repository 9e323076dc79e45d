//! The handler protocols as codecs: bytes in, bytes out, in both directions and without any I/O.
//!
//! A worker talks to its handler through one [`Codec`], [`Jsonl`] or [`Binary`], and knows nothing of the bytes; what the
//! handler said comes back as [`Output`]s. A handler written in Rust uses the other side, a [`HandlerCodec`]
//! ([`JsonlHandler`] or [`BinaryHandler`]), best by way of [`crate::handler`]. [`exec`] has no answers, only payloads.
//! Whether an answer makes sense (was that offset delivered?) is left to the worker.

pub mod binary;
mod codec;
mod error;
pub mod exec;
mod json;
pub mod jsonl;
#[cfg(test)]
mod properties;

pub use binary::{Binary, BinaryHandler};
pub use codec::{Answer, Codec, HandlerCodec, Output, Request};
pub use error::ProtocolError;
pub use jsonl::{Jsonl, JsonlHandler};
#[doc(inline)]
pub use kafkavisor_types::message::{Header, Init, Message, OwnedHeader, OwnedMessage, StopReason};
