//! One request and what its answer means.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};

use super::datapoint::{Datapoint, body};

/// An exchange takes no longer.
const WITHIN: Duration = Duration::from_secs(10);
/// Of an answer that says no, so much is read.
const SAID: usize = 300;

/// Why points were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Another time they may be, after so long where that was said.
    #[error("{why}")]
    Later { why: String, after: Option<Duration> },
    /// They never will be.
    #[error("{why}")]
    Never { why: String },
}

pub(super) fn client() -> reqwest::Result<Client> {
    Client::builder().redirect(redirect::Policy::none()).timeout(WITHIN).build()
}

/// Sends points.
pub(super) async fn send(
    client: &Client,
    url: &str,
    token: &str,
    points: &[Datapoint],
) -> Result<(), Refusal> {
    let request = client.post(format!("{url}/v2/datapoint"));
    let request = request.header("x-sf-token", token).header(CONTENT_TYPE, "application/json");
    let answer = request.body(body(points)).send().await;
    let answer = answer.map_err(|error| Refusal::Later { why: innermost(&error), after: None })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let after = retry_after(&answer);
    let why = format!("it answers {status}{}", said(answer).await);
    // With another token, or at another time, they are fine.
    let for_now = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::NOT_FOUND
    );
    let for_now = for_now || status.is_server_error() || status.is_redirection();
    Err(if for_now { Refusal::Later { why, after } } else { Refusal::Never { why } })
}

/// In seconds; a date is no less than nothing said.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

/// The begin of the answer's text, as it is logged.
async fn said(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < SAID
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(SAID);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {}", crate::text::shown(text)) }
}

/// What is behind an error of reqwest's, which names its own layers first.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", WITHIN.as_secs());
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
