//! Producers (feature `producer`).

mod error;
mod produce;

pub use self::error::{Failed, ProduceCause, ProduceError};
pub use self::produce::{Produce, ProduceKeyed, Produced};
