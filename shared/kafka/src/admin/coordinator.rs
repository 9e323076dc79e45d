//! Requests to a group's coordinator, each through a client that ends with it where it fails.
//!
//! librdkafka (2.12; its issues 3663 and 4605) aborts the process where the time of such a request was up before the coordinator
//! was there, and the coordinator comes afterwards. So its own time-out is never reached: when ours is, the client ends, and
//! whatever it had on its way. Nothing is sent late by it either.

use std::sync::Arc;

use rdkafka::types::RDKafka;

use crate::error::KafkaError;
use crate::live::Live;
use crate::trouble::Signs;

/// A request that failed: its client is gone.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: KafkaError,
    /// What the client had heard of trouble.
    pub(crate) signs: Arc<Signs>,
}

/// An answer, and the client that may be asked again; or why there is none.
pub(crate) type Asked<T> = Result<(Live, T), Failed>;

/// Asks through `live`, whose handle is live until `ask` returns.
pub(super) fn through<T>(live: Live, ask: impl FnOnce(*mut RDKafka) -> Result<T, KafkaError>) -> Asked<T> {
    match ask(live.native()) {
        Ok(answer) => Ok((live, answer)),
        Err(error) => {
            live.serve();
            Err(Failed { error, signs: live.signs() })
        }
    }
}
