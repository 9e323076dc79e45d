//! The topics watch: which partitions there are, which came later, and which topic is another than it was. What can't be told
//! of one topic now (a right is missing, nobody leads it) changes nothing of what is known of it, and nothing of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor_kafka::Described;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Topic, TopicPartition};
use rdkafka::error::RDKafkaErrorCode as Code;

/// A look that failed at start is made again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// So many silent looks in a row make a client anew.
const ANEW: u32 = 3;
/// Longest that a look may take while this runs.
const WITHIN: Duration = Duration::from_secs(5);

/// A topic as it was when it was first looked at, and as it is now.
#[derive(Debug, Clone, Default)]
struct Known {
    /// None until it could be looked at.
    partitions_at_first: Option<i32>,
    /// The last look saw fewer partitions: believed when the next one does too. A broker that has just come up knows no topics.
    shrinking: bool,
    /// It was found to be another topic between the regular looks, and only the next of those says so.
    another: bool,
    now: Described,
    /// Why the last look told nothing.
    failing: Option<KafkaError>,
}

impl Known {
    /// Whether `now` is another topic of the same name.
    fn is_another(&self, now: &Described) -> bool {
        self.now.id.is_some() && now.id.is_some() && self.now.id != now.id
    }
}

/// What a look found.
#[derive(Debug)]
pub struct Changes {
    /// All partitions there are.
    pub partitions: BTreeSet<TopicPartition>,
    /// Those whose topic was made again, and the id that it has now.
    pub made_again: BTreeMap<TopicPartition, Option<String>>,
}

/// The topics.
#[derive(Debug)]
pub struct Topics {
    clients: Arc<Clients>,
    names: Vec<Topic>,
    known: BTreeMap<Topic, Known>,
    /// So many looks in a row have heard of nobody.
    silent: u32,
}

fn partitions_of(topic: &Topic, count: i32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(|number| TopicPartition::new(topic.clone(), number))
}

impl Topics {
    /// Looks at them for the first time. What can't be told of a topic by `until` is asked again later; what will never be told
    /// ends the start, and so does it when nothing is told of any.
    pub fn first_look(
        clients: Arc<Clients>,
        names: Vec<Topic>,
        until: Instant,
    ) -> Result<Self, (Topic, KafkaError)> {
        let known = names.iter().map(|topic| (topic.clone(), Known::default())).collect();
        let mut topics = Self { clients, names, known, silent: 0 };
        loop {
            let left = until.saturating_duration_since(now());
            for (topic, described) in topics.clients.describe(&topics.names, left) {
                match described.and_then(Described::readable) {
                    Err(error) if error.is_permanent() => return Err((topic, error)),
                    described => topics.first_seen(&topic, described),
                }
            }
            let unknown: Vec<_> =
                topics.known.iter().filter_map(|(t, k)| Some((t, k.failing.clone()?))).collect();
            match unknown.first() {
                None => break,
                Some((topic, error)) if now() >= until => {
                    if unknown.len() == topics.names.len() {
                        return Err(((*topic).clone(), error.clone()));
                    }
                    break;
                }
                Some(_) => std::thread::park_timeout(LOOK_AGAIN),
            }
        }
        topics.say_what_is_missing();
        Ok(topics)
    }

    fn first_seen(&mut self, topic: &Topic, described: Result<Described, KafkaError>) {
        let Some(known) = self.known.get_mut(topic) else { return };
        match described {
            Ok(now) => {
                *known = Known { partitions_at_first: Some(now.partitions), now, ..Known::default() };
            }
            Err(error) => known.failing = Some(error),
        }
    }

    fn say_what_is_missing(&self) {
        for (topic, known) in &self.known {
            match &known.failing {
                Some(error) => log::warn!("topic {topic}: {error}; it is looked at again"),
                None if known.now.partitions == 0 => {
                    log::warn!("topic {topic} does not exist yet; it is picked up when it does");
                }
                None => {}
            }
        }
    }

    /// All partitions there are.
    pub fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.known.iter().flat_map(|(topic, known)| partitions_of(topic, known.now.partitions)).collect()
    }

    /// All partitions of one topic.
    pub fn partitions_of(&self, topic: &Topic) -> BTreeSet<TopicPartition> {
        let count = self.known.get(topic).map_or(0, |known| known.now.partitions);
        partitions_of(topic, count).collect()
    }

    /// Kafka's id of the topic, where it could be had.
    pub fn id(&self, topic: &Topic) -> Option<String> {
        self.known.get(topic)?.now.id.clone()
    }

    /// Whether the partition was not there when its topic was first looked at, or the topic was made again since.
    pub fn appeared_later(&self, key: &TopicPartition) -> bool {
        let at_first = self.known.get(&key.topic).and_then(|known| known.partitions_at_first);
        at_first.is_some_and(|count| key.partition.0 >= count)
    }

    /// Looks at all topics; what has changed, if anything has.
    pub fn look(&mut self) -> Option<Changes> {
        let before = self.partitions();
        let mut made_again = BTreeMap::new();
        for (topic, described) in self.clients.describe(&self.names, WITHIN) {
            let Some(known) = self.known.get_mut(&topic) else { continue };
            match described.and_then(Described::readable) {
                Ok(now) => {
                    if known.failing.take().is_some() {
                        log::info!("topic {topic}: it can be looked at again");
                    }
                    if known.see(&topic, now) {
                        let id = &known.now.id;
                        made_again
                            .extend(partitions_of(&topic, known.now.partitions).map(|key| (key, id.clone())));
                    }
                }
                Err(error) => {
                    if known.failing.as_ref() != Some(&error) {
                        log::warn!("topic {topic}: failed to look at it: {error}");
                    }
                    known.failing = Some(error);
                }
            }
        }
        self.note_silence();
        let partitions = self.partitions();
        (partitions != before || !made_again.is_empty()).then_some(Changes { partitions, made_again })
    }

    /// After an outage librdkafka's client was seen to stay without a connection for good, while others of the same process had theirs
    /// back at once: one that hears of nobody for long is made anew.
    fn note_silence(&mut self) {
        self.silent = if self.is_silent() { self.silent.saturating_add(1) } else { 0 };
        if self.silent >= ANEW {
            self.silent = 0;
            self.clients.make_anew();
        }
    }

    /// Whether the last look has heard of nobody.
    fn is_silent(&self) -> bool {
        self.known.values().all(|known| known.failing.as_ref().is_some_and(is_silence))
    }

    /// What the last look lacked that somebody must do something about, or that nobody has answered.
    pub fn troubles(&self) -> BTreeSet<String> {
        if self.is_silent()
            && let Some(error) = self.known.values().find_map(|known| known.failing.as_ref())
        {
            return BTreeSet::from([unreached(error)]);
        }
        let trouble = |(topic, known): (&Topic, &Known)| {
            let error = known.failing.as_ref()?;
            if let KafkaError::Security(trouble) = error {
                return Some(trouble.to_string());
            }
            error.is_ours().then(|| format!("topic {topic}: {error}"))
        };
        self.known.iter().filter_map(trouble).collect()
    }

    /// Looks at the topics of partitions whose start is asked for: what it lacks for each topic that it can't tell about.
    pub fn look_at(&mut self, topics: &BTreeSet<Topic>) -> BTreeMap<Topic, KafkaError> {
        let names: Vec<_> = topics.iter().cloned().collect();
        let mut failed = BTreeMap::new();
        for (topic, described) in self.clients.describe(&names, WITHIN) {
            match described.and_then(Described::readable) {
                Ok(now) => self.known.entry(topic).or_default().freshen(now),
                Err(error) => drop(failed.insert(topic, error)),
            }
        }
        failed
    }
}

/// Whether no broker has answered.
fn is_silence(error: &KafkaError) -> bool {
    *error == KafkaError::TimedOut
        || matches!(error, KafkaError::Other(Code::BrokerTransportFailure | Code::AllBrokersDown))
}

fn unreached(error: &KafkaError) -> String {
    format!(
        "Kafka is not reached ({error}): handlers get no more messages, and what they have done is committed once it answers; it is tried again by itself"
    )
}

impl Known {
    /// Takes in a look; whether it is another topic now.
    fn see(&mut self, topic: &Topic, now: Described) -> bool {
        let another = self.is_another(&now) || self.another;
        if another {
            log::warn!("topic {topic} was deleted and made again: it is read from its earliest message");
            self.partitions_at_first = Some(0);
        }
        let shrinks = now.partitions < self.now.partitions;
        if shrinks && !std::mem::replace(&mut self.shrinking, shrinks) {
            return false;
        }
        self.shrinking = false;
        self.another = false;
        if now.partitions == 0 {
            self.partitions_at_first = Some(0);
        }
        self.partitions_at_first.get_or_insert(now.partitions);
        // The id of a topic that is gone is kept: with it, the next one is known to be another.
        let id = now.id.or_else(|| self.now.id.take());
        self.now = Described { id, ..now };
        another
    }

    /// Takes in a look between the regular ones, which alone tell what has changed.
    fn freshen(&mut self, now: Described) {
        if self.is_another(&now) {
            self.another = true;
            self.partitions_at_first = Some(0);
        }
        if now.partitions > 0 {
            self.partitions_at_first.get_or_insert(now.partitions);
        }
        self.now.id = now.id.or_else(|| self.now.id.take());
        self.now.partitions = self.now.partitions.max(now.partitions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(partitions: i32, id: &str) -> Described {
        Described { partitions, id: Some(id.to_owned()), ..Described::default() }
    }

    fn topic() -> Topic {
        Topic::new("t").unwrap()
    }

    #[test]
    fn one_look_that_sees_fewer_partitions_is_not_believed() {
        let mut known = Known::default();
        known.see(&topic(), described(3, "a"));
        known.see(&topic(), Described::default());
        assert_eq!(known.now, described(3, "a"));
        known.see(&topic(), Described::default());
        assert_eq!(known.now, described(0, "a"), "its id is kept");
        assert!(known.see(&topic(), described(2, "b")), "another topic of that name");
        assert_eq!(known.partitions_at_first, Some(0));
    }

    #[test]
    fn another_topic_that_was_found_between_two_looks_is_told_of_once() {
        let mut known = Known::default();
        known.see(&topic(), described(3, "a"));
        known.freshen(described(3, "b"));
        assert!(known.see(&topic(), described(3, "b")));
        assert!(!known.see(&topic(), described(3, "b")));
    }

    #[test]
    fn what_could_not_be_looked_at_at_first_has_not_appeared_later() {
        let mut known = Known::default();
        known.freshen(described(2, "a"));
        assert_eq!(known.partitions_at_first, Some(2));
        known.see(&topic(), described(4, "a"));
        assert_eq!(known.partitions_at_first, Some(2));
    }
}
