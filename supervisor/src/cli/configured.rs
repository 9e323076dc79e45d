//! `run` and `check`: a configuration from a file and flags.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use kafkavisor::config::Flags;

use super::complete::words;

pub(super) const RUN_EXAMPLES: &str = "Examples:
  kafkavisor run -c /etc/kafkavisor/billing.yaml
  kafkavisor run -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders -- ./handler.py
  kafkavisor run -b k1:9092 -g batch.once --partitions orders:0,4-7 --from earliest -- ./handler.py";
pub(super) const CHECK_EXAMPLES: &str = "Examples:
  kafkavisor check -c /etc/kafkavisor/billing.yaml
  kafkavisor check -c billing.yaml --online";

/// What both `run` and `check` take.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (YAML); flags win over it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...]
    #[arg(short, long, value_name = "BROKERS")]
    brokers: Option<String>,
    /// ZooKeeper, HOST:PORT[,HOST:PORT...][/CHROOT]
    #[arg(short, long, value_name = "ZOOKEEPER")]
    zookeeper: Option<String>,
    /// Consumer group
    #[arg(short, long, value_name = "GROUP")]
    group: Option<String>,
    /// A topic to consume; may be given several times
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Static assignment, without `ZooKeeper`; may be given several times
    #[arg(long, value_name = "TOPIC:0,1,4-7")]
    partitions: Vec<String>,
    /// How the handler is talked to: jsonl, binary or exec
    #[arg(long, value_name = "PROTOCOL", add = words(&["jsonl", "binary", "exec"]))]
    protocol: Option<String>,
    /// Where a group without offsets begins: earliest or latest
    #[arg(long, value_name = "WHERE", add = words(&["earliest", "latest"]))]
    from: Option<String>,
    /// Name of this instance [default: the group]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address of the HTTP endpoint
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// The handler and its arguments
    #[arg(last = true, value_name = "HANDLER", value_hint = ValueHint::AnyPath)]
    handler: Vec<String>,
}

impl ConfigArgs {
    /// The file's path, if there is one, and the flags.
    pub(crate) fn sources(self) -> (Option<PathBuf>, Flags) {
        let flags = Flags {
            brokers: self.brokers,
            zookeeper: self.zookeeper,
            group: self.group,
            topics: self.topics,
            partitions: self.partitions,
            protocol: self.protocol,
            reset: self.from,
            name: self.name,
            http: self.http,
            command: self.handler,
        };
        (self.config, flags)
    }
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The worker's executable [default: kafkavisor-worker beside this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_binary: Option<PathBuf>,
    /// Stop, as at TERM, when this process ends, which has started this one
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) parent: Option<i32>,
}

/// `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The worker's executable [default: kafkavisor-worker beside this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_binary: Option<PathBuf>,
    /// Connect to Kafka and `ZooKeeper` too
    #[arg(long)]
    pub(crate) online: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
