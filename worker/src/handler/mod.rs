//! The handler's side of the worker: processes and pipes behind one trait, [`Driver`]. What a handler is told and what it
//! answers is known here in messages and answers only; the bytes are the codecs' of [`kafkavisor::protocol`].

mod child;
mod descendants;
mod driver;
mod exec;
mod exec_backoff;
mod exec_batches;
mod log_budget;
mod log_lines;
mod near_answers;
mod outgoing;
mod session;

use kafkavisor::config::Protocol;
use kafkavisor::protocol::{Binary, Jsonl};

use self::child::Wiring;
pub(crate) use self::driver::{Context, Driver, Said};
use self::exec::Exec;
use self::session::Session;

/// The driver for the configured protocol.
pub(crate) fn new_driver(context: Context) -> Box<dyn Driver> {
    match context.handler.protocol {
        Protocol::Jsonl => Box::new(Session::new(context, Box::new(Jsonl::new()), Wiring::Standard)),
        Protocol::Binary => Box::new(Session::new(context, Box::new(Binary::new()), Wiring::OwnDescriptors)),
        Protocol::Exec => Box::new(Exec::new(context)),
    }
}
