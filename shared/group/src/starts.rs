//! Where partitions begin: what the group, the log, the topic and the place where offsets are not kept say is gathered for all that
//! are asked about together, and each has its own answer.
//!
//! Where a topic is new to the group, the answer holds the starts of all its partitions: they are committed together, so that
//! members that get the others later don't think them new.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::start::{Committed, Decision, Elsewhere, Facts, Log, Missing, Reset, Why, decide};
use crate::topics::Topics;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::logs::{Answers as LogAnswers, Log as Bounds};
use kafkavisor_kafka::offsets::{Answers, OffsetError, OffsetStore, Stored};
use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Offset, Topic, TopicPartition};

/// Longest that reading the group's offsets may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Where the group's offsets are, and where they might be by mistake.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where they are kept.
    pub store: Arc<dyn OffsetStore>,
    /// Where they are not.
    pub elsewhere: Option<(Elsewhere, Arc<dyn OffsetStore>)>,
}

/// Whose start is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub partition: TopicPartition,
    pub request: u64,
    pub made_again: bool,
}

/// Where a partition begins, or why that is not known.
#[derive(Debug)]
pub struct Found {
    pub partition: TopicPartition,
    pub request: u64,
    pub topic_id: Option<String>,
    pub decision: Result<Decision, StartError>,
    /// Where the decision begins a topic: the starts of all its other partitions.
    pub begins: BTreeMap<TopicPartition, Offset>,
}

/// Why it is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("the group's offset: {0}")]
    Offset(#[from] OffsetError),
    #[error("the offsets that are not this group's storage: {0}")]
    Elsewhere(OffsetError),
    #[error("another member has just begun this topic")]
    JustBegun,
}

impl StartError {
    /// What keeps us from a broker or from the group's offsets, and is no matter of this partition alone.
    pub fn trouble(&self) -> Option<String> {
        match self {
            // Said of its topic.
            Self::Kafka(KafkaError::TopicDenied)
            | Self::Offset(OffsetError::Kafka(KafkaError::TopicDenied)) => None,
            Self::Kafka(error) => error.is_security().then(|| error.to_string()),
            Self::Offset(error) | Self::Elsewhere(error) => error.is_barred().then(|| error.to_string()),
            Self::JustBegun => None,
        }
    }
}

/// What starts are found with.
#[derive(Debug)]
pub struct Starts {
    pub clients: Arc<Clients>,
    pub places: Places,
    /// As this instance signs its commits.
    pub instance: String,
    pub reset: Reset,
    pub timed: Timed,
}

/// Told how long it took to hear where logs begin and end, where anybody wants to know.
#[derive(Default)]
pub struct Timed(pub Option<Box<dyn Fn(Duration) + Send + Sync>>);

impl Debug for Timed {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timed").finish_non_exhaustive()
    }
}

/// What was gathered.
struct Gathered {
    undescribed: BTreeMap<Topic, KafkaError>,
    committed: Answers<Option<Stored>>,
    /// Of those that are committed and asked about: whether they are in every place.
    complete: Answers<bool>,
    /// Of those without an offset.
    elsewhere: Answers<Option<Stored>>,
    logs: LogAnswers<Bounds>,
}

impl Starts {
    /// Finds them; nothing is committed here.
    pub fn find(&self, topics: &mut Topics, asked: Vec<Asked>) -> Vec<Found> {
        let (mut found, begun) = self.look(topics, asked);
        // Somebody has begun their topics a moment ago, we ourselves perhaps: those starts hold, and are known now.
        if !begun.is_empty() {
            let (again, _) = self.look(topics, begun);
            for one in again {
                if let Some(before) = found.iter_mut().find(|before| before.request == one.request) {
                    *before = one;
                }
            }
        }
        found
    }

    /// One look, and those among them whose topic was begun while it was looked at.
    fn look(&self, topics: &mut Topics, asked: Vec<Asked>) -> (Vec<Found>, Vec<Asked>) {
        let gathered = self.gather(topics, &asked);
        let mut found: Vec<_> =
            asked.iter().cloned().map(|asked| self.one(topics, &gathered, asked)).collect();
        self.look_whether_still_new(topics, &mut found);
        let begun = |found: &&Found| matches!(found.decision, Err(StartError::JustBegun));
        let requests: BTreeSet<_> = found.iter().filter(begun).map(|found| found.request).collect();
        let begun = asked.into_iter().filter(|asked| requests.contains(&asked.request)).collect();
        (found, begun)
    }

    fn gather(&self, topics: &mut Topics, asked: &[Asked]) -> Gathered {
        let names: BTreeSet<Topic> = asked.iter().map(|asked| asked.partition.topic.clone()).collect();
        let undescribed = topics.look_at(&names);
        let mut concerned = BTreeSet::new();
        for topic in names.iter().filter(|topic| !undescribed.contains_key(topic)) {
            concerned.extend(topics.partitions_of(topic));
        }
        let committed = self.places.store.read(&concerned, within());
        let begun: BTreeSet<_> = names.iter().filter(|topic| has_offset(&committed, topic)).collect();
        // Of a topic that begins, all starts are needed.
        let begins = concerned.iter().filter(|key| !begun.contains(&key.topic)).cloned();
        let asked = asked.iter().map(|asked| asked.partition.clone()).filter(|key| concerned.contains(key));
        let asked: BTreeSet<_> = asked.chain(begins).collect();
        let found = |key: &TopicPartition| committed.get(key)?.clone().ok().flatten();
        let found = asked.iter().filter_map(|key| Some((key.clone(), found(key)?))).collect();
        let complete = self.places.store.complete(&found, within());
        let without = asked.iter().filter(|key| committed.get(key) == Some(&Ok(None))).cloned().collect();
        let elsewhere = self
            .places
            .elsewhere
            .as_ref()
            .map_or_else(Answers::new, |(_, place)| place.read(&without, within()));
        let begun = now();
        let logs = self.clients.logs(&asked);
        if let Some(told) = &self.timed.0 {
            told(now().saturating_duration_since(begun));
        }
        Gathered { undescribed, committed, complete, elsewhere, logs }
    }

    fn one(&self, topics: &Topics, gathered: &Gathered, asked: Asked) -> Found {
        let Asked { partition, request, made_again } = asked;
        let facts = self
            .facts(topics, gathered, &partition)
            .map(|facts| if made_again { of_another_topic(facts) } else { facts });
        let decision = facts.map(|facts| decide(&facts));
        let begins = match &decision {
            Ok(Decision::At { why: Why::Reset, .. }) => self.begins(topics, gathered, &partition),
            Ok(_) | Err(_) => BTreeMap::new(),
        };
        Found { topic_id: topics.id(&partition.topic), partition, request, decision, begins }
    }

    /// What the decision depends on, or what can't be told.
    fn facts(&self, topics: &Topics, gathered: &Gathered, key: &TopicPartition) -> Result<Facts, StartError> {
        if let Some(error) = gathered.undescribed.get(&key.topic) {
            return Err(error.clone().into());
        }
        let log = gathered.logs.get(key).cloned().unwrap_or(Err(KafkaError::Unknown))?;
        let topic_committed = has_offset(&gathered.committed, &key.topic);
        let committed = match gathered.committed.get(key).cloned().unwrap_or(Ok(None)) {
            Ok(Some(Stored { offset, note })) => {
                let complete = gathered.complete.get(key).cloned().unwrap_or(Ok(true));
                unless_unusable(complete)?.map(|complete| Committed { offset, metadata: note, complete })
            }
            Ok(None) => Err(self.elsewhere(gathered, key)?),
            Err(error) => Err(unless_unusable::<Committed>(Err(error))?.err().unwrap_or(Missing::Never)),
        };
        let committed = match committed {
            Err(Missing::Never) if !topic_committed => self.of_a_new_topic(gathered, &key.topic)?,
            known => known,
        };
        Ok(Facts {
            instance: self.instance.clone(),
            committed,
            topic_committed,
            appeared_later: topics.appeared_later(key),
            log: Log { start: log.start, end: log.end, stable_end: log.stable_end },
            topic_id: topics.id(&key.topic),
            reset: self.reset,
        })
    }

    /// What there is of a partition that has no offset where it should be.
    fn elsewhere(&self, gathered: &Gathered, key: &TopicPartition) -> Result<Missing, StartError> {
        let Some((elsewhere, _)) = &self.places.elsewhere else { return Ok(Missing::Never) };
        match gathered.elsewhere.get(key).cloned().unwrap_or(Ok(None)) {
            Ok(None) => Ok(Missing::Never),
            // Whatever it says: somebody has begun there.
            Ok(Some(_)) | Err(OffsetError::NotANumber { .. }) => Ok(Missing::Elsewhere(*elsewhere)),
            Err(error) => Err(StartError::Elsewhere(error)),
        }
    }

    /// What there is of a partition without an offset, in a topic without one: a topic that was begun elsewhere is not new. It can't
    /// be told while any of its offsets can't.
    fn of_a_new_topic(
        &self,
        gathered: &Gathered,
        topic: &Topic,
    ) -> Result<Result<Committed, Missing>, StartError> {
        if let Some(error) = of_topic(&gathered.committed, topic).find_map(|answer| answer.as_ref().err()) {
            return Err(error.clone().into());
        }
        let Some((elsewhere, _)) = &self.places.elsewhere else { return Ok(Err(Missing::Never)) };
        if has_offset(&gathered.elsewhere, topic) {
            return Ok(Err(Missing::Elsewhere(*elsewhere)));
        }
        match of_topic(&gathered.elsewhere, topic).find_map(|answer| answer.as_ref().err()) {
            Some(error) => Err(StartError::Elsewhere(error.clone())),
            None => Ok(Err(Missing::Never)),
        }
    }

    /// The starts of the other partitions of a topic that is new to the group. Those that can't be told now are left out; they
    /// begin at their earliest message then.
    fn begins(
        &self,
        topics: &Topics,
        gathered: &Gathered,
        key: &TopicPartition,
    ) -> BTreeMap<TopicPartition, Offset> {
        let others = topics.partitions_of(&key.topic).into_iter().filter(|other| other != key);
        others
            .filter_map(|other| match decide(&self.facts(topics, gathered, &other).ok()?) {
                Decision::At { offset, why: Why::Reset } => Some((other, offset)),
                Decision::At { .. } | Decision::Park(_) => None,
            })
            .collect()
    }

    /// Another member may have begun the same topics a moment ago: then its starts hold.
    fn look_whether_still_new(&self, topics: &Topics, found: &mut [Found]) {
        let begins = |found: &Found| matches!(found.decision, Ok(Decision::At { why: Why::Reset, .. }));
        let new: BTreeSet<_> =
            found.iter().filter(|f| begins(f)).map(|f| f.partition.topic.clone()).collect();
        if new.is_empty() {
            return;
        }
        let all = new.iter().flat_map(|topic| topics.partitions_of(topic)).collect();
        let committed = self.places.store.read(&all, within());
        for one in found.iter_mut().filter(|found| begins(found)) {
            let mut offsets = of_topic(&committed, &one.partition.topic);
            let error = offsets.find_map(|answer| match answer {
                Ok(None) => None,
                Ok(Some(_)) => Some(StartError::JustBegun),
                Err(error) => Some(error.clone().into()),
            });
            if let Some(error) = error {
                one.decision = Err(error);
                one.begins.clear();
            }
        }
    }
}

fn within() -> Instant {
    now() + WITHIN
}

fn of_topic<'a, T>(
    answers: &'a Answers<T>,
    topic: &'a Topic,
) -> impl Iterator<Item = &'a Result<T, OffsetError>> {
    answers.iter().filter(move |(key, _)| key.topic == *topic).map(|(_, answer)| answer)
}

/// Whether the group has begun the topic: it has an offset for any partition of it, or had one.
fn has_offset(answers: &Answers<Option<Stored>>, topic: &Topic) -> bool {
    let had = |answer: &Result<_, OffsetError>| {
        matches!(answer, Ok(Some(_)) | Err(OffsetError::NotANumber { .. } | OffsetError::TakenAway { .. }))
    };
    of_topic(answers, topic).any(had)
}

/// What is no use to ask again about is a fact, and no error.
fn unless_unusable<T>(answer: Result<T, OffsetError>) -> Result<Result<T, Missing>, OffsetError> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error @ OffsetError::NotANumber { .. }) => Ok(Err(Missing::Unusable(error.to_string()))),
        Err(OffsetError::TakenAway { .. }) => Ok(Err(Missing::TakenAway)),
        Err(error) => Err(error),
    }
}

/// The topic was made again while we ran: what is committed is the old one's.
fn of_another_topic(facts: Facts) -> Facts {
    let committed = facts.committed.err().filter(|missing| matches!(missing, Missing::Unusable(_)));
    Facts { committed: Err(committed.unwrap_or(Missing::Never)), appeared_later: true, ..facts }
}

impl Found {
    /// Says where reading begins.
    pub fn say(&self) {
        let Ok(Decision::At { offset, why }) = &self.decision else { return };
        let key = &self.partition;
        match why {
            Why::Committed { .. } | Why::CommittedByAnother | Why::CommittedInPart { .. } => {
                log::info!(partition:% = key; "goes on at the group's offset {offset}");
            }
            Why::TakenAway => log::warn!(
                partition:% = key;
                "the group's offset, which we had committed, was taken away: begins at its earliest message, {offset}"
            ),
            Why::TopicMadeAgain => {
                log::warn!(
                    partition:% = key;
                    "the topic was deleted and made again: begins at its earliest message, {offset}"
                );
            }
            Why::BelowStart { committed } => log::error!(
                partition:% = key;
                "MESSAGES ARE GONE: the group's offset {committed} is below the log's start: begins at its earliest \
             message, {offset}"
            ),
            Why::AppearedLater => {
                log::info!(partition:% = key; "new to the group: begins at its earliest message, {offset}");
            }
            Why::Reset => {
                log::info!(
                    partition:% = key;
                    "the group has no offset of this topic: begins at {offset} (offsets.reset)"
                );
            }
        }
    }
}
