//! The requests to Kafka that the supervisor makes, each one blocking and bounded.
//!
//! Two clients: one in the group's name, for offsets and for the end that readers of committed messages see; one that reads
//! uncommitted, for the true end of a log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::config::Config;
use kafkavisor::ids::{Offset, Topic, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};

use super::topics::{self, Described};
use kafkavisor_supervisor_core::start::{Committed, Log};

/// A request that a broker can't answer yet is made again after this.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Longest that one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why Kafka could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KafkaError {
    /// A property is refused.
    #[error("librdkafka refuses the configuration: {0}")]
    Configuration(ClientError),
    /// No broker answered.
    #[error("{0}")]
    Request(String),
}

/// The clients.
pub(crate) struct Clients {
    group: BaseConsumer,
    reader: BaseConsumer,
    group_id: String,
}

/// A member of a group as Kafka knows it.
pub(crate) struct ForeignMember {
    pub(crate) client_id: String,
    pub(crate) host: String,
}

/// The properties of every client of this instance.
pub(crate) fn client_properties(config: &Config) -> BTreeMap<String, String> {
    let mut properties = config.kafka.clone();
    properties.insert("bootstrap.servers".to_owned(), config.cluster.brokers.join(","));
    properties.entry("client.id".to_owned()).or_insert_with(|| "kafkavisor".to_owned());
    properties.entry("reconnect.backoff.max.ms".to_owned()).or_insert_with(|| "1000".to_owned());
    properties
}

fn client(config: &Config, more: &[(&str, &str)]) -> Result<BaseConsumer, KafkaError> {
    client_config(config, more).create().map_err(KafkaError::Configuration)
}

fn client_config(config: &Config, more: &[(&str, &str)]) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (key, value) in client_properties(config) {
        client.set(key, value);
    }
    client.set("group.id", config.group.as_str()).set("enable.auto.commit", "false");
    // What concerns us comes back as an error of a request; a broker that is down would fill the log otherwise.
    client.set_log_level(RDKafkaLogLevel::Critical);
    // A coordinator that does not answer must not hold the next request back for a minute.
    if !config.kafka.contains_key("socket.timeout.ms") {
        client.set("socket.timeout.ms", "10000");
    }
    for (key, value) in more {
        client.set(*key, *value);
    }
    client
}

fn request(error: ClientError) -> KafkaError {
    KafkaError::Request(error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()))
}

/// Asks until there is an answer or the time is up: a broker may go in the middle of a request, or its coordinator may still
/// be loading. What it will never do it says at once.
pub(super) fn patiently<T, E>(
    within: Duration,
    never: impl Fn(&E) -> bool,
    ask: impl Fn(Duration) -> Result<T, E>,
) -> Result<T, E> {
    let deadline = now() + within;
    loop {
        let answer = ask(deadline.saturating_duration_since(now()));
        if answer.as_ref().err().is_none_or(&never) || now() >= deadline {
            return answer;
        }
        std::thread::park_timeout(ASK_AGAIN);
    }
}

/// Whether asking again is no use.
fn never(error: &ClientError) -> bool {
    error.rdkafka_error_code().is_none_or(|code| {
        matches!(
            code,
            RDKafkaErrorCode::UnsupportedFeature
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        )
    })
}

impl Clients {
    pub(crate) fn new(config: &Config) -> Result<Self, KafkaError> {
        Ok(Self {
            group: client(config, &[])?,
            reader: client(config, &[("isolation.level", "read_uncommitted")])?,
            group_id: config.group.to_string(),
        })
    }

    /// Waits for a first answer of Kafka.
    pub(crate) fn reach(&self, within: Duration) -> Result<(), KafkaError> {
        patiently(within, never, |left| self.reader.fetch_metadata(Some("__consumer_offsets"), left))
            .map(drop)
            .map_err(request)
    }

    /// The cluster's own id; empty where it has none.
    pub(crate) fn cluster_id(&self) -> String {
        self.reader.client().fetch_cluster_id(TIMEOUT).unwrap_or_default()
    }

    /// The topics as they are now.
    pub(crate) fn describe(&self, topics: &[Topic]) -> Result<BTreeMap<Topic, Described>, KafkaError> {
        let Some(first) = topics.first() else { return Ok(BTreeMap::new()) };
        let native = self.reader.client().native_ptr();
        let metadata = self.reader.fetch_metadata(Some(first.as_str()), TIMEOUT).map_err(request)?;
        let controller = topics::controller(native);
        if metadata.brokers().iter().any(|broker| broker.id() == controller) {
            topics::describe(native, topics, TIMEOUT).map_err(KafkaError::Request)
        } else {
            self.describe_without_ids(topics)
        }
    }

    fn describe_without_ids(&self, topics: &[Topic]) -> Result<BTreeMap<Topic, Described>, KafkaError> {
        let mut described = BTreeMap::new();
        for topic in topics {
            let metadata = self.reader.fetch_metadata(Some(topic.as_str()), TIMEOUT).map_err(request)?;
            let Some(found) = metadata.topics().iter().find(|found| found.name() == topic.as_str()) else {
                continue;
            };
            let partitions = i32::try_from(found.partitions().len()).unwrap_or(0);
            described.insert(topic.clone(), Described { partitions, id: None });
        }
        Ok(described)
    }

    /// Who is subscribed under our group id.
    pub(crate) fn foreign_members(&self, within: Duration) -> Result<Vec<ForeignMember>, KafkaError> {
        let groups =
            match patiently(within, never, |left| self.group.fetch_group_list(Some(&self.group_id), left)) {
                // A broker that knows no groups (the demo's) has nobody in them.
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) => {
                    return Ok(Vec::new());
                }
                groups => groups.map_err(request)?,
            };
        let members = groups.groups().iter().filter(|group| group.name() == self.group_id);
        Ok(members
            .flat_map(rdkafka::groups::GroupInfo::members)
            .map(|m| ForeignMember { client_id: m.client_id().to_owned(), host: m.client_host().to_owned() })
            .collect())
    }

    /// The group's offsets; partitions without one are left out.
    pub(crate) fn committed(
        &self,
        items: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Committed>, KafkaError> {
        let answered =
            self.group.committed_offsets(list(items, |_| ListOffset::Invalid), TIMEOUT).map_err(request)?;
        let mut committed = BTreeMap::new();
        for element in answered.elements() {
            element.error().map_err(request)?;
            let Some(item) = item(element.topic(), element.partition()) else { continue };
            if let ListOffset::Offset(offset) = element.offset() {
                let metadata = element.metadata().to_owned();
                committed.insert(item, Committed { offset: Offset(offset), metadata });
            }
        }
        Ok(committed)
    }

    /// The logs; partitions that can't be asked about now are left out.
    pub(crate) fn logs(&self, items: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Log>, KafkaError> {
        // A client that knows a topic does not look for partitions it has grown since.
        let topics: BTreeSet<_> = items.iter().map(|item| item.topic.as_str()).collect();
        for topic in topics {
            self.reader.fetch_metadata(Some(topic), TIMEOUT).map_err(request)?;
            self.group.fetch_metadata(Some(topic), TIMEOUT).map_err(request)?;
        }
        let starts = offsets(&self.reader, items, ListOffset::Beginning)?;
        let ends = self.ends(items)?;
        let stable_ends = offsets(&self.group, items, ListOffset::End)?;
        let log = |item: &TopicPartition| {
            let (start, end) = (*starts.get(item)?, *ends.get(item)?);
            Some((item.clone(), Log { start, end, stable_end: *stable_ends.get(item)? }))
        };
        Ok(items.iter().filter_map(log).collect())
    }

    /// The ends of the logs, in one request a broker.
    pub(crate) fn ends(
        &self,
        items: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
        offsets(&self.reader, items, ListOffset::End)
    }

    /// Commits all in one request; the answer is one result a partition.
    pub(crate) fn commit(
        &self,
        offsets: &BTreeMap<TopicPartition, (Offset, String)>,
    ) -> BTreeMap<TopicPartition, Result<(), String>> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (item, (offset, metadata)) in offsets {
            let mut element = list.add_partition(item.topic.as_str(), item.partition.0);
            // Offsets here are never negative, which is the only thing it can refuse.
            let _never_refused = element.set_offset(ListOffset::Offset(offset.0));
            element.set_metadata(metadata);
        }
        let result = self.group.commit(&list, CommitMode::Sync).map_err(|error| request(error).to_string());
        offsets.keys().map(|item| (item.clone(), result.clone())).collect()
    }

    /// Serves what librdkafka wants to tell.
    pub(crate) fn serve(&self) {
        let _nothing_is_consumed = (self.group.poll(Duration::ZERO), self.reader.poll(Duration::ZERO));
    }
}

fn item(topic: &str, partition: i32) -> Option<TopicPartition> {
    Some(TopicPartition::new(Topic::new(topic).ok()?, partition))
}

fn list(items: &[TopicPartition], offset: impl Fn(&TopicPartition) -> ListOffset) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(items.len());
    for item in items {
        let _never_refused = list.add_partition_offset(item.topic.as_str(), item.partition.0, offset(item));
    }
    list
}

/// ListOffsets for all: librdkafka takes -1 and -2 as "the end" and "the beginning" among the timestamps.
fn offsets(
    client: &BaseConsumer,
    items: &[TopicPartition],
    which: ListOffset,
) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
    if items.is_empty() {
        return Ok(BTreeMap::new());
    }
    let answered = client.offsets_for_times(list(items, |_| which), TIMEOUT).map_err(request)?;
    let known = answered.elements().into_iter().filter_map(|element| {
        element.error().ok()?;
        let ListOffset::Offset(offset) = element.offset() else { return None };
        Some((item(element.topic(), element.partition())?, Offset(offset)))
    });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(times: u32, code: RDKafkaErrorCode, within: Duration) -> (Result<(), ClientError>, u32) {
        let asked = Cell::new(0);
        let answer = patiently(within, never, |_| {
            asked.set(asked.get() + 1);
            if asked.get() > times { Ok(()) } else { Err(ClientError::MetadataFetch(code)) }
        });
        (answer, asked.get())
    }

    #[test]
    fn a_broker_that_goes_in_the_middle_of_a_request_is_asked_again() {
        let within = Duration::from_secs(30);
        for code in [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::CoordinatorLoadInProgress] {
            assert_eq!(failing(2, code, within), (Ok(()), 3));
            assert!(failing(2, code, Duration::ZERO).0.is_err(), "not beyond its time");
        }
        let (answer, asked) = failing(9, RDKafkaErrorCode::UnsupportedFeature, within);
        assert!(answer.is_err() && asked == 1, "what will never be is said at once");
    }
}
