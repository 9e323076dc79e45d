//! Where each key of the file stands, and which flags win over it: for what is found wrong after the file was read.

use std::collections::HashMap;

use super::document::{Node, Value};
use super::errors::Place;

/// A key's own place and its value's.
#[derive(Debug, Clone, Copy)]
struct Stands {
    key: Place,
    value: Place,
}

/// The places of all keys, by their paths (`handler.command`).
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, Stands>);

impl Places {
    /// Notes the keys of the file.
    pub(super) fn note_file(&mut self, root: &Node) {
        self.note("", root);
    }

    fn note(&mut self, path: &str, node: &Node) {
        let Value::Map(entries) = &node.value else { return };
        for (key, node) in entries {
            let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
            let value = if matches!(node.value, Value::Null) { key.place } else { node.place };
            self.note(&path, node);
            self.0.entry(path).or_insert(Stands { key: key.place, value });
        }
    }

    /// From here on `key` is what this flag says.
    pub(super) fn note_flag(&mut self, key: &str, flag: &'static str) {
        let place = Place::Flag(flag);
        self.0.insert(key.to_owned(), Stands { key: place, value: place });
    }

    /// Whether file or flags say `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Where the value of `key` stands, or of the section nearest around it.
    pub(super) fn value(&self, key: &str) -> Place {
        self.find(key).map_or(Place::Nowhere, |stands| stands.value)
    }

    /// Where `key` itself stands, or the section nearest around it.
    pub(super) fn key(&self, key: &str) -> Place {
        self.find(key).map_or(Place::Nowhere, |stands| stands.key)
    }

    fn find(&self, key: &str) -> Option<Stands> {
        let mut key = key;
        loop {
            if let Some(stands) = self.0.get(key) {
                return Some(*stands);
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}
