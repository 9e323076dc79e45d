//! `kafkavisor topics`.

use kafkavisor::discovery::{ClusterConfig, Discovery, Pattern};
use kafkavisor::ids::Topic;
use kafkavisor::text::named;
use serde::Serialize;

use super::discovery;
use super::identity::log_in;
use crate::cli::TopicsArgs;
use crate::exit::{Exit, Failure};

/// One topic.
#[derive(Debug, Serialize)]
struct Found {
    topic: Topic,
    partitions: usize,
    cluster: Option<String>,
}

pub(super) fn run(args: &TopicsArgs) -> Result<Exit, Failure> {
    let pattern = args.regex.as_deref().map(Pattern::new).transpose();
    let pattern = pattern.map_err(|error| Failure::usage(error.to_string()))?;
    let (discovery, who) = discovery::discovery(&args.places)?;
    let clusters = clusters(&discovery, args)?;
    log_in(&who)?;
    let (mut all, mut reached, mut away) = (Vec::new(), Vec::new(), Vec::new());
    for cluster in &clusters {
        let topics = match discovery.discover_topics(cluster) {
            Ok(topics) => topics,
            // What the others have is shown all the same.
            Err(error) if error.is_unreachable() => {
                away.push(error.to_string());
                continue;
            }
            Err(error) => return Err(discovery::failure(error)),
        };
        reached.push(cluster);
        let cluster = args.brokers.is_none().then(|| cluster.name.clone());
        let matching = topics
            .into_iter()
            .filter(|(topic, _)| pattern.as_ref().is_none_or(|p| p.matches(topic.as_str())));
        all.extend(matching.map(|(topic, partitions)| Found {
            topic,
            partitions: partitions.len(),
            cluster: cluster.clone(),
        }));
    }
    if all.is_empty() && !reached.is_empty() {
        let none = none(args, &reached);
        if away.is_empty() {
            return Err(Failure::failed(none));
        }
        away.push(none);
    }
    if !all.is_empty() {
        print(args, &all)?;
    }
    if away.is_empty() { Ok(Exit::Clean) } else { Err(Failure::unreachable(away.join("\n"))) }
}

fn print(args: &TopicsArgs, all: &[Found]) -> Result<Exit, Failure> {
    let rows = all.iter().map(|found| {
        [
            found.topic.to_string(),
            found.partitions.to_string(),
            found.cluster.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    discovery::print(args.places.json, &all, ["TOPIC", "PARTITIONS", "CLUSTER"], rows)
}

/// Those of the type, or the one at the brokers that were given, which has no name.
fn clusters(discovery: &Discovery, args: &TopicsArgs) -> Result<Vec<ClusterConfig>, Failure> {
    match (&args.brokers, &args.cluster_type) {
        (Some(brokers), _) => Ok(vec![ClusterConfig::new("", "", brokers.to_vec(), "")]),
        (None, Some(cluster_type)) => discovery::clusters(discovery, cluster_type, &args.which),
        (None, None) => Err(Failure::usage("say --type TYPE or -b BROKERS".to_owned())),
    }
}

fn none(args: &TopicsArgs, clusters: &[&ClusterConfig]) -> String {
    let what = args.regex.as_ref().map_or_else(
        || "there are no topics".to_owned(),
        |regex| format!("no topic matches {regex:?} from its first character on"),
    );
    let of = |cluster: &ClusterConfig| {
        let brokers = cluster.broker_list.join(",");
        if cluster.name.is_empty() { brokers } else { format!("{} ({brokers})", cluster.name) }
    };
    let looked: Vec<String> = clusters.iter().copied().map(of).collect();
    format!("{what} in {}: check the regex, and the cluster", named(looked.join(", ")))
}
