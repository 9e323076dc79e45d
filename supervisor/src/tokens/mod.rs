//! Tokens for OAUTHBEARER: the supervisor alone asks for them, in time before one expires, and hands them to its workers and to its
//! own clients, so that a thousand workers are no storm for an identity provider.
//!
//! | file | does |
//! |---|---|
//! | `board` | where our own clients find the token, and what of their properties is not librdkafka's |
//! | `token` | what is a token, and when the next one is asked for: pure |
//! | `oidc` | asks an identity provider |
//! | `source` | whom the configuration says to ask |
//! | `keeper` | asks for the first one, and keeps asking, on a thread that nothing else waits for |

mod board;
mod keeper;
mod oidc;
mod source;
mod token;

pub(crate) use board::{board, for_clients};
pub(crate) use keeper::{Keeper, NoSuccessor, Settings, Told, log_in};
pub(crate) use source::TokenSource;
