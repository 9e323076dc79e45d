//! What each option may be, and what it is where it is not given: yelp_kafka's own defaults and units.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::option::ConsumerOption;
use crate::config::{RESETS, Reset};
use crate::offset_storage::{OffsetStorage, STORAGES};

const COMMIT_INTERVALS_MS: RangeInclusive<u64> = 10..=300_000;
const COMMIT_MESSAGES: RangeInclusive<u64> = 1..=1_000_000_000;
const MESSAGE_BYTES: RangeInclusive<u64> = 1..=1_000_000_000;
const MIN_BYTES: RangeInclusive<u64> = 1..=100_000_000;
const COOLDOWNS: RangeInclusive<f64> = 0.0..=600.0;
const TERMINATIONS: RangeInclusive<f64> = 0.001..=3600.0;
const A_TIMEOUT: &str = "a whole number of milliseconds, or a negative one for ever";
const A_SHARE_OF_SECONDS: &str = "a number of seconds from 0 to 1000000000";

/// The options' values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    pub(crate) auto_offset_reset: Reset,
    pub(crate) auto_commit_enable: bool,
    pub(crate) auto_commit_interval: Duration,
    pub(crate) auto_commit_interval_messages: Option<u64>,
    /// None: for ever.
    pub(crate) consumer_timeout: Option<Duration>,
    pub(crate) fetch_message_max_bytes: u64,
    pub(crate) fetch_min_bytes: u64,
    pub(crate) client_id: String,
    pub(crate) partitioner_cooldown: Duration,
    pub(crate) use_group_sha: bool,
    pub(crate) max_termination_timeout: Duration,
    pub(crate) offset_storage: OffsetStorage,
    pub(crate) metrics_reporter: Option<String>,
    pub(crate) metrics_dimensions: BTreeMap<String, String>,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            auto_offset_reset: Reset::Latest,
            auto_commit_enable: true,
            auto_commit_interval: Duration::from_secs(1),
            auto_commit_interval_messages: None,
            consumer_timeout: Some(Duration::from_millis(100)),
            fetch_message_max_bytes: 2 * 1024 * 1024,
            fetch_min_bytes: 1,
            client_id: "yelp-kafka".to_owned(),
            partitioner_cooldown: Duration::from_secs(30),
            use_group_sha: true,
            max_termination_timeout: Duration::from_secs(10),
            offset_storage: OffsetStorage::Zookeeper,
            metrics_reporter: None,
            metrics_dimensions: BTreeMap::new(),
        }
    }
}

impl Values {
    /// Sets an option; the error is what was expected. Under the old name `iter_timeout` was in seconds, and what had no default
    /// could be none.
    pub(super) fn set(&mut self, option: ConsumerOption, old: bool, value: &Value) -> Result<(), String> {
        let default = Self::default();
        match option {
            ConsumerOption::AutoOffsetReset => self.auto_offset_reset = reset(value)?,
            ConsumerOption::AutoCommitEnable => self.auto_commit_enable = boolean(value)?,
            ConsumerOption::AutoCommitIntervalMs => {
                self.auto_commit_interval =
                    Duration::from_millis(whole(value, "milliseconds ", &COMMIT_INTERVALS_MS)?);
            }
            ConsumerOption::AutoCommitIntervalMessages => {
                self.auto_commit_interval_messages =
                    optional(value, |value| whole(value, "", &COMMIT_MESSAGES))?;
            }
            ConsumerOption::ConsumerTimeoutMs if old => {
                self.consumer_timeout = optional(value, iter_timeout)?;
            }
            ConsumerOption::ConsumerTimeoutMs => self.consumer_timeout = consumer_timeout(value)?,
            ConsumerOption::FetchMessageMaxBytes if old && value.is_null() => {
                self.fetch_message_max_bytes = default.fetch_message_max_bytes;
            }
            ConsumerOption::FetchMessageMaxBytes => {
                self.fetch_message_max_bytes = whole(value, "bytes ", &MESSAGE_BYTES)?;
            }
            ConsumerOption::FetchMinBytes => self.fetch_min_bytes = whole(value, "bytes ", &MIN_BYTES)?,
            ConsumerOption::ClientId => self.client_id = text(value)?,
            ConsumerOption::PartitionerCooldown => self.partitioner_cooldown = seconds(value, &COOLDOWNS)?,
            ConsumerOption::UseGroupSha => self.use_group_sha = boolean(value)?,
            ConsumerOption::MaxTerminationTimeoutSecs => {
                self.max_termination_timeout = seconds(value, &TERMINATIONS)?;
            }
            ConsumerOption::OffsetStorage => {
                self.offset_storage = optional(value, storage)?.unwrap_or(default.offset_storage);
            }
            ConsumerOption::MetricsReporter => self.metrics_reporter = optional(value, text)?,
            ConsumerOption::MetricsDimensions => {
                self.metrics_dimensions = optional(value, dimensions)?.unwrap_or_default();
            }
            // Functions: whoever reads values has nothing to do with them.
            ConsumerOption::PreRebalanceCallback | ConsumerOption::PostRebalanceCallback => {}
        }
        Ok(())
    }
}

fn optional<T>(value: &Value, read: impl Fn(&Value) -> Result<T, String>) -> Result<Option<T>, String> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

fn reset(value: &Value) -> Result<Reset, String> {
    word(value, RESETS).ok_or_else(|| "`smallest` or `largest` (or `earliest`, `latest`)".to_owned())
}

fn storage(value: &Value) -> Result<OffsetStorage, String> {
    word(value, STORAGES).ok_or_else(|| "`zookeeper`, `kafka` or `dual`".to_owned())
}

fn word<T: Copy>(value: &Value, names: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    names.iter().find(|(name, _)| *name == text).map(|(_, meant)| *meant)
}

fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "`true` or `false`".to_owned())
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| "text".to_owned())
}

fn whole(value: &Value, unit: &str, limits: &RangeInclusive<u64>) -> Result<u64, String> {
    let of = if unit.is_empty() { "" } else { "of " };
    let number = value.as_u64().filter(|number| limits.contains(number));
    number.ok_or_else(|| format!("a whole number {of}{unit}from {} to {}", limits.start(), limits.end()))
}

fn seconds(value: &Value, limits: &RangeInclusive<f64>) -> Result<Duration, String> {
    let number = value.as_f64().filter(|number| limits.contains(number));
    let expected = || format!("a number of seconds from {} to {}", limits.start(), limits.end());
    number.map(to_the_millisecond).ok_or_else(expected)
}

/// Configurations know no shorter time.
fn to_the_millisecond(seconds: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and bounded")]
    let milliseconds = (seconds * 1000.0).round() as u64;
    Duration::from_millis(milliseconds)
}

fn consumer_timeout(value: &Value) -> Result<Option<Duration>, String> {
    let number = value.as_i64().ok_or_else(|| A_TIMEOUT.to_owned())?;
    Ok(u64::try_from(number).ok().map(Duration::from_millis))
}

fn iter_timeout(value: &Value) -> Result<Duration, String> {
    seconds(value, &(0.0..=1e9)).map_err(|_| A_SHARE_OF_SECONDS.to_owned())
}

fn dimensions(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let expected = || "a map of names to texts".to_owned();
    let entries = value.as_object().ok_or_else(expected)?;
    let entries = entries.iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(expected()),
    });
    entries.collect()
}
