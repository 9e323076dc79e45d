//! A consumer of a Kafka in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::Broker;
use super::{MemoryKafka, MemoryMessage};
use crate::consumer::progress::Progress;
use crate::consumer::{Consume, ConsumerError, Message};
use crate::ids::{Group, Offset, Topic, TopicPartition};

/// As long as `consumer_timeout_ms` is by default.
const TIMEOUT: Duration = Duration::from_millis(100);

/// The consumer of a group in a [`MemoryKafka`], which is what it is made from. From yelp_kafka: `yelp_kafka.testing.kafka_mock`.
///
/// Partitions take turns; within one, messages come in their order. What is done is committed at once, unless
/// [`auto_commit`](Self::auto_commit) is off.
#[derive(Debug)]
#[doc(alias = "MockConsumer")]
pub struct MemoryConsumer {
    kafka: MemoryKafka,
    group: Group,
    topics: Vec<Topic>,
    timeout: Duration,
    auto_commit: bool,
    begun: BTreeMap<TopicPartition, Begun>,
    /// Whose turn it was.
    last: Option<TopicPartition>,
}

/// A partition as it was begun.
#[derive(Debug)]
struct Begun {
    progress: Progress,
    /// How often it had been taken away then.
    revocations: u64,
}

impl MemoryConsumer {
    pub(super) fn new(kafka: MemoryKafka, group: Group, topics: Vec<Topic>) -> Self {
        let begun = BTreeMap::new();
        Self { kafka, group, topics, timeout: TIMEOUT, auto_commit: true, begun, last: None }
    }

    /// How long `next` waits for a message that another thread may produce. Default: 100 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether what is done is committed at once. Default: true. Otherwise it is by [`commit`](Consume::commit) alone.
    #[must_use]
    pub fn auto_commit(mut self, enable: bool) -> Self {
        self.auto_commit = enable;
        self
    }

    /// What the consumer has by now: partitions that were taken away are forgotten, new ones begin where the group is.
    fn look(group: &Group, topics: &[Topic], all: &mut BTreeMap<TopicPartition, Begun>, broker: &Broker) {
        let revoked =
            |partition: &TopicPartition| broker.revoked.contains(&(group.clone(), partition.clone()));
        let revocations = |partition: &TopicPartition| {
            broker.revocations.get(&(group.clone(), partition.clone())).copied().unwrap_or_default()
        };
        all.retain(|partition, begun| !revoked(partition) && begun.revocations == revocations(partition));
        for partition in topics.iter().flat_map(|topic| broker.partitions(topic)) {
            if !all.contains_key(partition) && !revoked(partition) {
                let begins = broker.committed.get(&(group.clone(), partition.clone()));
                let begun = Begun {
                    progress: Progress::at(begins.copied().unwrap_or(Offset(0)), true),
                    revocations: revocations(partition),
                };
                all.insert(partition.clone(), begun);
            }
        }
    }

    /// The partition whose turn it is, and its next message.
    fn following<'a>(&self, broker: &'a Broker) -> Option<(TopicPartition, &'a MemoryMessage)> {
        let next = |(partition, begun): (&TopicPartition, &Begun)| {
            let at = usize::try_from(begun.progress.position().0).ok()?;
            Some((partition.clone(), broker.log(partition).get(at)?))
        };
        let after = |(partition, _): &(&TopicPartition, &Begun)| Some(*partition) > self.last.as_ref();
        let mut later = self.begun.iter().filter(after).filter_map(next);
        later.next().or_else(|| self.begun.iter().find_map(next))
    }

    fn commit_to(&self, broker: &mut Broker) {
        for (partition, begun) in &self.begun {
            let key = (self.group.clone(), partition.clone());
            if !broker.revoked.contains(&key) {
                broker.committed.insert(key, begun.progress.reached());
            }
        }
    }
}

impl Consume for MemoryConsumer {
    fn next(&mut self) -> Result<Message, ConsumerError> {
        let kafka = self.kafka.clone();
        let mut broker = kafka.wait(kafka.broker(), self.timeout, |broker| {
            Self::look(&self.group, &self.topics, &mut self.begun, broker);
            broker.consume_failures.is_empty() && self.following(broker).is_none()
        });
        if let Some(error) = broker.consume_failures.pop_front() {
            return Err(error);
        }
        let found = self.following(&broker).map(|(partition, message)| (partition, message.clone()));
        let (partition, message) = found.ok_or(ConsumerError::Timeout(self.timeout))?;
        let turn = self.begun.get_mut(&partition).map_or(0, |begun| {
            begun.progress.hand(message.offset);
            begun.revocations
        });
        self.last = Some(partition);
        let MemoryMessage { topic, partition, offset, timestamp, key, value, headers } = message;
        let (timestamp, fencing_token) = (Some(timestamp), None);
        Ok(Message { topic, partition, offset, timestamp, key, value, headers, fencing_token, turn })
    }

    fn task_done(&mut self, message: &Message) -> Result<(), ConsumerError> {
        let kafka = self.kafka.clone();
        let mut broker = kafka.broker();
        if let Some(error) = broker.consume_failures.pop_front() {
            return Err(error);
        }
        Self::look(&self.group, &self.topics, &mut self.begun, &broker);
        let partition = message.topic_partition();
        let begun = self.begun.get_mut(&partition).filter(|begun| begun.revocations == message.turn);
        let is_ours = begun.is_some_and(|begun| begun.progress.done(message.offset));
        if !is_ours {
            return Err(ConsumerError::NotOurs { partition, offset: message.offset });
        }
        if self.auto_commit {
            self.commit_to(&mut broker);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ConsumerError> {
        let kafka = self.kafka.clone();
        let mut broker = kafka.broker();
        if let Some(error) = broker.consume_failures.pop_front() {
            return Err(error);
        }
        self.commit_to(&mut broker);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::consumer::PartitionerError;

    fn produce(kafka: &MemoryKafka, values: &[&str]) {
        for value in values {
            kafka.append("t", None, Some(value.as_bytes()), &[]).unwrap();
        }
    }

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.value.as_deref().unwrap()).unwrap()
    }

    fn consumer(kafka: &MemoryKafka) -> MemoryConsumer {
        kafka.consumer("g", ["t"]).unwrap().timeout(Duration::ZERO)
    }

    #[test]
    fn partitions_take_turns_and_what_is_done_is_committed() {
        let kafka = MemoryKafka::new();
        kafka.create_topic("t", 2).unwrap();
        produce(&kafka, &["a0", "b0", "a1", "b1"]);
        let mut consumer = consumer(&kafka);
        let messages: Vec<_> = (0..4).map(|_| consumer.next().unwrap()).collect();
        assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), ["a0", "b0", "a1", "b1"]);
        assert_eq!(consumer.next(), Err(ConsumerError::Timeout(Duration::ZERO)));
        consumer.task_done(&messages[2]).unwrap();
        assert_eq!(kafka.committed("g", "t:0"), Some(Offset(0)), "the one before it is not done");
        consumer.task_done(&messages[0]).unwrap();
        assert_eq!(kafka.committed("g", "t:0"), Some(Offset(2)));
        assert_eq!(kafka.committed("g", "t:1"), Some(Offset(0)));
        assert_eq!(kafka.committed("h", "t:0"), None);
    }

    #[test]
    fn without_auto_commit_a_commit_is_asked_for_and_the_next_consumer_begins_there() {
        let kafka = MemoryKafka::new();
        produce(&kafka, &["a", "b"]);
        let mut first = consumer(&kafka).auto_commit(false);
        let message = first.next().unwrap();
        first.task_done(&message).unwrap();
        assert_eq!(kafka.committed("g", "t:0"), None);
        first.commit().unwrap();
        assert_eq!(kafka.committed("g", "t:0"), Some(Offset(1)));
        drop(first);
        assert_eq!(text(&consumer(&kafka).next().unwrap()), "b");
    }

    #[test]
    fn what_was_taken_away_is_not_ours_and_comes_back_from_where_it_was_committed() {
        let kafka = MemoryKafka::new();
        produce(&kafka, &["a", "b"]);
        let mut consumer = consumer(&kafka);
        let (first, second) = (consumer.next().unwrap(), consumer.next().unwrap());
        consumer.task_done(&first).unwrap();
        kafka.revoke("g", "t:0").unwrap();
        let refused = consumer.task_done(&second).unwrap_err();
        assert!(matches!(refused, ConsumerError::NotOurs { offset: Offset(1), .. }), "{refused}");
        assert!(consumer.next().unwrap_err().is_timeout());
        consumer.commit().unwrap();
        assert_eq!(kafka.committed("g", "t:0"), Some(Offset(1)));
        kafka.give("g", "t:0").unwrap();
        let again = consumer.next().unwrap();
        assert_eq!(text(&again), "b", "it comes again");
        assert!(matches!(consumer.task_done(&second), Err(ConsumerError::NotOurs { .. })));
        consumer.task_done(&again).unwrap();
    }

    #[test]
    fn what_was_taken_away_and_given_back_meanwhile_begins_anew() {
        let kafka = MemoryKafka::new();
        produce(&kafka, &["a"]);
        let mut consumer = consumer(&kafka);
        let message = consumer.next().unwrap();
        kafka.revoke("g", "t:0").unwrap();
        kafka.give("g", "t:0").unwrap();
        assert!(matches!(consumer.task_done(&message), Err(ConsumerError::NotOurs { .. })));
        assert_eq!(text(&consumer.next().unwrap()), "a", "it comes again");
    }

    #[test]
    fn the_next_calls_fail_as_they_are_told_to() {
        let kafka = MemoryKafka::new();
        produce(&kafka, &["a"]);
        let mut consumer = consumer(&kafka);
        let lost = ConsumerError::Partitioner(PartitionerError::NoPartitions(vec!["t".to_owned()]));
        kafka.fail_next_consume(lost.clone());
        kafka.fail_next_consume(ConsumerError::Timeout(Duration::ZERO));
        assert_eq!(consumer.next(), Err(lost));
        assert_eq!(consumer.commit(), Err(ConsumerError::Timeout(Duration::ZERO)));
        assert_eq!(text(&consumer.next().unwrap()), "a", "nothing was taken by the calls that failed");
    }

    #[test]
    fn it_waits_for_what_another_thread_produces() {
        let kafka = MemoryKafka::new();
        let mut consumer = kafka.consumer("g", ["t"]).unwrap().timeout(Duration::from_secs(60));
        let producing = kafka.clone();
        let other = thread::spawn(move || produce(&producing, &["late"]));
        assert_eq!(text(&consumer.next().unwrap()), "late");
        other.join().unwrap();
    }

    #[test]
    fn it_may_go_from_thread_to_thread() {
        fn is_sent_and_shared<T: Send + Sync>() {}
        is_sent_and_shared::<MemoryConsumer>();
    }
}
