//! `try`: which handler, on which messages, and through what trouble.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use kafkavisor::config::Flags;
use kafkavisor::ids::{Offset, TopicPartition};

use super::complete::words;
use super::group::{Brokers, brokers};

pub(super) const TRY_EXAMPLES: &str = "The handler is run as `run` would run it, by the real worker; but nothing is committed, no group is joined, and nothing is dead-lettered or skipped: a reject is an answer. Its group is `kafkavisor-try`, its generation 1, and it has no fencing token. Time-outs, batches and who we are to Kafka are as in the file of -c. A handler that leaves its time-out behind is given a little longer (as long again, 5 s at most), to tell one that is late from one that never answers.

--file: one JSON message a line, with the keys of `jsonl`: key, value (or key_base64, value_base64), headers, timestamp. What is left out is null, or now. The messages are numbered from 0 on as they stand there, in partition 0 of the topic `file`; type, offset and attempt may be there and mean nothing. --offset and --count pick among them.

--inject: after an undisturbed run the first messages (100 at most) come again for each kind, and whether the handler bore it is said:
  crash      worker and handler are killed with messages in flight, and these come again to a new one
  hang       the worker stands still for a second, and with it both pipes
  redeliver  acknowledged messages come again to a new handler
  stop       it is told to stop with messages in flight: it finishes, acknowledges, exits 0
  flush      it is asked to finish what it has, with one message in flight, with a few, and with more

Exit codes: 0 every message was answered, and all that was injected was borne; 1 the handler failed, or it was interrupted.

Examples:
  kafkavisor try -b k1:9092 -t orders:3 --offset -20 -- ./handler.py
  kafkavisor try -b k1:9092 -t orders:3 --offset latest --count 5 -- ./handler.py
  kafkavisor try --file messages.jsonl --inject crash,hang,redeliver,stop,flush -- ./handler.py";

/// `try`.
#[derive(Debug, Args)]
pub(crate) struct TryArgs {
    /// Configuration file (YAML): its `handler`, `restart`, `stop`, and `kafka` and `oauth` for security; flags win over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Kafka brokers, HOST:PORT[,HOST:PORT...]
    #[arg(short, long, value_name = "BROKERS", value_parser = brokers, required_unless_present = "file", conflicts_with = "file")]
    pub(crate) brokers: Option<Brokers>,
    /// Whose messages
    #[arg(
        short = 't',
        long = "topic",
        value_name = "TOPIC:PARTITION",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub(crate) partition: Option<TopicPartition>,
    /// Where to begin: an offset, earliest, latest, or -N for the last N messages
    #[arg(long, value_name = "WHERE", default_value = "earliest", allow_hyphen_values = true)]
    pub(crate) offset: Begin,
    /// How many messages; with `--offset latest` those that come are waited for [default: up to the log's end as it is now]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// How the handler is talked to: jsonl, binary or exec
    #[arg(long, value_name = "PROTOCOL", add = words(&["jsonl", "binary", "exec"]))]
    pub(crate) protocol: Option<String>,
    /// Messages of a file, without a Kafka: one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What to do to it, one after the other
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_enum)]
    pub(crate) inject: Vec<Injection>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// The worker's executable [default: kafkavisor-worker beside this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_binary: Option<PathBuf>,
    /// The handler and its arguments
    #[arg(last = true, value_name = "HANDLER")]
    handler: Vec<String>,
}

impl TryArgs {
    /// What wins over the file.
    pub(crate) fn flags(&self) -> Flags {
        Flags { protocol: self.protocol.clone(), command: self.handler.clone(), ..Flags::default() }
    }
}

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Injection {
    /// Killed with messages in flight
    Crash,
    /// The worker stands still for a while
    Hang,
    /// Acknowledged messages come again
    Redeliver,
    /// Told to stop with messages in flight
    Stop,
    /// Asked to finish what it has
    Flush,
}

impl Injection {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Redeliver => "redeliver",
            Self::Stop => "stop",
            Self::Flush => "flush",
        }
    }
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    Earliest,
    Latest,
    /// So many before the end.
    Last(i64),
    At(Offset),
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{given:?} is no place to begin: write earliest, latest, an offset such as 1200, or -20 for the last 20"
            )
        };
        match given {
            "earliest" => return Ok(Self::Earliest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        let digits = given.strip_prefix('-').unwrap_or(given);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: i64 = digits.parse().map_err(|_| wrong())?;
        match (given.starts_with('-'), number) {
            (true, 0) => Err(wrong()),
            (true, last) => Ok(Self::Last(last)),
            (false, offset) => Ok(Self::At(Offset(offset))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin_is_an_end_an_offset_or_so_many_before_the_end() {
        for (given, read) in [
            ("earliest", Begin::Earliest),
            ("latest", Begin::Latest),
            ("0", Begin::At(Offset(0))),
            ("1200", Begin::At(Offset(1200))),
            ("-20", Begin::Last(20)),
        ] {
            assert_eq!(given.parse(), Ok(read));
        }
        for bad in ["", "-", "-0", "+1", "--1", "1.5", "smallest", "9223372036854775808", " 1"] {
            assert!(bad.parse::<Begin>().is_err(), "{bad}");
        }
    }
}
