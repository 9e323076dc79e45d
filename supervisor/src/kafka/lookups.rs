//! The look-up thread: where reading begins, which partitions there are, how far the logs go.
//!
//! Starts that are not the group's own offset are committed here, before anybody hears of them, so that they hold however
//! this instance ends. Where a topic is new to the group, the starts of all its partitions are committed at once: members
//! that get the others later must not think them new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::Reset;
use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor_kafka::clients::{Clients, Committed as Stored, KafkaError, Log as Bounds, patiently};
use kafkavisor_kafka::topics::Described;

use super::commits::SharedLease;
use kafkavisor_supervisor_core::start::{CommitNote, Committed, Decision, Facts, Log, Why, decide};

/// The topics are looked at this often: what grows is noticed.
const TOPICS_EVERY: Duration = Duration::from_secs(5);
/// Partitions that nobody fetches are looked at this often.
const ENDS_EVERY: Duration = Duration::from_secs(3);

/// What the event loop asks.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Where `item` begins.
    Start { item: TopicPartition, request: u64, made_again: bool },
    /// These are not fetched by anybody: how far do their logs go?
    Unfetched(BTreeSet<TopicPartition>),
}

/// Where a partition begins, or why that is not known.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) item: TopicPartition,
    pub(crate) request: u64,
    pub(crate) topic_id: Option<String>,
    pub(crate) result: Result<Decision, String>,
}

/// What it answers.
#[derive(Debug)]
pub(crate) enum Heard {
    Start(Found),
    /// All partitions of the topics there are, and those whose topic was made again.
    Partitions {
        items: BTreeSet<TopicPartition>,
        made_again: Vec<TopicPartition>,
    },
    Ends(BTreeMap<TopicPartition, Offset>),
}

/// Offsets in ZooKeeper's classic layout, asked of ZooKeeper by the caller's own means.
pub(crate) type ClassicOffsets =
    dyn Fn(&BTreeSet<TopicPartition>) -> Result<BTreeSet<TopicPartition>, String> + Send;

/// What is looked at, and for whom.
pub(crate) struct Scope {
    pub(crate) instance: String,
    pub(crate) topics: Vec<Topic>,
    pub(crate) reset: Reset,
    /// How long the first look may take.
    pub(crate) connect_timeout: Duration,
    pub(crate) classic: Box<ClassicOffsets>,
}

/// The thread's end for the event loop.
pub(crate) struct Lookups {
    asks: Sender<Ask>,
}

/// A topic as it was when it was first looked at.
#[derive(Debug, Clone, Default)]
struct Known {
    partitions_at_first: i32,
    /// The last look saw fewer partitions: believed when the next one does too. A broker that has just come up knows no topics.
    shrinking: bool,
    now: Described,
}

struct Worker {
    clients: Arc<Clients>,
    lease: SharedLease,
    scope: Scope,
    known: BTreeMap<Topic, Known>,
    unfetched: BTreeSet<TopicPartition>,
}

impl Lookups {
    /// Looks at the topics once and goes on in a thread of its own.
    pub(crate) fn start(
        clients: Arc<Clients>,
        lease: SharedLease,
        scope: Scope,
        answer: impl Fn(Heard) + Send + 'static,
    ) -> Result<(Self, BTreeSet<TopicPartition>), KafkaError> {
        let described =
            patiently(scope.connect_timeout, |_: &KafkaError| false, |_| clients.describe(&scope.topics))?;
        let known = scope.topics.iter().map(|topic| {
            let now = described.get(topic).cloned().unwrap_or_default();
            if now.partitions == 0 {
                log::warn!("topic {topic} does not exist yet; it is picked up when it does");
            }
            (topic.clone(), Known { partitions_at_first: now.partitions, shrinking: false, now })
        });
        let worker = Worker { known: known.collect(), clients, lease, scope, unfetched: BTreeSet::new() };
        let items = worker.items();
        let (asks, received) = unbounded();
        let work = move || worker.run(&received, answer);
        thread::Builder::new()
            .name("lookups".to_owned())
            .spawn(work)
            .map_err(|error| KafkaError::Request(error.to_string()))?;
        Ok((Self { asks }, items))
    }

    pub(crate) fn ask(&self, ask: Ask) {
        // The thread ends only with the process.
        let _always_heard = self.asks.send(ask);
    }
}

impl Worker {
    fn items(&self) -> BTreeSet<TopicPartition> {
        let partitions = |(topic, known): (&Topic, &Known)| {
            (0..known.now.partitions).map(|p| TopicPartition::new(topic.clone(), p)).collect::<Vec<_>>()
        };
        self.known.iter().flat_map(partitions).collect()
    }

    fn run(mut self, asks: &Receiver<Ask>, answer: impl Fn(Heard)) {
        let mut topics_at = now() + TOPICS_EVERY;
        let mut ends_at = now() + ENDS_EVERY;
        loop {
            let Some(starts) = self.gather(asks, topics_at.min(ends_at)) else { return };
            if !starts.is_empty() {
                self.starts(starts).into_iter().for_each(|found| answer(Heard::Start(found)));
            }
            self.clients.serve();
            let time = now();
            if time >= topics_at {
                topics_at = time + TOPICS_EVERY;
                self.look_at_topics().into_iter().for_each(&answer);
            }
            if time >= ends_at {
                ends_at = time + ENDS_EVERY;
                self.look_at_ends().into_iter().for_each(&answer);
            }
        }
    }

    /// Waits for asks until `deadline`; those that come together are answered together. None: nobody asks any more.
    fn gather(
        &mut self,
        asks: &Receiver<Ask>,
        deadline: Instant,
    ) -> Option<Vec<(TopicPartition, u64, bool)>> {
        let mut starts = Vec::new();
        let first = match asks.recv_deadline(deadline) {
            Ok(ask) => Some(ask),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        for ask in first.into_iter().chain(asks.try_iter()) {
            match ask {
                Ask::Start { item, request, made_again } => starts.push((item, request, made_again)),
                Ask::Unfetched(items) => self.unfetched = items,
            }
        }
        Some(starts)
    }

    fn look_at_topics(&mut self) -> Option<Heard> {
        let described = match self.clients.describe(&self.scope.topics) {
            Ok(described) => described,
            Err(error) => {
                log::warn!("failed to look at the topics: {error}");
                return None;
            }
        };
        let before = self.items();
        let mut made_again = Vec::new();
        for (topic, now) in described {
            let Some(known) = self.known.get_mut(&topic) else { continue };
            if known.now.id.is_some() && now.id.is_some() && known.now.id != now.id {
                log::warn!("topic {topic} was deleted and made again: it is read from its earliest message");
                known.partitions_at_first = 0;
                made_again.extend((0..now.partitions).map(|p| TopicPartition::new(topic.clone(), p)));
            }
            let shrinks = now.partitions < known.now.partitions;
            if shrinks && !std::mem::replace(&mut known.shrinking, shrinks) {
                continue;
            }
            known.shrinking = false;
            if now.partitions == 0 {
                known.partitions_at_first = 0;
            }
            // The id of a topic that is gone is kept: with it, the next one is known to be another.
            let id = now.id.or_else(|| known.now.id.take());
            known.now = Described { partitions: now.partitions, id };
        }
        let items = self.items();
        (items != before || !made_again.is_empty()).then_some(Heard::Partitions { items, made_again })
    }

    fn look_at_ends(&self) -> Option<Heard> {
        let items: Vec<_> = self.unfetched.iter().cloned().collect();
        if items.is_empty() {
            return None;
        }
        self.clients.ends(&items).ok().map(Heard::Ends)
    }

    fn starts(&mut self, asked: Vec<(TopicPartition, u64, bool)>) -> Vec<Found> {
        let topics: BTreeSet<Topic> = asked.iter().map(|(item, ..)| item.topic.clone()).collect();
        let found = self.facts(&topics, &asked).map_err(|error| error.to_string());
        let answer = |(item, request, made_again): (TopicPartition, u64, bool)| {
            let topic_id = self.known.get(&item.topic).and_then(|known| known.now.id.clone());
            let result = found.as_ref().map_err(String::clone).and_then(|facts| {
                let mut facts = facts.get(&item).cloned().ok_or("Kafka has no such partition now")?;
                if made_again {
                    facts.committed = None;
                    facts.appeared_later = true;
                }
                Ok((decide(&facts), facts))
            });
            (item, request, topic_id, result)
        };
        let decided: Vec<_> = asked.into_iter().map(answer).collect();
        let failed = self.commit_starts(&decided, found.as_ref().ok());
        let finish = |(item, request, topic_id, result): Decided| {
            let result = match failed.get(&item) {
                Some(error) => Err(format!("its start could not be committed: {error}")),
                None => result.map(|(decision, _)| decision),
            };
            if let Ok(Decision::At { offset, why }) = &result {
                say(&item, *offset, *why);
            }
            Found { item, request, topic_id, result }
        };
        decided.into_iter().map(finish).collect()
    }

    /// What is known of every partition of `topics`.
    fn facts(
        &mut self,
        topics: &BTreeSet<Topic>,
        asked: &[(TopicPartition, u64, bool)],
    ) -> Result<BTreeMap<TopicPartition, Facts>, KafkaError> {
        let names: Vec<_> = topics.iter().cloned().collect();
        for (topic, now) in self.clients.describe(&names)? {
            let known = self.known.entry(topic).or_default();
            if known.now.id.is_some() && now.id.is_some() && known.now.id != now.id {
                known.partitions_at_first = 0;
            }
            known.now.id = now.id.or_else(|| known.now.id.take());
            known.now.partitions = known.now.partitions.max(now.partitions);
        }
        let all: Vec<_> = self.items().into_iter().filter(|item| topics.contains(&item.topic)).collect();
        let logs = self.clients.logs(&all)?;
        let committed = self.clients.committed(&all)?;
        let without: BTreeSet<_> = asked
            .iter()
            .map(|(item, ..)| item)
            .filter(|item| !committed.keys().any(|other| other.topic == item.topic))
            .cloned()
            .collect();
        let classic = if without.is_empty() {
            BTreeSet::new()
        } else {
            (self.scope.classic)(&without).map_err(KafkaError::Request)?
        };
        Ok(logs
            .into_iter()
            .map(|(item, log)| (item.clone(), self.fact(&item, log, &committed, &classic)))
            .collect())
    }

    fn fact(
        &self,
        item: &TopicPartition,
        log: Bounds,
        committed: &BTreeMap<TopicPartition, Stored>,
        classic: &BTreeSet<TopicPartition>,
    ) -> Facts {
        let known = self.known.get(&item.topic).cloned().unwrap_or_default();
        Facts {
            instance: self.scope.instance.clone(),
            committed: committed
                .get(item)
                .map(|stored| Committed { offset: stored.offset, metadata: stored.metadata.clone() }),
            topic_committed: committed.keys().any(|other| other.topic == item.topic),
            appeared_later: item.partition.0 >= known.partitions_at_first,
            log: Log { start: log.start, end: log.end, stable_end: log.stable_end },
            topic_id: known.now.id,
            in_zookeeper: classic.contains(item),
            reset: self.scope.reset,
        }
    }

    /// Commits the starts that are not committed yet; returns what failed.
    fn commit_starts(
        &self,
        decided: &[Decided],
        facts: Option<&BTreeMap<TopicPartition, Facts>>,
    ) -> BTreeMap<TopicPartition, String> {
        let mut offsets = BTreeMap::new();
        let mut new_topics = BTreeSet::new();
        for (item, _, topic_id, result) in decided {
            if let Ok((Decision::At { offset, why }, _)) = result
                && !matches!(why, Why::Committed { .. })
            {
                offsets.insert(item.clone(), (*offset, self.note(topic_id.clone())));
                if *why == Why::Reset {
                    new_topics.insert(item.topic.clone());
                }
            }
        }
        for (item, facts) in facts.into_iter().flatten() {
            if new_topics.contains(&item.topic)
                && let Decision::At { offset, why: Why::Reset } = decide(facts)
            {
                let note = self.note(facts.topic_id.clone());
                offsets.entry(item.clone()).or_insert((offset, note));
            }
        }
        if offsets.is_empty() {
            return BTreeMap::new();
        }
        if let Some(error) = self.still_new(&new_topics, &offsets) {
            return offsets.into_keys().map(|item| (item, error.clone())).collect();
        }
        let results = self.clients.commit(&offsets);
        results.into_iter().filter_map(|(item, result)| Some((item, result.err()?))).collect()
    }

    /// Another member may have begun the same topics a moment ago: then its starts hold.
    fn still_new(
        &self,
        topics: &BTreeSet<Topic>,
        offsets: &BTreeMap<TopicPartition, (Offset, String)>,
    ) -> Option<String> {
        if !self.lease.holds() {
            return Some("no evidence that the partition is still ours".to_owned());
        }
        let items: Vec<_> = offsets.keys().filter(|item| topics.contains(&item.topic)).cloned().collect();
        if items.is_empty() {
            return None;
        }
        match self.clients.committed(&items) {
            Ok(committed) if committed.is_empty() => None,
            Ok(_) => Some("another member has just begun this topic".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn note(&self, topic_id: Option<String>) -> String {
        CommitNote { instance: self.scope.instance.clone(), topic_id }.to_text()
    }
}

type Decided = (TopicPartition, u64, Option<String>, Result<(Decision, Facts), String>);

fn say(item: &TopicPartition, offset: Offset, why: Why) {
    match why {
        Why::Committed { .. } => log::info!("{item}: goes on at the group's offset {offset}"),
        Why::TopicMadeAgain => {
            log::warn!(
                "{item}: the topic was deleted and made again: begins at its earliest message, {offset}"
            );
        }
        Why::BelowStart { committed } => log::error!(
            "{item}: MESSAGES ARE GONE: the group's offset {committed} is below the log's start: begins at its earliest \
             message, {offset}"
        ),
        Why::AppearedLater => {
            log::info!("{item}: new to the group: begins at its earliest message, {offset}");
        }
        Why::Reset => {
            log::info!("{item}: the group has no offset of this topic: begins at {offset} (offsets.reset)");
        }
    }
}
