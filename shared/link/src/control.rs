//! What can be asked over the control socket: one JSON object a line.
//!
//! `kafkavisor` of one version asks supervisors of others. So a command keeps its name and its keys; a new key may be left out, and
//! is written only where it says something. What is not known is refused whole, never half done. Answers are read with
//! whatever keys they have.

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
    Status {
        /// This partition alone, in detail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<Selector>,
    },
    /// What happened last: one object a line, newest last.
    Events {
        /// No more than so many of those that there are; all that are kept without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
        /// Go on with those that come, until the instance ends.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        follow: bool,
    },
    /// Log from this level on: error, warn, info, debug or trace.
    LogLevel {
        /// The level.
        level: log::LevelFilter,
    },
    /// Drain and exit.
    Stop {
        /// Cut the drain short.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
    /// Attend the rebalances, until the conversation ends: a [`Rebalance`] a line is told, and what is about to be revoked waits until
    /// whoever attends has said [`Done`].
    Rebalances {},
}

/// What is told of a rebalance, one object a line. Partitions are written `TOPIC:PARTITION`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rebalance {
    /// These are to be given to others. Their handlers work on until every attendant has said that this is done, or is gone, or
    /// `within_seconds` are over; then they are drained, and released.
    Revoking {
        /// Which.
        revoking: Vec<String>,
        /// Its running number, for [`Done`].
        id: u64,
        /// How long it waits at most.
        within_seconds: f64,
    },
    /// The group has settled, and all these are this instance's; also told at once to whoever comes when it has.
    Assigned {
        /// Which.
        assigned: Vec<String>,
        /// Members of the group, this one included.
        members: usize,
    },
}

/// The answer of whoever attends: what was to be done before is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// As it was told.
    pub done: u64,
}

fn from_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
    let offset = u64::deserialize(deserializer)?;
    i64::try_from(offset).map(Offset).map_err(|_| D::Error::custom(format!("offset {offset} is too large")))
}

/// The answer to what is not even tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotTried {
    /// Why.
    pub error: String,
    /// The supervisor does not know what is asked for, and never will: it is of another version, or this is no request.
    pub unknown: bool,
    /// The supervisor's version; empty where it does not say.
    pub version: String,
}

/// What became of one partition: one of the three, or something that this version does not know.
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
            Request::Status { partition: None },
            Request::Pause { partitions: vec!["orders".parse().unwrap(), partition.clone()] },
            Request::Seek { partition, offset: Offset(7) },
            Request::Stop { now: true },
            Request::Rebalances {},
        ];
        for request in requests {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request, "{text}");
        }
        for bad in [
            r#"{"command":"sing"}"#,
            r#"{"command":"pause","partitions":["a b"]}"#,
            r#"{"command":"skip"}"#,
            // Whatever it is, doing the rest of it could be wrong.
            r#"{"command":"skip","partition":"a:0","dry_run":true}"#,
            r#"{"command":"stop","after":"5m"}"#,
            r#"{"command":"rebalances","of":"orders"}"#,
            r#"{"command":"seek","partition":"a:0","offset":-1}"#,
            r#"{"command":"seek","partition":"a:0","offset":9223372036854775808}"#,
        ] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    /// As versions of `kafkavisor` ask. Where this one does not understand it so any more, it is wrong: rows are added and never
    /// changed. What this version writes is among them.
    #[test]
    fn what_other_versions_ask_is_understood() {
        let one: Selector = "orders:3".parse().unwrap();
        let some = || vec!["orders".parse().unwrap(), one.clone()];
        let written = [
            (r#"{"command":"status"}"#, Request::Status { partition: None }),
            (
                r#"{"command":"status","partition":"orders:3"}"#,
                Request::Status { partition: Some(one.clone()) },
            ),
            (r#"{"command":"events"}"#, Request::Events { count: None, follow: false }),
            (
                r#"{"command":"events","count":20,"follow":true}"#,
                Request::Events { count: Some(20), follow: true },
            ),
            (
                r#"{"command":"log-level","level":"DEBUG"}"#,
                Request::LogLevel { level: log::LevelFilter::Debug },
            ),
            (r#"{"command":"stop"}"#, Request::Stop { now: false }),
            (r#"{"command":"stop","now":true}"#, Request::Stop { now: true }),
            (
                r#"{"command":"pause","partitions":["orders","orders:3"]}"#,
                Request::Pause { partitions: some() },
            ),
            (r#"{"command":"resume","partitions":[]}"#, Request::Resume { partitions: Vec::new() }),
            (
                r#"{"command":"restart","partitions":["orders:3"]}"#,
                Request::Restart { partitions: vec![one.clone()] },
            ),
            (r#"{"command":"skip","partition":"orders:3"}"#, Request::Skip { partition: one.clone() }),
            (
                r#"{"command":"seek","partition":"orders:3","offset":7}"#,
                Request::Seek { partition: one.clone(), offset: Offset(7) },
            ),
            (r#"{"command":"rebalances"}"#, Request::Rebalances {}),
        ];
        for (text, request) in written {
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request, "{text}");
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
        }
        let before = r#"{"command":"stop","now":false}"#;
        assert_eq!(serde_json::from_str::<Request>(before).unwrap(), Request::Stop { now: false });
    }

    /// As the library's `MultiprocessingConsumerGroup` reads and writes it, of whichever version: keys are added and never changed.
    #[test]
    fn what_is_told_of_a_rebalance_keeps_its_keys() {
        let one = "orders:3".to_owned();
        let revoking = Rebalance::Revoking { revoking: vec![one.clone()], id: 7, within_seconds: 10.0 };
        let assigned = Rebalance::Assigned { assigned: vec![one], members: 2 };
        for (told, text) in [
            (revoking, r#"{"revoking":["orders:3"],"id":7,"within_seconds":10.0}"#),
            (assigned, r#"{"assigned":["orders:3"],"members":2}"#),
        ] {
            assert_eq!(serde_json::to_string(&told).unwrap(), text);
            assert_eq!(serde_json::from_str::<Rebalance>(text).unwrap(), told);
        }
        assert_eq!(serde_json::from_str::<Done>(r#"{"done":7}"#).unwrap(), Done { done: 7 });
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
