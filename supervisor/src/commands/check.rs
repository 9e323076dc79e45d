//! `kafkavisor check`: finds everything that `run` would before it connects; `--online` connects too.

use std::io::Write as _;

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
    let servers = if args.online {
        Some(shell::reach(&config)?)
    } else {
        // Whatever stops a start before anybody is asked.
        cluster::servers_in_files(&config)?
    };
    warn(&consumer);
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

/// What of yelp_kafka's options does not do what whoever wrote them may expect, on stderr.
fn warn(consumer: &ConsumerNotes) {
    let mut stderr = std::io::stderr().lock();
    for warning in consumer.warnings() {
        // Nobody else could be told that nobody reads it.
        let _unwritable = writeln!(stderr, "kafkavisor: warning: {warning}");
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
