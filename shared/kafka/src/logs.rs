//! Where logs begin and end, and where in them a time is: one answer a partition, however it goes with the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Offset, TopicPartition};
use rdkafka::types::RDKafka;

use crate::admin::{LogOffsets, Which};
use crate::clients::Clients;
use crate::error::KafkaError;
use crate::trouble::{Trouble, look};

/// A leader that does not answer is waited for so long; the others' answers wait with it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// ... unless a look at it, after this, says why it does not.
const LOOK_AFTER: Duration = Duration::from_millis(300);

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

    /// The offsets of the first messages that are not older than `millis`, milliseconds since 1970; none where all are older.
    pub fn at(&self, millis: i64, of: &BTreeSet<TopicPartition>) -> Answers<Option<Offset>> {
        let asked = self.ask_leaders(of, [Which::Time(millis)]);
        asked.into_iter().map(|(key, answer)| (key, answer.map(|[offset]| offset))).collect()
    }

    fn bounds<const N: usize>(
        &self,
        of: &BTreeSet<TopicPartition>,
        which: [Which; N],
    ) -> Answers<[Offset; N]> {
        // There is always a bound.
        let all = |found: [Option<Offset>; N]| {
            found.iter().all(Option::is_some).then(|| found.map(|offset| offset.unwrap_or(Offset(0))))
        };
        let asked = self.ask_leaders(of, which).into_iter();
        asked
            .map(|(key, answer)| (key, answer.and_then(|found| all(found).ok_or(KafkaError::TimedOut))))
            .collect()
    }

    fn ask_leaders<const N: usize>(
        &self,
        of: &BTreeSet<TopicPartition>,
        which: [Which; N],
    ) -> Answers<[Option<Offset>; N]> {
        let until = now() + TIMEOUT;
        let (led, mut answers) = self.led(of, until);
        let live = self.live();
        let left = until.saturating_duration_since(now());
        // All are on their way before the first is waited for.
        let ask = |(leader, keys)| Asked::new(live.native(), (leader, keys), which, left);
        let mut asked: Vec<_> = led.into_iter().map(ask).collect();
        let soon = until.min(now() + LOOK_AFTER);
        asked.iter_mut().for_each(|asked| asked.hear(soon));
        for asked in asked.iter_mut().filter(|asked| !asked.is_answered()) {
            asked.trouble = look(&asked.leader, self.current().properties(), until);
        }
        for mut asked in asked {
            if asked.trouble.is_none() {
                asked.hear(until);
            }
            answers.extend(asked.into_answers());
        }
        answers
    }

    /// Those that have a leader to ask, by its `host:port`, and what the others lack. It brings this client's picture of the topics up to
    /// date, too: one that knows a topic does not look for partitions it has grown since.
    fn led<T>(
        &self,
        of: &BTreeSet<TopicPartition>,
        until: Instant,
    ) -> (BTreeMap<String, Vec<TopicPartition>>, Answers<T>) {
        let (mut led, mut without) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        let topics: BTreeSet<_> = of.iter().map(|key| &key.topic).collect();
        for topic in topics {
            let partitions = of.iter().filter(|key| key.topic == *topic);
            let leaders = self.leaders(topic.as_str(), until.saturating_duration_since(now()));
            for key in partitions {
                match leaders.as_ref().map(|leaders| leaders.get(&key.partition.0)) {
                    Ok(Some(Some(leader))) => led.entry(leader.clone()).or_default().push(key.clone()),
                    Ok(Some(None)) => drop(without.insert(key.clone(), Err(KafkaError::NoLeader))),
                    Ok(None) => drop(without.insert(key.clone(), Err(KafkaError::Unknown))),
                    Err(error) => drop(without.insert(key.clone(), Err(error.clone()))),
                }
            }
        }
        (led, without)
    }

    /// The broker that leads each partition, `host:port`; none where none does.
    fn leaders(&self, topic: &str, within: Duration) -> Result<BTreeMap<i32, Option<String>>, KafkaError> {
        let metadata = self.metadata(topic, within)?;
        let found =
            metadata.topics().iter().find(|found| found.name() == topic).ok_or(KafkaError::Unknown)?;
        if let Some(error) = found.error().and_then(KafkaError::of) {
            return Err(error);
        }
        let address = |id: i32| {
            let broker = metadata.brokers().iter().find(|broker| broker.id() == id)?;
            Some(format!("{}:{}", broker.host(), broker.port()))
        };
        Ok(found.partitions().iter().map(|partition| (partition.id(), address(partition.leader()))).collect())
    }
}

/// What one leader is asked, and what it has said.
struct Asked<const N: usize> {
    leader: String,
    keys: Vec<TopicPartition>,
    requests: [Result<LogOffsets, KafkaError>; N],
    heard: [Result<Answers<Option<Offset>>, KafkaError>; N],
    /// Why it does not answer.
    trouble: Option<Trouble>,
}

impl<const N: usize> Asked<N> {
    fn new(
        rk: *mut RDKafka,
        (leader, keys): (String, Vec<TopicPartition>),
        which: [Which; N],
        within: Duration,
    ) -> Self {
        let requests = which.map(|which| LogOffsets::ask(rk, &keys, which, within));
        let heard = [const { Err(KafkaError::TimedOut) }; N];
        Self { leader, keys, requests, heard, trouble: None }
    }

    /// Waits for what it has not said yet.
    fn hear(&mut self, until: Instant) {
        for (request, heard) in self.requests.iter().zip(&mut self.heard) {
            if *heard == Err(KafkaError::TimedOut) {
                *heard = request.as_ref().map_err(Clone::clone).and_then(|request| request.answer_by(until));
            }
        }
    }

    fn is_answered(&self) -> bool {
        self.heard.iter().all(|heard| heard.as_ref().err().is_none_or(KafkaError::is_permanent))
    }

    fn into_answers(self) -> Answers<[Option<Offset>; N]> {
        let Self { keys, heard, trouble, .. } = self;
        let answer = |key: &TopicPartition| {
            if let Some(trouble) = &trouble {
                return Err(KafkaError::Security(Box::new(trouble.clone())));
            }
            let mut offsets = [None; N];
            for (offset, heard) in offsets.iter_mut().zip(&heard) {
                *offset = one(key, heard)?;
            }
            Ok(offsets)
        };
        keys.iter().map(|key| (key.clone(), answer(key))).collect()
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

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn what_keeps_us_from_a_leader_is_the_answer_of_its_partitions() {
        let key: TopicPartition = "t:1".parse().unwrap();
        let asked = |heard, trouble| Asked::<1> {
            leader: "k1:9092".to_owned(),
            keys: vec![key.clone()],
            requests: [Err(KafkaError::TimedOut)],
            heard: [heard],
            trouble,
        };
        let answer = |asked: Asked<1>| asked.into_answers().remove(&key).unwrap();
        for silent in [KafkaError::TimedOut, KafkaError::Other(Code::BrokerTransportFailure)] {
            let asked = asked(Err(silent.clone()), None);
            assert!(!asked.is_answered(), "it is looked at");
            assert_eq!(answer(asked), Err(silent));
        }
        let trouble = Trouble::Handshake { said: "expired".to_owned() };
        let security = KafkaError::Security(Box::new(trouble.clone()));
        assert_eq!(answer(asked(Err(KafkaError::TimedOut), Some(trouble))), Err(security));
        let heard = asked(Ok([(key.clone(), Ok(Some(Offset(7))))].into()), None);
        assert!(heard.is_answered());
        assert_eq!(answer(heard), Ok([Some(Offset(7))]));
    }
}
