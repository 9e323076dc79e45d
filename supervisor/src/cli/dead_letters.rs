//! What is asked about dead letters, and of them: `dead-letters`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use kafkavisor::ids::{Group, Offset, Partition, Topic, TopicPartition};
use kafkavisor::rfc3339;

use super::group::{Brokers, brokers};

pub(super) const DEAD_LETTERS_EXAMPLES: &str = "Examples:
  kafkavisor dead-letters list -b k1:9092 -t orders.dead
  kafkavisor dead-letters show -b k1:9092 -t orders.dead orders.dead:0:17
  kafkavisor dead-letters redrive -b k1:9092 -t orders.dead --from earliest --dry-run";
const LIST_EXAMPLES: &str = "Nothing is changed, and no position is moved. It begins at the earliest letter, partition by partition. --since and --until are about the message's own time, --from about where in the topic to begin.

Examples:
  kafkavisor dead-letters list -b k1:9092 -t orders.dead
  kafkavisor dead-letters list -b k1:9092 -t orders.dead --error timeout --since 2026-03-01T12:00:00Z --json
  kafkavisor dead-letters list -b k1:9092 -t orders.dead -g services.billing --origin orders:3 --count 20";
const SHOW_EXAMPLES: &str = "As `list`, and all of each letter: its value, the headers that its message had, the handler's last lines.

Examples:
  kafkavisor dead-letters show -b k1:9092 -t orders.dead orders.dead:0:17
  kafkavisor dead-letters show -b k1:9092 -t orders.dead --key order-4711 --json";
const REDRIVE_EXAMPLES: &str = "Each message goes back to its topic and partition with key, value and headers as they were, and a new time. Its letter stays in the topic; it counts as done once Kafka has confirmed the message, and then the position moves on, one for each group: the offsets of GROUP.dead-letters. So nothing is lost whenever it is interrupted; what was sent since the position was last committed (a second) comes again.

Without letters named it goes on at the position; where there is none yet, or it has expired, --from says where to begin; given, it wins over the position. A letter that can't be sent back stays (1), the position stays before it, and what is behind it in its partition waits. A letter that is named, or sent past one that a filter leaves out, leaves the position alone: without a filter it is sent again. Let one redrive of a group run at a time.

Examples:
  kafkavisor dead-letters redrive -b k1:9092 -t orders.dead --from earliest --dry-run
  kafkavisor dead-letters redrive -b k1:9092 -t orders.dead -g services.billing --count 100 --rate 10/s
  kafkavisor dead-letters redrive -b k1:9092 -t orders.dead orders.dead:0:17 orders.dead:1:4";
const DISCARD_EXAMPLES: &str = "The position of `redrive` moves past them, and nothing else happens: they stay in the topic for as long as its retention says, and can be named to `show` and `redrive`. Where there is no position yet, or it has expired, --from says where to begin; given, it wins over the position.

Examples:
  kafkavisor dead-letters discard -b k1:9092 -t orders.dead --count 1
  kafkavisor dead-letters discard -b k1:9092 -t orders.dead -g services.billing --from earliest --dry-run";

/// `dead-letters`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List letters, a line each: where each is, where it came from, and why
    #[command(after_help = LIST_EXAMPLES)]
    List(LettersArgs),
    /// Show all of letters: values, headers, the handler's last lines
    #[command(after_help = SHOW_EXAMPLES)]
    Show(LettersArgs),
    /// Send messages back where they came from, in order, each confirmed before its letter counts as done
    #[command(after_help = REDRIVE_EXAMPLES)]
    Redrive(RedriveArgs),
    /// Let letters go: move the position of `redrive` past them
    #[command(after_help = DISCARD_EXAMPLES)]
    Discard(DiscardArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct DeadTopicArgs {
    /// Configuration file (YAML): its `kafka` and `oauth`, for security
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...]
    #[arg(short, long, value_name = "BROKERS", value_parser = brokers)]
    pub(crate) brokers: Brokers,
    /// The topic that holds the dead letters
    #[arg(short, long, value_name = "TOPIC")]
    pub(crate) topic: Topic,
    /// Only letters of this group [default: `list` and `show`: all; else the one group whose letters there are]
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Option<Group>,
}

/// How many, and from where.
#[derive(Debug, Args)]
pub(crate) struct SpanArgs {
    /// Where in the topic to begin: earliest, or the time since when a letter is there, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "WHERE")]
    pub(crate) from: Option<Begin>,
    /// No more than so many letters, over all partitions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// Which of them.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only those whose error holds this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
    /// Only those with this key
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Only those of messages that came from there
    #[arg(long, value_name = "TOPIC[:PARTITION]")]
    pub(crate) origin: Option<Origin>,
    /// Only those of messages that are not older
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<i64>,
    /// Only those of messages that are older
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<i64>,
}

/// `dead-letters list`, `dead-letters show`.
#[derive(Debug, Args)]
pub(crate) struct LettersArgs {
    #[command(flatten)]
    pub(crate) dead: DeadTopicArgs,
    /// These letters alone, by their own places [default: all]
    #[arg(value_name = "TOPIC:PARTITION:OFFSET")]
    pub(crate) letters: Vec<Place>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dead-letters redrive`.
#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    pub(crate) letters: LettersArgs,
    /// Show what would be sent, send nothing, and move no position
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// No faster than so many messages a second
    #[arg(long, value_name = "N/s")]
    pub(crate) rate: Option<Rate>,
}

/// `dead-letters discard`.
#[derive(Debug, Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    pub(crate) dead: DeadTopicArgs,
    // Taken so that it can be said why not.
    #[arg(value_name = "TOPIC:PARTITION:OFFSET", hide = true)]
    pub(crate) letters: Vec<Place>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Show what would be let go, and move no position
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A letter's own place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: Offset,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let how = || format!("{given:?} is no place: write TOPIC:PARTITION:OFFSET, as in orders.dead:0:17");
        let (partition, offset) = given.rsplit_once(':').ok_or_else(how)?;
        let digits = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
        let offset = offset.parse().ok().filter(|_| digits).ok_or_else(how)?;
        Ok(Self { partition: partition.parse().map_err(|_| how())?, offset: Offset(offset) })
    }
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    Earliest,
    /// The first letter that is not older: milliseconds since 1970.
    Time(i64),
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given {
            "earliest" => Ok(Self::Earliest),
            time => rfc3339::parse(time)
                .map(Self::Time)
                .map_err(|error| format!("expected earliest or a time: {error}")),
        }
    }
}

fn time(given: &str) -> Result<i64, String> {
    rfc3339::parse(given).map_err(|error| error.to_string())
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) topic: Topic,
    /// Any, where it is not said.
    pub(crate) partition: Option<Partition>,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        if given.contains(':') {
            let TopicPartition { topic, partition } =
                given.parse().map_err(|error: kafkavisor::ids::InvalidName| error.to_string())?;
            return Ok(Self { topic, partition: Some(partition) });
        }
        Ok(Self { topic: Topic::new(given).map_err(|error| error.to_string())?, partition: None })
    }
}

/// So many a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) NonZeroU32);

impl FromStr for Rate {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let number = given.strip_suffix("/s").filter(|n| n.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| format!("{given:?} is no rate: write N/s, from 1 on, as in 50/s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read() {
        let place: Place = "orders.dead:3:1200".parse().unwrap();
        assert_eq!((place.partition.to_string().as_str(), place.offset), ("orders.dead:3", Offset(1200)));
        assert_eq!(place.to_string(), "orders.dead:3:1200");
        for bad in
            ["", "t", "t:0", "t:0:", "t:0:-1", "t:0:+1", "t:-1:0", "t:0:x", ":0:1", "t:0:1:2", "a/b:0:1"]
        {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_so_many_a_second() {
        assert_eq!("50/s".parse(), Ok(Rate(NonZeroU32::new(50).unwrap())));
        for bad in ["", "0/s", "50", "50/m", "-1/s", "+1/s", "1.5/s", "/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_a_topic_or_a_partition_of_it() {
        let topic = Topic::new("orders").unwrap();
        assert_eq!("orders".parse(), Ok(Origin { topic: topic.clone(), partition: None }));
        assert_eq!("orders:3".parse(), Ok(Origin { topic, partition: Some(Partition(3)) }));
        for bad in ["", "a/b", "orders:", "orders:x"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
