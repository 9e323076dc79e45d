//! The options of yelp_kafka's `KafkaConsumerConfig` and their names.

/// An option. The order is that of yelp_kafka's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConsumerOption {
    AutoOffsetReset,
    AutoCommitEnable,
    AutoCommitIntervalMs,
    AutoCommitIntervalMessages,
    ConsumerTimeoutMs,
    FetchMessageMaxBytes,
    FetchMinBytes,
    ClientId,
    PartitionerCooldown,
    UseGroupSha,
    MaxTerminationTimeoutSecs,
    OffsetStorage,
    MetricsReporter,
    MetricsDimensions,
    PreRebalanceCallback,
    PostRebalanceCallback,
}

use ConsumerOption as O;

/// Each option with its name and the name it had before, where it had one.
const NAMES: &[(ConsumerOption, &str, Option<&str>)] = &[
    (O::AutoOffsetReset, "auto_offset_reset", None),
    (O::AutoCommitEnable, "auto_commit_enable", Some("auto_commit")),
    (O::AutoCommitIntervalMs, "auto_commit_interval_ms", Some("auto_commit_every_t")),
    (O::AutoCommitIntervalMessages, "auto_commit_interval_messages", Some("auto_commit_every_n")),
    (O::ConsumerTimeoutMs, "consumer_timeout_ms", Some("iter_timeout")),
    (O::FetchMessageMaxBytes, "fetch_message_max_bytes", Some("max_buffer_size")),
    (O::FetchMinBytes, "fetch_min_bytes", Some("fetch_size_bytes")),
    (O::ClientId, "client_id", None),
    (O::PartitionerCooldown, "partitioner_cooldown", None),
    (O::UseGroupSha, "use_group_sha", None),
    (O::MaxTerminationTimeoutSecs, "max_termination_timeout_secs", None),
    (O::OffsetStorage, "offset_storage", None),
    (O::MetricsReporter, "metrics_reporter", None),
    (O::MetricsDimensions, "metrics_dimensions", None),
    (O::PreRebalanceCallback, "pre_rebalance_callback", None),
    (O::PostRebalanceCallback, "post_rebalance_callback", None),
];

impl ConsumerOption {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(option, ..)| *option)
    }

    /// The option that `name` names, and whether it is the old name.
    pub(crate) fn named(name: &str) -> Option<(Self, bool)> {
        NAMES.iter().find_map(|(option, new, old)| {
            let is_old = *old == Some(name);
            (*new == name || is_old).then_some((*option, is_old))
        })
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(option, ..)| *option == self).map_or("", |(_, name, _)| name)
    }

    /// The name it had before.
    pub(crate) fn old_name(self) -> Option<&'static str> {
        NAMES.iter().find(|(option, ..)| *option == self).and_then(|(_, _, old)| *old)
    }

    /// All names that are taken, old ones too.
    pub(crate) fn names() -> Vec<&'static str> {
        NAMES.iter().flat_map(|(_, name, old)| std::iter::once(*name).chain(*old)).collect()
    }
}
