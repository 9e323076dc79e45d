//! Tokens for OAUTHBEARER: whoever has one puts it up on a board, and the clients that belong to it show that one to brokers from
//! then on. librdkafka asks nobody itself.
//!
//! Which board is a client's own stands in its properties, under the one that librdkafka keeps for whoever hands it tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kafkavisor_types::token::Token;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

/// Where a client's board is named.
const PROPERTY: &str = "sasl.oauthbearer.config";

/// All boards of this process, by name.
static BOARDS: Mutex<BTreeMap<String, Board>> = Mutex::new(BTreeMap::new());
static COUNT: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Board {
    token: Option<Token>,
    /// Live handles; each takes itself off before it is destroyed.
    clients: BTreeSet<usize>,
}

fn boards() -> MutexGuard<'static, BTreeMap<String, Board>> {
    BOARDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(String);

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokens {
    /// Another board.
    pub fn new() -> Self {
        Self(format!("kafkavisor-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The board that is named in these properties, if one is.
    pub fn of(properties: &BTreeMap<String, String>) -> Option<Self> {
        properties.get(PROPERTY).cloned().map(Self)
    }

    /// Names it in a client's properties.
    pub fn put_into(&self, properties: &mut BTreeMap<String, String>) {
        properties.insert(PROPERTY.to_owned(), self.0.clone());
    }

    /// From here on this is the token, for the clients that there are and those that will be.
    pub fn give(&self, token: &Token) {
        let mut boards = boards();
        let board = boards.entry(self.0.clone()).or_default();
        board.token = Some(token.clone());
        for client in &board.clients {
            set(*client as *mut RDKafka, token);
        }
    }
}

/// A client's place at its board; to be dropped before the client is.
#[derive(Debug)]
pub struct Attached {
    board: String,
    client: usize,
}

/// Lets a client show the token of the board that its property names; none where it names none.
///
/// `client` must be live for as long as the answer.
pub fn attach(board: Option<&str>, client: *mut RDKafka) -> Option<Attached> {
    let board = board?;
    let mut boards = boards();
    let entry = boards.entry(board.to_owned()).or_default();
    entry.clients.insert(client as usize);
    if let Some(token) = &entry.token {
        set(client, token);
    }
    Some(Attached { board: board.to_owned(), client: client as usize })
}

/// [`attach`], by the properties that the client was made of.
pub(crate) fn attach_of(config: &rdkafka::ClientConfig, client: *mut RDKafka) -> Option<Attached> {
    attach(config.get(PROPERTY), client)
}

/// The board that a client's properties name.
pub fn board_in(properties: &BTreeMap<String, String>) -> Option<&str> {
    properties.get(PROPERTY).map(String::as_str)
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(board) = boards().get_mut(&self.board) {
            board.clients.remove(&self.client);
        }
    }
}

/// Hands the token to a live client.
fn set(client: *mut RDKafka, token: &Token) {
    // Whoever made the token has seen to it that it holds none.
    let text = |text: &str| CString::new(text.replace('\0', "")).unwrap_or_default();
    let (value, principal) = (text(&token.value), text(&token.principal));
    let extensions: Vec<CString> =
        token.extensions.iter().flat_map(|(name, value)| [text(name), text(value)]).collect();
    let mut pointers: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
    let mut error = [0; 256];
    #[expect(unsafe_code, reason = "librdkafka's C interface")]
    // SAFETY: the client is live, for it takes itself off the board before it ends and we hold the board; all strings end in NUL and
    // are copied during the call; `error` is as long as is said.
    let result = unsafe {
        rd::rd_kafka_oauthbearer_set_token(
            client,
            value.as_ptr(),
            token.expires_at,
            principal.as_ptr(),
            if pointers.is_empty() { ptr::null_mut() } else { pointers.as_mut_ptr() },
            pointers.len(),
            error.as_mut_ptr(),
            error.len(),
        )
    };
    if result != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        let said: Vec<u8> =
            error.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
        log::error!("a client of Kafka does not take the token: {}", String::from_utf8_lossy(&said));
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};

    use super::*;

    fn token(expires_at: i64) -> Token {
        Token {
            value: "a.b.c".to_owned(),
            expires_at,
            principal: "svc".to_owned(),
            extensions: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
        }
    }

    #[test]
    fn a_client_is_on_its_own_board_until_it_leaves() {
        let tokens = Tokens::new();
        let mut properties =
            BTreeMap::from([("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "OAUTHBEARER")])
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
        tokens.put_into(&mut properties);
        assert_eq!(Tokens::of(&properties), Some(tokens.clone()));
        let config = ClientConfig::from_iter(properties);
        tokens.give(&token(i64::MAX));
        let client: BaseConsumer = config.create().unwrap();
        let attached = attach_of(&config, client.client().native_ptr());
        assert!(attached.is_some());
        tokens.give(&token(i64::MAX - 1));
        let on = |tokens: &Tokens| boards().get(&tokens.0).map(|board| board.clients.len());
        assert_eq!(on(&tokens), Some(1));
        drop(attached);
        assert_eq!(on(&tokens), Some(0));
        assert!(attach_of(&ClientConfig::new(), client.client().native_ptr()).is_none());
    }
}
