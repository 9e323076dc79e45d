//! What the recording handler writes: one line per event, appended with a single write, so that the order of lines is the
//! order of events over all handlers.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::message::Content;

/// One event in the life of one handler.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The handler's process.
    pub pid: u32,
    /// The supervisor's folder, to tell instances apart.
    pub instance: String,
    /// The topic it works on.
    pub topic: String,
    /// The partition it works on.
    pub partition: i32,
    /// What happened.
    pub event: Event,
}

/// What a handler sees and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It began, with these variables that are the supervisor's business.
    Started {
        /// `KAFKAVISOR_*`, `NOTIFY_SOCKET`, `WATCHDOG_*`, `LISTEN_*`.
        environment: BTreeMap<String, String>,
    },
    /// It was told where it is; the object as it came.
    Init(serde_json::Value),
    /// A message came.
    Message {
        /// Its offset.
        offset: i64,
        /// Its timestamp in milliseconds.
        timestamp: i64,
        /// Given when it may have been begun before.
        attempt: Option<u64>,
        /// What it holds.
        content: Content,
    },
    /// About to acknowledge.
    Acknowledging(i64),
    /// The acknowledgement is written.
    Acknowledged(i64),
    /// A message was rejected.
    Rejected(i64),
    /// A flush came.
    Flush,
    /// A stop came, for this reason.
    Stop(String),
    /// It ends by itself.
    Ended,
}

/// Appends records for one handler.
#[derive(Debug)]
pub struct Writer {
    file: File,
    like: Record,
}

impl Writer {
    /// Appends to `path` in the name of this process.
    pub fn open(path: &Path, topic: String, partition: i32) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).expect("the records' file opens");
        let instance = std::env::var(crate::processes::MARK).unwrap_or_default();
        let like = Record { pid: std::process::id(), instance, topic, partition, event: Event::Ended };
        Self { file, like }
    }

    /// Appends one event.
    pub fn write(&mut self, event: Event) {
        self.like.event = event;
        let mut line = serde_json::to_vec(&self.like).expect("a record is JSON");
        line.push(b'\n');
        let written = self.file.write(&line).expect("the record is written");
        assert_eq!(written, line.len(), "the record is written at once");
    }
}

/// The records of a test, in a folder of their own. Several instances may write to the same.
#[derive(Debug)]
pub struct Records {
    folder: TempDir,
}

impl Default for Records {
    fn default() -> Self {
        Self::new()
    }
}

impl Records {
    /// None yet.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    /// While this file is there, a recorder that was told so acknowledges nothing.
    pub fn gate(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    /// Handlers wait before they acknowledge, from now on.
    pub fn close_gate(&self) {
        File::create(self.gate()).expect("the gate's file");
    }

    /// Handlers go on.
    pub fn open_gate(&self) {
        std::fs::remove_file(self.gate()).expect("the gate's file");
    }

    /// All records so far, complete lines only.
    pub fn read(&self) -> Vec<Record> {
        let mut text = String::new();
        match File::open(self.path()) {
            Ok(mut file) => file.read_to_string(&mut text).expect("the records are text"),
            Err(_) => return Vec::new(),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect()
    }

    /// How many records are of this kind.
    pub fn count(&self, of: impl Fn(&Record) -> bool) -> usize {
        self.read().iter().filter(|record| of(record)).count()
    }

    /// How many messages have come, repeats included.
    pub fn deliveries(&self) -> usize {
        self.count(|record| matches!(record.event, Event::Message { .. }))
    }
}
