//! `clusters`, `topics`, `logs`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};

use super::group::{Brokers, brokers};

pub(super) const CLUSTERS_EXAMPLES: &str =
    "Asks the discovery service; the topology files where there is none, for all of a type and by name.

Examples:
  kafkavisor clusters --type standard
  kafkavisor clusters --type standard --region uswest2 --json
  kafkavisor clusters --type scribe --name uswest2-prod --discovery http://127.0.0.1:8888";
pub(super) const TOPICS_EXAMPLES: &str =
    "The regex must match from the name's first character on; its end is open.

Examples:
  kafkavisor topics --type standard                         (of all clusters of the type)
  kafkavisor topics '.*mytopic$' --type standard --region uswest2
  kafkavisor topics -b k1:9092 --json";
pub(super) const LOGS_EXAMPLES: &str = "Without a region the local one's are meant.

Examples:
  kafkavisor logs ranger
  kafkavisor logs --match 'ranger.*' --superregion norcal-prod --json
  kafkavisor logs --regions";

/// Where to look.
#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    /// Configuration file (YAML): its `discovery`, and `kafka` and `oauth` for topics
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The discovery service's root [default: `discovery.url`, else as `discovery.services` has it]
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) discovery: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which cluster of a type; none of these: all.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct WhichClusterArgs {
    /// The cluster for this region
    #[arg(long, value_name = "REGION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) region: Option<String>,
    /// The cluster for this superregion
    #[arg(long, value_name = "SUPERREGION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) superregion: Option<String>,
    /// The cluster of this name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
}

/// `clusters`.
#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// The clusters' type, such as standard or scribe
    #[arg(long = "type", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) cluster_type: String,
    #[command(flatten)]
    pub(crate) which: WhichClusterArgs,
    #[command(flatten)]
    pub(crate) places: WhereArgs,
}

/// `topics`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("of").args(["cluster_type", "brokers"]).required(true))]
pub(crate) struct TopicsArgs {
    /// Which topics [default: all]
    #[arg(value_name = "REGEX")]
    pub(crate) regex: Option<String>,
    /// The clusters' type, such as standard or scribe
    #[arg(long = "type", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) cluster_type: Option<String>,
    #[command(flatten)]
    pub(crate) which: WhichClusterArgs,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...], without discovery
    #[arg(short, long, value_name = "BROKERS", value_parser = brokers, conflicts_with_all = ["region", "superregion", "name", "discovery"])]
    pub(crate) brokers: Option<Brokers>,
    #[command(flatten)]
    pub(crate) places: WhereArgs,
}

/// `logs`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["stream", "regex", "regions"]).required(true))]
pub(crate) struct LogsArgs {
    /// The log stream, by its whole name
    #[arg(value_name = "STREAM", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stream: Option<String>,
    /// All log streams that the regex matches from their first character on
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) regex: Option<String>,
    /// The names of all regions that have logs
    #[arg(long, conflicts_with_all = ["region", "superregion"])]
    pub(crate) regions: bool,
    /// Logs of this region [default: the local one]
    #[arg(long, value_name = "REGION", conflicts_with = "superregion", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) region: Option<String>,
    /// Logs of this superregion
    #[arg(long, value_name = "SUPERREGION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) superregion: Option<String>,
    #[command(flatten)]
    pub(crate) places: WhereArgs,
}
