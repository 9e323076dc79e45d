//! The YAML tree with the position of each key and value.
//!
//! Built from the parser's events and not by its own loader, which keeps the last of two equal keys, and copies what an
//! alias names (a few lines can grow to terabytes). Here depth is limited, aliases are refused and duplicates stay visible.

use std::borrow::Cow;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::errors::Place;
use super::source::{Limit, end_of};

/// Deepest nesting that is read; the contract needs four.
const MAX_DEPTH: usize = 32;

/// A value and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// A key of a map and where it stands.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// As written, and its value where it fits.
    Number(String, Option<i64>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// Of which kind it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "`true` or `false`",
            Self::Number(..) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// What was there, for "expected ..., found ...".
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Boolean(value) => format!("`{value}`"),
            Self::Number(text, _) => format!("the number {}", shown(text)),
            Self::Text(text) => format!("the text {:?}", shown(text)),
            Self::Null | Self::List(_) | Self::Map(_) => self.kind().to_owned(),
        }
    }
}

/// At most 60 characters of `text`, for messages.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Why a text is no document, and where.
pub(crate) type Broken = (Place, String);

/// A collection that is still open.
enum Open {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

/// The tree of `text`; `None` for an empty file.
pub(crate) fn parse(text: &str, limit: Limit) -> Result<Option<Node>, Broken> {
    if text.len() > limit.bytes {
        return Err((Place::WholeFile, limit.exceeded()));
    }
    if let Some(at) = text.find('\0') {
        let before = text.get(..at).unwrap_or_default();
        return Err((end_of(before), "a NUL character; the file must be plain text".to_owned()));
    }
    Builder::default().run(&mut Parser::new_from_str(text))
}

#[derive(Default)]
struct Builder {
    open: Vec<(Place, Open)>,
    root: Option<Node>,
    documents: usize,
}

impl Builder {
    fn run(mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<Option<Node>, Broken> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let place = place_of(*error.marker());
                (place, format!("not valid YAML: {}", error.info()))
            })?;
            if matches!(event, Event::StreamEnd) {
                break;
            }
            self.take(event, span)?;
        }
        Ok(self.root)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        let place = place_of(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((place, "a second document begins here; keep one in the file".to_owned()));
                }
                Ok(())
            }
            Event::Alias(_) => {
                Err((place, "aliases (`*name`) are not supported; write the value out".to_owned()))
            }
            Event::Scalar(text, style, _, tag) => {
                let value = scalar(text, style, tag.as_ref()).map_err(|message| (place, message))?;
                self.add(place, value)
            }
            Event::SequenceStart(_, tag) => self.begin(place, Open::List(Vec::new()), tag.as_deref(), "seq"),
            Event::MappingStart(_, tag) => {
                self.begin(place, Open::Map(Vec::new(), None), tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin(&mut self, place: Place, open: Open, tag: Option<&Tag>, own: &str) -> Result<(), Broken> {
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && tag.suffix == own)) {
            return Err((place, TAG.to_owned()));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err((place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push((place, open));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        match self.open.pop() {
            Some((place, Open::List(items))) => self.add(place, Value::List(items)),
            Some((place, Open::Map(entries, _))) => self.add(place, Value::Map(entries)),
            None => Ok(()),
        }
    }

    /// Puts a finished value where it belongs: into the open collection, or at the root.
    fn add(&mut self, place: Place, value: Value) -> Result<(), Broken> {
        let node = Node { place, value };
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((_, Open::List(items))) => items.push(node),
            Some((_, Open::Map(entries, pending))) => match pending.take() {
                Some(key) => entries.push((key, node)),
                None => *pending = Some(key(node)?),
            },
        }
        Ok(())
    }
}

fn key(node: Node) -> Result<Key, Broken> {
    let place = node.place;
    match node.value {
        Value::Text(name) | Value::Number(name, _) => Ok(Key { place, name }),
        Value::Boolean(value) => Ok(Key { place, name: value.to_string() }),
        other @ (Value::Null | Value::List(_) | Value::Map(_)) => {
            Err((place, format!("expected a key, found {}", other.found())))
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Result<Value, String> {
    if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
        return Err(TAG.to_owned());
    }
    let written = text.clone().into_owned();
    match Scalar::parse_from_cow_and_metadata(text, style, tag) {
        // Nobody knows here of which key it is: it may be a secret.
        None => Err("the value does not fit its tag; remove the tag".to_owned()),
        Some(Scalar::Null) => Ok(Value::Null),
        Some(Scalar::Boolean(value)) => Ok(Value::Boolean(value)),
        Some(Scalar::Integer(value)) => Ok(Value::Number(written, Some(value))),
        Some(Scalar::FloatingPoint(_)) => Ok(Value::Number(written, None)),
        Some(Scalar::String(value)) => Ok(Value::Text(value.into_owned())),
    }
}

/// What is taken for a tag may be a password that begins with `!`, and is not shown.
const TAG: &str = "what begins with `!` is a tag, and none is supported; remove it, or put a text in quotes";

fn place_of(marker: saphyr_parser::Marker) -> Place {
    Place::File { line: marker.line(), column: marker.col() + 1 }
}
