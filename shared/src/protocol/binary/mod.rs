//! `binary`: length-prefixed little-endian frames in large batches, for throughput; on descriptors of their own, so that
//! a print can't break it.
//!
//! To the handler: 1 init, 2 messages, 3 stop, 4 flush, 5 redelivered ([`Binary`] writes them, [`BinaryHandler`] reads
//! them). From the handler: 129 ack, 130 reject, 131 busy. A reader of a handler must expect frames of any length: those of
//! several messages are at most [`MAX_BATCH`] long, one message that alone is longer has a frame of its own. A worker
//! takes answers of at most [`MAX_ANSWER`], and keeps of a reason what [`crate::text::KEPT`] says.

mod frames;
mod record;
mod request;
mod worker;

pub use request::BinaryHandler;
pub use worker::{Binary, MAX_ANSWER, MAX_BATCH};

const INIT: u8 = 1;
const MESSAGES: u8 = 2;
const STOP: u8 = 3;
const FLUSH: u8 = 4;
const REDELIVERED: u8 = 5;
const ACK: u8 = 129;
const REJECT: u8 = 130;
const BUSY: u8 = 131;
