//! `group`, `name` and `topics`: names, checked where they enter.
//!
//! A topic that is listed twice is an error and not a set: the second may have been meant as another.

use std::collections::HashSet;

use crate::ids::{Group, InvalidName, Topic};

use super::document::shown;
use super::errors::{Place, Problems};
use super::reader::{Section, Setting};

const TOPICS: &str = "a list of topics such as [orders, refunds]";

/// Topics as listed, in their order.
pub(super) type Listed = Setting<Vec<Topic>>;

/// Who this is and what it consumes, as far as one of file and flags says.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) group: Option<Setting<Group>>,
    pub(super) name: Option<Setting<String>>,
    pub(super) topics: Option<Listed>,
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Names {
    Names {
        group: root.get("group").map(|field| field.setting("a group's name", group, p)),
        name: root.get("name").map(|field| field.setting("a name", instance_name, p)),
        topics: root.get("topics").map(|field| {
            let place = field.place();
            let items = field.list(TOPICS, p).filter(|items| {
                if items.is_empty() {
                    field.wrong(format!("expected {TOPICS}, found an empty list"), p);
                }
                !items.is_empty()
            });
            let value = items.map(|items| {
                let mut list = TopicList::default();
                for item in &items {
                    if let Some(topic) = item.parsed("a topic", topic, p) {
                        list.add(&item.path, item.place(), topic, p);
                    }
                }
                list.topics
            });
            Setting { place, value }
        }),
    }
}

/// Topics in order, none twice.
#[derive(Debug, Default)]
pub(super) struct TopicList {
    seen: HashSet<Topic>,
    pub(super) topics: Vec<Topic>,
}

impl TopicList {
    /// Adds `topic`, or notes that it is there already.
    pub(super) fn add(&mut self, path: &str, place: Place, topic: Topic, p: &mut Problems) {
        if self.seen.insert(topic.clone()) {
            self.topics.push(topic);
        } else {
            p.value(path, place, format!("topic {topic} is listed twice; keep one"));
        }
    }
}

/// A topic's name.
pub(super) fn topic(text: &str) -> Result<Topic, InvalidName> {
    Topic::new(text).map_err(|error| brief(error, None))
}

/// A group's name.
pub(super) fn group(text: &str) -> Result<Group, InvalidName> {
    Group::new(text).map_err(|error| brief(error, None))
}

/// An instance's name follows the rules of a group's: it is a folder's name too.
pub(super) fn instance_name(text: &str) -> Result<String, InvalidName> {
    Group::new(text).map(Into::into).map_err(|error| brief(error, Some("name")))
}

/// The error with what was given cut short, and called `what` if that is another word.
fn brief(error: InvalidName, called: Option<&'static str>) -> InvalidName {
    let short = |name: String| shown(&name).into_owned();
    match error {
        InvalidName::Empty { what } => InvalidName::Empty { what: called.unwrap_or(what) },
        InvalidName::Character { what, name, character } => {
            InvalidName::Character { what: called.unwrap_or(what), name: short(name), character }
        }
        InvalidName::Shape { what, name } => {
            InvalidName::Shape { what: called.unwrap_or(what), name: short(name) }
        }
        InvalidName::NotAPartition { given } => InvalidName::NotAPartition { given: short(given) },
    }
}
