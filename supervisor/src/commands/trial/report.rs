//! What is printed: a line a message, a line for each kind of trouble, a summary; or the same as JSON.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use kafkavisor::text;
use kafkavisor_link::trace::Sample;
use rustix::termios::tcgetwinsize;
use serde_json::{Map, Value, json};

use super::super::table::{Style, grouped};
use super::fault::shown;
use super::ledger::{Answered, Delivered, Made};
use super::stage::Audience;
use crate::cli::Injection;
use crate::exit::{Exit, Failure};

/// So many messages come again where trouble is made, and no more bytes than this.
const AGAIN: usize = 100;
const AGAIN_BYTES: u64 = 2 << 20;
/// A key is shown at so many characters at least.
const KEY: usize = 12;

/// See the module.
pub(super) struct Report {
    json: bool,
    style: Style,
    /// Of a terminal.
    width: Option<usize>,
    headed: bool,
    /// All went well.
    clean: bool,
    /// Nothing more can be printed.
    failure: Option<Failure>,
    acknowledged: u64,
    rejected: u64,
    unanswered: u64,
    /// In microseconds.
    took: Vec<u32>,
    slowest: Option<(i64, Duration)>,
    again: Vec<i64>,
    again_bytes: u64,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let stdout = std::io::stdout();
        let width = stdout.is_terminal().then(|| tcgetwinsize(&stdout).ok()).flatten();
        Self {
            json,
            style: Style::of_stdout(),
            width: width.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0),
            headed: false,
            clean: true,
            failure: None,
            acknowledged: 0,
            rejected: 0,
            unanswered: 0,
            took: Vec::new(),
            slowest: None,
            again: Vec::new(),
            again_bytes: 0,
        }
    }

    /// The first messages that were answered.
    pub(super) fn again(&self) -> &[i64] {
        &self.again
    }

    /// Those that nobody has answered.
    pub(super) fn unanswered<'a>(&mut self, messages: impl Iterator<Item = &'a Delivered>) {
        for message in messages {
            self.unanswered += 1;
            self.message(message, None);
        }
    }

    /// What became of one kind of trouble.
    pub(super) fn injected(&mut self, kind: Injection, borne: Result<&str, &str>) {
        self.clean &= borne.is_ok();
        let (is_borne, detail) = (borne.is_ok(), borne.unwrap_or_else(|why| why));
        if self.json {
            return self.object(&json!({"inject": kind.name(), "borne": is_borne, "detail": detail}));
        }
        let word = if is_borne { self.style.good("borne") } else { self.style.bad("not borne") };
        self.print(&format!("{:<9} {word}: {}\n", kind.name(), text::shown(detail)));
    }

    /// The end of the run that is not disturbed.
    pub(super) fn summary(&mut self, failed: Option<&str>) {
        self.clean &= failed.is_none();
        let messages = self.acknowledged + self.rejected + self.unanswered;
        self.took.sort_unstable();
        let median = self.took.get(self.took.len() / 2).map(|micros| Duration::from_micros((*micros).into()));
        if self.json {
            let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
            let slowest = self.slowest.map(|(_, took)| took);
            return self.object(&json!({
                "messages": messages, "acknowledged": self.acknowledged, "rejected": self.rejected,
                "unanswered": self.unanswered, "median_seconds": seconds(median),
                "slowest_seconds": seconds(slowest), "failed": failed,
            }));
        }
        let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        let mut line = format!(
            "{} {}: {} acknowledged, {} rejected, {} unanswered",
            count(messages),
            if messages == 1 { "message" } else { "messages" },
            count(self.acknowledged),
            count(self.rejected),
            count(self.unanswered)
        );
        if let (Some(median), Some((offset, took))) = (median, self.slowest) {
            // Writing to a string can't fail.
            let _written =
                write!(line, "; median {}, slowest {} (offset {offset})", shown(median), shown(took));
        }
        let line = self.style.bold(&line);
        let failed = failed.map(|why| format!("{} {}\n", self.style.bad("failed:"), text::shown(why)));
        self.print(&format!("\n{line}\n{}", failed.unwrap_or_default()));
    }

    /// How it ends.
    pub(super) fn finish(self) -> Result<Exit, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.clean => Ok(Exit::Clean),
            None => Ok(Exit::Failed),
        }
    }

    fn print(&mut self, line: &str) {
        if self.failure.is_none() {
            self.failure = super::super::print(line).err();
        }
    }

    fn object(&mut self, object: &Value) {
        // JSON must escape only the first thirty-two control characters; a terminal obeys others too.
        let line = escaped(&object.to_string());
        self.print(&format!("{line}\n"));
    }

    fn count(&mut self, answered: &Answered) {
        let (took, message) = (answered.took, &answered.message);
        match answered.made {
            Made::Acknowledged => self.acknowledged += 1,
            Made::Rejected(_) => self.rejected += 1,
        }
        self.took.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if self.slowest.is_none_or(|(_, slowest)| took > slowest) {
            self.slowest = Some((message.offset, took));
        }
        let size: u64 = [&message.key, &message.value].into_iter().flatten().map(|sample| sample.size).sum();
        if self.again.is_empty() || (self.again.len() < AGAIN && self.again_bytes + size <= AGAIN_BYTES) {
            self.again.push(message.offset);
            self.again_bytes += size;
        }
    }

    fn message(&mut self, message: &Delivered, answer: Option<(&Made, Duration)>) {
        if self.json {
            return self.object(&object(message, answer));
        }
        if !std::mem::replace(&mut self.headed, true) {
            let heading = format!("{:>8}  {:<10}  {:>9}  {:<KEY$}  VALUE", "OFFSET", "ANSWER", "TOOK", "KEY");
            let heading = self.style.dim(&heading);
            self.print(&format!("{heading}\n"));
        }
        let line = line(message, answer);
        let line = match self.width {
            Some(width) if line.chars().count() > width => {
                line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
            }
            _ => line,
        };
        self.print(&format!("{line}\n"));
    }
}

impl Audience for Report {
    fn answered(&mut self, answered: Answered) {
        self.count(&answered);
        self.message(&answered.message, Some((&answered.made, answered.took)));
    }

    fn remark(&mut self, remark: &str) {
        super::super::note(&text::shown(remark));
    }
}

/// Where trouble is made nobody looks at messages.
pub(super) struct Nobody;

impl Audience for Nobody {
    fn answered(&mut self, _answered: Answered) {}

    fn remark(&mut self, remark: &str) {
        super::super::note(&text::shown(remark));
    }
}

fn escaped(json: &str) -> String {
    let raw = |c: char| c.is_control();
    if !json.contains(raw) {
        return json.to_owned();
    }
    json.chars().map(|c| if raw(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

fn line(message: &Delivered, answer: Option<(&Made, Duration)>) -> String {
    let (word, took) = match answer {
        None => ("no answer", "-".to_owned()),
        Some((Made::Acknowledged, took)) => ("ack", shown(took)),
        Some((Made::Rejected(_), took)) => ("reject", shown(took)),
    };
    let again = if message.attempt > 1 { format!("[attempt {}] ", message.attempt) } else { String::new() };
    let busy = if message.busy > 0 { format!("[busy {}x] ", message.busy) } else { String::new() };
    let why = match answer {
        Some((Made::Rejected(error), _)) => format!("[{}] ", text::shown(error)),
        _ => String::new(),
    };
    let (key, value) = (part(message.key.as_ref()), part(message.value.as_ref()));
    format!("{:>8}  {word:<10}  {took:>9}  {key:<KEY$}  {again}{busy}{why}{value}", message.offset)
}

/// A key or a value, on one line.
fn part(sample: Option<&Sample>) -> String {
    let Some(sample) = sample else { return "null".to_owned() };
    let text = text::escaped(&sample.text, &[]);
    let kind = if sample.base64 { "base64 " } else { "" };
    if is_whole(sample) {
        format!("{kind}{text}")
    } else {
        format!("{kind}{text}… ({} bytes)", sample.size)
    }
}

fn is_whole(sample: &Sample) -> bool {
    sample.size <= kafkavisor_link::trace::SAMPLE as u64
}

fn object(message: &Delivered, answer: Option<(&Made, Duration)>) -> Value {
    let mut object = Map::new();
    object.insert("offset".to_owned(), message.offset.into());
    object.insert("timestamp".to_owned(), message.timestamp.into());
    for (name, sample) in [("key", &message.key), ("value", &message.value)] {
        let Some(sample) = sample else {
            object.insert(name.to_owned(), Value::Null);
            continue;
        };
        let kind = if sample.base64 { "_base64" } else { "" };
        object.insert(format!("{name}{kind}"), sample.text.clone().into());
        if !is_whole(sample) {
            object.insert(format!("{name}_size"), sample.size.into());
        }
    }
    object.insert("attempt".to_owned(), message.attempt.into());
    let (word, error) = match answer {
        None => (Value::Null, None),
        Some((Made::Acknowledged, _)) => ("ack".into(), None),
        Some((Made::Rejected(error), _)) => ("reject".into(), Some(error)),
    };
    object.insert("answer".to_owned(), word);
    if let Some(error) = error {
        object.insert("error".to_owned(), error.clone().into());
    }
    object.insert("seconds".to_owned(), answer.map(|(_, took)| took.as_secs_f64()).into());
    if message.busy > 0 {
        object.insert("busy".to_owned(), message.busy.into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::Boottime;

    use super::*;

    fn message() -> Delivered {
        Delivered {
            offset: 7,
            at: Boottime(0),
            timestamp: 1,
            attempt: 2,
            key: None,
            value: Some(Sample { size: 7, text: "a\n\u{1b}[31m".to_owned(), base64: false }),
            busy: 1,
        }
    }

    #[test]
    fn a_line_is_one_line_that_no_terminal_obeys() {
        let rejected = Made::Rejected("bad\u{7}\n".to_owned());
        let line = line(&message(), Some((&rejected, Duration::from_micros(1500))));
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(
            line.contains("reject") && line.contains("1.5 ms") && line.contains(r"[bad\u{7}\n] a\n"),
            "{line}"
        );
        assert!(line.contains("null") && line.contains("[attempt 2] [busy 1x]"), "{line}");
    }

    #[test]
    fn an_object_has_key_and_value_as_in_jsonl_and_what_is_cut_says_so() {
        let mut message = message();
        message.key = Some(Sample { size: 1000, text: "/w==".to_owned(), base64: true });
        let object = object(&message, None);
        assert_eq!((&object["key_base64"], &object["key_size"]), (&json!("/w=="), &json!(1000)));
        assert_eq!((&object["value"], &object["answer"]), (&json!("a\n\u{1b}[31m"), &Value::Null));
        assert_eq!(escaped("\"\u{9b}\""), "\"\\u009b\"");
    }
}
