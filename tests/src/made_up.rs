//! A made-up supervisor: serves the page as it lies in the sources, and beside it whatever status and events a test makes up.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::environment::project;

/// See the module. Its thread ends with the test.
#[derive(Debug)]
pub struct MadeUp {
    /// Where its page is.
    pub url: String,
    said: Arc<Said>,
}

#[derive(Debug)]
struct Said {
    status: Mutex<Value>,
    away: AtomicBool,
    asked: AtomicUsize,
    unchanged: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl MadeUp {
    /// One with so many partitions, all of them ready.
    pub fn with(partitions: usize) -> Self {
        let status = json!({
            "group": "made-up", "name": "made-up", "topics": ["orders"], "state": "running", "generation": 1, "pid": 1,
            "uptime_seconds": 1.0, "troubles": [], "version": "0", "host": "here",
            "assignment": {"mode": "static", "state": "acquired", "session": null, "member": null, "members": 1},
            "partitions": (0..partitions).map(partition).collect::<Vec<_>>(),
        });
        let said = Arc::new(Said {
            status: Mutex::new(status),
            away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            unchanged: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("its address"));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let said = Arc::clone(&shared);
                // A reader that goes away in the middle is no fault.
                std::thread::spawn(move || said.answer(stream).ok());
            }
        });
        Self { url, said }
    }

    /// Changes what the status says.
    pub fn change(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.said.status.lock().unwrap());
    }

    /// It answers nobody, or answers again.
    pub fn be_away(&self, away: bool) {
        self.said.away.store(away, Ordering::SeqCst);
    }

    /// How often its status was asked for.
    pub fn asked(&self) -> usize {
        self.said.asked.load(Ordering::SeqCst)
    }

    /// How often somebody was told that nothing has changed.
    pub fn unchanged(&self) -> usize {
        self.said.unchanged.load(Ordering::SeqCst)
    }

    /// How many questions it had at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.said.most_at_once.load(Ordering::SeqCst)
    }
}

fn partition(number: usize) -> Value {
    json!({
        "topic": "orders", "partition": number, "state": "ready", "since": "2026-01-01T00:00:00.000Z", "worker_pid": 10, "handler_pid": 11,
        "position": 0, "acknowledged": 0, "committed": 0, "high_watermark": 0, "lag": 0, "in_flight": 0,
        "oldest_in_flight_seconds": 0.0, "lag_seconds": 0.0, "fencing_token": null, "messages_total": 0, "bytes_total": 0,
        "restarts_total": 0, "restarts": {}, "dead_lettered_total": 0, "last_exit": null, "reason": null, "next": null,
        "left_behind": [],
    })
}

/// Something has happened in each partition.
fn live_on(status: &mut Value, count: usize) {
    status["uptime_seconds"] = json!(count + 1);
    for partition in status["partitions"].as_array_mut().expect("partitions") {
        let number = partition["partition"].as_u64().expect("its number");
        let lag = (number * 7 + count as u64 * 13) % 50;
        partition["messages_total"] =
            json!(partition["messages_total"].as_u64().expect("a count") + number + lag);
        partition["lag"] = json!(lag);
        partition["lag_seconds"] = json!(lag / 3);
        partition["in_flight"] = json!(lag / 2);
    }
}

impl Said {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let Some(first) = lines.next().transpose()? else { return Ok(()) };
        let mut known = None;
        for line in lines {
            let line = line?;
            if let Some(tag) = line.to_ascii_lowercase().strip_prefix("if-none-match: ") {
                known = Some(tag.to_owned());
            }
            if line.is_empty() {
                break;
            }
        }
        if self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let written = self.write(stream, &path, known);
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        written
    }

    fn write(&self, mut stream: TcpStream, path: &str, known: Option<String>) -> std::io::Result<()> {
        let (status, kind, body) = match path {
            "/" => ("200 OK", "text/html; charset=utf-8", page()),
            "/status" => ("200 OK", "application/json", self.status()),
            "/events" => ("200 OK", "application/json", "[]".to_owned()),
            _ => ("404 Not Found", "text/plain", String::new()),
        };
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let tag = format!("\"{:x}\"", hasher.finish());
        if known.as_ref() == Some(&tag) {
            self.unchanged.fetch_add(1, Ordering::SeqCst);
            return write!(stream, "HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nConnection: close\r\n\r\n");
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn status(&self) -> String {
        let mut status = self.status.lock().unwrap();
        live_on(&mut status, self.asked.fetch_add(1, Ordering::SeqCst));
        status.to_string()
    }
}

fn page() -> String {
    let file = project().join("supervisor/src/observe/page/page.html");
    std::fs::read_to_string(file).expect("the page is there")
}
