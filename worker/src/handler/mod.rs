//! The handler's side of the worker: processes and pipes behind one trait, [`Driver`]. What a handler is told and what it
//! answers is known here in messages and answers only; the bytes are the codecs' of [`kafkavisor::protocol`].

mod child;
mod descendants;
mod driver;
mod exec;
mod exec_backoff;
mod exec_batches;
mod log_lines;
mod near_answers;
mod session;

pub(crate) use driver::{Context, Driver, Said, new_driver};
