//! Which partitions are meant, and that there are such.

use std::collections::{BTreeMap, BTreeSet};

use super::client::KafkaClient;
use super::error::OffsetsError;
use crate::ids::{Partition, Topic, TopicPartition};

/// Topics, with the partitions of each that are meant; none named means all. Made of a list of topics, or of a map as the
/// original takes one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topics(BTreeMap<Topic, BTreeSet<Partition>>);

impl From<BTreeMap<Topic, BTreeSet<Partition>>> for Topics {
    fn from(topics: BTreeMap<Topic, BTreeSet<Partition>>) -> Self {
        Self(topics)
    }
}

impl From<&[Topic]> for Topics {
    fn from(topics: &[Topic]) -> Self {
        topics.iter().cloned().collect()
    }
}

impl From<Vec<Topic>> for Topics {
    fn from(topics: Vec<Topic>) -> Self {
        topics.into_iter().collect()
    }
}

impl<const N: usize> From<[Topic; N]> for Topics {
    fn from(topics: [Topic; N]) -> Self {
        topics.into_iter().collect()
    }
}

impl FromIterator<Topic> for Topics {
    fn from_iter<I: IntoIterator<Item = Topic>>(topics: I) -> Self {
        Self(topics.into_iter().map(|topic| (topic, BTreeSet::new())).collect())
    }
}

impl Topics {
    /// Their partitions, as Kafka has them now. With `raise_on_error` a topic or partition that there is not is an error, else it
    /// is left out.
    pub(super) fn verified(
        &self,
        client: &KafkaClient,
        raise_on_error: bool,
    ) -> Result<BTreeSet<TopicPartition>, OffsetsError> {
        let names: Vec<Topic> = self.0.keys().cloned().collect();
        let counts = client.partition_counts(&names)?;
        self.among(&counts, raise_on_error, client.brokers())
    }

    /// ... where Kafka has so many partitions of each topic that it has.
    fn among(
        &self,
        counts: &BTreeMap<Topic, i32>,
        raise_on_error: bool,
        brokers: &str,
    ) -> Result<BTreeSet<TopicPartition>, OffsetsError> {
        let mut verified = BTreeSet::new();
        for (topic, wanted) in &self.0 {
            let count = match counts.get(topic) {
                Some(count) => *count,
                None if raise_on_error => {
                    return Err(OffsetsError::UnknownTopic {
                        topic: topic.clone(),
                        brokers: brokers.to_owned(),
                    });
                }
                None => continue,
            };
            let there = |partition: &Partition| (0..count).contains(&partition.0);
            let unknown: BTreeSet<_> = wanted.iter().copied().filter(|partition| !there(partition)).collect();
            if !unknown.is_empty() && raise_on_error {
                return Err(OffsetsError::UnknownPartitions {
                    topic: topic.clone(),
                    partitions: unknown,
                    count,
                    brokers: brokers.to_owned(),
                });
            }
            let all = (0..count).map(Partition);
            let meant: Vec<_> = if wanted.is_empty() {
                all.collect()
            } else {
                wanted.iter().copied().filter(there).collect()
            };
            verified.extend(
                meant.into_iter().map(|partition| TopicPartition { topic: topic.clone(), partition }),
            );
        }
        Ok(verified)
    }
}

/// By topic and partition, as the original gives everything.
pub(super) fn by_topic<T>(
    answers: impl IntoIterator<Item = (TopicPartition, T)>,
) -> BTreeMap<Topic, BTreeMap<Partition, T>> {
    let mut topics: BTreeMap<Topic, BTreeMap<Partition, T>> = BTreeMap::new();
    for (key, value) in answers {
        topics.entry(key.topic).or_default().insert(key.partition, value);
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(name).unwrap()
    }

    fn counts() -> BTreeMap<Topic, i32> {
        [(topic("a"), 2), (topic("b"), 3)].into()
    }

    fn named(found: &BTreeSet<TopicPartition>) -> Vec<String> {
        found.iter().map(ToString::to_string).collect()
    }

    fn with(name: &str, partitions: &[i32]) -> Topics {
        let partitions = partitions.iter().copied().map(Partition).collect();
        BTreeMap::from([(topic(name), partitions)]).into()
    }

    #[test]
    fn a_list_means_all_partitions_and_a_map_those_named() {
        let all = Topics::from([topic("a"), topic("b")]).among(&counts(), true, "k").unwrap();
        assert_eq!(named(&all), ["a:0", "a:1", "b:0", "b:1", "b:2"]);
        assert_eq!(named(&with("b", &[2, 0]).among(&counts(), true, "k").unwrap()), ["b:0", "b:2"]);
        assert_eq!(named(&with("b", &[]).among(&counts(), true, "k").unwrap()).len(), 3);
        assert_eq!(Topics::default().among(&counts(), true, "k"), Ok(BTreeSet::new()));
    }

    #[test]
    fn what_there_is_not_is_an_error_or_left_out() {
        let missing = Topics::from(vec![topic("a"), topic("z")]);
        let error = missing.among(&counts(), true, "k1:9092").unwrap_err();
        assert!(matches!(&error, OffsetsError::UnknownTopic { topic, .. } if topic.as_str() == "z"));
        assert!(error.to_string().contains("k1:9092"), "{error}");
        assert_eq!(named(&missing.among(&counts(), false, "k").unwrap()), ["a:0", "a:1"]);

        let error = with("a", &[-1, 1, 2, 7]).among(&counts(), true, "k").unwrap_err();
        assert!(error.to_string().contains("has no partition -1, 2, 7: it has 2"), "{error}");
        assert_eq!(named(&with("a", &[1, 2]).among(&counts(), false, "k").unwrap()), ["a:1"]);
        assert_eq!(with("a", &[2]).among(&counts(), false, "k"), Ok(BTreeSet::new()));
    }
}
