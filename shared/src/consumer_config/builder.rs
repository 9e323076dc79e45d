//! Options as a Rust program sets them: with types, or by name and in yelp_kafka's units. Both are checked in one way, when the
//! configuration is built.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::config::KafkaConsumerConfig;
use super::error::ConfigurationError;
use super::given::{Given, NotSet};
use super::option::ConsumerOption;
use crate::cluster_config::ClusterConfig;
use crate::config::{OffsetStorage, Reset, nearest, shown};
use crate::ids::Group;

const CALLBACK: &str = "no value (a consumer group is given its callbacks itself)";

/// Options of a consumer, not checked yet.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    group_id: String,
    cluster: ClusterConfig,
    options: Vec<(String, Value)>,
}

impl Builder {
    pub(super) fn new(group_id: &str, cluster: ClusterConfig) -> Self {
        Self { group_id: group_id.to_owned(), cluster, options: Vec::new() }
    }

    /// Sets an option by yelp_kafka's name and in its units, old names too, as settings that are read from a file have them.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sets all of these, as [`Builder::option`] does.
    pub fn options(mut self, options: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.options.extend(options);
        self
    }

    fn set(self, option: ConsumerOption, value: impl Into<Value>) -> Self {
        self.option(option.name(), value)
    }

    /// See [`KafkaConsumerConfig::auto_offset_reset`].
    pub fn auto_offset_reset(self, reset: Reset) -> Self {
        let name = match reset {
            Reset::Earliest => "smallest",
            Reset::Latest => "largest",
        };
        self.set(ConsumerOption::AutoOffsetReset, name)
    }

    /// See [`KafkaConsumerConfig::auto_commit_enable`].
    pub fn auto_commit_enable(self, enable: bool) -> Self {
        self.set(ConsumerOption::AutoCommitEnable, enable)
    }

    /// See [`KafkaConsumerConfig::auto_commit_interval`]; 10 ms to 300 s.
    pub fn auto_commit_interval(self, interval: Duration) -> Self {
        self.set(ConsumerOption::AutoCommitIntervalMs, milliseconds(interval))
    }

    /// See [`KafkaConsumerConfig::auto_commit_interval_messages`].
    pub fn auto_commit_interval_messages(self, messages: u64) -> Self {
        self.set(ConsumerOption::AutoCommitIntervalMessages, messages)
    }

    /// See [`KafkaConsumerConfig::consumer_timeout`].
    pub fn consumer_timeout(self, timeout: Option<Duration>) -> Self {
        self.set(ConsumerOption::ConsumerTimeoutMs, timeout.map_or(-1, milliseconds))
    }

    /// See [`KafkaConsumerConfig::fetch_message_max_bytes`].
    pub fn fetch_message_max_bytes(self, bytes: u64) -> Self {
        self.set(ConsumerOption::FetchMessageMaxBytes, bytes)
    }

    /// See [`KafkaConsumerConfig::fetch_min_bytes`].
    pub fn fetch_min_bytes(self, bytes: u64) -> Self {
        self.set(ConsumerOption::FetchMinBytes, bytes)
    }

    /// See [`KafkaConsumerConfig::client_id`].
    pub fn client_id(self, client_id: &str) -> Self {
        self.set(ConsumerOption::ClientId, client_id)
    }

    /// See [`KafkaConsumerConfig::partitioner_cooldown`]; up to 600 s.
    pub fn partitioner_cooldown(self, cooldown: Duration) -> Self {
        self.set(ConsumerOption::PartitionerCooldown, cooldown.as_secs_f64())
    }

    /// See [`KafkaConsumerConfig::use_group_sha`].
    pub fn use_group_sha(self, use_group_sha: bool) -> Self {
        self.set(ConsumerOption::UseGroupSha, use_group_sha)
    }

    /// See [`KafkaConsumerConfig::max_termination_timeout`]; 1 ms to an hour.
    pub fn max_termination_timeout(self, timeout: Duration) -> Self {
        self.set(ConsumerOption::MaxTerminationTimeoutSecs, timeout.as_secs_f64())
    }

    /// See [`KafkaConsumerConfig::offset_storage`].
    pub fn offset_storage(self, storage: OffsetStorage) -> Self {
        self.set(ConsumerOption::OffsetStorage, storage.to_string())
    }

    /// See [`KafkaConsumerConfig::metrics_reporter`].
    pub fn metrics_reporter(self, name: &str) -> Self {
        self.set(ConsumerOption::MetricsReporter, name)
    }

    /// See [`KafkaConsumerConfig::metrics_dimensions`].
    pub fn metrics_dimensions(self, dimensions: BTreeMap<String, String>) -> Self {
        let dimensions = dimensions.into_iter().map(|(name, text)| (name, Value::from(text)));
        self.set(ConsumerOption::MetricsDimensions, Value::Object(dimensions.collect()))
    }

    /// Checks everything. Old names are logged as warnings.
    pub fn build(self) -> Result<KafkaConsumerConfig, ConfigurationError> {
        let group_id = Group::new(&self.group_id)?;
        let mut given = Given::default();
        for (name, value) in &self.options {
            no_callback(name, value)?;
            given.set(name, value).map_err(|error| refused(name, value, error))?;
        }
        let deprecated = given.deprecated();
        deprecated.iter().for_each(|deprecated| log::warn!("group {group_id}: {deprecated}"));
        Ok(KafkaConsumerConfig::of(group_id, self.cluster, given.values, deprecated))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A callback is no value.
fn no_callback(name: &str, value: &Value) -> Result<(), ConfigurationError> {
    match ConsumerOption::named(name) {
        Some((
            option @ (ConsumerOption::PreRebalanceCallback | ConsumerOption::PostRebalanceCallback),
            _,
        )) if !value.is_null() => Err(refused(name, value, NotSet::Expected(option, CALLBACK.to_owned()))),
        _ => Ok(()),
    }
}

fn refused(name: &str, value: &Value, error: NotSet) -> ConfigurationError {
    match error {
        NotSet::Unknown => {
            let hint = nearest(name, &ConsumerOption::names());
            ConfigurationError::UnknownOption { option: shown(name).into_owned(), hint }
        }
        NotSet::Expected(option, expected) => {
            let given = option.old_name().filter(|old| *old == name).unwrap_or(option.name());
            let found = shown(&value.to_string()).into_owned();
            ConfigurationError::Value { option: given, expected, found }
        }
    }
}
