//! `status --json`, as the contract has it: a key that is missing or of another type is an error. More keys are fine.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub struct Status {
    pub group: String,
    pub topics: Vec<String>,
    pub state: String,
    pub generation: u64,
    pub pid: i32,
    pub uptime_seconds: f64,
    #[serde(default)]
    pub troubles: Vec<String>,
    pub assignment: Assignment,
    pub partitions: Vec<Partition>,
}

/// How this instance stands in its group.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub struct Assignment {
    pub mode: String,
    pub state: String,
    #[serde(deserialize_with = "there")]
    pub session: Option<String>,
    #[serde(deserialize_with = "there")]
    pub member: Option<String>,
    pub members: u64,
    #[serde(default)]
    pub trouble: Option<String>,
    #[serde(default)]
    pub troubles: BTreeMap<String, String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub struct Partition {
    pub topic: String,
    pub partition: i32,
    pub state: String,
    #[serde(deserialize_with = "there")]
    pub worker_pid: Option<i32>,
    #[serde(deserialize_with = "there")]
    pub handler_pid: Option<i32>,
    #[serde(deserialize_with = "there")]
    pub position: Option<i64>,
    #[serde(deserialize_with = "there")]
    pub acknowledged: Option<i64>,
    #[serde(deserialize_with = "there")]
    pub committed: Option<i64>,
    #[serde(deserialize_with = "there")]
    pub high_watermark: Option<i64>,
    #[serde(deserialize_with = "there")]
    pub lag: Option<i64>,
    pub in_flight: u64,
    #[serde(deserialize_with = "there")]
    pub oldest_in_flight_seconds: Option<f64>,
    #[serde(deserialize_with = "there")]
    pub lag_seconds: Option<f64>,
    #[serde(deserialize_with = "there")]
    pub fencing_token: Option<u64>,
    pub messages_total: u64,
    pub bytes_total: u64,
    pub restarts_total: u64,
    pub dead_lettered_total: u64,
    #[serde(deserialize_with = "there")]
    pub last_exit: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub left_behind: Vec<String>,
}

/// Null is fine, a missing key is not.
fn there<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(value)
}

impl Status {
    /// The partitions' numbers.
    pub fn numbers(&self) -> Vec<i32> {
        self.partitions.iter().map(|partition| partition.partition).collect()
    }

    /// One of them.
    #[track_caller]
    pub fn partition(&self, number: i32) -> &Partition {
        let found = self.partitions.iter().find(|partition| partition.partition == number);
        found.unwrap_or_else(|| panic!("no partition {number} in {self:#?}"))
    }

    /// The state of one of them, empty when it is not there.
    pub fn state_of(&self, number: i32) -> &str {
        let found = self.partitions.iter().find(|partition| partition.partition == number);
        found.map_or("", |partition| &partition.state)
    }

    /// Whether exactly `count` partitions are owned, and all of them are ready.
    pub fn is_ready(&self, count: usize) -> bool {
        self.state == "running"
            && self.partitions.len() == count
            && self.partitions.iter().all(|partition| partition.state == "ready")
    }

    /// Whether exactly `count` partitions are owned, and nothing is left to do in any.
    pub fn is_drained(&self, count: usize) -> bool {
        let done = |p: &Partition| p.lag == Some(0) && p.in_flight == 0 && p.high_watermark.is_some();
        self.partitions.len() == count && self.partitions.iter().all(done)
    }
}
