//! What can be asked over the control socket: one JSON object a line.

use std::fmt;
use std::str::FromStr;

use kafkavisor::ids::{InvalidName, Offset, Partition, Topic, TopicPartition};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest request, in bytes.
pub const MAX_REQUEST: usize = 64 * 1024;

/// A topic, or one partition of it. As text `orders` or `orders:3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    /// The topic.
    pub topic: Topic,
    /// The partition; none means all of them.
    pub partition: Option<Partition>,
}

impl Selector {
    /// Whether it means `partition`.
    pub fn matches(&self, partition: &TopicPartition) -> bool {
        self.topic == partition.topic && self.partition.is_none_or(|one| one == partition.partition)
    }
}

impl FromStr for Selector {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, InvalidName> {
        if given.contains(':') {
            let partition: TopicPartition = given.parse()?;
            return Ok(Self { topic: partition.topic, partition: Some(partition.partition) });
        }
        Ok(Self { topic: Topic::new(given)?, partition: None })
    }
}

impl TryFrom<String> for Selector {
    type Error = InvalidName;

    fn try_from(given: String) -> Result<Self, InvalidName> {
        given.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{}:{partition}", self.topic),
            None => write!(f, "{}", self.topic),
        }
    }
}

/// What can be asked. Where `partitions` is empty, all of the instance's are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What the instance does.
    Status,
    /// Drain and exit.
    Stop {
        /// Cut the drain short.
        #[serde(default)]
        now: bool,
    },
    /// Deliver nothing until resumed.
    Pause {
        /// Which.
        partitions: Vec<Selector>,
    },
    /// Go on after a pause, or try what is parked again.
    Resume {
        /// Which.
        partitions: Vec<Selector>,
    },
    /// Drain, and start again.
    Restart {
        /// Which.
        partitions: Vec<Selector>,
    },
    /// Apply the poison action to the message that blocks a partition.
    Skip {
        /// Which.
        partition: Selector,
    },
    /// Go on at another offset.
    Seek {
        /// Which.
        partition: Selector,
        /// The next one to deliver, from 0: below, Kafka's clients see words like "the end".
        #[serde(deserialize_with = "from_zero")]
        offset: Offset,
    },
}

fn from_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
    let offset = u64::deserialize(deserializer)?;
    i64::try_from(offset).map(Offset).map_err(|_| D::Error::custom(format!("offset {offset} is too large")))
}

/// What became of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The partition, or what was asked for where there is none.
    pub partition: String,
    /// What is done about it; none where it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Why it is refused: it makes no sense as things are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why it was tried and is not done; nothing has changed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_socket() {
        let partition: Selector = "orders:3".parse().unwrap();
        let requests = [
            Request::Status,
            Request::Pause { partitions: vec!["orders".parse().unwrap(), partition.clone()] },
            Request::Seek { partition, offset: Offset(7) },
        ];
        for request in requests {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request, "{text}");
        }
        for bad in [
            r#"{"command":"sing"}"#,
            r#"{"command":"pause","partitions":["a b"]}"#,
            r#"{"command":"skip"}"#,
            r#"{"command":"seek","partition":"a:0","offset":-1}"#,
            r#"{"command":"seek","partition":"a:0","offset":9223372036854775808}"#,
        ] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_selector_means_a_topic_or_one_partition() {
        let partition: TopicPartition = "orders:3".parse().unwrap();
        let matches = |text: &str| text.parse::<Selector>().unwrap().matches(&partition);
        assert!(matches("orders") && matches("orders:3"));
        assert!(!matches("orders:4") && !matches("refunds"));
        assert!("orders:x".parse::<Selector>().is_err() && "orders:-1".parse::<Selector>().is_err());
    }
}
