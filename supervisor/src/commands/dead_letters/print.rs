//! How a letter is printed: a line, in full, and as JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafkavisor::text;
use kafkavisor_kafka::dead_letter::Letter;
use kafkavisor_link::logging::timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::table::Style;
use crate::cli::Place;
use crate::exit::Failure;

/// A letter, as `list --json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    from: From<'a>,
    group: &'a str,
    attempts: u32,
    error: &'a str,
    // A null is printed, what is not UTF-8 is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// A place that is another message's.
#[derive(Debug, Serialize)]
pub(super) struct From<'a> {
    topic: &'a str,
    partition: i32,
    /// None where there is none yet.
    offset: Option<i64>,
}

/// ... and as `show --json` does.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    headers: Vec<(&'a str, Value)>,
    stderr: &'a str,
    host: &'a str,
}

/// ... and as `redrive --json` does: with where the message is now.
#[derive(Debug, Serialize)]
pub(super) struct Sent<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    to: From<'a>,
}

pub(super) fn row<'a>(place: &'a Place, letter: &'a Letter) -> Row<'a> {
    let (key, key_base64) = bytes(letter.key.as_deref());
    let (value, value_base64) = bytes(letter.value.as_deref());
    Row {
        topic: place.partition.topic.as_str(),
        partition: place.partition.partition.0,
        offset: place.offset.0,
        timestamp: letter.timestamp,
        from: from(letter, Some(letter.from_offset.0)),
        group: letter.group.as_str(),
        attempts: letter.attempts,
        error: &letter.error,
        key,
        key_base64,
        value,
        value_base64,
    }
}

fn from(letter: &Letter, offset: Option<i64>) -> From<'_> {
    From { topic: letter.from.topic.as_str(), partition: letter.from.partition.0, offset }
}

pub(super) fn whole<'a>(place: &'a Place, letter: &'a Letter) -> Whole<'a> {
    let header = |(name, value): &'a (String, Option<Vec<u8>>)| {
        let value = match bytes(value.as_deref()) {
            (Some(text), _) => text,
            (None, base64) => json!({ "base64": base64 }),
        };
        (name.as_str(), value)
    };
    let headers = letter.headers.iter().map(header).collect();
    Whole { row: row(place, letter), headers, stderr: &letter.stderr, host: &letter.host }
}

/// `to` is the message's new offset; none where it is not sent.
pub(super) fn sent<'a>(place: &'a Place, letter: &'a Letter, to: Option<i64>) -> Sent<'a> {
    Sent { row: row(place, letter), to: from(letter, to) }
}

/// As text, null among it; else as base64.
fn bytes(bytes: Option<&[u8]>) -> (Option<Value>, Option<String>) {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => (Some(Value::Null), None),
        Some((_, Ok(text))) => (Some(json!(text)), None),
        Some((bytes, Err(_))) => (None, Some(STANDARD.encode(bytes))),
    }
}

pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::bug(error.to_string()))?;
    Ok(format!("{text}\n"))
}

/// As wide as a place in this topic may well be.
fn width(place: &Place) -> usize {
    place.partition.topic.as_str().len() + ":000:0000000".len()
}

pub(super) fn heading(place: &Place) -> String {
    let width = width(place);
    let text = format!("{:<width$}  {:<24}  {:<24}  {:>8}  ERROR", "LETTER", "TIME", "FROM", "ATTEMPTS");
    format!("{}\n", Style::of_stdout().dim(&text))
}

/// Of a text no more than goes into a line.
pub(super) fn line(place: &Place, letter: &Letter) -> String {
    let (width, place) = (width(place), place.to_string());
    let from = format!("{}:{}", letter.from, letter.from_offset);
    let (time, error) = (time(letter), text::bounded(letter.error.as_bytes(), letter.error.len(), 200));
    format!("{place:<width$}  {time:<24}  {from:<24}  {:>8}  {error}\n", letter.attempts)
}

fn time(letter: &Letter) -> String {
    if letter.timestamp < 0 { "-".to_owned() } else { timestamp(letter.timestamp) }
}

/// All of it, for people.
pub(super) fn in_full(place: &Place, letter: &Letter) -> String {
    let mut out = format!("{}\n", Style::of_stdout().bold(&place.to_string()));
    let mut field = |name: &str, value: &str| {
        let value =
            text::escaped(value.trim_end_matches('\n'), &['\n', '\t']).replace('\n', "\n            ");
        // Writing to a string can't fail.
        let _written = writeln!(out, "  {name:<8}  {value}");
    };
    field("from", &format!("{}:{}", letter.from, letter.from_offset));
    field("time", &time(letter));
    field("group", letter.group.as_str());
    field("attempts", &letter.attempts.to_string());
    field("error", &letter.error);
    field("host", &letter.host);
    if !letter.stderr.is_empty() {
        field("stderr", &letter.stderr);
    }
    for (name, value) in &letter.headers {
        field("header", &format!("{}: {}", text::named(name), readable(value.as_deref())));
    }
    field("key", &readable(letter.key.as_deref()));
    field("value", &readable(letter.value.as_deref()));
    out
}

fn readable(value: Option<&[u8]>) -> String {
    let base64 = |bytes| format!("{} (base64)", STANDARD.encode(bytes));
    value.map_or_else(
        || "null".to_owned(),
        |bytes| str::from_utf8(bytes).map_or_else(|_| base64(bytes), str::to_owned),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use kafkavisor::ids::Offset;

    use super::*;

    /// One with all there is.
    pub(in super::super) fn a_letter() -> Letter {
        Letter {
            offset: Offset(7),
            from: "orders:3".parse().unwrap(),
            from_offset: Offset(42),
            timestamp: 1_700_000_000_000,
            group: "billing".parse().unwrap(),
            attempts: 5,
            error: "never \u{1b}[31m".to_owned(),
            stderr: "last\nwords\n".to_owned(),
            host: "h1".to_owned(),
            key: None,
            value: Some(b"\xff".to_vec()),
            headers: vec![
                ("mine".to_owned(), Some(b"yes".to_vec())),
                ("raw".to_owned(), Some(vec![0xff])),
                ("null".to_owned(), None),
            ],
        }
    }

    fn parsed(value: &impl Serialize) -> Value {
        serde_json::from_str(&json_line(value).unwrap()).unwrap()
    }

    #[test]
    fn json_is_that_of_the_contract() {
        let (place, letter) = ("orders.dead:0:7".parse().unwrap(), a_letter());
        let mut expected = json!({
            "topic": "orders.dead", "partition": 0, "offset": 7, "timestamp": 1_700_000_000_000_i64,
            "from": {"topic": "orders", "partition": 3, "offset": 42},
            "group": "billing", "attempts": 5, "error": "never \u{1b}[31m", "key": null, "value_base64": "/w==",
        });
        assert_eq!(parsed(&row(&place, &letter)), expected);
        expected["to"] = json!({"topic": "orders", "partition": 3, "offset": 99});
        assert_eq!(parsed(&sent(&place, &letter, Some(99))), expected);
        let whole = parsed(&whole(&place, &letter));
        assert_eq!(whole["headers"], json!([["mine", "yes"], ["raw", {"base64": "/w=="}], ["null", null]]));
        assert_eq!((&whole["stderr"], &whole["host"]), (&json!("last\nwords\n"), &json!("h1")));
    }

    #[test]
    fn for_people_nothing_is_raw() {
        let (place, letter) = ("orders.dead:0:7".parse().unwrap(), a_letter());
        let line = line(&place, &letter);
        assert!(line.contains("orders:3:42") && line.ends_with("never \\u{1b}[31m\n"), "{line}");
        assert!(line.contains("2023-11-14T22:13:20.000Z"), "{line}");
        let full = in_full(&place, &letter);
        for words in
            ["stderr    last\n            words\n", "header    mine: yes\n", "value     /w== (base64)\n"]
        {
            assert!(full.contains(words), "{full}");
        }
        assert!(!full.contains('\u{1b}'), "{full}");
    }
}
