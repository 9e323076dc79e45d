//! The user's executable and how messages reach it: `handler`.
//!
//! These parts go to the workers as they are. The program itself is looked for by `executable`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Topic;

use super::document::Value;
use super::errors::{Place, Problems};
use super::reader::{Field, Section, Setting};
use super::topics;

const KEYS: &[&str] =
    &["command", "protocol", "start_timeout", "timeout", "max_in_flight", "poison", "delimiter", "batch"];
const COMMAND: &str = "a list such as [./handler, --verbose]";
const DAY: Duration = Duration::from_secs(86_400);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;
const WINDOW_MESSAGES: RangeInclusive<u64> = 1..=10_000_000;
const WINDOW_BYTES: RangeInclusive<u64> = 1024..=4 << 30;
const WINDOW_TIMES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const ATTEMPTS: RangeInclusive<u64> = 1..=1000;
const PER_MINUTE: RangeInclusive<u64> = 1..=1_000_000;
const BATCH_MESSAGES: RangeInclusive<u64> = 1..=100_000;
const BATCH_WAITS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// The protocols by name, as file and `--protocol` take them.
pub(super) const PROTOCOLS: &[(&str, Protocol)] =
    &[("jsonl", Protocol::Jsonl), ("binary", Protocol::Binary), ("exec", Protocol::Exec)];
pub(super) const ACTIONS: &[(&str, PoisonAction)] =
    &[("dead-letter", PoisonAction::DeadLetter), ("skip", PoisonAction::Skip), ("park", PoisonAction::Park)];
pub(super) const DELIMITERS: &[(&str, Delimiter)] =
    &[("newline", Delimiter::Newline), ("nul", Delimiter::Nul)];

/// The user's executable and how messages reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// How messages and answers are written.
    pub protocol: Protocol,
    /// From a handler's start to its first answer.
    pub start_timeout: Duration,
    /// After that, without an answer while messages are in flight.
    pub timeout: Duration,
    /// How much may be delivered and not acknowledged.
    pub max_in_flight: MaxInFlight,
    /// What becomes of a message that kills its handlers.
    pub poison: Poison,
    /// What ends each payload, with `exec`.
    pub delimiter: Delimiter,
    /// What one process is given, with `exec`.
    pub batch: Batch,
}

/// Bounds of what is delivered and not acknowledged; whichever is reached first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxInFlight {
    /// Messages.
    pub messages: u32,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// No more than the handler finishes in about so long.
    pub time: Duration,
}

/// How messages and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// One JSON object per line.
    Jsonl,
    /// Length-prefixed frames on descriptors of their own.
    Binary,
    /// One process per batch.
    Exec,
}

/// What becomes of a message that kills its handlers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// How many handlers it may kill, itself alone in flight at the last.
    pub attempts: u32,
    /// What is done then.
    pub action: PoisonAction,
    /// Where dead letters go; always there with [`PoisonAction::DeadLetter`].
    pub topic: Option<Topic>,
    /// More than so many in a minute, over the whole instance, park instead.
    pub max_per_minute: u32,
}

/// What is done with a poison message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoisonAction {
    /// Produce it to [`Poison::topic`] and go on.
    DeadLetter,
    /// Go on.
    Skip,
    /// Stop at it until somebody decides.
    Park,
}

/// What ends each payload on stdin, with `exec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delimiter {
    /// `\n`.
    Newline,
    /// `\0`.
    Nul,
}

/// What one process of `exec` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// At most so many messages.
    pub messages: u32,
    /// How long to wait for that many once there is one.
    pub wait: Duration,
}

/// No handler hangs before that, however short its time limit.
const HANGS_AFTER: Duration = Duration::from_secs(5);

impl Handler {
    /// A handler hangs that has not answered for so long.
    pub fn hangs_after(&self) -> Duration {
        (self.timeout / 10).max(HANGS_AFTER)
    }
}

impl Default for Handler {
    /// The contract's defaults; the command must still be filled in.
    fn default() -> Self {
        Self {
            command: Vec::new(),
            protocol: Protocol::Jsonl,
            start_timeout: Duration::from_secs(120),
            timeout: Duration::from_secs(60),
            max_in_flight: MaxInFlight { messages: 100_000, bytes: 16 << 20, time: Duration::from_secs(1) },
            poison: Poison { attempts: 5, action: PoisonAction::Park, topic: None, max_per_minute: 60 },
            delimiter: Delimiter::Newline,
            batch: Batch { messages: 500, wait: Duration::from_millis(100) },
        }
    }
}

/// `handler` as far as the file says: flags may change command and protocol.
#[derive(Debug)]
pub(super) struct HandlerDraft {
    pub(super) handler: Handler,
    pub(super) command: Option<Setting<Vec<String>>>,
    /// Keys that only `exec` takes, with their places.
    pub(super) exec_only: Vec<(&'static str, Place)>,
    pub(super) action_place: Option<Place>,
    pub(super) topic_place: Option<Place>,
    pub(super) batch_place: Option<Place>,
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> HandlerDraft {
    let section = root.section("handler", KEYS, p);
    let default = Handler::default();
    let poison = section.section("poison", &["attempts", "action", "topic", "max_per_minute"], p);
    let batch = section.section("batch", &["messages", "wait"], p);
    let exec_only = ["batch", "delimiter"];
    HandlerDraft {
        command: section
            .get("command")
            .map(|field| Setting { place: field.place(), value: command(field, p) }),
        exec_only: exec_only
            .iter()
            .filter_map(|key| section.get(key).map(|field| (*key, field.key)))
            .collect(),
        action_place: poison.get("action").map(Field::place),
        topic_place: poison.get("topic").map(Field::place),
        batch_place: batch.get("messages").map(Field::place),
        handler: Handler {
            command: Vec::new(),
            protocol: section.choice("protocol", PROTOCOLS, default.protocol, p),
            start_timeout: section.duration("start_timeout", &TIMEOUTS, default.start_timeout, p),
            timeout: section.duration("timeout", &TIMEOUTS, default.timeout, p),
            max_in_flight: max_in_flight(&section, &default.max_in_flight, p),
            poison: read_poison(&poison, &default.poison, p),
            delimiter: section.choice("delimiter", DELIMITERS, default.delimiter, p),
            batch: Batch {
                messages: batch.integer("messages", &BATCH_MESSAGES, default.batch.messages, p),
                wait: batch.duration("wait", &BATCH_WAITS, default.batch.wait, p),
            },
        },
    }
}

fn max_in_flight(section: &Section<'_>, default: &MaxInFlight, p: &mut Problems) -> MaxInFlight {
    let window = section.section("max_in_flight", &["messages", "bytes", "time"], p);
    MaxInFlight {
        messages: window.integer("messages", &WINDOW_MESSAGES, default.messages, p),
        bytes: window.size("bytes", &WINDOW_BYTES, default.bytes, p),
        time: window.duration("time", &WINDOW_TIMES, default.time, p),
    }
}

fn read_poison(section: &Section<'_>, default: &Poison, p: &mut Problems) -> Poison {
    let topic = section.get("topic").and_then(|field| field.parsed("a topic", topics::topic, p));
    let action = if topic.is_some() { PoisonAction::DeadLetter } else { default.action };
    Poison {
        attempts: section.integer("attempts", &ATTEMPTS, default.attempts, p),
        action: section.choice("action", ACTIONS, action, p),
        topic,
        max_per_minute: section.integer("max_per_minute", &PER_MINUTE, default.max_per_minute, p),
    }
}

/// An argument may look like a number: it is taken as written.
fn command(field: &Field<'_>, p: &mut Problems) -> Option<Vec<String>> {
    let items = field.list(COMMAND, p)?;
    let mut words = Vec::new();
    for item in &items {
        match &item.node.value {
            Value::Text(text) | Value::Number(text, _) if !text.contains('\0') => words.push(text.clone()),
            Value::Text(_) | Value::Number(..) => item.wrong("an argument can't hold a NUL character", p),
            Value::Boolean(_) | Value::Null | Value::List(_) | Value::Map(_) => {
                item.expected("text (in quotes if in doubt)", p);
            }
        }
    }
    if words.len() < items.len() {
        return None;
    }
    if let Err(message) = check_command(&words) {
        field.wrong(message, p);
        return None;
    }
    Some(words)
}

/// A command must name a program.
pub(super) fn check_command(words: &[String]) -> Result<(), &'static str> {
    match words.first() {
        None => Err("expected a list such as [./handler, --verbose], found an empty list"),
        Some(program) if program.is_empty() => Err("the program's name is empty; name an executable"),
        Some(_) => Ok(()),
    }
}
