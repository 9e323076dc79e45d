//! Tells answers from log lines. `{"ack":N}` is read by hand, since a fast handler writes millions of them; every other
//! spelling goes through a JSON parser, which passes over values without recursion, however deep they nest.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::{Answer, ProtocolError};
use crate::ids::Offset;
use crate::text;

/// As much of a wrong line is repeated in an error.
const SHOWN: usize = 200;

/// An answer, or none for a line that is for the log.
pub(super) fn parse(line: &[u8]) -> Result<Option<Answer>, ProtocolError> {
    if let Some(offset) = plain_ack(line) {
        return Ok(Some(Answer::Ack(offset)));
    }
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Ok(None);
    }
    // A reason in another encoding must not turn a reject into a log line.
    let line = String::from_utf8_lossy(line);
    match serde_json::from_str::<Keys<'_>>(&line) {
        Ok(keys) => keys.answer(&line),
        Err(_) => Ok(None),
    }
}

/// Whether a line that begins like this may be an answer still.
pub(super) fn may_become(beginning: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(beginning);
    let object = beginning.trim_ascii_start().starts_with('{');
    object && serde_json::from_str::<Keys<'_>>(&beginning).is_err_and(|error| error.is_eof())
}

/// The beginning of a line, for an error.
pub(super) fn shown(line: &str) -> String {
    line.chars().take(SHOWN).collect()
}

/// Just `{"ack":N}`; at most 18 digits, which can't overflow.
fn plain_ack(line: &[u8]) -> Option<Offset> {
    let digits = line.strip_prefix(b"{\"ack\":")?.strip_suffix(b"}")?;
    let padded = digits.len() > 1 && digits.first() == Some(&b'0');
    let plain = (1..=18).contains(&digits.len()) && !padded && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| Offset(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))))
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Ack,
    Reject,
    Error,
    Busy,
}

/// The values of an object that has none but the keys of answers.
#[derive(Default)]
struct Keys<'a> {
    ack: Option<&'a RawValue>,
    reject: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    busy: Option<&'a RawValue>,
    twice: bool,
}

impl Keys<'_> {
    fn answer(&self, line: &str) -> Result<Option<Answer>, ProtocolError> {
        let answer = match (self.ack, self.reject, self.error, self.busy) {
            (Some(ack), None, None, None) => Answer::Ack(offset("ack", ack, line)?),
            (None, Some(reject), Some(error), None) => {
                Answer::Reject { offset: offset("reject", reject, line)?, error: reason(error, line)? }
            }
            (None, None, None, Some(busy)) => Answer::Busy(offset("busy", busy, line)?),
            _ => return Ok(None),
        };
        if self.twice { Err(ProtocolError::Twice { line: shown(line) }) } else { Ok(Some(answer)) }
    }
}

fn offset(key: &'static str, value: &RawValue, line: &str) -> Result<Offset, ProtocolError> {
    let offset = value.get().parse::<u64>().ok().and_then(|offset| i64::try_from(offset).ok());
    let expected = "an offset, a whole number from 0";
    offset.map(Offset).ok_or_else(|| ProtocolError::Value { line: shown(line), key, expected })
}

fn reason(value: &RawValue, line: &str) -> Result<String, ProtocolError> {
    let wrong = |_| ProtocolError::Value { line: shown(line), key: "error", expected: "a string" };
    serde_json::from_str::<Reason<'_>>(value.get()).map(|reason| text::kept(&reason.0)).map_err(wrong)
}

impl<'de: 'a, 'a> Deserialize<'de> for Keys<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    // A key of another kind of object ends this at once: the line is for the log.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key()? {
            let place = match key {
                Key::Ack => &mut keys.ack,
                Key::Reject => &mut keys.reject,
                Key::Error => &mut keys.error,
                Key::Busy => &mut keys.busy,
            };
            keys.twice |= place.replace(map.next_value()?).is_some();
        }
        Ok(keys)
    }
}

/// A string that may hold half a surrogate pair, as Python writes undecodable bytes; that half is replaced.
struct Reason<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Reason<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ReasonVisitor)
    }
}

struct ReasonVisitor;

impl<'de> Visitor<'de> for ReasonVisitor {
    type Value = Reason<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Reason<'de>, E> {
        Ok(Reason(String::from_utf8_lossy(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Reason<'de>, E> {
        Ok(Reason(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
    }

    // serde_json reads an array as bytes too.
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Reason<'de>, A::Error> {
        Err(A::Error::custom("a string is expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(offset: i64, error: &str) -> Answer {
        Answer::Reject { offset: Offset(offset), error: error.to_owned() }
    }

    #[test]
    fn answers_are_read_in_any_spelling() {
        for (line, answer) in [
            ("{\"ack\":57}", Answer::Ack(Offset(57))),
            ("{\"ack\":0}", Answer::Ack(Offset(0))),
            (" {\t\"ack\" : 57 } ", Answer::Ack(Offset(57))),
            ("{\"\\u0061ck\":57}", Answer::Ack(Offset(57))),
            ("{\"ack\":9223372036854775807}", Answer::Ack(Offset(i64::MAX))),
            ("{\"busy\":58}", Answer::Busy(Offset(58))),
            ("{\"reject\":58,\"error\":\"no \\\"x\\\"\"}", reject(58, "no \"x\"")),
            ("{\"error\":\"\",\"reject\":58}", reject(58, "")),
            (
                "{\"reject\":58,\"error\":\"\\udcff\\ud83d\\ude00\"}",
                reject(58, "\u{fffd}\u{fffd}\u{fffd}\u{1f600}"),
            ),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Some(answer)), "{line}");
        }
        assert_eq!(parse(b"{\"reject\":1,\"error\":\"\xe9\"}"), Ok(Some(reject(1, "\u{fffd}"))));
    }

    #[test]
    fn other_lines_are_for_the_log() {
        for line in [
            "hello",
            "{",
            "{}",
            "null",
            "57",
            "[]",
            "\"ack\"",
            "ack",
            "\u{feff}{\"ack\":57}",
            "{\"ack\":57",
            "{\"ack\":57}}",
            "{\"ack\":57}{\"ack\":58}",
            "{\"ack\":57,\"more\":1}",
            "{\"more\":1,\"ack\":57}",
            "{\"reject\":58}",
            "{\"error\":\"x\"}",
            "{\"ack\":57,\"busy\":58}",
            "{\"ack\":007}",
            "{\"ack\":}",
            "{\"ack\":+1}",
            "{\"Ack\":57}",
            "{'ack':57}",
            "{\"ack\":57,}",
            "{\"reject\":58,\"error\":\"x\",\"ack\":1}",
            "[{\"ack\":57}]",
            "{\"level\":\"info\",\"error\":{}}",
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(None), "{line}");
        }
        assert_eq!(parse(b"\xff\xfe{\"ack\":57}"), Ok(None));
    }

    #[test]
    fn an_answers_keys_with_a_wrong_value_break_the_protocol() {
        for (line, named) in [
            ("{\"ack\":\"57\"}", "ack"),
            ("{\"ack\":-1}", "ack"),
            ("{\"ack\":-0}", "ack"),
            ("{\"ack\":1.5}", "ack"),
            ("{\"ack\":1e3}", "ack"),
            ("{\"ack\":null}", "ack"),
            ("{\"ack\":{\"ack\":1}}", "ack"),
            ("{\"ack\":9223372036854775808}", "ack"),
            ("{\"busy\":true}", "busy"),
            ("{\"busy\":[]}", "busy"),
            ("{\"reject\":\"58\",\"error\":\"x\"}", "reject"),
            ("{\"reject\":58,\"error\":7}", "error"),
            ("{\"reject\":58,\"error\":null}", "error"),
            ("{\"reject\":58,\"error\":[1]}", "error"),
        ] {
            match parse(line.as_bytes()) {
                Err(ProtocolError::Value { key, .. }) => assert_eq!(key, named, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        for line in ["{\"ack\":1,\"ack\":1}", "{\"reject\":1,\"error\":\"x\",\"error\":\"y\"}"] {
            assert!(matches!(parse(line.as_bytes()), Err(ProtocolError::Twice { .. })), "{line}");
        }
    }

    #[test]
    fn a_beginning_tells_whether_the_line_may_be_an_answer() {
        for beginning in
            ["{", "{ \"err", "{\"reject\":5", "{\"error\":\"a long", "{\"ack\":[[{", "\t{\"busy\""]
        {
            assert!(may_become(beginning.as_bytes()), "{beginning}");
        }
        for beginning in
            ["", "text", "[", "{\"level\":", "{\"error\":\"x\",\"at\":\"", "{\"error\":\"x\" \"", "{}x"]
        {
            assert!(!may_become(beginning.as_bytes()), "{beginning}");
        }
    }

    #[test]
    fn a_reason_is_bounded_and_harmless() {
        let line = format!("{{\"reject\":1,\"error\":\"\\u001b{}\"}}", "x".repeat(1 << 20));
        let Ok(Some(Answer::Reject { error, .. })) = parse(line.as_bytes()) else { panic!("no reject") };
        assert!(
            error.len() <= text::KEPT && error.starts_with("\\u{1b}x") && error.ends_with("(1048577 bytes)")
        );
    }

    #[test]
    fn deep_nesting_is_harmless() {
        for open in ["[", "{\"a\":"] {
            let deep = open.repeat(300_000);
            assert_eq!(parse(deep.as_bytes()), Ok(None));
            assert_eq!(parse(format!("{{\"ack\":{deep}").as_bytes()), Ok(None));
        }
        let closed = format!("{{\"ack\":{}{}}}", "[".repeat(300_000), "]".repeat(300_000));
        let error = parse(closed.as_bytes()).unwrap_err();
        assert!(error.to_string().len() < 2 * SHOWN, "{error}");
    }
}
