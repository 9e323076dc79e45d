//! Where logs begin and end, and where in them a time is: one answer a partition, however it goes with the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Offset, TopicPartition};

use crate::admin::{LogOffsets, Which};
use crate::clients::Clients;
use crate::error::KafkaError;

/// A leader that does not answer is waited for so long; the others' answers wait with it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The log of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Its earliest message.
    pub start: Offset,
    /// Behind its last message.
    pub end: Offset,
    /// Behind the last message that no open transaction holds back.
    pub stable_end: Offset,
}

/// One answer a partition.
pub type Answers<T> = BTreeMap<TopicPartition, Result<T, KafkaError>>;

impl Clients {
    /// The logs.
    pub fn logs(&self, of: &BTreeSet<TopicPartition>) -> Answers<Log> {
        self.bounds(of, [Which::Start, Which::End, Which::StableEnd])
            .into_iter()
            .map(|(key, answer)| (key, answer.map(|[start, end, stable_end]| Log { start, end, stable_end })))
            .collect()
    }

    /// The ends of the logs.
    pub fn ends(&self, of: &BTreeSet<TopicPartition>) -> Answers<Offset> {
        self.bounds(of, [Which::End])
            .into_iter()
            .map(|(key, answer)| (key, answer.map(|[end]| end)))
            .collect()
    }

    fn bounds<const N: usize>(
        &self,
        of: &BTreeSet<TopicPartition>,
        which: [Which; N],
    ) -> Answers<[Offset; N]> {
        let until = now() + TIMEOUT;
        let (led, without) = self.led(of, until);
        let mut answers: Answers<[Offset; N]> =
            without.into_iter().map(|(key, error)| (key, Err(error))).collect();
        if led.is_empty() {
            return answers;
        }
        let live = self.live();
        let left = until.saturating_duration_since(now());
        // All are on their way before the first is waited for.
        let asked = which.map(|which| LogOffsets::ask(live.native(), &led, which, left));
        let heard = asked.map(|asked| asked.and_then(LogOffsets::answer));
        for key in led {
            let mut bounds = [Offset(0); N];
            let result = bounds.iter_mut().zip(&heard).try_for_each(|(bound, heard)| {
                // There is always a bound.
                *bound = one(&key, heard)?.ok_or(KafkaError::TimedOut)?;
                Ok(())
            });
            answers.insert(key, result.map(|()| bounds));
        }
        answers
    }

    /// The offsets of the first messages that are not older than `millis`, milliseconds since 1970; none where all are older.
    pub fn at(&self, millis: i64, of: &BTreeSet<TopicPartition>) -> Answers<Option<Offset>> {
        let until = now() + TIMEOUT;
        let (led, without) = self.led(of, until);
        let mut answers: Answers<Option<Offset>> =
            without.into_iter().map(|(key, error)| (key, Err(error))).collect();
        if led.is_empty() {
            return answers;
        }
        let live = self.live();
        let left = until.saturating_duration_since(now());
        let heard =
            LogOffsets::ask(live.native(), &led, Which::Time(millis), left).and_then(LogOffsets::answer);
        answers.extend(led.into_iter().map(|key| {
            let answer = one(&key, &heard);
            (key, answer)
        }));
        answers
    }

    /// Those that have a leader to ask, and what the others lack. It brings this client's picture of the topics up to date,
    /// too: one that knows a topic does not look for partitions it has grown since.
    fn led(
        &self,
        of: &BTreeSet<TopicPartition>,
        until: Instant,
    ) -> (Vec<TopicPartition>, BTreeMap<TopicPartition, KafkaError>) {
        let (mut led, mut without) = (Vec::new(), BTreeMap::new());
        let topics: BTreeSet<_> = of.iter().map(|key| &key.topic).collect();
        for topic in topics {
            let partitions = of.iter().filter(|key| key.topic == *topic);
            let leaders = self.leaders(topic.as_str(), until.saturating_duration_since(now()));
            for key in partitions {
                match leaders.as_ref().map(|leaders| leaders.get(&key.partition.0)) {
                    Ok(Some(leader)) if *leader >= 0 => led.push(key.clone()),
                    Ok(Some(_)) => drop(without.insert(key.clone(), KafkaError::NoLeader)),
                    Ok(None) => drop(without.insert(key.clone(), KafkaError::Unknown)),
                    Err(error) => drop(without.insert(key.clone(), error.clone())),
                }
            }
        }
        (led, without)
    }

    /// The broker that leads each partition, -1 for none.
    fn leaders(&self, topic: &str, within: Duration) -> Result<BTreeMap<i32, i32>, KafkaError> {
        let metadata = self.metadata(topic, within)?;
        let found =
            metadata.topics().iter().find(|found| found.name() == topic).ok_or(KafkaError::Unknown)?;
        if let Some(error) = found.error().and_then(KafkaError::of) {
            return Err(error);
        }
        Ok(found.partitions().iter().map(|partition| (partition.id(), partition.leader())).collect())
    }
}

/// What was heard of one partition.
fn one(
    key: &TopicPartition,
    heard: &Result<Answers<Option<Offset>>, KafkaError>,
) -> Result<Option<Offset>, KafkaError> {
    match heard {
        Ok(answers) => answers.get(key).cloned().unwrap_or(Err(KafkaError::TimedOut)),
        Err(error) => Err(error.clone()),
    }
}
