//! `kafkavisor logs`.

use kafkavisor::discovery::{ClusterTopics, Discovery, DiscoveryError};

use super::discovery;
use crate::cli::LogsArgs;
use crate::exit::{Exit, Failure};

pub(super) fn run(args: &LogsArgs) -> Result<Exit, Failure> {
    let (discovery, _) = discovery::discovery(&args.places)?;
    if args.regions {
        let regions = discovery.all_logs_regions().map_err(discovery::failure)?;
        return discovery::print(
            args.places.json,
            &regions,
            ["REGION"],
            regions.iter().map(|name| [name.clone()]),
        );
    }
    let logs = logs(&discovery, args).map_err(discovery::failure)?;
    let rows = logs.iter().flat_map(|ClusterTopics { cluster, topics }| {
        topics.iter().map(|topic| [topic.to_string(), cluster.name.clone(), cluster.broker_list.join(",")])
    });
    discovery::print(args.places.json, &logs, ["TOPIC", "CLUSTER", "BROKERS"], rows)
}

fn logs(discovery: &Discovery, args: &LogsArgs) -> Result<Vec<ClusterTopics>, DiscoveryError> {
    let (stream, regex) = (args.stream.as_deref().unwrap_or_default(), args.regex.as_deref());
    match (&args.superregion, regex) {
        (Some(superregion), Some(regex)) => discovery.superregion_logs_regex(regex, Some(superregion)),
        (Some(superregion), None) => discovery.superregion_logs_stream(stream, Some(superregion)),
        (None, Some(regex)) => discovery.region_logs_regex(regex, args.region.as_deref()),
        (None, None) => discovery.region_logs_stream(stream, args.region.as_deref()),
    }
}
