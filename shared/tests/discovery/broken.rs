//! A service that is broken on purpose: what it does with each connection is the test's.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use kafkavisor::discovery::{Discovery, DiscoveryError};
use serde_json::{Value, json};

use crate::place::Place;

/// Listens until the test's process ends.
pub(crate) struct Broken {
    pub(crate) url: String,
    place: Place,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Broken {
    /// Lets `answer` do what it likes with each connection, whose head has been read.
    pub(crate) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (mut connection, answer, seen) =
                    (connection.unwrap(), Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || {
                    let head = read_head(&mut connection);
                    seen.lock().unwrap().push(head.clone());
                    answer(&head, &mut connection);
                });
            }
        });
        Self { url, place: Place::of_the_stand_in(), heads }
    }

    /// Answers every request with these bytes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::start(move |_, connection| drop(connection.write_all(bytes.as_ref())))
    }

    /// Serves a right document, and `answer` for whatever is asked with it.
    pub(crate) fn answering(answer: &str) -> Self {
        let (document, answer) = (response("200 OK", &document().to_string()), answer.to_owned());
        Self::start(move |head, connection| {
            let said = if head.starts_with("GET /swagger.json ") { &document } else { &answer };
            let _client_is_gone = connection.write_all(said.as_bytes());
        })
    }

    /// The first lines of what was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn discovery(&self) -> Discovery {
        self.place.discovery(Some(&self.url))
    }

    /// What comes of asking for a cluster.
    pub(crate) fn error(&self) -> DiscoveryError {
        self.discovery().region_cluster("standard", Some("uswest2")).unwrap_err()
    }
}

fn read_head(connection: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A whole response with a JSON body.
pub(crate) fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A document with all operations.
pub(crate) fn document() -> Value {
    let parameter = |name: &&str| json!({"name": name, "in": "query", "required": true, "type": "string"});
    let operation = |(id, names): &(&str, &[&str])| {
        let parameters: Vec<Value> = names.iter().map(parameter).collect();
        (format!("/{id}"), json!({"get": {"operationId": id, "tags": ["v1"], "parameters": parameters}}))
    };
    let operations: [(&str, &[&str]); 7] = [
        ("getClustersWithRegion", &["type", "region"]),
        ("getClustersWithSuperregion", &["type", "superregion"]),
        ("getClustersWithName", &["type", "kafka_cluster_name"]),
        ("getClustersAll", &["type"]),
        ("getLogsForRegionWithRegex", &["region", "regex"]),
        ("getLogsForSuperregionWithRegex", &["superregion", "regex"]),
        ("getLogsRegions", &[]),
    ];
    let paths: serde_json::Map<String, Value> = operations.iter().map(operation).collect();
    json!({"swagger": "2.0", "paths": paths})
}
