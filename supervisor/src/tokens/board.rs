//! Where the clients of this process find the token, and the properties that they are made of.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kafkavisor::config::KafkaProperties;
use kafkavisor_kafka::tokens::Tokens;

use super::oidc;

/// Where all clients of this process look for a token.
pub(crate) fn board() -> &'static Tokens {
    static BOARD: OnceLock<Tokens> = OnceLock::new();
    BOARD.get_or_init(Tokens::new)
}

/// The one way from what is configured to what a client of this process is made of: what says where tokens come from is ours to read, and tokens come over the board.
pub(crate) fn for_clients(configured: &KafkaProperties) -> BTreeMap<String, String> {
    let mut properties = configured.texts();
    properties.retain(|name, _| !oidc::reads(name));
    let bearer = ["sasl.mechanism", "sasl.mechanisms"]
        .iter()
        .any(|name| properties.get(*name).is_some_and(|mechanism| mechanism == "OAUTHBEARER"));
    if bearer {
        board().put_into(&mut properties);
    }
    properties
}
