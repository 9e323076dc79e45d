//! The history of a run: one JSON object a line in one file, appended by the runner and by every handler.
//!
//! Times are nanoseconds of `CLOCK_BOOTTIME`, which all processes of a machine share. An event is written before what it
//! announces is done (an acknowledgement before it is sent), so that nothing can follow from it that is earlier.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use kafkavisor::clock::Boottime;
use serde::{Deserialize, Serialize};

use crate::schedule::Kind;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in nanoseconds.
    pub at: u64,
    /// What.
    pub event: Event,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run begins; all supervisors have joined.
    Began {
        /// What the schedule was made from.
        seed: u64,
        /// Partitions of the topic.
        partitions: i32,
    },
    /// The broker has confirmed a message.
    Produced {
        /// Where.
        partition: i32,
        /// At which offset.
        offset: i64,
        /// Its number within the partition.
        number: u64,
    },
    /// A plain consumer found this in the log, after the end.
    Logged {
        /// Where.
        partition: i32,
        /// At which offset.
        offset: i64,
        /// Its number within the partition.
        number: u64,
    },
    /// A handler does something.
    Handler {
        /// Which.
        who: Handler,
        /// What.
        does: Doing,
    },
    /// The group's offset, as Kafka tells it; only changes are written.
    Committed {
        /// Where.
        partition: i32,
        /// The next offset.
        offset: i64,
    },
    /// A supervisor's word on one of its partitions.
    Status {
        /// The supervisor's life, such as `s1.3`.
        instance: String,
        /// Where.
        partition: i32,
        /// The partition's state.
        state: String,
        /// What it is held under.
        token: Option<u64>,
        /// The next offset to be acknowledged.
        acknowledged: Option<i64>,
        /// What the supervisor believes to be committed.
        committed: Option<i64>,
    },
    /// A supervisor was started.
    Started {
        /// The supervisor's life.
        instance: String,
        /// Its process.
        pid: i32,
    },
    /// A supervisor has ended.
    Ended {
        /// The supervisor's life.
        instance: String,
        /// Its exit code, 128 and the signal if it was killed.
        code: i32,
        /// Whether the runner did that.
        asked: bool,
    },
    /// How long something of a supervisor still lived after its SIGKILL, or after its own end.
    Gone {
        /// The supervisor's life.
        instance: String,
        /// Until nothing was left.
        after_ms: u64,
        /// What was left when the runner lost patience.
        left: Vec<String>,
    },
    /// A Python member does something.
    Python {
        /// Which.
        member: String,
        /// What.
        does: PythonDoing,
    },
    /// A fault begins.
    Fault {
        /// Its running number.
        number: usize,
        /// Of this kind.
        kind: Kind,
        /// On what: a supervisor's life, a server, a Python member.
        target: String,
    },
    /// A fault is over: what was killed runs again, what was stopped goes on.
    Healed {
        /// Its running number.
        number: usize,
    },
    /// No further fault comes.
    FaultsEnded,
    /// Everything in the log is committed.
    Drained,
    /// It was not, within the bound.
    NotDrained {
        /// Partition, committed offset, end of the log.
        behind: Vec<(i32, i64, i64)>,
    },
}

/// One handler process, by what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handler {
    /// The supervisor's life, such as `s1.3`: the third process of supervisor 1.
    pub instance: String,
    /// Its own life: no two handlers have the same.
    pub life: u64,
    /// Its partition.
    pub partition: i32,
    /// Its fencing token.
    pub token: u64,
}

/// What a handler does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It began.
    Started,
    /// A message came.
    Delivered {
        /// Its offset.
        offset: i64,
        /// Its number within the partition.
        number: u64,
    },
    /// About to say that everything up to here is done.
    Acknowledging {
        /// The last offset of it.
        offset: i64,
    },
    /// It, or a process that it forked, is alive: said again and again, whatever else it does.
    Working,
    /// It misbehaves from now on, so.
    Misbehaving {
        /// How.
        how: String,
    },
    /// It was told to stop.
    Stopping {
        /// Why.
        reason: String,
    },
    /// It has finished what it had, and ends by itself.
    Ended,
}

/// What a Python member does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PythonDoing {
    /// It holds partitions from now on.
    Acquired {
        /// Partition and the creation zxid of its lock.
        held: Vec<(i32, u64)>,
    },
    /// It holds none.
    Released,
}

/// Appends to a history.
#[derive(Debug)]
pub struct Writer {
    file: File,
}

impl Writer {
    /// To the file at `path`.
    pub fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).expect("the history opens");
        Self { file }
    }

    /// Something happens now.
    pub fn write(&self, event: Event) {
        self.write_at(Boottime::now().0, event);
    }

    /// Something happened then.
    pub fn write_at(&self, at: u64, event: Event) {
        let mut line = serde_json::to_vec(&Entry { at, event }).expect("an event is JSON");
        line.push(b'\n');
        let written = (&self.file).write(&line).expect("the history is written");
        assert_eq!(written, line.len(), "a line is written at once");
    }
}

/// A history that was read.
#[derive(Debug)]
pub struct History {
    /// In the order of time.
    pub entries: Vec<Entry>,
    /// Lines that a writer began and was killed in the middle of. What they announce was not done.
    pub torn: usize,
}

/// Reads a history.
pub fn read(path: &Path) -> History {
    let file = BufReader::new(File::open(path).expect("the history is there"));
    let mut history = History { entries: Vec::new(), torn: 0 };
    for line in file.lines() {
        let line = line.expect("the history is text");
        if let Ok(entry) = serde_json::from_str(&line) {
            history.entries.push(entry);
        } else {
            history.torn += 1;
            history.entries.extend(behind_torn(&line));
        }
    }
    history.entries.sort_by_key(|entry| entry.at);
    history
}

/// The whole event that another writer has appended to a torn one, which has no end of its line.
fn behind_torn(line: &str) -> Option<Entry> {
    const BEGIN: &str = "{\"at\":";
    match line.rfind(BEGIN) {
        None | Some(0) => None,
        Some(begin) => {
            let whole = &line[begin..];
            Some(serde_json::from_str(whole).unwrap_or_else(|error| panic!("no event: {error}: {line}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_torn_event_is_not_lost() {
        let whole = serde_json::to_string(&Entry { at: 7, event: Event::Drained }).unwrap();
        for end in 1..whole.len() {
            let torn = &whole[..end];
            assert_eq!(behind_torn(torn), None, "{torn}");
            assert_eq!(
                behind_torn(&format!("{torn}{whole}")),
                Some(Entry { at: 7, event: Event::Drained }),
                "{torn}"
            );
        }
    }
}
