//! An identity provider (OpenID Connect, client credentials), asked as librdkafka's properties say. It is asked here and not by
//! librdkafka, for a thousand workers would each ask by themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kafkavisor::config::KafkaProperties;
use kafkavisor::text::{self, innermost};
use kafkavisor::token::Token;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, redirect};
use serde_json::Value;

use super::token::{NoToken, usable};

const PREFIX: &str = "sasl.oauthbearer.";
/// Largest answer that is read, in bytes.
const MOST: usize = 1 << 20;

/// How the provider is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Oidc {
    endpoint: String,
    client_id: String,
    client_secret: String,
    scope: Option<String>,
    extensions: BTreeMap<String, String>,
    ca_file: Option<String>,
    ca_text: Option<String>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc")
            .field("endpoint", &self.endpoint())
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A property that can't be used, and why.
pub(crate) type Refused = (String, String);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("`kafka.https.ca.location` {path} can't be used: {error}")]
    Ca { path: String, error: String },
    #[error("it was not reached: {0}")]
    NotReached(String),
    #[error("it has not answered within {0:.1?}")]
    TooLate(Duration),
    #[error("it answers {status}{said}{}", remedy(*status))]
    Refused { status: u16, said: String },
    #[error("its answer can't be used: {0}")]
    NoToken(String),
}

impl OidcError {
    /// Whether it may be otherwise in a moment: nobody is there, or who is has trouble of its own or too much to do.
    pub(super) fn may_come(&self) -> bool {
        match self {
            Self::NotReached(_) | Self::TooLate(_) => true,
            Self::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            Self::Ca { .. } | Self::NoToken(_) => false,
        }
    }
}

/// What to look at, where it is ours to change.
fn remedy(status: u16) -> String {
    match status {
        400 | 401 | 403 => format!(": look at `kafka.{PREFIX}client.id`, `.client.secret` and `.scope`"),
        408 | 429 | 500.. => String::new(),
        _ => format!(": look at `kafka.{PREFIX}token.endpoint.url`"),
    }
}

/// Says whether a property is for the provider, and so none of librdkafka's business here.
pub(crate) fn reads(property: &str) -> bool {
    property.starts_with("https.ca.") || property.strip_prefix(PREFIX).is_some_and(|name| name != "config")
}

impl Oidc {
    /// What the properties say; none where no provider is asked.
    pub(crate) fn of(properties: &KafkaProperties) -> Result<Option<Self>, Refused> {
        let get = |name: &str| properties.get(&format!("{PREFIX}{name}")).map(str::to_owned);
        if !get("method").is_some_and(|method| method.eq_ignore_ascii_case("oidc")) {
            return Ok(None);
        }
        let either = |name: &str| get(name).or_else(|| get(&format!("client.credentials.{name}")));
        let needed = |name: &str, value: Option<String>| {
            let message = format!("`kafka.{PREFIX}method: oidc` needs `kafka.{PREFIX}{name}`: set it");
            value.ok_or((format!("{PREFIX}method"), message))
        };
        if let Some(other) =
            get("grant.type").filter(|grant| !grant.eq_ignore_ascii_case("client_credentials"))
        {
            let message =
                format!("{other} is not available: use `client_credentials`, or `oauth.token_command`");
            return Err((format!("{PREFIX}grant.type"), message));
        }
        if let Some(name) = properties.names().find(|name| is_other_way(name)) {
            return Err((name.to_owned(), "not available: use `oauth.token_command` for that".to_owned()));
        }
        let endpoint = needed("token.endpoint.url", get("token.endpoint.url"))?;
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            let message = "expected an address that begins with https:// or http://".to_owned();
            return Err((format!("{PREFIX}token.endpoint.url"), message));
        }
        Ok(Some(Self {
            endpoint,
            client_id: needed("client.id", either("client.id"))?,
            client_secret: needed("client.secret", either("client.secret"))?,
            scope: get("scope"),
            extensions: extensions(get("extensions").as_deref().unwrap_or_default())?,
            ca_file: properties.get("https.ca.location").map(str::to_owned),
            ca_text: properties.get("https.ca.pem").map(str::to_owned),
        }))
    }

    /// Who is asked, for messages: without a secret that may stand in it.
    pub(crate) fn endpoint(&self) -> Cow<'_, str> {
        text::without_secrets(&self.endpoint)
    }

    /// Asks for a token; `now` in milliseconds since 1970.
    pub(crate) async fn ask(&self, within: Duration, now: i64) -> Result<Token, OidcError> {
        let asked = tokio::time::timeout(within, self.exchange());
        let body = asked.await.unwrap_or(Err(OidcError::TooLate(within)))?;
        self.token(&body, now)
    }

    async fn exchange(&self) -> Result<Vec<u8>, OidcError> {
        let broken = |error: reqwest::Error| OidcError::NotReached(innermost(&error));
        let login = STANDARD.encode(format!("{}:{}", encoded(&self.client_id), encoded(&self.client_secret)));
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            form.push_str("&scope=");
            form.push_str(&encoded(scope));
        }
        let request = self.client()?.post(&self.endpoint);
        let request = request
            .header("authorization", format!("Basic {login}"))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let mut response = request.send().await.map_err(broken)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > MOST {
                return Err(OidcError::NoToken("it is larger than 1 MiB".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status();
        if status.is_success() {
            Ok(body)
        } else {
            Err(OidcError::Refused { status: status.as_u16(), said: said(&body) })
        }
    }

    fn client(&self) -> Result<Client, OidcError> {
        let mut client = Client::builder().redirect(redirect::Policy::none()).pool_max_idle_per_host(0);
        let bundles = [
            self.ca_file.as_ref().map(|path| (path.as_str(), std::fs::read(path))),
            self.ca_text.as_ref().map(|text| ("https.ca.pem", Ok(text.clone().into_bytes()))),
        ];
        for (path, bundle) in bundles.into_iter().flatten() {
            let failed = |error: String| OidcError::Ca { path: path.to_owned(), error };
            let bundle = bundle.map_err(|error| failed(error.to_string()))?;
            for certificate in
                Certificate::from_pem_bundle(&bundle).map_err(|error| failed(innermost(&error)))?
            {
                client = client.add_root_certificate(certificate);
            }
        }
        client.build().map_err(|error| OidcError::NotReached(innermost(&error)))
    }

    fn token(&self, body: &[u8], now: i64) -> Result<Token, OidcError> {
        let unusable = |error: NoToken| OidcError::NoToken(error.to_string());
        let missing = || OidcError::NoToken("it has no `access_token`".to_owned());
        let answer: Value =
            serde_json::from_slice(body).map_err(|_| OidcError::NoToken("it is no JSON".to_owned()))?;
        let value = answer.get("access_token").and_then(Value::as_str).ok_or_else(missing)?;
        let claims = claims(value).unwrap_or_default();
        let seconds = |value: Option<&Value>| value.and_then(Value::as_f64).filter(|s| s.is_finite());
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds; what is out of range saturates")]
        let milliseconds = |seconds: f64| (seconds * 1000.0) as i64;
        let by_claim = seconds(claims.get("exp")).map(milliseconds);
        let by_answer = seconds(answer.get("expires_in")).map(|left| now.saturating_add(milliseconds(left)));
        let expires_at = by_claim.or(by_answer);
        let expires_at = expires_at.ok_or_else(|| {
            OidcError::NoToken(
                "neither its token (`exp`) nor `expires_in` says until when it counts".to_owned(),
            )
        })?;
        let principal = claims.get("sub").and_then(Value::as_str).unwrap_or(&self.client_id).to_owned();
        let token =
            Token { value: value.to_owned(), expires_at, principal, extensions: self.extensions.clone() };
        usable(token, now).map_err(unusable)
    }
}

/// As a form has it, which name and secret are to be written as too (RFC 6749, 2.3.1).
fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// Ways to ask a provider that librdkafka knows besides.
fn is_other_way(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|name| name.starts_with("assertion.") || name.starts_with("metadata."))
}

/// What a JSON Web Token says; none where it is another kind of token.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

fn extensions(text: &str) -> Result<BTreeMap<String, String>, Refused> {
    let each = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let refused = || (format!("{PREFIX}extensions"), "expected NAME=VALUE,NAME=VALUE".to_owned());
        let (name, value) = pair.split_once('=').ok_or_else(refused)?;
        Ok((name.to_owned(), value.to_owned()))
    };
    each.map(pair).collect()
}

/// What a provider says of an error (RFC 6749, 5.2), for people.
fn said(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = ["error", "error_description"].iter().filter_map(|key| answer.get(key)?.as_str());
    let words = words.collect::<Vec<_>>().join(": ");
    if words.is_empty() { words } else { format!(" ({})", text::shown(&words)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: [(&str, &str); 4] = [
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.id", "svc"),
        ("sasl.oauthbearer.client.secret", "hush"),
        ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token"),
    ];

    fn of(more: &[(&str, &str)], without: &str) -> Result<Option<Oidc>, Refused> {
        Oidc::of(&FULL.iter().chain(more).filter(|(name, _)| *name != without).copied().collect())
    }

    #[test]
    fn what_is_missing_or_not_available_is_named() {
        assert_eq!(of(&[], "sasl.oauthbearer.method"), Ok(None));
        assert!(of(&[("sasl.oauthbearer.extensions", "a=b,c=d")], "").unwrap().is_some());
        for (more, without, key, words) in [
            (None, "sasl.oauthbearer.client.id", "method", "client.id`: set it"),
            (None, "sasl.oauthbearer.client.secret", "method", "client.secret`: set it"),
            (None, "sasl.oauthbearer.token.endpoint.url", "method", "token.endpoint.url`: set it"),
            (Some(("sasl.oauthbearer.grant.type", "jwt")), "", "grant.type", "not available"),
            (Some(("sasl.oauthbearer.assertion.file", "x")), "", "assertion.file", "not available"),
            (Some(("sasl.oauthbearer.extensions", "a")), "", "extensions", "NAME=VALUE"),
        ] {
            let (property, message) = of(&more.into_iter().collect::<Vec<_>>(), without).unwrap_err();
            assert!(property.ends_with(key) && message.contains(words), "{property}: {message}");
        }
    }

    #[test]
    fn until_when_it_counts_is_in_the_token_or_beside_it() {
        let oidc = of(&[], "").unwrap().unwrap();
        let jwt = format!("h.{}.s", URL_SAFE_NO_PAD.encode("{\"exp\":2000,\"sub\":\"them\"}"));
        let token = oidc
            .token(format!("{{\"access_token\":\"{jwt}\",\"expires_in\":5}}").as_bytes(), 1_000_000)
            .unwrap();
        assert_eq!((token.expires_at, token.principal.as_str()), (2_000_000, "them"));
        let token = oidc.token(b"{\"access_token\":\"opaque\",\"expires_in\":5}", 1_000_000).unwrap();
        assert_eq!((token.expires_at, token.principal.as_str()), (1_005_000, "svc"));
        for body in
            ["", "{}", "{\"access_token\":\"opaque\"}", "{\"access_token\":\"opaque\",\"expires_in\":-5}"]
        {
            assert!(matches!(oidc.token(body.as_bytes(), 1_000_000), Err(OidcError::NoToken(_))), "{body}");
        }
    }
}
