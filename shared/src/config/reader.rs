//! Takes typed values out of the YAML tree and notes everything that is wrong on the way.
//!
//! Whatever is wrong is in [`Problems`] when a method here gives `None` or the default, so callers just read on and the
//! whole file is checked in one pass.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Node, Value, shown};
use super::errors::{Place, Problems};
use super::quantity::{self, DURATION, SIZE, show_duration, show_size};
use super::unavailable;
use super::words::{choice, nearest, one_of};
use crate::consumer_config::ConsumerOption;

/// A setting that was given: where, and its value unless that was wrong (which has been noted).
#[derive(Debug, Clone)]
pub(super) struct Setting<T> {
    pub(super) place: Place,
    pub(super) value: Option<T>,
}

/// A setting's value; when it is not given at all, says what to do.
pub(super) fn needed<T>(setting: Option<Setting<T>>, missing: &str, p: &mut Problems) -> Option<T> {
    let Some(setting) = setting else {
        p.at(Place::Nowhere, missing);
        return None;
    };
    setting.value
}

/// A value with the path of its key.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) path: String,
    /// Where the key stands.
    pub(crate) key: Place,
    pub(crate) node: &'a Node,
}

impl<'a> Field<'a> {
    /// Where the value begins; where nothing follows the key, the key.
    pub(super) fn place(&self) -> Place {
        if matches!(self.node.value, Value::Null) { self.key } else { self.node.place }
    }

    /// Notes what is wrong with the value.
    pub(super) fn wrong(&self, message: impl fmt::Display, p: &mut Problems) {
        p.value(&self.path, self.place(), message);
    }

    /// Notes that something else was expected.
    pub(crate) fn expected(&self, what: &str, p: &mut Problems) {
        self.wrong(format!("expected {what}, found {}", self.found()), p);
    }

    /// What was there; where a secret may stand, only of which kind it is.
    fn found(&self) -> String {
        if may_hold_secrets(&self.path) { self.node.value.kind().to_owned() } else { self.node.value.found() }
    }

    /// A text. A number or `true` is refused: what was written may not be what it reads as.
    pub(super) fn text(&self, what: &str, p: &mut Problems) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number(..) | Value::Boolean(_) => {
                let found = self.found();
                self.wrong(format!("expected {what}, found {found}: put it in quotes if that is meant"), p);
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.expected(what, p);
                None
            }
        }
    }

    /// A text that `read` understands.
    pub(crate) fn parsed<T, E: fmt::Display>(
        &self,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
        p: &mut Problems,
    ) -> Option<T> {
        let text = self.text(what, p)?;
        read(text).map_err(|error| self.wrong(error, p)).ok()
    }

    /// [`Self::parsed`] with the place kept, for what flags or other sections have a say in.
    pub(super) fn setting<T, E: fmt::Display>(
        &self,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
        p: &mut Problems,
    ) -> Setting<T> {
        Setting { place: self.place(), value: self.parsed(what, read, p) }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)], p: &mut Problems) -> Option<T> {
        let text = self.text(&one_of(choices), p)?;
        choice(&self.path, self.place(), text, choices, p)
    }

    /// The items of a list.
    pub(super) fn list(&self, what: &str, p: &mut Problems) -> Option<Vec<Field<'a>>> {
        let Value::List(items) = &self.node.value else {
            self.expected(what, p);
            return None;
        };
        let item = |(at, node): (usize, &'a Node)| Field {
            path: format!("{}[{at}]", self.path),
            key: node.place,
            node,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The entries of a map, whatever their keys; a second entry of the same key is noted and left out.
    pub(crate) fn entries(&self, what: &str, p: &mut Problems) -> Vec<(&'a str, Field<'a>)> {
        let Value::Map(entries) = &self.node.value else {
            self.expected(what, p);
            return Vec::new();
        };
        let mut seen: HashMap<&str, Place> = HashMap::new();
        let mut list = Vec::new();
        for (key, node) in entries {
            let path = join(&self.path, &key.name);
            if let Some(first) = seen.get(key.name.as_str()) {
                p.at(key.place, format!("`{path}` is given twice{}; keep one", on_line(*first)));
                continue;
            }
            seen.insert(&key.name, key.place);
            list.push((key.name.as_str(), Field { path, key: key.place, node }));
        }
        list
    }

    /// A map whose keys are known; others are noted.
    pub(crate) fn section(&self, known: &[&str], p: &mut Problems) -> Section<'a> {
        let mut fields = HashMap::new();
        for (name, field) in self.entries("a map", p) {
            let refused = unavailable::refuse_key(&field.path, field.key, p);
            if known.contains(&name) {
                fields.insert(name, field);
            } else if !refused && may_hold_secrets(&self.path) {
                // It may be the secret itself, as in `{NAME:PASSWORD}`.
                p.value(&self.path, field.key, format!("unknown key; {}", hint(name, known)));
            } else if !refused {
                p.at(field.key, format!("unknown key `{}`; {}", field.path, hint(name, known)));
            }
        }
        Section { fields }
    }

    fn integer(&self, limits: &RangeInclusive<u64>, p: &mut Problems) -> Option<u64> {
        let what = format!("a whole number from {} to {}", limits.start(), limits.end());
        match &self.node.value {
            Value::Number(_, Some(number)) => {
                let number = u64::try_from(*number).ok().filter(|number| limits.contains(number));
                if number.is_none() {
                    self.expected(&what, p);
                }
                number
            }
            Value::Null
            | Value::Boolean(_)
            | Value::Number(_, None)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.expected(&what, p);
                None
            }
        }
    }

    /// A number and its unit: the text, also where YAML takes it for a number because the unit is missing.
    fn quantity<T>(
        &self,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
        p: &mut Problems,
    ) -> Option<T> {
        match &self.node.value {
            Value::Text(text) | Value::Number(text, _) => {
                read(text).map_err(|error| self.wrong(error, p)).ok()
            }
            Value::Null | Value::Boolean(_) | Value::List(_) | Value::Map(_) => {
                self.expected(what, p);
                None
            }
        }
    }
}

/// What to write instead of an unknown key.
fn hint(name: &str, known: &[&str]) -> String {
    match ConsumerOption::named(name) {
        Some(_) => "yelp_kafka's options stand under `consumer`".to_owned(),
        None => nearest(name, known),
    }
}

/// A map of known keys.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    fields: HashMap<&'a str, Field<'a>>,
}

impl<'a> Section<'a> {
    /// The value of `key`, if given.
    pub(crate) fn get(&self, key: &str) -> Option<&Field<'a>> {
        self.fields.get(key)
    }

    /// The section under `key`, empty when not given.
    pub(super) fn section(&self, key: &str, known: &[&str], p: &mut Problems) -> Section<'a> {
        self.get(key).map(|field| field.section(known, p)).unwrap_or_default()
    }

    /// A duration within `limits`.
    pub(super) fn duration(
        &self,
        key: &str,
        limits: &RangeInclusive<Duration>,
        default: Duration,
        p: &mut Problems,
    ) -> Duration {
        let read = |text: &str| {
            let value = quantity::duration(text)?;
            within(value, limits, show_duration, text)
        };
        self.get(key).and_then(|field| field.quantity(DURATION, read, p)).unwrap_or(default)
    }

    /// A size in bytes within `limits`.
    pub(super) fn size(
        &self,
        key: &str,
        limits: &RangeInclusive<u64>,
        default: u64,
        p: &mut Problems,
    ) -> u64 {
        let read = |text: &str| {
            let value = quantity::size(text)?;
            within(value, limits, show_size, text)
        };
        self.get(key).and_then(|field| field.quantity(SIZE, read, p)).unwrap_or(default)
    }

    /// A whole number within `limits`.
    pub(super) fn integer<T: TryFrom<u64>>(
        &self,
        key: &str,
        limits: &RangeInclusive<u64>,
        default: T,
        p: &mut Problems,
    ) -> T {
        let number = self.get(key).and_then(|field| field.integer(limits, p));
        number.and_then(|number| T::try_from(number).ok()).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str, default: bool, p: &mut Problems) -> bool {
        let Some(field) = self.get(key) else { return default };
        if let Value::Boolean(value) = field.node.value {
            return value;
        }
        field.expected("`true` or `false`", p);
        default
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        default: T,
        p: &mut Problems,
    ) -> T {
        self.get(key).and_then(|field| field.choice(choices, p)).unwrap_or(default)
    }
}

fn within<T: PartialOrd + Copy>(
    value: T,
    limits: &RangeInclusive<T>,
    show: impl Fn(T) -> String,
    text: &str,
) -> Result<T, String> {
    if limits.contains(&value) {
        return Ok(value);
    }
    Err(format!("expected {} to {}, found {}", show(*limits.start()), show(*limits.end()), shown(text)))
}

pub(super) fn on_line(place: Place) -> String {
    match place {
        Place::File { line, .. } => format!(", first on line {line}"),
        Place::WholeFile | Place::Flag(_) | Place::Nowhere => String::new(),
    }
}

/// Where a secret stands, or might by mistake: in these, and in what stands below.
const HOLD_SECRETS: &[&str] = &["kafka", "oauth", "cluster.zookeeper_auth", "metrics.signalfx"];

fn may_hold_secrets(path: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
    HOLD_SECRETS.iter().any(|key| path.strip_prefix(key).is_some_and(below))
}

/// No key of ours holds `:` or `=`: what follows one is a value without the blank before it, and may be anything.
fn key_shown(key: &str) -> Cow<'_, str> {
    match key.find([':', '=']) {
        Some(end) => Cow::Owned(format!("{}...", shown(key.get(..=end).unwrap_or_default()))),
        None => shown(key),
    }
}

fn join(path: &str, key: &str) -> String {
    let key = key_shown(key);
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}
