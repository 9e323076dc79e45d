//! What is asked of a running supervisor: `status`, `stop`, `pause` and the like.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::Selector;
use log::LevelFilter;

use super::complete::words;
use crate::commands::completions::{group_names, instance_names, partition_names, partition_or_topic_names};

pub(super) const STATUS_EXAMPLES: &str = "Examples:
  kafkavisor status
  kafkavisor status -g services.billing --watch
  kafkavisor status orders:3
  kafkavisor status --json | jq '.partitions[] | select(.lag > 1000)'";
pub(super) const EVENTS_EXAMPLES: &str = "Examples:
  kafkavisor events -g services.billing --count 20
  kafkavisor events --follow
  kafkavisor events --json | jq -r 'select(.event == \"worker_exited\") | .reason'";
pub(super) const LOG_LEVEL_EXAMPLES: &str =
    "It lasts until it is set again, a reload, or the end of the supervisor; workers that run take it up too.

Examples:
  kafkavisor log-level debug -g services.billing
  kafkavisor log-level info";
pub(super) const STOP_EXAMPLES: &str =
    "A second `stop` joins the first; only --now, or a second TERM or INT, cuts the drain short.

Examples:
  kafkavisor stop -g services.billing
  kafkavisor stop -g services.billing --now";
pub(super) const PAUSE_EXAMPLES: &str =
    "A pause lasts until `resume`, the end of the supervisor, or until another member has owned the partition; a lost session does not end it.

Examples:
  kafkavisor pause orders:3 -g services.billing
  kafkavisor pause            (all partitions of the only instance here)";
pub(super) const RESUME_EXAMPLES: &str = "Examples:
  kafkavisor resume orders:3 -g services.billing
  kafkavisor resume";
pub(super) const RESTART_EXAMPLES: &str =
    "To replace workers one after the other, with a canary, send the supervisor HUP.

Examples:
  kafkavisor restart orders:3 -g services.billing";
pub(super) const SKIP_EXAMPLES: &str =
    "Only for a partition that is parked, or whose handlers keep dying of one message.

Examples:
  kafkavisor skip orders:3 -g services.billing";
pub(super) const SEEK_EXAMPLES: &str = "The offset is the next one to deliver; messages before it are not delivered, those behind are, again if need be.

Examples:
  kafkavisor seek orders:3 1200 -g services.billing";

/// Which running instance is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The instance of this group
    #[arg(short, long, value_name = "GROUP", add = ArgValueCompleter::new(group_names))]
    pub(crate) group: Option<String>,
    /// The instance of this name
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(instance_names))]
    pub(crate) name: Option<String>,
    /// Its control socket
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Go on with those that come, until the supervisor ends
    #[arg(long)]
    pub(crate) follow: bool,
    /// No more than the last so many of those that there are
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<usize>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `log-level`.
#[derive(Debug, Args)]
pub(crate) struct LogLevelArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// The least important that is logged: error, warn, info, debug or trace
    #[arg(value_name = "LEVEL", value_parser = level, add = words(&["error", "warn", "info", "debug", "trace"]))]
    pub(crate) level: LevelFilter,
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err("a level is error, warn, info, debug or trace".to_owned()),
    }
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// This partition alone, in detail
    #[arg(value_name = "TOPIC:PARTITION", add = ArgValueCompleter::new(partition_names))]
    pub(crate) partition: Option<TopicPartition>,
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
    #[arg(value_name = "TOPIC[:PARTITION]", add = ArgValueCompleter::new(partition_or_topic_names))]
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
    #[arg(value_name = "TOPIC:PARTITION", add = ArgValueCompleter::new(partition_names))]
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
    #[arg(value_name = "TOPIC:PARTITION", add = ArgValueCompleter::new(partition_names))]
    pub(crate) partition: TopicPartition,
    /// The next offset to deliver
    #[arg(value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: i64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
