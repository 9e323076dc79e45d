//! Properties for librdkafka, each with where its value stands.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

use super::kafka::{first_name, is_secret};
use super::render::Shown;
use super::secret::{Origin, Secret, SecretError};
use crate::text::without_secrets;

/// Properties for librdkafka, by name. `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaProperties(BTreeMap<String, Secret>);

impl KafkaProperties {
    /// The value of a property, as it was last read.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// Sets a property to a text.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), Secret::text(value));
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and values, as they were last read.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }

    /// The same as librdkafka takes it, to which `plain` is no mechanism.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let value = |name: &str, value: &str| match first_name(name) {
            "sasl.mechanisms" => value.to_ascii_uppercase(),
            _ => value.to_owned(),
        };
        self.iter().map(|(name, text)| (name.to_owned(), value(name, text))).collect()
    }

    /// Reads what stands in files and variables again. What can't be read stays what it was, and is given back.
    pub fn read_again(&mut self) -> Vec<(String, SecretError)> {
        let again = |(name, secret): (&String, &mut Secret)| {
            secret.read_again().err().map(|error| (name.clone(), error))
        };
        self.0.iter_mut().filter_map(again).collect()
    }

    /// Whether any of it stands in a file or a variable.
    pub fn changes(&self) -> bool {
        self.0.values().any(|secret| *secret.origin() != Origin::Text)
    }

    pub(super) fn insert(&mut self, name: &str, value: Secret) {
        self.0.insert(name.to_owned(), value);
    }

    /// The variables that hold a value.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter_map(Secret::variable)
    }

    /// The values that nobody should read.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let hidden = |(name, value): &(&String, &Secret)| {
            (is_secret(name) || *value.origin() != Origin::Text) && !value.expose().is_empty()
        };
        self.0.iter().filter(hidden).map(|(_, value)| value.expose())
    }

    /// Whether there is any, or the place of a key.
    pub(super) fn holds_secrets(&self) -> bool {
        let key = |name: &str| ["ssl.key.location", "ssl.keystore.location"].contains(&name);
        self.secrets().next().is_some() || self.names().any(key)
    }

    /// Whether nobody should read the property's value.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        is_secret(name) || self.0.get(name).is_some_and(|value| *value.origin() != Origin::Text)
    }

    pub(super) fn shown(&self) -> Shown {
        let value = |name: &str, value: &Secret| match value.origin() {
            Origin::Text if is_secret(name) => value.shown(),
            Origin::Text if value.expose().contains("://") => {
                Shown::Text(without_secrets(value.expose()).into_owned())
            }
            Origin::Text => Shown::Text(value.expose().to_owned()),
            Origin::File(_) | Origin::Variable(_) => value.shown(),
        };
        Shown::Map(self.0.iter().map(|(name, secret)| (name.clone(), value(name, secret))).collect())
    }
}

impl Debug for KafkaProperties {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for KafkaProperties {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(properties: T) -> Self {
        Self(properties.into_iter().map(|(name, value)| (name.into(), Secret::text(value))).collect())
    }
}
