//! The recording handler: appends one line per event to a file, and behaves as its arguments say.
//!
//! It reads and writes the protocols by itself, from their description, so that a mistake in the library that handler
//! authors use can't hide one in the supervisor. See `kafkavisor_tests::recorder` for its arguments.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kafkavisor_tests::message::{Content, Digest};
use kafkavisor_tests::records::{Event, Writer};
use kafkavisor_tests::waiting;
use serde_json::Value;

/// How it behaves.
#[derive(Debug, Default)]
struct Behaviour {
    gate: PathBuf,
    delay: Duration,
    batch: usize,
    die_at: Option<i64>,
    for_attempts: Option<u64>,
    die_every: Option<u64>,
    reject: Option<i64>,
    busy: Option<Duration>,
}

/// What the supervisor says.
enum Request {
    Init(Value),
    Message { offset: i64, timestamp: i64, attempt: Option<u64>, content: Content },
    Flush,
    Stop(String),
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().expect("the records' file is the first argument"));
    let behaviour = Behaviour::read(arguments);
    let topic = std::env::var("KAFKAVISOR_TOPIC").unwrap_or_default();
    let partition = std::env::var("KAFKAVISOR_PARTITION").ok().and_then(|p| p.parse().ok()).unwrap_or(-1);
    let mut writer = Writer::open(&path, topic, partition);
    writer.write(Event::Started { environment: environment() });
    let answers = Answers::open();
    let mut handler = Handler { behaviour, writer, answers, pending: Vec::new(), seen: 0 };
    if std::env::var_os("KAFKAVISOR_IN_FD").is_some() {
        serve_frames(&mut handler);
    } else {
        serve_lines(&mut handler);
    }
    handler.writer.write(Event::Ended);
}

fn environment() -> BTreeMap<String, String> {
    let of_interest = ["KAFKAVISOR_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"];
    std::env::vars().filter(|(name, _)| of_interest.iter().any(|start| name.starts_with(start))).collect()
}

impl Behaviour {
    fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut behaviour = Self { batch: 1, ..Self::default() };
        while let Some(name) = arguments.next() {
            let value = arguments.next().expect("each option has a value");
            let number = || value.parse::<u64>().expect("a number");
            match name.as_str() {
                "--gate" => behaviour.gate = PathBuf::from(&value),
                "--delay" => behaviour.delay = Duration::from_millis(number()),
                "--batch" => behaviour.batch = value.parse().expect("a number"),
                "--die-at" => behaviour.die_at = value.parse().ok(),
                "--for-attempts" => behaviour.for_attempts = Some(number()),
                "--die-every" => behaviour.die_every = Some(number()),
                "--reject" => behaviour.reject = value.parse().ok(),
                "--busy" => behaviour.busy = Some(Duration::from_millis(number())),
                other => panic!("no such option: {other}"),
            }
        }
        behaviour
    }

    fn dies(&self, offset: i64, attempt: u64, seen: u64) -> bool {
        let here = self.die_at == Some(offset) && self.for_attempts.is_none_or(|last| attempt <= last);
        here || self.die_every.is_some_and(|every| seen.is_multiple_of(every))
    }
}

struct Handler {
    behaviour: Behaviour,
    writer: Writer,
    answers: Answers,
    pending: Vec<i64>,
    seen: u64,
}

impl Handler {
    /// Does what is asked; false at the end.
    fn serve(&mut self, request: Request) -> bool {
        match request {
            Request::Init(init) => self.writer.write(Event::Init(init)),
            Request::Message { offset, timestamp, attempt, content } => {
                self.writer.write(Event::Message { offset, timestamp, attempt, content });
                self.work(offset, attempt.unwrap_or(1));
            }
            Request::Flush => {
                self.writer.write(Event::Flush);
                self.acknowledge();
            }
            Request::Stop(reason) => {
                self.writer.write(Event::Stop(reason));
                self.acknowledge();
                return false;
            }
        }
        true
    }

    fn work(&mut self, offset: i64, attempt: u64) {
        self.seen += 1;
        if self.behaviour.dies(offset, attempt, self.seen) {
            std::process::exit(1);
        }
        self.take_time(offset);
        if self.behaviour.reject == Some(offset) {
            self.acknowledge();
            self.writer.write(Event::Rejected(offset));
            self.answers.reject(offset, "told to");
            return;
        }
        self.pending.push(offset);
        if self.pending.len() >= self.behaviour.batch {
            self.acknowledge();
        }
    }

    fn take_time(&mut self, offset: i64) {
        let step = self.behaviour.busy.unwrap_or(self.behaviour.delay);
        let mut left = self.behaviour.delay;
        while !left.is_zero() {
            let now = left.min(step);
            waiting::work_for(now);
            left -= now;
            if self.behaviour.busy.is_some() {
                self.answers.busy(offset);
            }
        }
    }

    fn acknowledge(&mut self) {
        let Some(last) = self.pending.last().copied() else { return };
        while self.behaviour.gate.exists() {
            waiting::pause(Duration::from_millis(10));
        }
        self.writer.write(Event::Acknowledging(last));
        self.answers.ack(last);
        self.writer.write(Event::Acknowledged(last));
        self.pending.clear();
    }
}

/// Where answers go, and in which protocol.
enum Answers {
    Lines(std::io::Stdout),
    Frames(File),
}

impl Answers {
    fn open() -> Self {
        match std::env::var("KAFKAVISOR_OUT_FD") {
            Ok(descriptor) => {
                let path = format!("/proc/self/fd/{descriptor}");
                Self::Frames(OpenOptions::new().write(true).open(path).expect("the answers' descriptor"))
            }
            Err(_) => Self::Lines(std::io::stdout()),
        }
    }

    fn ack(&mut self, offset: i64) {
        match self {
            Self::Lines(out) => line(out, &format!("{{\"ack\":{offset}}}")),
            Self::Frames(out) => frame(out, 129, offset, ""),
        }
    }

    fn reject(&mut self, offset: i64, reason: &str) {
        match self {
            Self::Lines(out) => line(out, &format!("{{\"reject\":{offset},\"error\":\"{reason}\"}}")),
            Self::Frames(out) => frame(out, 130, offset, reason),
        }
    }

    fn busy(&mut self, offset: i64) {
        match self {
            Self::Lines(out) => line(out, &format!("{{\"busy\":{offset}}}")),
            Self::Frames(out) => frame(out, 131, offset, ""),
        }
    }
}

fn line(out: &mut impl Write, text: &str) {
    out.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("the supervisor reads answers");
}

fn frame(out: &mut impl Write, kind: u8, offset: i64, reason: &str) {
    let mut bytes = u32::try_from(9 + reason.len()).unwrap().to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(offset.to_le_bytes());
    bytes.extend(reason.as_bytes());
    out.write_all(&bytes).expect("the supervisor reads answers");
}

fn serve_lines(handler: &mut Handler) {
    for line in BufReader::with_capacity(1 << 16, std::io::stdin()).lines() {
        let object: Value = serde_json::from_str(&line.expect("lines are UTF-8")).expect("each line is JSON");
        let request = match object["type"].as_str() {
            Some("init") => Request::Init(object),
            Some("message") => message(&object),
            Some("flush") => Request::Flush,
            Some("stop") => Request::Stop(object["reason"].as_str().expect("a reason").to_owned()),
            Some(_) | None => panic!("no known line: {object}"),
        };
        if !handler.serve(request) {
            return;
        }
    }
}

fn message(object: &Value) -> Request {
    let known =
        ["type", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers", "attempt"];
    let keys = object.as_object().expect("an object").keys();
    let strange: Vec<_> = keys.filter(|key| !known.contains(&key.as_str())).collect();
    assert!(strange.is_empty(), "keys that the contract does not have: {strange:?}");
    let headers = object.get("headers").map(|headers| headers.as_array().expect("a list of headers").clone());
    assert!(headers.as_ref().is_none_or(|headers| !headers.is_empty()), "headers are left out when empty");
    Request::Message {
        offset: object["offset"].as_i64().expect("an offset"),
        timestamp: object["timestamp"].as_i64().expect("a timestamp"),
        attempt: object.get("attempt").map(|attempt| attempt.as_u64().expect("a number")),
        content: Content {
            key: bytes(object.get("key"), object.get("key_base64")),
            value: bytes(object.get("value"), object.get("value_base64")),
            headers: headers.unwrap_or_default().iter().map(header).collect(),
        },
    }
}

fn header(pair: &Value) -> (String, Digest) {
    let name = pair[0].as_str().expect("a header's name").to_owned();
    (name, bytes(pair.get(1).filter(|value| !value.is_object()), pair[1].get("base64")))
}

/// Exactly one of the two forms is there; base64 only for what is no text.
fn bytes(plain: Option<&Value>, encoded: Option<&Value>) -> Digest {
    match (plain, encoded) {
        (Some(Value::Null), None) => Digest::of(None),
        (Some(Value::String(text)), None) => Digest::of(Some(text.as_bytes())),
        (None, Some(Value::String(text))) => {
            let bytes = BASE64.decode(text).expect("base64");
            assert!(str::from_utf8(&bytes).is_err(), "UTF-8 comes as text");
            Digest::of(Some(&bytes))
        }
        other => panic!("neither text nor base64: {other:?}"),
    }
}

fn serve_frames(handler: &mut Handler) {
    let descriptor = std::env::var("KAFKAVISOR_IN_FD").expect("a descriptor");
    let mut input = BufReader::with_capacity(
        1 << 16,
        File::open(format!("/proc/self/fd/{descriptor}")).expect("the descriptor opens"),
    );
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut body = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
        input.read_exact(&mut body).expect("a whole frame");
        let mut left = Bytes(&body[1..]);
        let go_on = match body[0] {
            1 => handler.serve(Request::Init(serde_json::from_slice(left.0).expect("JSON"))),
            2 => std::iter::from_fn(|| (!left.0.is_empty()).then(|| left.record(None)))
                .all(|request| handler.serve(request)),
            3 => {
                let reason = ["rebalance", "shutdown", "restart"][usize::from(left.0[0])];
                handler.serve(Request::Stop(reason.to_owned()))
            }
            4 => handler.serve(Request::Flush),
            5 => {
                let attempt = u64::from(u32::from_le_bytes(left.take(4).try_into().unwrap()));
                let request = left.record(Some(attempt));
                assert!(left.0.is_empty(), "one record a frame");
                handler.serve(request)
            }
            kind => panic!("no known frame: {kind}"),
        };
        if !go_on {
            return;
        }
    }
}

/// What is left of a frame.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count);
        self.0 = left;
        taken
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn length(&mut self) -> Option<usize> {
        let length = i32::from_le_bytes(self.take(4).try_into().unwrap());
        (length != -1).then(|| usize::try_from(length).expect("a length"))
    }

    fn record(&mut self, attempt: Option<u64>) -> Request {
        let offset = i64::try_from(self.u64()).unwrap();
        let timestamp = self.u64().cast_signed();
        let (key, value) = (self.length(), self.length());
        let headers = usize::try_from(u32::from_le_bytes(self.take(4).try_into().unwrap())).unwrap();
        let key = key.map(|length| self.take(length));
        let value = value.map(|length| self.take(length));
        let mut headers = Bytes(self.take(headers));
        let mut list = Vec::new();
        while !headers.0.is_empty() {
            let length = usize::from(u16::from_le_bytes(headers.take(2).try_into().unwrap()));
            let name = String::from_utf8(headers.take(length).to_vec()).expect("a header's name");
            let value = headers.length().map(|length| headers.take(length));
            list.push((name, Digest::of(value)));
        }
        let content = Content { key: Digest::of(key), value: Digest::of(value), headers: list };
        Request::Message { offset, timestamp, attempt, content }
    }
}
