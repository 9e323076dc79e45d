//! YAML that other programs write (`services.yaml`, topology files), as JSON values.
//!
//! Unlike our own configuration file, such a file may be large, and what writes it may use aliases and merge keys (PyYAML does of
//! itself). They are followed, but what they copy is counted, so that a few lines never grow into gigabytes. As in PyYAML the last of
//! two equal keys wins.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Map, Value};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// Values in one file, copies by aliases included.
const MAX_VALUES: usize = 2_000_000;

/// The value of `text`, null for an empty one; else where it is wrong (`LINE:COLUMN`), and what.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    builder.run(&mut parser).map_err(|(place, what)| format!("{place}: {what}"))
}

/// A collection that is still open, and its anchor, 0 for none.
enum Open {
    List(usize, Vec<Value>),
    Map(usize, Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    root: Value,
    documents: usize,
}

type Broken = (String, String);

impl Builder {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<Value, Broken> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = *error.marker();
                (format!("{}:{}", at.line(), at.col() + 1), format!("not valid YAML: {}", error.info()))
            })?;
            let ended = matches!(event, Event::StreamEnd);
            self.take(event)
                .map_err(|what| (format!("{}:{}", span.start.line(), span.start.col() + 1), what))?;
            if ended {
                break;
            }
        }
        Ok(std::mem::take(&mut self.root))
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err("a second document begins here".to_owned()) } else { Ok(()) }
            }
            Event::Alias(anchor) => {
                // Counted before it is copied.
                self.count(self.anchors.get(&anchor).map_or(1, |(_, values)| *values))?;
                let (value, _) =
                    self.anchors.get(&anchor).ok_or("an alias of something that holds it, or of nothing")?;
                let value = value.clone();
                self.add(value);
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let value = scalar(text, style, tag.as_ref());
                self.keep(anchor, &value, 1);
                self.add(value);
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List(anchor, Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(Open::Map(anchor, Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
        }
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(more);
        if self.values > MAX_VALUES { Err(format!("more than {MAX_VALUES} values")) } else { Ok(()) }
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        self.count(1)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) {
        let (anchor, value) = match self.open.pop() {
            Some(Open::List(anchor, items)) => (anchor, Value::Array(items)),
            Some(Open::Map(anchor, entries, _)) => (anchor, Value::Object(merged(entries))),
            None => return,
        };
        if anchor != 0 {
            let values = size(&value);
            self.keep(anchor, &value, values);
        }
        self.add(value);
    }

    fn keep(&mut self, anchor: usize, value: &Value, values: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), values));
        }
    }

    /// Puts a finished value where it belongs: into the open collection, or at the root.
    fn add(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = value,
            Some(Open::List(_, items)) => items.push(value),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => drop(entries.insert(key, value)),
                None => *key = Some(as_key(value)),
            },
        }
    }
}

/// The entries with those of `<<`, a map or a list of maps, under them.
fn merged(mut entries: Map<String, Value>) -> Map<String, Value> {
    let under = match entries.remove("<<") {
        Some(Value::Array(maps)) => maps,
        Some(other) => vec![other],
        None => return entries,
    };
    for map in under {
        let Value::Object(map) = map else { continue };
        for (key, value) in map {
            entries.entry(key).or_insert(value);
        }
    }
    entries
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(|value| 1 + size(value)).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn as_key(value: Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number that does not fit stays the text that it is.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Value {
    let written = text.clone().into_owned();
    let core = tag.filter(|tag| tag.is_yaml_core_schema());
    match Scalar::parse_from_cow_and_metadata(text, style, core) {
        Some(Scalar::Null) => Value::Null,
        Some(Scalar::Boolean(value)) => Value::Bool(value),
        Some(Scalar::Integer(value)) => Value::from(value),
        Some(Scalar::FloatingPoint(_) | Scalar::String(_)) | None => Value::String(written),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_yaml_says_is_what_json_would() {
        for (text, value) in [
            ("", json!(null)),
            ("# nothing\n", json!(null)),
            ("a: 1\nb: [x, 'y', true, ~]\n", json!({"a": 1, "b": ["x", "y", true, null]})),
            ("8888", json!(8888)),
            ("'8888'", json!("8888")),
            ("1.10", json!("1.10")),
            ("7: x", json!({"7": "x"})),
            ("a: 1\na: 2", json!({"a": 2})),
            ("!!python/unicode 'x'", json!("x")),
            ("a: !ours x", json!({"a": "x"})),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let text = "one: &one {host: h, port: 1}\ntwo: {<<: *one, port: 2}\nthree: *one\nfour: {<<: [{a: 1}, {a: 2, b: 3}]}";
        let expected = json!({"one": {"host": "h", "port": 1}, "two": {"host": "h", "port": 2}, "three": {"host": "h", "port": 1},
            "four": {"a": 1, "b": 3}});
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn aliases_that_would_fill_the_memory_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let refers = vec![format!("*a{}", n - 1); 10].join(", ");
            text = format!("{text}a{n}: &a{n} [{refers}]\n");
        }
        assert!(parse(&text).unwrap_err().contains("more than 2000000 values"));
        assert!(parse(&"[".repeat(100)).unwrap_err().contains("nested deeper"));
        assert!(parse("&a [*a]").unwrap_err().contains("an alias of something that holds it"));
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_place() {
        assert!(
            parse("a: [1\nb: }").unwrap_err().starts_with("2:2: not valid YAML"),
            "{:?}",
            parse("a: [1\nb: }")
        );
        assert!(parse("a: 1\n---\nb: 2").unwrap_err().contains("second document"));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_a_value_or_a_reason(text in "[a\\[\\]{}:,&*<!'\" \\n#|>-]{0,60}") {
            let _either = parse(&text);
        }
    }
}
