//! One HTTP exchange: bounded in time and size, tried twice, redirections not followed.

use std::time::Duration;

use kafkavisor_types::text::{bounded, innermost};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, redirect};
use serde_json::Value;

use super::swagger::Request;

/// Longest that one exchange may take: connecting, the answer, its body. It is tried twice. From yelp_kafka: `RESPONSE_TIMEOUT`.
pub(super) const LIMIT: Duration = Duration::from_secs(2);
/// Largest answer that is read, in bytes.
pub(super) const MAX_ANSWER: usize = 16 << 20;
/// As much of an answer's text is shown, in bytes.
const SHOWN: usize = 300;

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection.
    Unreached(String),
    /// A connection on which no whole HTTP answer came.
    NoAnswer(String),
    TooLate,
    TooLarge,
}

/// A client that goes to no proxy: discovery is asked on this machine or in its network, as the address says. No connection is used
/// twice: one that the service is just closing would cost a try.
pub(super) fn client(client_id: &str) -> Result<Client, String> {
    let agent: String = client_id.chars().filter(char::is_ascii_graphic).collect();
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .user_agent(agent)
        .pool_max_idle_per_host(0);
    client.build().map_err(|error| innermost(&error))
}

/// The answer, of the second try where the first brings none or one of a server in trouble (5xx).
pub(super) async fn twice(client: &Client, request: &Request) -> Result<Answer, Fault> {
    match once(client, request).await {
        Ok(answer) if answer.status < 500 => Ok(answer),
        Err(Fault::TooLarge) => Err(Fault::TooLarge),
        Ok(_) | Err(Fault::Unreached(_) | Fault::NoAnswer(_) | Fault::TooLate) => once(client, request).await,
    }
}

async fn once(client: &Client, request: &Request) -> Result<Answer, Fault> {
    tokio::time::timeout(LIMIT, whole(client, request)).await.unwrap_or(Err(Fault::TooLate))
}

async fn whole(client: &Client, request: &Request) -> Result<Answer, Fault> {
    let unsent = |error: &dyn std::fmt::Display| Fault::Unreached(error.to_string());
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| unsent(&error))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unsent(&error))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| unsent(&error))?;
        headers.insert(name, value);
    }
    let mut response =
        client.request(method, &request.url).headers(headers).send().await.map_err(|error| fault(&error))?;
    let location = response.headers().get(LOCATION).map(|to| bounded(to.as_bytes(), to.len(), SHOWN));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status().as_u16(), location, body })
}

/// Whether somebody was reached: who hangs up, or says something that is no HTTP, was.
fn fault(error: &reqwest::Error) -> Fault {
    let reason = innermost(error);
    if error.is_connect() || error.is_builder() { Fault::Unreached(reason) } else { Fault::NoAnswer(reason) }
}

/// What an error answer says, for people: its `description` or `message`, else its text.
pub(super) fn for_people(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| {
        ["description", "message", "error", "detail"].iter().find_map(|key| json.get(key)?.as_str())
    });
    let text = said.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    if text.is_empty() { text } else { format!(" ({})", bounded(text.as_bytes(), text.len(), SHOWN)) }
}
