//! One client of librdkafka's, on its board of tokens for as long as it lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafka;

use crate::admin::set_credentials;
use crate::error::KafkaError;
use crate::properties::reason;
use crate::tokens::{Attached, attach_of};
use crate::trouble::Signs;

/// What a client that runs can be given another one of.
const LOGIN: [&str; 2] = ["sasl.username", "sasl.password"];

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

    /// Gives it the name and password of `properties`, where these are all that is other than `before`, and says whether they are. They
    /// are for connections that are made later: one that may be no good yet ends none that is.
    pub(crate) fn take_login(
        &self,
        before: &BTreeMap<String, String>,
        properties: &BTreeMap<String, String>,
    ) -> bool {
        let [Some(username), Some(password)] = LOGIN.map(|name| properties.get(name)) else { return false };
        let alone = without_login(before) == without_login(properties);
        if alone {
            set_credentials(self.native(), username, password);
        }
        alone
    }

    /// What it is to the unsafe parts, for as long as it is held.
    pub(crate) fn native(&self) -> *mut RDKafka {
        self.client.client().native_ptr()
    }

    /// What it has heard of trouble.
    pub(crate) fn signs(&self) -> Arc<Signs> {
        Arc::clone(self.client.client().context())
    }

    /// Serves what librdkafka wants to tell.
    pub(crate) fn serve(&self) {
        // Nothing is consumed: what comes are errors, which its context remembers.
        while self.client.poll(Duration::ZERO).is_some() {}
    }
}

fn without_login(properties: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let all = properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(|(name, _)| !LOGIN.contains(name)).collect()
}
