//! `kafkavisor check`: finds everything that `run` would before it connects; `--online` connects too.

use kafkavisor::config::{ClusterAddress, ConsumerNotes, Flags, Servers};
use serde_json::{Value, json};

use crate::checks::{Checked, checked};
use crate::cli::CheckArgs;
use crate::cluster;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let (file, flags) = args.config.sources();
    if file.is_none() && flags == Flags::default() {
        return Err(Failure::usage("nothing to check: say -c FILE".to_owned()));
    }
    let Checked { config, consumer, .. } = checked(file.as_deref(), &flags, args.worker_binary.as_deref())?;
    let (servers, warnings) = if args.online {
        let (servers, warnings) = shell::reach(&config)?;
        (Some(servers), warnings)
    } else {
        // Whatever stops a start before anybody is asked.
        (cluster::servers_in_files(&config)?, Vec::new())
    };
    warn(&consumer, &warnings);
    let found = servers.filter(|_| matches!(config.cluster.address, ClusterAddress::Discovery(_)));
    if args.json {
        let mut json = config.to_json();
        for (key, more) in [("consumer", consumer.to_json()), ("discovered", found.as_ref().map(json_of))] {
            if let (Some(more), Some(all)) = (more, json.as_object_mut()) {
                all.insert(key.to_owned(), more);
            }
        }
        super::print(&format!("{json:#}\n"))?;
    } else {
        let found = found.as_ref().map(comment).unwrap_or_default();
        super::print(&format!("{}{found}{}", consumer.to_yaml(), config.to_yaml()))?;
    }
    Ok(Exit::Clean)
}

/// What of yelp_kafka's options does not do what whoever wrote them may expect, and what may be wrong with the cluster, on stderr.
fn warn(consumer: &ConsumerNotes, cluster: &[String]) {
    for warning in consumer.warnings().iter().chain(cluster) {
        super::note(&format!("warning: {warning}"));
    }
}

/// The servers that discovery has found.
fn json_of(servers: &Servers) -> Value {
    json!({"brokers": servers.brokers, "zookeeper": servers.zookeeper.as_ref().map(ToString::to_string)})
}

/// The same, for people.
fn comment(servers: &Servers) -> String {
    let zookeeper = servers.zookeeper.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    format!("# Discovery has found brokers {}, ZooKeeper {zookeeper}\n", servers.brokers.join(","))
}
