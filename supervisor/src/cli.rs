//! The command line: what there is, with examples. Completions and the man page are made from these definitions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use kafkavisor::config::Flags;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::Selector;

const EXIT_CODES: &str = "Exit codes: 0 clean; 1 tried, and not so; 64 wrong command line; 69 Kafka, ZooKeeper or the supervisor not reached; \
70 a bug; 75 the drain was cut short; 78 configuration.";

/// Supervises Kafka consumers: one worker process per partition, any executable as the handler.
#[derive(Debug, Parser)]
#[command(name = "kafkavisor", version, arg_required_else_help = true, subcommand_required = true,
    after_help = EXIT_CODES, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take partitions, start a worker for each, keep them running
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Validate a configuration and print it resolved, secrets masked
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Watch it work: a mock Kafka inside, a sample topic, one worker killed on the way
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Show what a running supervisor does
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Ask a running supervisor to drain and exit
    #[command(after_help = STOP_EXAMPLES)]
    Stop(StopArgs),
    /// Deliver nothing until resumed: handlers finish what they have, partitions stay here
    #[command(after_help = PAUSE_EXAMPLES)]
    Pause(SelectArgs),
    /// Go on after a pause, or try parked partitions again
    #[command(after_help = RESUME_EXAMPLES)]
    Resume(SelectArgs),
    /// Drain workers and start them again, all of those meant at once
    #[command(after_help = RESTART_EXAMPLES)]
    Restart(SelectArgs),
    /// Apply the poison action to the message that blocks a partition: dead-letter it, or pass it over
    #[command(after_help = SKIP_EXAMPLES)]
    Skip(SkipArgs),
    /// Go on at another offset, before or behind, and commit that
    #[command(after_help = SEEK_EXAMPLES)]
    Seek(SeekArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  kafkavisor completions bash > /etc/bash_completion.d/kafkavisor")]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print the man page
    #[command(after_help = "Example:\n  kafkavisor man | man -l -")]
    Man,
    /// Starts workers and ends what they leave; started by `run`
    #[command(hide = true)]
    Guardian,
    /// The sample handler of `demo`
    #[command(hide = true)]
    SampleHandler,
}

const RUN_EXAMPLES: &str = "Examples:
  kafkavisor run -c /etc/kafkavisor/billing.yaml
  kafkavisor run -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders -- ./handler.py
  kafkavisor run -b k1:9092 -g batch.once --partitions orders:0,4-7 --from earliest -- ./handler.py";
const CHECK_EXAMPLES: &str = "Examples:
  kafkavisor check -c /etc/kafkavisor/billing.yaml
  kafkavisor check -c billing.yaml --online";
const DEMO_EXAMPLES: &str = "Examples:
  kafkavisor demo
  kafkavisor demo --seconds 20 -- ./my-handler.py";
const STATUS_EXAMPLES: &str = "Examples:
  kafkavisor status
  kafkavisor status -g services.billing --watch
  kafkavisor status --json | jq '.partitions[] | select(.lag > 1000)'";
const STOP_EXAMPLES: &str =
    "A second `stop` joins the first; only --now, or a second TERM or INT, cuts the drain short.

Examples:
  kafkavisor stop -g services.billing
  kafkavisor stop -g services.billing --now";

const PAUSE_EXAMPLES: &str =
    "A pause lasts until `resume`, the end of the supervisor, or until another member has owned the partition; a lost session does not end it.

Examples:
  kafkavisor pause orders:3 -g services.billing
  kafkavisor pause            (all partitions of the only instance here)";
const RESUME_EXAMPLES: &str = "Examples:
  kafkavisor resume orders:3 -g services.billing
  kafkavisor resume";
const RESTART_EXAMPLES: &str =
    "To replace workers one after the other, with a canary, send the supervisor HUP.

Examples:
  kafkavisor restart orders:3 -g services.billing";
const SKIP_EXAMPLES: &str =
    "Only for a partition that is parked, or whose handlers keep dying of one message.

Examples:
  kafkavisor skip orders:3 -g services.billing";
const SEEK_EXAMPLES: &str = "The offset is the next one to deliver; messages before it are not delivered, those behind are, again if need be.

Examples:
  kafkavisor seek orders:3 1200 -g services.billing";

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
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// Where a group without offsets begins: earliest or latest
    #[arg(long, value_name = "WHERE")]
    from: Option<String>,
    /// Name of this instance [default: the group]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address of the HTTP endpoint
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// The handler and its arguments
    #[arg(last = true, value_name = "HANDLER")]
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

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long it lasts
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(4..=3600))]
    pub(crate) seconds: u64,
    /// A handler of yours instead of the sample
    #[arg(last = true, value_name = "HANDLER")]
    pub(crate) handler: Vec<String>,
}

/// Which running instance is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The instance of this group
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// The instance of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Its control socket
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Go on showing it, once a second
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print JSON; with --watch one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Cut the drain short: what is in flight comes again
    #[arg(long)]
    pub(crate) now: bool,
}

/// `pause`, `resume`, `restart`.
#[derive(Debug, Args)]
pub(crate) struct SelectArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Which partitions, TOPIC or TOPIC:PARTITION [default: all of the instance]
    #[arg(value_name = "TOPIC[:PARTITION]")]
    pub(crate) partitions: Vec<Selector>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `skip`.
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Which partition
    #[arg(value_name = "TOPIC:PARTITION")]
    pub(crate) partition: TopicPartition,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `seek`.
#[derive(Debug, Args)]
pub(crate) struct SeekArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Which partition
    #[arg(value_name = "TOPIC:PARTITION")]
    pub(crate) partition: TopicPartition,
    /// The next offset to deliver
    #[arg(value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: i64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
