//! A stand-in for SignalFx's ingest: an HTTP server that takes datapoints, or says no, and can go away and come back.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// A request, and what it was answered.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Method and path.
    pub request: String,
    /// Who it said it was.
    pub token: String,
    /// What it brought.
    pub body: Value,
    /// The status that it was answered.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Shared {
    /// What is said before everything is fine.
    answers: Mutex<VecDeque<(u16, &'static str)>>,
    posted: Mutex<Vec<Posted>>,
    over: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub struct Ingest {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Ingest {
    /// Listens at a free port.
    pub fn start() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"))
    }

    /// Listens there.
    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::Acquire) {
                    return;
                }
                // Whoever hangs up early has said nothing.
                let _ = serving.serve(&stream.expect("a connection"));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request is answered so, with more headers.
    pub fn then_say(&self, status: u16, headers: &'static str) {
        self.shared.answers.lock().unwrap().push_back((status, headers));
    }

    /// What has come.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().unwrap().clone()
    }

    /// The datapoints of a kind that were taken, of all requests.
    pub fn taken(&self, kind: &str, metric: &str) -> Vec<Value> {
        let fine = self.posted().into_iter().filter(|posted| posted.status == 200);
        let points = fine.flat_map(|posted| posted.body[kind].as_array().cloned().unwrap_or_default());
        points.filter(|point| point["metric"] == metric).collect()
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let (mut length, mut token) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or_default(),
                "x-sf-token" => value.clone_into(&mut token),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, headers) = self.answers.lock().unwrap().pop_front().unwrap_or((200, ""));
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let request = request.rsplit_once(' ').map_or("", |(request, _)| request).to_owned();
        self.posted.lock().unwrap().push(Posted { request, token, body, status });
        let answer =
            format!("HTTP/1.1 {status} so\r\ncontent-length: 4\r\nconnection: close\r\n{headers}\r\n\"OK\"");
        (&mut &*stream).write_all(answer.as_bytes())
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        // Wakes the one that accepts, which then lets go of the port.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
