//! Tokens for OAUTHBEARER: the supervisor alone asks for them, in time before one expires, and hands them to its workers and to its
//! own clients, so that a thousand workers are no storm for an identity provider.
//!
//! | file | does |
//! |---|---|
//! | `token` | what is a token, and when the next one is asked for: pure |
//! | `oidc` | asks an identity provider |
//! | `source` | whom the configuration says to ask |
//! | `keeper` | asks for the first one, and keeps asking, on a thread that nothing else waits for |

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kafkavisor_kafka::tokens::Tokens;

mod keeper;
mod oidc;
mod source;
mod token;

pub(crate) use keeper::{Keeper, Settings, Told, first};
pub(crate) use source::TokenSource;

/// Where all clients of this process look for a token.
pub(crate) fn board() -> &'static Tokens {
    static BOARD: OnceLock<Tokens> = OnceLock::new();
    BOARD.get_or_init(Tokens::new)
}

/// The properties as clients take them: what says where tokens come from is ours to read, and tokens come over the board.
pub(crate) fn for_clients(mut properties: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let bearer = ["sasl.mechanism", "sasl.mechanisms"]
        .iter()
        .any(|name| properties.get(*name).is_some_and(|mechanism| mechanism == "OAUTHBEARER"));
    if bearer {
        properties.retain(|name, _| !oidc::reads(name));
        board().put_into(&mut properties);
    }
    properties
}
