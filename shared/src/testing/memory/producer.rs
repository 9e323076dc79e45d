//! A producer to a Kafka in memory.

use super::MemoryKafka;
use crate::ids::Topic;
use crate::producer::{Produce, ProduceCause, ProduceError, ProduceKeyed, Produced};

/// A producer to a [`MemoryKafka`], which is what it is made from. The same key always goes to the same partition, which is not the one
/// that Kafka's clients would choose. From yelp_kafka: `yelp_kafka.testing.kafka_mock`.
#[derive(Debug, Clone)]
#[doc(alias = "MockProducer")]
pub struct MemoryProducer {
    kafka: MemoryKafka,
}

impl MemoryProducer {
    pub(super) fn new(kafka: MemoryKafka) -> Self {
        Self { kafka }
    }

    fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Produced>, ProduceError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |cause| Err(ProduceError::all(topic, values.len(), &cause));
        let name = match Topic::new(topic) {
            Ok(name) => name,
            Err(error) => return failed(ProduceCause::InvalidTopic(error.to_string())),
        };
        let mut broker = self.kafka.broker();
        if let Some(cause) = broker.produce_failures.pop_front() {
            return failed(cause);
        }
        let partition = broker.place(&name, key);
        let mut append = |value: Option<&[u8]>| {
            let offset = broker.append(&name, partition, key, value, Vec::new());
            Produced { partition, offset }
        };
        let produced = values.iter().copied().map(&mut append).collect();
        drop(broker);
        self.kafka.changed();
        Ok(produced)
    }
}

impl Produce for MemoryProducer {
    fn send_messages(&self, topic: &str, messages: &[&[u8]]) -> Result<Vec<Produced>, ProduceError> {
        let values: Vec<_> = messages.iter().copied().map(Some).collect();
        self.send(topic, None, &values)
    }
}

impl ProduceKeyed for MemoryProducer {
    fn send_keyed(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        messages: &[&[u8]],
    ) -> Result<Vec<Produced>, ProduceError> {
        let values: Vec<_> = messages.iter().copied().map(Some).collect();
        self.send(topic, key, &values)
    }

    fn send_tombstone(&self, topic: &str, key: &[u8]) -> Result<Produced, ProduceError> {
        let produced = self.send(topic, Some(key), &[None])?;
        produced
            .first()
            .copied()
            .ok_or_else(|| ProduceError::all(topic, 1, &ProduceCause::UnknownTopicOrPartition))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::{Offset, Partition};

    #[test]
    fn what_is_produced_stands_in_the_log() {
        let kafka = MemoryKafka::new();
        let producer = kafka.producer();
        let produced = producer.send_messages("t", &[b"a", b"b"]).unwrap();
        let place = |offset| Produced { partition: Partition(0), offset: Offset(offset) };
        assert_eq!(produced, [place(0), place(1)]);
        assert_eq!(producer.send_keyed("t", Some(b"k"), &[b"c"]).unwrap(), [place(2)]);
        assert_eq!(producer.send_tombstone("t", b"k").unwrap(), place(3));
        let values: Vec<_> = kafka.messages("t").into_iter().map(|message| message.value).collect();
        assert_eq!(values, [Some(b"a".to_vec()), Some(b"b".to_vec()), Some(b"c".to_vec()), None]);
    }

    #[test]
    fn what_is_sent_in_one_call_is_in_one_partition() {
        let kafka = MemoryKafka::new();
        kafka.create_topic("t", 3).unwrap();
        let producer = kafka.producer();
        let mut partitions = BTreeSet::new();
        for _ in 0..3 {
            let produced = producer.send_messages("t", &[b"a", b"b", b"c", b"d"]).unwrap();
            assert!(produced.iter().all(|one| one.partition == produced[0].partition), "{produced:?}");
            partitions.insert(produced[0].partition);
        }
        assert_eq!(partitions.len(), 3, "each call goes to another one");
    }

    #[test]
    fn the_next_calls_fail_as_they_are_told_to_and_leave_nothing() {
        let kafka = MemoryKafka::new();
        let producer = kafka.producer();
        kafka.fail_next_produce(ProduceCause::LeaderNotAvailable);
        kafka.fail_next_produce(ProduceCause::TooLarge);
        assert_eq!(producer.send_messages("t", &[]), Ok(Vec::new()), "that is no call");
        let error = producer.send_messages("t", &[b"a", b"b"]).unwrap_err();
        assert_eq!((error.cause(), error.failed().len()), (Some(&ProduceCause::LeaderNotAvailable), 2));
        assert!(error.is_retriable());
        assert!(!producer.send_tombstone("t", b"k").unwrap_err().is_retriable());
        assert!(kafka.messages("t").is_empty());
        producer.send_messages("t", &[b"a"]).unwrap();
        assert_eq!(kafka.messages("t").len(), 1);
        let error = producer.send_messages("no topic", &[b"a"]).unwrap_err();
        assert!(matches!(error.cause(), Some(ProduceCause::InvalidTopic(_))), "{error}");
    }
}
