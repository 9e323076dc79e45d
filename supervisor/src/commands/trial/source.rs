//! Where messages come from: a partition in Kafka, or a file, which stands in a mock Kafka of this process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kafkavisor::config::Finding;
use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor::offsets::Log;
use kafkavisor_kafka::properties::client_properties;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::super::offsets::target::{connect, failure};
use super::super::offsets::wanted::each;
use super::messages::{self, Message};
use crate::cli::TryBegin;
use crate::exit::Failure;
use crate::tokens;

/// The topic of a file's messages.
const TOPIC: &str = "file";
/// That nothing more comes is known so soon.
const FETCH_WAIT: [(&str, &str); 1] = [("fetch.wait.max.ms", "50")];
/// The mock keeps 5 MiB of a log: so much stands in it ahead of what is acknowledged.
const AHEAD: usize = 2 << 20;
/// Longest that a mock in this process may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Which messages.
pub(super) struct Source {
    pub(super) partition: TopicPartition,
    pub(super) begin: Offset,
    /// Behind the last one.
    pub(super) until: Offset,
    pub(super) count: u64,
    from: From,
}

enum From {
    Kafka(BTreeMap<String, String>),
    File(Vec<Message>),
}

/// The log that a worker reads.
pub(super) struct Open<'a> {
    pub(super) properties: BTreeMap<String, String>,
    mock: Option<Mock<'a>>,
}

/// A file in a mock Kafka.
struct Mock<'a> {
    messages: &'a [Message],
    producer: BaseProducer,
    fed: RefCell<Fed>,
    // After its producer.
    _cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
}

/// How far it was produced.
#[derive(Default)]
struct Fed {
    next: usize,
    /// Bytes that stand in the log up to `next`, and up to `acknowledged`.
    bytes: usize,
    acknowledged: usize,
    done: usize,
}

impl Source {
    /// Of a partition in Kafka.
    pub(super) fn kafka(
        brokers: &[String],
        partition: &TopicPartition,
        which: (TryBegin, Option<u64>),
        who: &Finding,
    ) -> Result<Self, Failure> {
        let client = connect(brokers, None, who)?;
        let topic = &partition.topic;
        let counts = client.partition_counts(std::slice::from_ref(topic)).map_err(failure)?;
        let at = client.brokers();
        let Some(count) = counts.get(topic) else {
            return Err(Failure::failed(format!("there is no topic {topic} in Kafka at {at}")));
        };
        if partition.partition.0 >= *count {
            let last = count - 1;
            return Err(Failure::failed(format!(
                "there is no partition {partition} in Kafka at {at}: {topic} has partitions 0 to {last}"
            )));
        }
        let logs = each(client.logs(&[partition.clone()].into()), |log| log)?;
        let log = logs.get(partition).copied();
        let log = log.ok_or_else(|| Failure::bug(format!("{partition}: Kafka names no ends of its log")))?;
        let mut properties = client_properties(brokers, &tokens::for_clients(&who.kafka));
        properties.extend(FETCH_WAIT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self::of(partition.clone(), log, which, From::Kafka(properties))
    }

    /// Of a file.
    pub(super) fn file(path: &Path, which: (TryBegin, Option<u64>)) -> Result<Self, Failure> {
        let messages = messages::read(path)?;
        let end = Offset(i64::try_from(messages.len()).unwrap_or(i64::MAX));
        let log = Log { start: Offset(0), end, stable_end: end };
        let topic = Topic::new(TOPIC).map_err(|error| Failure::bug(error.to_string()))?;
        Self::of(TopicPartition::new(topic, 0), log, which, From::File(messages))
    }

    fn of(
        partition: TopicPartition,
        log: Log,
        (begin, count): (TryBegin, Option<u64>),
        from: From,
    ) -> Result<Self, Failure> {
        let (start, end) = (log.start, log.stable_end);
        let comes = matches!((begin, count, &from), (TryBegin::Latest, Some(_), From::Kafka(_)));
        let begin = match begin {
            TryBegin::Earliest => start,
            TryBegin::Latest => end,
            TryBegin::Last(count) => Offset(end.0.saturating_sub(count).max(start.0)),
            TryBegin::At(offset) if offset < start || offset > end => {
                return Err(Failure::failed(format!(
                    "{partition}: offset {offset} is outside the log, which begins at {start} and ends at {end}"
                )));
            }
            TryBegin::At(offset) => offset,
        };
        let until = if comes { Offset(i64::MAX) } else { end };
        Ok(Self { partition, begin, until, count: count.unwrap_or(u64::MAX), from })
    }

    /// Whether there is nothing to deliver.
    pub(super) fn is_empty(&self) -> bool {
        self.begin >= self.until
    }

    /// The log, as it is for one worker after the other.
    pub(super) fn open(&self) -> Result<Open<'_>, Failure> {
        match &self.from {
            From::Kafka(properties) => Ok(Open { properties: properties.clone(), mock: None }),
            From::File(messages) => Mock::start(messages, self.begin),
        }
    }
}

impl<'a> Mock<'a> {
    fn start(messages: &'a [Message], begin: Offset) -> Result<Open<'a>, Failure> {
        let bug = |error: KafkaError| Failure::bug(format!("the mock Kafka can't be started: {error}"));
        let cluster = MockCluster::new(1).map_err(bug)?;
        cluster.create_topic(TOPIC, 1, 1).map_err(bug)?;
        let brokers = cluster.bootstrap_servers();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("message.max.bytes", "1000000000");
        let producer: BaseProducer = config.set("linger.ms", "0").create().map_err(bug)?;
        let mut properties = client_properties(&[brokers], &BTreeMap::new());
        properties.extend(FETCH_WAIT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mock = Self { messages, producer, fed: RefCell::default(), _cluster: cluster };
        let first = usize::try_from(begin.0).unwrap_or(0).min(messages.len().saturating_sub(1));
        while mock.fed.borrow().next <= first {
            mock.feed(begin)?;
            mock.producer.flush(WITHIN).map_err(bug)?;
        }
        Ok(Open { properties, mock: Some(mock) })
    }

    /// Goes on behind what is acknowledged.
    fn feed(&self, acknowledged: Offset) -> Result<(), Failure> {
        let mut fed = self.fed.borrow_mut();
        let acknowledged = usize::try_from(acknowledged.0).unwrap_or(0).min(self.messages.len());
        let done = self.messages.get(fed.done..acknowledged).unwrap_or_default();
        fed.acknowledged += done.iter().map(Message::size).sum::<usize>();
        fed.done = fed.done.max(acknowledged);
        while let Some(message) = self.messages.get(fed.next) {
            let ahead = fed.bytes.saturating_sub(fed.acknowledged);
            if ahead > 0 && ahead + message.size() > AHEAD {
                break;
            }
            if !self.send(message)? {
                break;
            }
            fed.bytes += message.size();
            fed.next += 1;
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// False where the producer's queue is full.
    fn send(&self, message: &Message) -> Result<bool, Failure> {
        let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(0);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp;
        let header = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
            headers.insert(Header { key: name, value: value.as_ref() })
        };
        if !message.headers.is_empty() {
            record = record.headers(message.headers.iter().fold(OwnedHeaders::new(), header));
        }
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => {
                Err(Failure::failed(format!("a message can't be given to the mock Kafka: {error}")))
            }
        }
    }
}

impl Open<'_> {
    /// What is acknowledged makes room for more.
    pub(super) fn feed(&self, acknowledged: Offset) -> Result<(), Failure> {
        self.mock.as_ref().map_or(Ok(()), |mock| mock.feed(acknowledged))
    }
}
