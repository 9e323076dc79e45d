//! What is answered where. It is only looked at: whatever is asked, nothing changes.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use kafkavisor::ids::TopicPartition;
use serde::Serialize;
use sha1::{Digest as _, Sha1};

use super::host::Hosts;
use super::mask;
use crate::observe::board::Hangs;
use crate::observe::looks::Looks;
use crate::observe::metrics;
use crate::observe::page::{PAGE, POLICY};
use crate::observe::snapshot::Snapshot;

type Answer = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// See the module.
#[derive(Debug)]
pub(crate) struct Routes {
    looks: Looks,
    hosts: Hosts,
    /// Keys, stderr and error texts are shown.
    details: bool,
}

impl Routes {
    /// Served at `address` to whoever reaches it; `host` is this host's name.
    pub(crate) fn new(looks: Looks, address: IpAddr, host: &str, named: &[String], details: bool) -> Self {
        Self { looks, hosts: Hosts::new(host, named), details: details || address.is_loopback() }
    }

    /// To a request that has met a bug.
    pub(super) fn failed() -> Answer {
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a bug, which the log tells of: please report it\n".to_owned(),
        )
    }

    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        if let Some(answer) = self.not_meant_for_us(request.uri(), request.headers()) {
            return answer;
        }
        let path = request.uri().path();
        if !matches!(path, "/" | "/status" | "/events" | "/metrics" | "/healthz" | "/readyz") {
            let paths = "there are /, /status, /events, /metrics, /healthz and /readyz\n";
            return plain(StatusCode::NOT_FOUND, paths.to_owned());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer =
                plain(StatusCode::METHOD_NOT_ALLOWED, "nothing is changed here: GET\n".to_owned());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let answer = match path {
            "/status" => self.status(request.uri().query()).await,
            "/events" => self.events(),
            "/healthz" => self.healthy().await,
            "/readyz" => self.ready().await,
            "/metrics" => self.metrics(request.headers()).await,
            _ => Ok(page()),
        };
        let answer =
            answer.unwrap_or_else(|hangs| plain(StatusCode::SERVICE_UNAVAILABLE, format!("{hangs}\n")));
        unless_known(request.headers(), answer)
    }

    fn not_meant_for_us(&self, uri: &Uri, headers: &HeaderMap) -> Option<Answer> {
        let mut hosts = headers.get_all(HOST).iter();
        let (named, more) = (hosts.next(), hosts.next());
        if more.is_some() {
            return Some(plain(StatusCode::BAD_REQUEST, "more than one Host header\n".to_owned()));
        }
        let named = named.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        // Whoever is of an age without Host headers asks by address.
        let authority = uri.authority().map(ToString::to_string).or(named)?;
        let why = self.hosts.check(&authority).err()?;
        Some(plain(StatusCode::MISDIRECTED_REQUEST, why))
    }

    async fn status(&self, query: Option<&str>) -> Result<Answer, Hangs> {
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            let snapshot = self.looks.board.look_async().await?;
            let status = snapshot.status();
            return Ok(if self.details { json(&*status) } else { json(&mask::status(&status)) });
        };
        let key = query.strip_prefix("partition=").map(|text| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            text.parse::<TopicPartition>().map_err(|error| error.to_string())
        });
        let key = match key {
            Some(Ok(key)) => key,
            Some(Err(error)) => return Ok(plain(StatusCode::BAD_REQUEST, format!("{error}\n"))),
            None => {
                return Ok(plain(
                    StatusCode::BAD_REQUEST,
                    "ask for /status?partition=TOPIC:PARTITION\n".to_owned(),
                ));
            }
        };
        let looks = self.looks.clone();
        let asked = key.clone();
        let detail = tokio::task::spawn_blocking(move || looks.detail(&asked)).await.unwrap_or(Err(Hangs))?;
        Ok(match detail {
            Some(detail) if self.details => json(&detail),
            Some(detail) => json(&mask::detail(detail)),
            None => plain(StatusCode::NOT_FOUND, format!("this instance does not have {key}\n")),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
    fn events(&self) -> Result<Answer, Hangs> {
        let events = self.looks.events.last(None).events;
        Ok(if self.details {
            json(&events.iter().map(|event| &**event).collect::<Vec<_>>())
        } else {
            json(&events.iter().map(|event| mask::event(event)).collect::<Vec<_>>())
        })
    }

    async fn metrics(&self, headers: &HeaderMap) -> Result<Answer, Hangs> {
        let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format = metrics::Format::asked_for(accept);
        let snapshot = self.looks.board.look_async().await?;
        let body = metrics::text(&snapshot, format);
        let mut answer = answer(StatusCode::OK, format.content_type(), Bytes::from(body));
        answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        Ok(answer)
    }

    async fn healthy(&self) -> Result<Answer, Hangs> {
        self.looks.board.look_async().await?;
        Ok(plain(StatusCode::OK, "ok\n".to_owned()))
    }

    async fn ready(&self) -> Result<Answer, Hangs> {
        let snapshot = self.looks.board.look_async().await?;
        Ok(match unready(&snapshot) {
            None => plain(StatusCode::OK, "ok\n".to_owned()),
            Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        })
    }
}

/// Why it does not count as ready.
fn unready(snapshot: &Snapshot) -> Option<&'static str> {
    if snapshot.instance.state == "stopping" {
        return Some("it is stopping");
    }
    if !snapshot.connected {
        return Some("ZooKeeper is not connected, or the group is not joined");
    }
    (!snapshot.applied).then_some("the first assignment is not applied yet")
}

/// The page, which holds nothing that is not the same for all.
fn page() -> Answer {
    let mut answer = answer(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes()));
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer.headers_mut().insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    answer
}

fn plain(status: StatusCode, text: String) -> Answer {
    answer(status, TEXT, Bytes::from(text))
}

fn json<T: Serialize>(value: &T) -> Answer {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    answer(StatusCode::OK, JSON, Bytes::from(body))
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let tag = format!("\"{}\"", hex(&Sha1::digest(&body)));
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if status == StatusCode::OK
        && let Ok(tag) = HeaderValue::from_str(&tag)
    {
        headers.insert(ETAG, tag);
    }
    answer
}

fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Who has it already is told so.
fn unless_known(headers: &HeaderMap, answer: Answer) -> Answer {
    let Some(tag) = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else { return answer };
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let same = |one: &str| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag;
    if !known.flat_map(|tags| tags.split(',')).any(same) {
        return answer;
    }
    let (mut parts, _) = answer.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_TYPE);
    Response::from_parts(parts, Full::new(Bytes::new()))
}
