//! A small HTTP server: GET alone, one request a connection, everything bounded.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// A client may keep silent, or not read, for so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// More connections at a time are turned away.
const MAX_CONNECTIONS: usize = 128;

/// What is asked for: decoded segments of the path, decoded pairs of the query.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
}

/// Status and JSON.
pub(super) type Answer = (u16, serde_json::Value);

/// A server that answers until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at `address`, port 0 for a free one.
    pub(super) fn start(
        address: SocketAddr,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || accept(&listener, &end, &Arc::new(answer)))?;
        Ok(Self { address, ended, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let mut here = self.address;
        if here.ip().is_unspecified() {
            here.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let _woken = TcpStream::connect_timeout(&here, PATIENCE);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn accept<F: Fn(&Request) -> Answer + Send + Sync + 'static>(
    listener: &TcpListener,
    ended: &AtomicBool,
    answer: &Arc<F>,
) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (answer, counted) = (Arc::clone(answer), Open(Arc::clone(&open)));
        let serving = thread::Builder::new().name("http".to_owned()).spawn(move || {
            let _counted = counted;
            let _client_is_gone = serve(connection, answer.as_ref());
        });
        // Without a thread for it the connection is closed.
        drop(serving);
    }
}

/// A connection that is counted until it goes out of scope.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(mut connection: TcpStream, answer: impl Fn(&Request) -> Answer) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let head = head(&mut connection)?;
    let (status, value) = match parse(&head) {
        Ok(request) => answer(&request),
        Err(refused) => refused,
    };
    let body = value.to_string();
    write!(
        connection,
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        reason(status),
        body.len()
    )?;
    connection.shutdown(Shutdown::Write)
}

/// All up to the empty line, or as much of it as is read at most.
fn head(connection: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while head.len() < MAX_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut chunk)? {
            0 => break,
            count => head.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn parse(head: &str) -> Result<Request, Answer> {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some(version)) if version.starts_with("HTTP/1.") => Ok(request(target)),
        (Some("GET" | "") | None, ..) => Err(error(400, "this is no HTTP request")),
        _ => Err(error(405, "GET alone is answered here")),
    }
}

fn request(target: &str) -> Request {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    Request {
        path: path.trim_start_matches('/').split('/').map(decoded).collect(),
        query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
    }
}

/// An error as the real service says it.
pub(super) fn error(status: u16, description: &str) -> Answer {
    (status, serde_json::json!({"description": description}))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Error",
    }
}
