//! The words of the field as types, so that an offset is never taken for a partition.
//!
//! Each is checked where it enters ([`Topic::new`], [`Group::new`], [`TopicPartition::from_str`]) and valid from there on.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest topic name that Kafka takes.
const MAX_TOPIC_LENGTH: usize = 249;

/// A name that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The name is empty.
    #[error("a {what} must not be empty")]
    Empty {
        /// `topic` or `group`.
        what: &'static str,
    },
    /// A character that neither Kafka nor a ZooKeeper path takes.
    #[error("{what} {name:?} holds {character:?}; use letters, digits, '.', '_' and '-'")]
    Character {
        /// `topic` or `group`.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// Longer than Kafka takes, or one of the two names that mean folders.
    #[error("{what} {name:?} can't be used: at most {MAX_TOPIC_LENGTH} characters, and neither '.' nor '..'")]
    Shape {
        /// `topic` or `group`.
        what: &'static str,
        /// The name as given.
        name: String,
    },
    /// Not `TOPIC:PARTITION`.
    #[error("{given:?} is no partition; write TOPIC:PARTITION, as in orders:3")]
    NotAPartition {
        /// The text as given.
        given: String,
    },
}

fn checked(what: &'static str, name: &str) -> Result<Arc<str>, InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty { what });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(character) = name.chars().find(|&c| !allowed(c)) {
        return Err(InvalidName::Character { what, name: name.to_owned(), character });
    }
    if name.len() > MAX_TOPIC_LENGTH || name == "." || name == ".." {
        return Err(InvalidName::Shape { what, name: name.to_owned() });
    }
    Ok(Arc::from(name))
}

macro_rules! name {
    ($type:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes a name of letters, digits, `.`, `_` and `-`.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                checked($what, name).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Most that are compared are copies of one.
        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(&name)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(Topic, "topic", "A Kafka topic.");
name!(Group, "group", "A consumer group.");

/// A partition's number within its topic, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub i32);

/// A message's place in its partition. As a position it is the next one: last + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The running number of an assignment in one supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// A number that grows from owner to owner of a partition: the creation zxid of the lock node it is held under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub i64);

macro_rules! number {
    ($($type:ident),*) => { $(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )* };
}
number!(Partition, Offset, Generation, FencingToken);

/// One partition of one topic. As text `orders:3`, the form that commands take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition within it.
    pub partition: Partition,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: Topic, partition: i32) -> Self {
        Self { topic, partition: Partition(partition) }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TopicPartition {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::NotAPartition { given: given.to_owned() };
        let (topic, partition) = given.rsplit_once(':').ok_or_else(wrong)?;
        let partition: i32 = partition.parse().ok().filter(|p| *p >= 0).ok_or_else(wrong)?;
        Ok(Self::new(Topic::new(topic)?, partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_enter() {
        assert!(Topic::new("orders.v2_a-b").is_ok());
        for bad in ["", "a b", "a/b", "..", ".", "ö", "a:b", &"x".repeat(250)] {
            assert!(Topic::new(bad).is_err(), "{bad}");
            assert!(Group::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_partition_reads_as_it_is_written() {
        let tp: TopicPartition = "orders:12".parse().unwrap();
        assert_eq!(
            (tp.topic.as_str(), tp.partition, tp.to_string().as_str()),
            ("orders", Partition(12), "orders:12")
        );
        for bad in ["orders", "orders:", "orders:-1", "orders:x", ":1", "orders:99999999999"] {
            assert!(bad.parse::<TopicPartition>().is_err(), "{bad}");
        }
    }
}
