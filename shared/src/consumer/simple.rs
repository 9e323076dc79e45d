//! A consumer of partitions that it is told, in no group's membership.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::time::{Duration, Instant};

use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_group::commits::{Author, CommitError, CommitRequest, SharedLease, commit};
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_group::starts::{Asked, StartError};
use kafkavisor_kafka::fetch::{Several, Taken};
use kafkavisor_kafka::offsets::{OffsetError, Stored};

use super::group::begin::cannot_fetch;
use super::progress::Progress;
use super::reach::{Reached, Setup};
use super::reports::Reports;
use super::{ConsumerError, Message, PartitionerError};
use crate::async_thread::apart;
use crate::clock::{Boottime, in_time, now};
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::{Offset, Topic, TopicPartition};
use crate::partitioner::group_path::TopicsRepr;

/// How long a wait may be cut into.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whether a topic was made again is looked for this often.
const TOPICS_EVERY: Duration = Duration::from_secs(5);

/// Consumes one topic, or some partitions of it, from the group's offsets on; who else does so is not asked. From yelp_kafka:
/// `yelp_kafka.consumer.KafkaSimpleConsumer`.
///
/// A message counts as done when the next one is asked for, or when a commit is asked for. Where auto-commit is on, offsets are committed by
/// interval and count while messages are asked for, and when the consumer is closed or dropped. The original counts a message as done the
/// moment it is handed over, and loses it where the program dies.
pub struct KafkaSimpleConsumer {
    config: KafkaConsumerConfig,
    reached: Reached,
    fetching: Several,
    lease: SharedLease,
    at: BTreeMap<TopicPartition, At>,
    /// Whose place is lost, and whether its topic is another one: to be begun again.
    lost: BTreeMap<TopicPartition, bool>,
    /// ... not before.
    begin_at: Instant,
    topics_at: Instant,
    /// Handed over last.
    last: Option<(TopicPartition, Offset)>,
    done: u64,
    /// How often fetching a partition was begun.
    turns: u64,
    commit_at: Instant,
    closed: bool,
}

/// How far it is in a partition.
struct At {
    /// Which time it is that this one is read.
    turn: u64,
    progress: Progress,
}

impl Debug for KafkaSimpleConsumer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSimpleConsumer").field("partitions", &self.at.keys()).finish_non_exhaustive()
    }
}

impl KafkaSimpleConsumer {
    /// Reaches Kafka and begins where the group is in these partitions of the topic; `None` is all of them.
    pub fn connect(
        topic: &str,
        config: KafkaConsumerConfig,
        partitions: Option<&[i32]>,
    ) -> Result<Self, ConsumerError> {
        Self::connect_with(topic, config, partitions, BTreeMap::new())
    }

    /// ... with properties of librdkafka's, for security and the like.
    pub fn connect_with(
        topic: &str,
        config: KafkaConsumerConfig,
        partitions: Option<&[i32]>,
        properties: BTreeMap<String, String>,
    ) -> Result<Self, ConsumerError> {
        let topic = Topic::new(topic).map_err(|error| PartitionerError::Configuration(error.to_string()))?;
        let reports = Reports::default();
        let repr = TopicsRepr::Python3;
        let setup = Setup { topics: vec![topic.clone()], config, properties, repr, reports };
        let reached = apart(|| setup.reach(None))?;
        let there = reached.topics.partitions();
        let wanted: BTreeSet<_> = match partitions {
            None => there.clone(),
            Some(numbers) => numbers.iter().map(|n| TopicPartition::new(topic.clone(), *n)).collect(),
        };
        if wanted.is_empty() {
            let why = "an empty list of partitions: name one at least, or None for all".to_owned();
            return Err(match partitions {
                Some([]) => PartitionerError::Configuration(why),
                Some(_) | None => PartitionerError::NoPartitions(vec![topic.to_string()]),
            }
            .into());
        }
        if let Some(missing) = wanted.difference(&there).next() {
            let why = format!("there is no partition {missing}: the topic has {}", there.len());
            return Err(PartitionerError::Configuration(why).into());
        }
        let fetching = Several::new(&reached.properties, None).map_err(cannot_fetch)?;
        let lease = SharedLease::default();
        // Nobody deals these partitions out, so nobody takes them away.
        lease.set(Boottime(u64::MAX));
        let commit_at = now() + setup.config.auto_commit_interval();
        let config = setup.config;
        let mut consumer = Self {
            config,
            reached,
            fetching,
            lease,
            at: BTreeMap::new(),
            lost: BTreeMap::new(),
            begin_at: now(),
            topics_at: now() + TOPICS_EVERY,
            last: None,
            done: 0,
            turns: 0,
            commit_at,
            closed: false,
        };
        consumer.begin(&wanted.into_iter().map(|partition| (partition, false)).collect())?;
        Ok(consumer)
    }

    /// The next message. Where `block` is false no message is waited for; `timeout` is how long else, `None` for ever. Beside that a commit
    /// that is due is waited for, and a look at the topic every 5 s, which takes up to 5 s each where Kafka does not answer.
    pub fn message(
        &mut self,
        block: bool,
        timeout: Option<Duration>,
    ) -> Result<Option<Message>, ConsumerError> {
        let until = if block { timeout.map(in_time) } else { Some(now()) };
        self.settle_last();
        loop {
            self.commit_when_due();
            self.look_when_due();
            self.begin_again()?;
            let wake = self.fetching.wake();
            wake.settle();
            match self.fetching.take() {
                Some((partition, turn, taken)) => {
                    if let Some(message) = self.taken(partition, turn, taken)? {
                        return Ok(Some(message));
                    }
                }
                None if until.is_some_and(|until| now() >= until) => return Ok(None),
                None => {
                    let left = until.map_or(LOOK_EVERY, |until| until.saturating_duration_since(now()));
                    wake.wait(left.min(LOOK_EVERY));
                }
            }
        }
    }

    /// Commits all that was handed over, and waits until that is confirmed.
    pub fn commit(&mut self) -> Result<(), ConsumerError> {
        self.settle_last();
        self.write()
    }

    /// Commits up to this message, it included, whatever was handed over since. One that this consumer has not handed over, or whose
    /// topic was made again since, is [`ConsumerError::NotOurs`].
    pub fn commit_message(&mut self, message: &Message) -> Result<(), ConsumerError> {
        let partition = message.topic_partition();
        let at = self.at.get_mut(&partition).filter(|at| at.turn == message.turn);
        if !at.is_some_and(|at| at.progress.done(message.offset)) {
            return Err(ConsumerError::NotOurs { partition, offset: message.offset });
        }
        let next = Offset(message.offset.0.saturating_add(1));
        self.write_offsets(BTreeMap::from([(partition, next)]), BTreeSet::new())
    }

    /// Ends it: commits what was handed over where auto-commit is on, and says what could not be.
    pub fn close(mut self) -> Result<(), ConsumerError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ConsumerError> {
        if std::mem::replace(&mut self.closed, true) || !self.config.auto_commit_enable() {
            return Ok(());
        }
        self.commit()
    }

    /// A topic that was deleted and made again is another one, whatever offsets say.
    fn look_when_due(&mut self) {
        if now() < self.topics_at {
            return;
        }
        let topics = &mut self.reached.topics;
        let changes = apart(|| topics.look());
        self.topics_at = now() + TOPICS_EVERY;
        for (partition, _) in changes.into_iter().flat_map(|changes| changes.made_again) {
            if self.at.contains_key(&partition) || self.lost.contains_key(&partition) {
                self.lose(partition, true);
            }
        }
    }

    fn lose(&mut self, partition: TopicPartition, made_again: bool) {
        self.fetching.end(&partition);
        self.at.remove(&partition);
        self.lost.insert(partition, made_again);
    }

    /// Where those begin that are lost.
    fn begin_again(&mut self) -> Result<(), ConsumerError> {
        if self.lost.is_empty() || now() < self.begin_at {
            return Ok(());
        }
        self.begin_at = now() + LOOK_EVERY;
        let lost = self.lost.clone();
        self.begin(&lost)?;
        self.lost.clear();
        Ok(())
    }

    fn begin(&mut self, wanted: &BTreeMap<TopicPartition, bool>) -> Result<(), ConsumerError> {
        let asked = wanted.iter().zip(1..).map(|((partition, made_again), request)| Asked {
            partition: partition.clone(),
            request,
            made_again: *made_again,
        });
        let (starts, topics) = (&self.reached.starts, &mut self.reached.topics);
        let asked = asked.collect();
        let found = apart(|| starts.find(topics, asked));
        let (mut begun, mut first, mut others) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for found in found {
            match found.decision {
                Ok(Decision::At { offset, why }) => {
                    if why == Why::Reset {
                        first.insert(found.partition.clone());
                        others.extend(found.begins);
                    }
                    begun.insert(found.partition, offset);
                }
                Ok(Decision::Park(why)) => {
                    return Err(ConsumerError::Parked { partition: found.partition, why });
                }
                Err(error) => return Err(not_found(found.partition, error)),
            }
        }
        // Of a topic that begins all starts are kept, so that later ones don't think it new.
        if !first.is_empty() {
            let mut offsets: BTreeMap<_, _> = others;
            first.extend(offsets.keys().cloned());
            offsets.extend(begun.iter().map(|(key, offset)| (key.clone(), *offset)));
            self.write_offsets(offsets, first)?;
        }
        for (partition, offset) in begun {
            self.turns += 1;
            self.fetching.begin(&partition, offset, self.turns).map_err(cannot_fetch)?;
            self.at.insert(partition, At { turn: self.turns, progress: Progress::at(offset, true) });
        }
        Ok(())
    }

    fn taken(
        &mut self,
        partition: TopicPartition,
        turn: u64,
        taken: Taken,
    ) -> Result<Option<Message>, ConsumerError> {
        let Some(At { progress, .. }) = self.at.get_mut(&partition) else { return Ok(None) };
        match taken {
            Taken::Message { offset, timestamp, key, value, headers } => {
                if !progress.hand(offset) {
                    return Ok(None);
                }
                self.last = Some((partition.clone(), offset));
                let TopicPartition { topic, partition } = partition;
                let fencing_token = None;
                Ok(Some(Message {
                    topic,
                    partition,
                    offset,
                    timestamp,
                    key,
                    value,
                    headers,
                    fencing_token,
                    turn,
                }))
            }
            Taken::End(offset) => {
                progress.seen(offset);
                Ok(None)
            }
            Taken::StartLost(why) => {
                log::warn!("{partition}: {why}; where it goes on is looked for");
                if self.config.auto_commit_enable()
                    && let Err(error) = self.write()
                {
                    log::warn!("group {}: {error}; it comes again", self.config.group_id());
                }
                self.lose(partition, false);
                Ok(None)
            }
            Taken::Denied(error) => Err(error.into()),
        }
    }

    /// What was handed over last is done.
    fn settle_last(&mut self) {
        let Some((partition, offset)) = self.last.take() else { return };
        if let Some(At { progress, .. }) = self.at.get_mut(&partition) {
            let _was_handed_over = progress.done(offset);
            self.done += 1;
        }
    }

    fn commit_when_due(&mut self) {
        if !self.config.auto_commit_enable() {
            return;
        }
        let many = self.config.auto_commit_interval_messages().is_some_and(|many| self.done >= many);
        if !many && now() < self.commit_at {
            return;
        }
        if let Err(error) = self.write() {
            log::warn!("group {}: {error}; it is tried again", self.config.group_id());
        }
    }

    fn write(&mut self) -> Result<(), ConsumerError> {
        self.done = 0;
        self.commit_at = now() + self.config.auto_commit_interval();
        let time = now();
        let of = |(key, at): (&TopicPartition, &mut At)| Some((key.clone(), at.progress.due(time)?));
        let offsets: BTreeMap<_, _> = self.at.iter_mut().filter_map(of).collect();
        self.write_offsets(offsets, BTreeSet::new())
    }

    fn write_offsets(
        &mut self,
        offsets: BTreeMap<TopicPartition, Offset>,
        starts: BTreeSet<TopicPartition>,
    ) -> Result<(), ConsumerError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let stored = |(key, offset): (&TopicPartition, &Offset)| {
            let topic_id = self.reached.topics.id(&key.topic);
            let note = CommitNote::new(self.config.client_id(), &self.reached.instance, topic_id).to_text();
            (key.clone(), Stored { offset: *offset, note })
        };
        let request =
            CommitRequest { author: Author::Only, offsets: offsets.iter().map(stored).collect(), starts };
        let (store, lease) = (&self.reached.store, &self.lease);
        let answers = apart(|| commit(&**store, lease, request));
        let mut failed = Ok(());
        for (partition, offset) in offsets {
            match answers.get(&partition) {
                Some(Ok(())) => {
                    if let Some(At { progress, .. }) = self.at.get_mut(&partition) {
                        progress.committed(offset);
                    }
                }
                Some(Err(error)) if failed.is_ok() => failed = Err(not_committed(partition, error)),
                Some(Err(_)) | None => {}
            }
        }
        failed
    }
}

fn not_found(partition: TopicPartition, error: StartError) -> ConsumerError {
    match error {
        StartError::Kafka(error) => error.into(),
        StartError::Offset(error) | StartError::Elsewhere(error) => {
            ConsumerError::Offset { partition, error }
        }
        StartError::JustBegun => ConsumerError::Offset { partition, error: OffsetError::Begun },
    }
}

fn not_committed(partition: TopicPartition, error: &CommitError) -> ConsumerError {
    let error = match error {
        CommitError::Store(error) => error.clone(),
        CommitError::JustBegun => OffsetError::Begun,
        CommitError::NotOurs => OffsetError::NotOurs,
    };
    ConsumerError::NotCommitted { partition, error }
}

impl Drop for KafkaSimpleConsumer {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!("{error}: what is not committed comes again");
        }
    }
}

/// Messages one after the other, until none came within `consumer_timeout`.
impl Iterator for KafkaSimpleConsumer {
    type Item = Result<Message, ConsumerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.message(true, self.config.consumer_timeout()).transpose()
    }
}
