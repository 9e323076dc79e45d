//! The handler of the demo, when none is given.

use kafkavisor::handler::{self, Failure as NotDone, Message};
use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// What it wants an order to be.
#[derive(Deserialize)]
struct Order {
    #[serde(rename = "order")]
    _number: u64,
    #[serde(rename = "amount")]
    _amount: u64,
}

/// Takes orders, and rejects what is none.
pub(in super::super) fn handler() -> Result<Exit, Failure> {
    let take = |message: &Message| {
        let _order: Order = serde_json::from_slice(message.payload()).map_err(NotDone::reject)?;
        Ok(())
    };
    handler::run(take).map_err(|error| Failure::bug(error.to_string()))?;
    Ok(Exit::Clean)
}
