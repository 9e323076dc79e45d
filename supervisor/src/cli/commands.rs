//! The commands there are, and the words about each in the list of them.

use std::sync::OnceLock;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::complete::CompleteArgs;
use super::configured::{self, CheckArgs, RunArgs};
use super::dead_letters::{self, DeadLettersCommand};
use super::demo::{self, DemoArgs};
use super::discovery::{self, ClustersArgs, LogsArgs, TopicsArgs};
use super::group::{self, LookArgs, MembersArgs, OffsetsCommand};
use super::instance::{self, EventsArgs, LogLevelArgs, SeekArgs, SelectArgs, SkipArgs, StatusArgs, StopArgs};
use super::manual::{self, ManArgs};
use super::trial::{self, TryArgs};
use crate::exit::Exit;

const EXAMPLES: &str = "Examples:
  kafkavisor demo
  kafkavisor run -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders -- ./handler.py
  kafkavisor status -g services.billing
  kafkavisor man run | man -l -";

/// Our version, and what is carried.
fn carried() -> &'static str {
    static CARRIED: OnceLock<String> = OnceLock::new();
    CARRIED.get_or_init(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), kafkavisor_kafka::carried()))
}

/// How to begin, and what the command's end tells.
fn examples_and_exit_codes() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let codes = Exit::MEANINGS.map(|(exit, meaning)| format!("{} {meaning}", exit as u8));
        format!("{EXAMPLES}\n\nExit codes: {}.", codes.join("; "))
    })
}

/// Supervises Kafka consumers: one worker process per partition, any executable as the handler.
#[derive(Debug, Parser)]
#[command(name = "kafkavisor", version, long_version = carried(), arg_required_else_help = true, subcommand_required = true,
    after_help = examples_and_exit_codes(), propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take partitions, start a worker for each, keep them running
    #[command(after_help = configured::RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Validate a configuration and print it resolved, secrets masked
    #[command(after_help = configured::CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Watch it work: a mock Kafka inside, a sample topic, one message rejected and one worker killed on the way
    #[command(after_help = demo::DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Run a handler on real messages, or on a file's, and commit nothing; see what it makes of trouble
    #[command(after_help = trial::TRY_EXAMPLES)]
    Try(Box<TryArgs>),
    /// Show what a running supervisor does
    #[command(after_help = instance::STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Show what happened last in a running supervisor, newest last
    #[command(after_help = instance::EVENTS_EXAMPLES)]
    Events(EventsArgs),
    /// Set what a running supervisor logs: error, warn, info, debug or trace
    #[command(after_help = instance::LOG_LEVEL_EXAMPLES)]
    LogLevel(LogLevelArgs),
    /// Ask a running supervisor to drain and exit
    #[command(after_help = instance::STOP_EXAMPLES)]
    Stop(StopArgs),
    /// Deliver nothing until resumed: handlers finish what they have, partitions stay here
    #[command(after_help = instance::PAUSE_EXAMPLES)]
    Pause(SelectArgs),
    /// Go on after a pause, or try parked partitions again
    #[command(after_help = instance::RESUME_EXAMPLES)]
    Resume(SelectArgs),
    /// Drain workers and start them again, all of those meant at once
    #[command(after_help = instance::RESTART_EXAMPLES)]
    Restart(SelectArgs),
    /// Apply the poison action to the message that blocks a partition: dead-letter it, or pass it over
    #[command(after_help = instance::SKIP_EXAMPLES)]
    Skip(SkipArgs),
    /// Go on at another offset, before or behind, and commit that
    #[command(after_help = instance::SEEK_EXAMPLES)]
    Seek(SeekArgs),
    /// Find clusters of a type: by region, superregion, name, or all
    #[command(after_help = discovery::CLUSTERS_EXAMPLES)]
    Clusters(ClustersArgs),
    /// List topics of discovered clusters, or of given brokers
    #[command(after_help = discovery::TOPICS_EXAMPLES)]
    Topics(TopicsArgs),
    /// Find the topics of log streams, by cluster
    #[command(after_help = discovery::LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Show who is in a group, and who holds which partition
    #[command(after_help = group::MEMBERS_EXAMPLES)]
    Members(MembersArgs),
    /// Show how far a group is behind, whoever its members are
    #[command(after_help = group::LAG_EXAMPLES)]
    Lag(LookArgs),
    /// Show, set, save and restore a group's offsets, in Kafka or in ZooKeeper
    #[command(after_help = group::OFFSETS_EXAMPLES, arg_required_else_help = true)]
    Offsets {
        #[command(subcommand)]
        command: OffsetsCommand,
    },
    /// Look at dead letters, send them back where they came from, or let them go
    #[command(after_help = dead_letters::DEAD_LETTERS_EXAMPLES, arg_required_else_help = true)]
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Print shell completions, with the names of what runs for bash, zsh and fish
    #[command(
        after_help = "Examples:\n  source <(kafkavisor completions bash)\n  kafkavisor completions bash > /etc/bash_completion.d/kafkavisor"
    )]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print a page of the manual, or write them all
    #[command(after_help = manual::MAN_EXAMPLES)]
    Man(ManArgs),
    /// Says what may stand at a place of a line; asked by the scripts of `completions`
    #[command(hide = true)]
    Complete(CompleteArgs),
    /// Starts workers and ends what they leave; started by `run`
    #[command(hide = true)]
    Guardian,
    /// The sample handler of `demo`
    #[command(hide = true)]
    SampleHandler,
}
