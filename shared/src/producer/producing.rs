//! What both producers do: one call that sends messages, from its topic's partitions to the last confirmation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::patience::patiently;
use kafkavisor_kafka::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::producer::BaseRecord;
use tracing::Span;
use tracing::field::{Empty, display};

use super::call::{Call, Outcome, Slot};
use super::causes::{cause, of_code};
use super::client::{Client, NoClient};
use super::topics::{Place, Topics};
use super::{Failed, ProduceCause, ProduceError, Produced};
use crate::clock::now;
use crate::ids::Topic;
use crate::metrics::{Metric, Reporter};

/// librdkafka says of each message what became of it, within its time-out and this.
const WORD: Duration = Duration::from_secs(5);
/// Its queue is full: it is tried again after this, or when something has left it.
const ROOM: Duration = Duration::from_millis(20);
/// Longest that it may take to find out why a message failed.
const LOOK: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Producing {
    /// What clients are made with.
    pub(super) config: ClientConfig,
    /// The same, for a look at the brokers.
    pub(super) properties: BTreeMap<String, String>,
    pub(super) brokers: String,
    pub(super) timeout: Duration,
    pub(super) client: RwLock<Arc<Client>>,
    pub(super) topics: Topics,
    pub(super) reporter: Option<Arc<Reporter>>,
}

/// What is sent: where to, under which key, and the values.
pub(super) struct Sent<'a> {
    pub(super) topic: &'a str,
    pub(super) place: Place<'a>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) values: &'a [Option<&'a [u8]>],
}

impl Producing {
    /// Sends them and waits until each is confirmed or has failed. `producer` names it in the span.
    pub(super) fn send(&self, producer: &str, sent: &Sent<'_>) -> Result<Vec<Produced>, ProduceError> {
        if sent.values.is_empty() {
            return Ok(Vec::new());
        }
        let span = tracing::info_span!(
            target: "kafkavisor::producer",
            "kafka.produce",
            otel.kind = "producer",
            producer,
            topic = sent.topic,
            messages = sent.values.len(),
            partition = Empty,
            confirmed = Empty,
            error = Empty,
        );
        let _within = span.enter();
        let begun = now();
        let result = self.try_to_send(sent, &span);
        match &result {
            Ok(produced) => span.record("confirmed", produced.len()),
            Err(error) => span.record("confirmed", error.confirmed().len()).record("error", display(error)),
        };
        self.report(begun, &result);
        result
    }

    fn report(&self, begun: Instant, result: &Result<Vec<Produced>, ProduceError>) {
        let Some(reporter) = &self.reporter else { return };
        reporter.took(Metric::ProduceRequest, now().saturating_duration_since(begun));
        if let Err(error) = result {
            let of = |which: fn(&ProduceCause) -> bool| {
                error.failed().iter().filter(|failed| which(&failed.cause)).count()
            };
            reporter.counted(Metric::ProduceException, 1);
            reporter.counted(
                Metric::NotLeaderForPartition,
                of(|cause| matches!(cause, ProduceCause::NotLeaderForPartition)),
            );
        }
    }

    fn try_to_send(&self, sent: &Sent<'_>, span: &Span) -> Result<Vec<Produced>, ProduceError> {
        let none = |cause| ProduceError::all(sent.topic, sent.values.len(), &cause);
        Topic::new(sent.topic).map_err(|error| none(ProduceCause::InvalidTopic(error.to_string())))?;
        let client = self.client().map_err(none)?;
        let partition = self.place(&client, sent).map_err(none)?;
        span.record("partition", partition);
        let all: Vec<_> = (0..sent.values.len()).collect();
        let mut outcomes = self.deliver(&client, sent, partition, &all);
        if let [_, _, ..] = sent.values {
            self.deliver_alone(&client, sent, partition, &mut outcomes);
        }
        self.result(&client, sent, partition, outcomes)
    }

    /// The client of now: another one where it has given up for good.
    fn client(&self) -> Result<Arc<Client>, ProduceCause> {
        let client = Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner));
        if client.fatal().is_none() {
            return Ok(client);
        }
        let mut current = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if current.fatal().is_some() {
            *current = Arc::new(Client::new(&self.config, self.reporter.clone()).map_err(refused)?);
        }
        Ok(Arc::clone(&current))
    }

    fn place(&self, client: &Client, sent: &Sent<'_>) -> Result<i32, ProduceCause> {
        let Sent { topic, place, .. } = *sent;
        if let Some(partition) = self.topics.place(topic, place, now()) {
            return Ok(partition);
        }
        let partitions = self.partitions(client, topic)?;
        self.topics.learn(topic, partitions, place, now()).ok_or(ProduceCause::UnknownTopicOrPartition)
    }

    /// Asks which partitions a topic has, those without a leader included: a key's partition does not change with who is there.
    fn partitions(&self, client: &Client, topic: &str) -> Result<Vec<i32>, ProduceCause> {
        let begun = now();
        let until = begun + self.timeout;
        let leaderless = Cell::new(false);
        let answer = patiently(until, |within| {
            let metadata = client
                .metadata(topic, within)
                .map_err(|error| KafkaError::from(error).or_behind_it(|| self.behind(client)))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            match found.and_then(MetadataTopic::error).map(Code::from) {
                // It is being made.
                Some(Code::LeaderNotAvailable) => {
                    leaderless.set(true);
                    Err(KafkaError::NoLeader)
                }
                Some(code) => Ok(Err(of_code(code, &self.brokers))),
                None => Ok(Ok(found.map_or_else(Vec::new, |found| {
                    found.partitions().iter().map(MetadataPartition::id).collect()
                }))),
            }
        });
        if let Some(reporter) = &self.reporter {
            reporter.took(Metric::MetadataRequest, now().saturating_duration_since(begun));
        }
        answer.unwrap_or_else(|error| {
            Err(match error {
                KafkaError::NoLeader => ProduceCause::LeaderNotAvailable,
                KafkaError::Unknown => ProduceCause::UnknownTopicOrPartition,
                // The last question had no time left for an answer.
                KafkaError::TimedOut if leaderless.get() => ProduceCause::LeaderNotAvailable,
                KafkaError::TimedOut | KafkaError::Other(_) => {
                    ProduceCause::KafkaUnavailable(self.brokers.clone())
                }
                KafkaError::Configuration(_)
                | KafkaError::TopicDenied
                | KafkaError::WriteDenied
                | KafkaError::GroupDenied
                | KafkaError::Subscribed
                | KafkaError::CoordinatorMoved
                | KafkaError::Security(_)
                | KafkaError::Client(_) => ProduceCause::Kafka(error),
            })
        })
    }

    /// What is wrong between us and the brokers, as far as that has a name.
    fn behind(&self, client: &Client) -> Option<Trouble> {
        client.signs().explain(&self.brokers, &self.properties, now() + LOOK)
    }

    /// Sends those of the values that `which` names, and waits; what became of them, in the order of `which`.
    fn deliver(&self, client: &Client, sent: &Sent<'_>, partition: i32, which: &[usize]) -> Vec<Outcome> {
        let until = now() + self.timeout + WORD;
        let call = Call::new(which.len());
        for (index, value) in which.iter().enumerate() {
            let slot = Slot::of(&call, index);
            let record = BaseRecord {
                topic: sent.topic,
                partition: Some(partition),
                payload: sent.values.get(*value).copied().flatten(),
                key: sent.key,
                timestamp: None,
                headers: None,
                delivery_opaque: Box::new(slot),
            };
            enqueue(client, &call, record, until);
        }
        let heard = call.wait(until);
        let unheard = || Err(ClientError::MessageProduction(Code::MessageTimedOut));
        heard.into_iter().map(|outcome| outcome.unwrap_or_else(unheard)).collect()
    }

    /// Sends those again that were refused as too large, each for itself: a broker refuses a whole batch for its size. In their order,
    /// and behind those that were taken.
    fn deliver_alone(&self, client: &Client, sent: &Sent<'_>, partition: i32, outcomes: &mut [Outcome]) {
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            let too_large = outcome
                .as_ref()
                .err()
                .is_some_and(|error| matches!(cause(error, &self.brokers), ProduceCause::TooLarge));
            if !too_large {
                continue;
            }
            let Some(alone) = self.deliver(client, sent, partition, &[index]).pop() else { continue };
            let goes_on = alone
                .as_ref()
                .err()
                .is_none_or(|error| matches!(cause(error, &self.brokers), ProduceCause::TooLarge));
            *outcome = alone;
            if !goes_on {
                // Each of the others would wait as long, and one that came through would stand before those that did not.
                break;
            }
        }
    }

    fn result(
        &self,
        client: &Client,
        sent: &Sent<'_>,
        partition: i32,
        outcomes: Vec<Outcome>,
    ) -> Result<Vec<Produced>, ProduceError> {
        let (mut confirmed, mut failed) = (Vec::new(), Vec::new());
        let (mut explained, mut unconfirmed) = (None, 0);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(produced) => confirmed.push((index, produced)),
                Err(error) => {
                    let mut cause = cause(&in_truth(client, error), &self.brokers);
                    if let ProduceCause::FailedPayloads(said) = cause {
                        unconfirmed += 1;
                        // Asked once, for all of them.
                        let explain = || self.explained(client, sent.topic, partition, said);
                        cause = explained.get_or_insert_with(explain).clone();
                    }
                    failed.push(Failed { index, cause });
                }
            }
        }
        if failed.is_empty() {
            return Ok(confirmed.into_iter().map(|(_, produced)| produced).collect());
        }
        self.topics.doubt(sent.topic);
        if let Some(reporter) = &self.reporter {
            // Whatever is found to be behind it.
            reporter.counted(Metric::FailedPayloads, unconfirmed);
        }
        Err(ProduceError::new(sent.topic, failed, confirmed))
    }

    /// Why no confirmation has come: librdkafka does not say.
    fn explained(&self, client: &Client, topic: &str, partition: i32, said: String) -> ProduceCause {
        let Ok(metadata) = client.metadata(topic, LOOK) else {
            return self.behind(client).map_or_else(
                || ProduceCause::KafkaUnavailable(self.brokers.clone()),
                |trouble| ProduceCause::Kafka(KafkaError::Security(Box::new(trouble))),
            );
        };
        let Some(topic) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return ProduceCause::UnknownTopicOrPartition;
        };
        let partition = topic.partitions().iter().find(|found| found.id() == partition);
        let error = topic.error().or_else(|| partition.and_then(MetadataPartition::error)).map(Code::from);
        error.map_or(ProduceCause::FailedPayloads(said), |code| of_code(code, &self.brokers))
    }
}

/// What an error comes of, where a client that has given up for good only says that it has.
fn in_truth(client: &Client, error: ClientError) -> ClientError {
    match error.rdkafka_error_code() {
        Some(Code::Fatal | Code::PurgeQueue | Code::PurgeInflight) => {
            client.fatal().map_or(error, ClientError::MessageProduction)
        }
        Some(_) | None => error,
    }
}

/// Gives a message to the client, and waits for room where there is none.
fn enqueue(client: &Client, call: &Call, record: BaseRecord<'_, [u8], [u8], Box<Slot>>, until: Instant) {
    let BaseRecord { topic, partition, payload, key, timestamp, headers: _, mut delivery_opaque } = record;
    loop {
        let record = BaseRecord { topic, partition, payload, key, timestamp, headers: None, delivery_opaque };
        match client.enqueue(record) {
            Ok(()) => return,
            Err((ClientError::MessageProduction(Code::QueueFull), slot)) if now() < until => {
                call.wait_news(ROOM);
                delivery_opaque = slot;
            }
            Err((error, slot)) => return slot.fill(Err(error)),
        }
    }
}

/// As librdkafka words it.
pub(super) fn refused(error: NoClient) -> ProduceCause {
    ProduceCause::Configuration(match error {
        NoClient::Refused(error) => {
            KafkaError::Configuration(kafkavisor_kafka::properties::reason(&error)).to_string()
        }
        NoClient::Thread(_) => error.to_string(),
    })
}
