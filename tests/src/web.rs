//! Requests over HTTP, written out by hand, so that wrong ones can be made too.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::instance::Instance;
use crate::waiting::until;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// Status line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Where an instance serves HTTP, as its log says.
#[track_caller]
pub fn address_of(instance: &Instance) -> SocketAddr {
    until("the log says where HTTP is", || {
        let log = instance.log();
        let (_, rest) = log.split_once("HTTP at http://")?;
        rest.split('/').next()?.parse().ok()
    })
}

/// Gets `path`.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Gets `path` with more headers.
#[track_caller]
pub fn get_with(address: SocketAddr, path: &str, headers: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n"))
}

/// Writes `request` and reads to the end.
#[track_caller]
pub fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        panic!("a body of known length is not sent in chunks: {head}")
    } else {
        body.to_owned()
    };
    Answer { code, head: head.to_owned(), body }
}
