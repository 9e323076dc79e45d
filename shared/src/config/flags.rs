//! What the command line says about the configuration: it wins over the file.
//!
//! Values are read by the same functions as the file's, so that both take the same words.

use std::collections::BTreeSet;

use crate::ids::{Partition, Topic};

use super::address::{ZookeeperAddress, comma_separated};
use super::assignment::{MAX_PARTITION, Partitions};
use super::document::shown;
use super::errors::{Place, Problems};
use super::handler::{PROTOCOLS, Protocol, check_command};
use super::logging::http_address;
use super::offsets::{RESETS, Reset};
use super::places::Places;
use super::reader::Setting;
use super::topics::{Names, TopicList, group, instance_name, topic};
use super::words::choice;

/// Most partitions that one `--partitions` names.
const MAX_NAMED: usize = 100_000;

/// What the command line says about the configuration, as written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-b`: brokers, `HOST:PORT,HOST:PORT`.
    pub brokers: Option<String>,
    /// `-z`: the ZooKeeper ensemble, `HOST:PORT,HOST:PORT/CHROOT`.
    pub zookeeper: Option<String>,
    /// `-g`: the group.
    pub group: Option<String>,
    /// `-t`, each a topic.
    pub topics: Vec<String>,
    /// `--partitions`, each `orders:0,1,4-7`: static assignment with these.
    pub partitions: Vec<String>,
    /// `--protocol`: `jsonl`, `binary` or `exec`.
    pub protocol: Option<String>,
    /// `--from`: `earliest` or `latest`.
    pub reset: Option<String>,
    /// `--name`: of this instance.
    pub name: Option<String>,
    /// `--http`: the address of the HTTP endpoint.
    pub http: Option<String>,
    /// What follows `--`: the handler and its arguments.
    pub command: Vec<String>,
}

/// The flags, read.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) names: Names,
    pub(super) brokers: Option<Setting<Vec<String>>>,
    pub(super) zookeeper: Option<Setting<ZookeeperAddress>>,
    pub(super) partitions: Option<Setting<Partitions>>,
    pub(super) protocol: Option<Setting<Protocol>>,
    pub(super) reset: Option<Setting<Reset>>,
    pub(super) http: Option<Setting<String>>,
    pub(super) command: Option<Setting<Vec<String>>>,
}

impl Flags {
    /// Notes which keys the flags win over.
    pub(super) fn note(&self, places: &mut Places) {
        for (key, flag, given) in [
            ("cluster.brokers", "-b", self.brokers.is_some()),
            ("cluster.zookeeper", "-z", self.zookeeper.is_some()),
            ("group", "-g", self.group.is_some()),
            ("name", "--name", self.name.is_some()),
            ("topics", "-t", !self.topics.is_empty()),
            ("assignment.partitions", "--partitions", !self.partitions.is_empty()),
            ("offsets.reset", "--from", self.reset.is_some()),
            ("handler.protocol", "--protocol", self.protocol.is_some()),
            ("admin.http", "--http", self.http.is_some()),
            ("handler.command", "HANDLER", !self.command.is_empty()),
        ] {
            if given {
                places.note_flag(key, flag);
            }
        }
    }

    pub(super) fn read(&self, p: &mut Problems) -> Given {
        Given {
            names: Names {
                group: setting(self.group.as_ref(), "-g", group, p),
                name: setting(self.name.as_ref(), "--name", instance_name, p),
                topics: self.listed_topics(p),
            },
            brokers: setting(self.brokers.as_ref(), "-b", comma_separated, p),
            zookeeper: setting(self.zookeeper.as_ref(), "-z", str::parse, p),
            partitions: self.static_partitions(p),
            protocol: word(self.protocol.as_ref(), "--protocol", "handler.protocol", PROTOCOLS, p),
            reset: word(self.reset.as_ref(), "--from", "offsets.reset", RESETS, p),
            http: setting(self.http.as_ref(), "--http", http_address, p),
            command: self.handler(p),
        }
    }

    fn listed_topics(&self, p: &mut Problems) -> Option<Setting<Vec<Topic>>> {
        let place = Place::Flag("-t");
        let mut list = TopicList::default();
        for text in &self.topics {
            match topic(text) {
                Ok(topic) => list.add("topics", place, topic, p),
                Err(error) => p.at(place, error.to_string()),
            }
        }
        (!self.topics.is_empty()).then_some(Setting { place, value: Some(list.topics) })
    }

    fn static_partitions(&self, p: &mut Problems) -> Option<Setting<Partitions>> {
        let place = Place::Flag("--partitions");
        let mut all = Partitions::new();
        for text in &self.partitions {
            if let Err(message) = add_partitions(text, &mut all) {
                p.at(place, message);
            }
        }
        (!self.partitions.is_empty()).then_some(Setting { place, value: Some(all) })
    }

    fn handler(&self, p: &mut Problems) -> Option<Setting<Vec<String>>> {
        let place = Place::Flag("HANDLER");
        let value = match check_command(&self.command) {
            _ if self.command.is_empty() => return None,
            Ok(()) => Some(self.command.clone()),
            Err(message) => {
                p.at(place, message);
                None
            }
        };
        Some(Setting { place, value })
    }
}

fn setting<T, E: std::fmt::Display>(
    text: Option<&String>,
    flag: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
    p: &mut Problems,
) -> Option<Setting<T>> {
    let place = Place::Flag(flag);
    text.map(|text| Setting { place, value: read(text).map_err(|error| p.at(place, error.to_string())).ok() })
}

fn word<T: Copy>(
    text: Option<&String>,
    flag: &'static str,
    path: &str,
    choices: &[(&str, T)],
    p: &mut Problems,
) -> Option<Setting<T>> {
    let place = Place::Flag(flag);
    text.map(|text| Setting { place, value: choice(path, place, text, choices, p) })
}

/// Adds what `orders:0,1,4-7` names.
fn add_partitions(text: &str, all: &mut Partitions) -> Result<(), String> {
    let wrong = || format!("{:?} is not TOPIC:PARTITIONS; write for example orders:0,1,4-7", shown(text));
    let (topic, ranges) = text.rsplit_once(':').ok_or_else(wrong)?;
    let topic = self::topic(topic).map_err(|error| error.to_string())?;
    let set = all.entry(topic.clone()).or_default();
    for range in ranges.split(',') {
        let (first, last) = bounds(range).ok_or_else(wrong)?;
        add_range(&topic, first, last, set)?;
    }
    Ok(())
}

fn add_range(topic: &Topic, first: i32, last: i32, set: &mut BTreeSet<Partition>) -> Result<(), String> {
    if last < first {
        return Err(format!("{topic}:{first}-{last} is empty; write the lower partition first"));
    }
    if last > MAX_PARTITION {
        return Err(format!("partition {last} is out of range; the highest is {MAX_PARTITION}"));
    }
    for number in first..=last {
        if !set.insert(Partition(number)) {
            return Err(format!("{topic}:{number} is listed twice; keep one"));
        }
        if set.len() > MAX_NAMED {
            return Err(format!("more than {MAX_NAMED} partitions of {topic}; name fewer"));
        }
    }
    Ok(())
}

/// `4` or `4-7`.
fn bounds(range: &str) -> Option<(i32, i32)> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number =
        |text: &str| text.parse::<i32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some((number(first)?, number(last)?))
}
