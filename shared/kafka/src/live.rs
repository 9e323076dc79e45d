//! One client of librdkafka's, on its board of tokens for as long as it lives.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafka;

use crate::error::KafkaError;
use crate::properties::reason;
use crate::tokens::{Attached, attach_of};
use crate::trouble::Signs;

/// See the module.
pub(crate) struct Live {
    // Before the client.
    _attached: Option<Attached>,
    pub(crate) client: BaseConsumer<Signs>,
}

impl Live {
    /// Makes it; asks nobody yet.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        let client: BaseConsumer<Signs> = config
            .create_with_context(Signs::default())
            .map_err(|error| KafkaError::Configuration(reason(&error)))?;
        let attached = attach_of(config, client.client().native_ptr());
        Ok(Self { _attached: attached, client })
    }

    /// What it is to the unsafe parts, for as long as it is held.
    pub(crate) fn native(&self) -> *mut RDKafka {
        self.client.client().native_ptr()
    }

    /// What it has heard of trouble.
    pub(crate) fn signs(&self) -> &Signs {
        self.client.context()
    }

    /// Serves what librdkafka wants to tell.
    pub(crate) fn serve(&self) {
        // Nothing is consumed: what comes are errors, which its context remembers.
        while self.client.poll(Duration::ZERO).is_some() {}
    }
}
