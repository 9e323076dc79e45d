//! What librdkafka says of trouble on its own account, beside the requests that fail for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

#[cfg(feature = "probe")]
pub(crate) use super::probe::look;
use super::words::Trouble;

#[cfg(not(feature = "probe"))]
pub(crate) fn look(_: &str, _: &BTreeMap<String, String>, _: Instant) -> Option<Trouble> {
    None
}

/// What a client last heard of brokers that it can't talk to. A sign stays until a request was answered: librdkafka says the same
/// thing once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A broker let us not in.
    Authentication(String),
    /// No TLS came about.
    Tls(String),
    /// A connection failed or broke off, which may be anything.
    Transport,
}

impl Sign {
    /// What an error of librdkafka's is a sign of; none where it says nothing of this kind.
    #[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has some two hundred errors")]
    pub(crate) fn of(code: Code, reason: &str) -> Option<Self> {
        match code {
            Code::Authentication | Code::SaslAuthenticationFailed => {
                Some(Self::Authentication(short(reason)))
            }
            Code::SSL => Some(Self::Tls(short(reason))),
            Code::BrokerTransportFailure | Code::AllBrokersDown => Some(Self::Transport),
            _ => None,
        }
    }

    /// What can be told of it without a closer look; none where that is nothing.
    pub(crate) fn trouble(self, properties: &BTreeMap<String, String>) -> Option<Trouble> {
        match self {
            Self::Authentication(said) => {
                Some(Trouble::Authentication { mechanism: mechanism(properties).to_owned(), said })
            }
            Self::Tls(said) => Some(Trouble::Handshake { said }),
            Self::Transport => None,
        }
    }
}

/// librdkafka's own default.
pub(crate) fn mechanism(properties: &BTreeMap<String, String>) -> &str {
    let given = properties.get("sasl.mechanism").or_else(|| properties.get("sasl.mechanisms"));
    given.map_or("GSSAPI", String::as_str)
}

/// librdkafka's text without how long it took: that is never the same twice.
fn short(reason: &str) -> String {
    reason.split(" (after ").next().unwrap_or_default().to_owned()
}

/// A client's memory for signs.
#[derive(Debug, Default)]
pub struct Signs(Mutex<Option<Sign>>);

impl Signs {
    pub(crate) fn last(&self) -> Option<Sign> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A request was answered.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is behind the last sign, if there is one: by a look at the brokers, `host:port,...`, else by what it says.
    pub fn explain(
        &self,
        brokers: &str,
        properties: &BTreeMap<String, String>,
        until: Instant,
    ) -> Option<Trouble> {
        let sign = self.last()?;
        look(brokers, properties, until).or_else(|| sign.trouble(properties))
    }

    /// What librdkafka says to a callback.
    pub(crate) fn note_code(&self, code: i32, reason: &str) {
        let sign = |code: Code| (code as i32, code);
        let known = [Code::Authentication, Code::SaslAuthenticationFailed, Code::SSL, Code::AllBrokersDown];
        let known = known.map(sign).into_iter().find(|(number, _)| *number == code);
        if let Some(sign) = known.and_then(|(_, code)| Sign::of(code, reason)) {
            self.note(sign);
        }
    }

    fn note(&self, sign: Sign) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That a connection broke off is no news after why.
        if sign != Sign::Transport || last.is_none() {
            *last = Some(sign);
        }
    }
}

impl ClientContext for Signs {
    fn error(&self, error: ClientError, reason: &str) {
        if let Some(sign) = error.rdkafka_error_code().and_then(|code| Sign::of(code, reason)) {
            self.note(sign);
        }
    }
}

impl ConsumerContext for Signs {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_broker_refuses_us_is_not_hidden_by_the_end_of_the_connection() {
        let signs = Signs::default();
        signs.error(ClientError::Global(Code::Authentication), "b:1/1: no (after 7ms in state AUTH_REQ)");
        signs.error(ClientError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(signs.last(), Some(Sign::Authentication("b:1/1: no".to_owned())));
        signs.forget();
        signs.error(ClientError::Global(Code::BrokerTransportFailure), "b:1/1: disconnected");
        assert_eq!(signs.last(), Some(Sign::Transport));
        signs.error(ClientError::Global(Code::MessageTimedOut), "x");
        assert_eq!(signs.last(), Some(Sign::Transport));
    }
}
