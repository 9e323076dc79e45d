//! Tokens for Kafka's OAUTHBEARER.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

use serde::{Deserialize, Serialize};

/// A token, until when it counts, and whose it is. `Debug` does not show the token itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What is shown to a broker.
    pub value: String,
    /// When it expires, in milliseconds since 1970.
    pub expires_at: i64,
    /// Whose it is, for logs of the client; a broker takes that from the token itself.
    pub principal: String,
    /// SASL extensions (RFC 7628, 3.1), by name.
    pub extensions: BTreeMap<String, String>,
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
