//! What is asked about a group from outside: `offsets`, `lag`, `members`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use kafkavisor::config::{ZookeeperAddress, comma_separated};
use kafkavisor::ids::{Group, Offset, Topic, TopicPartition};
use kafkavisor::offsets::OffsetStorage;
use kafkavisor::rfc3339;

pub(super) const LAG_EXAMPLES: &str = "Without -t: the topics for which the group has offsets. Where it has none, lag counts from the log's start.

Examples:
  kafkavisor lag -b k1:9092 -g services.billing
  kafkavisor lag -b k1:9092 -g services.billing -t orders --json | jq 'map(.lag) | add'
  kafkavisor lag -b k1:9092 -z zk1:2181/kafka -g services.billing --storage zookeeper";
pub(super) const MEMBERS_EXAMPLES: &str = "From ZooKeeper: all members, Python's too, by their party and lock nodes. From Kafka: those that are subscribed under the group's id. -t picks the members' folder of these topics, where there is one, and these topics' partitions.

Examples:
  kafkavisor members -z zk1:2181/kafka -g services.billing
  kafkavisor members -b k1:9092 -g services.billing --json";
pub(super) const OFFSETS_EXAMPLES: &str = "Examples:
  kafkavisor offsets get -b k1:9092 -g services.billing
  kafkavisor offsets set -b k1:9092 -z zk1:2181/kafka -g services.billing orders:0=1200 orders:1=980
  kafkavisor offsets save -b k1:9092 -g services.billing billing.yaml";
const GET_EXAMPLES: &str = "Examples:
  kafkavisor offsets get -b k1:9092 -g services.billing
  kafkavisor offsets get -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders --storage zookeeper --json";
const SET_EXAMPLES: &str = "An offset is the next one to read, and both ends of the log are in it. A time is RFC 3339, with its zone; past the last message it is the log's end. All of a command is done, or nothing.

Examples:
  kafkavisor offsets set -b k1:9092 -z zk1:2181/kafka -g services.billing orders:0=1200 orders:1=980
  kafkavisor offsets set -b k1:9092 -g services.billing -t orders --to 2026-03-01T12:00:00Z --dry-run";
const REWIND_EXAMPLES: &str = "Examples:
  kafkavisor offsets rewind -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders";
const ADVANCE_EXAMPLES: &str = "Examples:
  kafkavisor offsets advance -b k1:9092 -z zk1:2181/kafka -g services.billing -t orders";
const SAVE_EXAMPLES: &str = "FILE is YAML: {group, storage, offsets: {TOPIC: {PARTITION: OFFSET}}}. One that is there is replaced, once the new one is whole; where there is nothing to save it is left alone (1).

Examples:
  kafkavisor offsets save -b k1:9092 -g services.billing billing.yaml";
const RESTORE_EXAMPLES: &str = "Offsets go where they were saved from unless --storage says otherwise. A file of another group is taken, and that is said; so the offsets of one group are given to another.

Examples:
  kafkavisor offsets restore -b k1:9092 -z zk1:2181/kafka -g services.billing billing.yaml --dry-run";

/// `offsets`.
#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// Show a group's offsets
    #[command(after_help = GET_EXAMPLES)]
    Get(LookArgs),
    /// Set offsets, one by one, or of whole topics to an end of the log or a time
    #[command(after_help = SET_EXAMPLES)]
    Set(SetArgs),
    /// Set the offsets of topics to the start of the log: everything comes again
    #[command(after_help = REWIND_EXAMPLES)]
    Rewind(WholeTopicsArgs),
    /// Set the offsets of topics to the end of the log: what is there is passed over
    #[command(after_help = ADVANCE_EXAMPLES)]
    Advance(WholeTopicsArgs),
    /// Write a group's offsets to a file
    #[command(after_help = SAVE_EXAMPLES)]
    Save(SaveArgs),
    /// Set offsets to what a file holds
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
}

/// Which group, and where its offsets are.
#[derive(Debug, Args)]
pub(crate) struct GroupArgs {
    /// Configuration file (YAML): its `kafka`, `oauth`, `cluster.zookeeper_auth` and `cluster.zookeeper_tls`, for security
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...]
    #[arg(short, long, value_name = "BROKERS", value_parser = brokers)]
    pub(crate) brokers: Brokers,
    /// Consumer group
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Group,
    /// Where its offsets are: kafka, zookeeper or dual (both; Kafka's are read, else ZooKeeper's) [default: kafka; `restore`: as saved]
    #[arg(long, value_name = "STORAGE")]
    pub(crate) storage: Option<OffsetStorage>,
    /// ZooKeeper, HOST:PORT[,HOST:PORT...][/CHROOT]: its offsets, and its members with every storage
    #[arg(short, long, value_name = "ZOOKEEPER")]
    pub(crate) zookeeper: Option<ZookeeperAddress>,
}

/// Brokers, checked for shape.
pub(crate) type Brokers = std::sync::Arc<[String]>;

pub(super) fn brokers(text: &str) -> Result<Brokers, String> {
    comma_separated(text).map(Into::into).map_err(|error| error.to_string())
}

/// `lag`, `offsets get`.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// A topic; may be given several times [default: those for which the group has offsets]
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<Topic>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a change is made.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also while the group has members, and over a node in ZooKeeper that is no number
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `offsets set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// Which partitions, and the next offset of each
    #[arg(value_name = "TOPIC:PARTITION=OFFSET", required_unless_present = "to", conflicts_with_all = ["topics", "to"])]
    pub(crate) offsets: Vec<PartitionOffset>,
    /// A topic, all of it; may be given several times
    #[arg(short, long = "topic", value_name = "TOPIC", requires = "to")]
    pub(crate) topics: Vec<Topic>,
    /// Where its offsets go: earliest, latest, or a time such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "WHERE", requires = "topics")]
    pub(crate) to: Option<To>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `offsets rewind`, `offsets advance`.
#[derive(Debug, Args)]
pub(crate) struct WholeTopicsArgs {
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// A topic, all of it; may be given several times
    #[arg(short, long = "topic", value_name = "TOPIC", required = true)]
    pub(crate) topics: Vec<Topic>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `offsets save`.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// A topic; may be given several times [default: all for which the group has offsets]
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<Topic>,
    /// Where they go
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `offsets restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// A topic of the file; may be given several times [default: all of them]
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<Topic>,
    /// What `offsets save` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `members`.
#[derive(Debug, Args)]
pub(crate) struct MembersArgs {
    /// Configuration file (YAML): its `kafka`, `oauth`, `cluster.zookeeper_auth` and `cluster.zookeeper_tls`, for security
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// ZooKeeper, HOST:PORT[,HOST:PORT...][/CHROOT]
    #[arg(
        short,
        long,
        value_name = "ZOOKEEPER",
        required_unless_present = "brokers",
        conflicts_with = "brokers"
    )]
    pub(crate) zookeeper: Option<ZookeeperAddress>,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...]: members in Kafka's own membership
    #[arg(short, long, value_name = "BROKERS", value_parser = brokers)]
    pub(crate) brokers: Option<Brokers>,
    /// Consumer group
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Group,
    /// A topic; may be given several times [default: all of the group's]
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<Topic>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `TOPIC:PARTITION=OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionOffset {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: Offset,
}

impl FromStr for PartitionOffset {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let (partition, offset) =
            given.split_once('=').ok_or("write TOPIC:PARTITION=OFFSET, as in orders:3=1200".to_owned())?;
        let partition = partition.parse::<TopicPartition>().map_err(|error| error.to_string())?;
        let digits = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
        let offset =
            offset.parse().ok().filter(|_| digits).ok_or_else(|| {
                format!("{offset:?} is no offset: write a whole number from 0 to {}", i64::MAX)
            })?;
        Ok(Self { partition, offset: Offset(offset) })
    }
}

/// Where the offsets of a topic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Earliest,
    Latest,
    /// The first message that is not older: milliseconds since 1970.
    Time(i64),
}

impl FromStr for To {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => rfc3339::parse(time)
                .map(Self::Time)
                .map_err(|error| format!("expected earliest, latest or a time: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_with_its_offset_is_read() {
        let read: PartitionOffset = "orders:3=1200".parse().unwrap();
        assert_eq!((read.partition.to_string().as_str(), read.offset), ("orders:3", Offset(1200)));
        assert!(format!("t:0={}", i64::MAX).parse::<PartitionOffset>().is_ok());
        for bad in [
            "",
            "t",
            "t:0",
            "t:0=",
            "t=5",
            "t:0=-1",
            "t:0=+1",
            "t:0=1.5",
            "t:0= 1",
            "t:0=0x1",
            "t:0=earliest",
            "t:0=9223372036854775808",
            "t:-1=5",
            "t:99999999999=5",
            "a/b:0=5",
            "t:0=1=2",
        ] {
            assert!(bad.parse::<PartitionOffset>().is_err(), "{bad}");
        }
    }

    #[test]
    fn where_offsets_go_is_an_end_or_a_time() {
        assert_eq!("earliest".parse(), Ok(To::Earliest));
        assert_eq!("latest".parse(), Ok(To::Latest));
        assert_eq!("1970-01-01T00:00:01+00:00".parse(), Ok(To::Time(1000)));
        for bad in ["", "Earliest", "smallest", "1970-01-01T00:00:01", "17"] {
            assert!(bad.parse::<To>().unwrap_err().contains("earliest, latest or a time"), "{bad}");
        }
    }
}
