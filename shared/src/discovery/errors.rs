//! Why something was not discovered. Each error names what was wanted, what was asked of whom, and what to do.

use std::path::PathBuf;

use kafkavisor_types::text::named;

use super::service_error::ServiceError;

/// Why something was not discovered. The names are yelp_kafka's, without its `Error`.
///
/// yelp_kafka raises its `Invalid…` errors for whatever error the service answers; here they say that what was asked for does
/// not exist, and a service that is broken, or not there at all, is [`DiscoveryError::Service`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// There is no such type, or none in that region (yelp_kafka's `InvalidClusterTypeOrRegionError`).
    #[error(
        "no cluster of type {cluster_type:?} for region {region:?}: {answer}: check the type and the region"
    )]
    InvalidClusterTypeOrRegion {
        /// The type that was asked for.
        cluster_type: String,
        /// The region that was asked for.
        region: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// There is no such type, or none in that superregion (yelp_kafka's `InvalidClusterTypeOrSuperregionError`).
    #[error(
        "no cluster of type {cluster_type:?} for superregion {superregion:?}: {answer}: check the type and the superregion"
    )]
    InvalidClusterTypeOrSuperregion {
        /// The type that was asked for.
        cluster_type: String,
        /// The superregion that was asked for.
        superregion: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// There is no such type, or no cluster of that name (yelp_kafka's `InvalidClusterTypeOrNameError`).
    #[error("no cluster of type {cluster_type:?} named {name:?}: {answer}: check the type and the name")]
    InvalidClusterTypeOrName {
        /// The type that was asked for.
        cluster_type: String,
        /// The name that was asked for.
        name: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// There is no such type (yelp_kafka's `InvalidClusterType`).
    #[error("no clusters of type {cluster_type:?}: {answer}: check the type")]
    InvalidClusterType {
        /// The type that was asked for.
        cluster_type: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// No log matches, or there is no such region (yelp_kafka's `InvalidLogOrRegionError`).
    #[error("no logs match {regex:?} in region {region:?}: {answer}: check the stream and the region")]
    InvalidLogOrRegion {
        /// The regex that was asked for; a stream's is `<escaped name>$`.
        regex: String,
        /// The region that was asked for.
        region: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// No log matches, or there is no such superregion (yelp_kafka's `InvalidLogOrSuperregionError`).
    #[error(
        "no logs match {regex:?} in superregion {superregion:?}: {answer}: check the stream and the superregion"
    )]
    InvalidLogOrSuperregion {
        /// The regex that was asked for; a stream's is `<escaped name>$`.
        regex: String,
        /// The superregion that was asked for.
        superregion: String,
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// No region has logs (yelp_kafka's `DiscoveryError`).
    #[error("no regions have logs: {answer}: check which service this is")]
    NoLogsRegions {
        /// What was asked of whom, and the answer.
        answer: String,
    },
    /// No cluster has the topic (yelp_kafka's `DiscoveryError`).
    #[error("topic {topic:?} is in no cluster of type {cluster_type:?} (looked in {}): check its name", named(.clusters.join(", ")))]
    UnknownTopic {
        /// The topic that was looked for.
        topic: String,
        /// The type of the clusters.
        cluster_type: String,
        /// Where it was looked for.
        clusters: Vec<String>,
    },
    /// No topic matches in any cluster (yelp_kafka's `DiscoveryError`).
    #[error(
        "no topic matches {pattern:?} in any cluster of type {cluster_type:?} (looked in {}): check the regex, which must match from \
         the name's first character on", named(.clusters.join(", "))
    )]
    NoTopicMatches {
        /// The regex.
        pattern: String,
        /// The type of the clusters.
        cluster_type: String,
        /// Where it was looked for.
        clusters: Vec<String>,
    },
    /// The discovery service is not there, or does not answer as one.
    #[error("{wanted}: {error}")]
    Service {
        /// What was wanted.
        wanted: String,
        /// What went wrong with whom.
        error: ServiceError,
    },
    /// A file is missing or malformed (yelp_kafka's `ConfigurationError`).
    #[error("{wanted}: {error}")]
    Configuration {
        /// What was wanted.
        wanted: String,
        /// What is wrong with which file.
        error: ConfigurationError,
    },
    /// A cluster's brokers are not reached, or don't answer (yelp_kafka's `DiscoveryError`).
    #[error("{wanted}: Kafka at {} was not reached within {within:?}: {}: is it running, and are these its brokers?",
        named(.brokers.join(",")), named(.reason))]
    Kafka {
        /// What was wanted of which cluster.
        wanted: String,
        /// The cluster's brokers.
        brokers: Vec<String>,
        /// How long it was tried.
        within: std::time::Duration,
        /// What Kafka or its client says.
        reason: String,
    },
    /// Its brokers are there, and we don't come together.
    #[error("{wanted}: Kafka at {}: {reason}", named(.brokers.join(",")))]
    KafkaRefuses {
        /// What was wanted of which cluster.
        wanted: String,
        /// The cluster's brokers.
        brokers: Vec<String>,
        /// What is wrong, and what to do.
        reason: String,
        /// Whether it is `kafka` in the file that must be changed, else the brokers.
        ours: bool,
    },
    /// A property of [`Settings::kafka`](super::Settings::kafka) can't be used.
    #[error("{wanted}: {reason}: remove it from `kafka` in the file, or correct it")]
    KafkaProperties {
        /// What was wanted of which cluster.
        wanted: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The regex is none.
    #[error(transparent)]
    InvalidRegex(#[from] InvalidRegex),
}

impl DiscoveryError {
    /// Whether who was asked was not reached, or answered too late: asking again later may help.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Service { error, .. } => {
                matches!(error, ServiceError::Unreachable { .. } | ServiceError::TooLate { .. })
            }
            Self::Kafka { .. } => true,
            Self::KafkaRefuses { ours, .. } => !ours,
            Self::InvalidClusterTypeOrRegion { .. }
            | Self::InvalidClusterTypeOrSuperregion { .. }
            | Self::InvalidClusterTypeOrName { .. }
            | Self::InvalidClusterType { .. }
            | Self::InvalidLogOrRegion { .. }
            | Self::InvalidLogOrSuperregion { .. }
            | Self::NoLogsRegions { .. }
            | Self::UnknownTopic { .. }
            | Self::NoTopicMatches { .. }
            | Self::Configuration { .. }
            | Self::KafkaProperties { .. }
            | Self::InvalidRegex(_) => false,
        }
    }
}

/// A file that is missing or malformed, or says something that can't be (yelp_kafka's `ConfigurationError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}: {remedy}", named(.file.display()))]
pub struct ConfigurationError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// A text that is no regular expression, or one that can't be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern:?} is no regex that can be used: {reason}; use one of https://docs.rs/regex/latest/regex/#syntax"
)]
pub struct InvalidRegex {
    /// As given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}
