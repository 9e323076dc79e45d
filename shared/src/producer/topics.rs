//! The partitions of the topics that are sent to, and whose turn it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Partitioning;

/// After so long it is asked again which partitions a topic has: it may have grown.
const FRESH: Duration = Duration::from_secs(60);

/// Where messages of a call go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// To the partition whose turn it is.
    Next,
    /// Where this key belongs.
    Of(Partitioning, &'a [u8]),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<HashMap<String, Known>>);

#[derive(Debug)]
struct Known {
    /// In the order of their numbers.
    partitions: Vec<i32>,
    as_of: Instant,
    /// Counts calls.
    turn: usize,
}

impl Topics {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the messages of a call go; none where that must be asked first.
    pub(super) fn place(&self, topic: &str, place: Place<'_>, now: Instant) -> Option<i32> {
        let mut known = self.known();
        let known = known.get_mut(topic)?;
        if now.saturating_duration_since(known.as_of) > FRESH {
            return None;
        }
        known.place(place)
    }

    /// These are a topic's partitions now. Where the messages of a call go; none where there are no partitions.
    pub(super) fn learn(
        &self,
        topic: &str,
        mut partitions: Vec<i32>,
        place: Place<'_>,
        now: Instant,
    ) -> Option<i32> {
        partitions.sort_unstable();
        let mut all = self.known();
        let known = all.entry(topic.to_owned()).or_insert_with(|| Known {
            partitions: Vec::new(),
            as_of: now,
            // Programs that are started together don't all begin with the same one.
            turn: usize::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default(),
        });
        known.partitions = partitions;
        known.as_of = now;
        known.place(place)
    }

    /// What is known of a topic may be out of date: the next call asks.
    pub(super) fn doubt(&self, topic: &str) {
        if let Some(known) = self.known().get_mut(topic) {
            known.partitions.clear();
        }
    }
}

impl Known {
    fn place(&mut self, place: Place<'_>) -> Option<i32> {
        let count = self.partitions.len();
        let index = match place {
            Place::Of(partitioning, key) => partitioning.index(key, count)?,
            Place::Next => {
                let index = self.turn.checked_rem(count)?;
                self.turn = self.turn.wrapping_add(1);
                index
            }
        };
        self.partitions.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock;

    #[test]
    fn calls_go_to_one_partition_after_the_other() {
        let (topics, now) = (Topics::default(), clock::now());
        assert_eq!(topics.place("t", Place::Next, now), None, "not known yet");
        let first = topics.learn("t", vec![2, 0, 1], Place::Next, now).unwrap();
        let more: Vec<_> = (0..5).map(|_| topics.place("t", Place::Next, now).unwrap()).collect();
        let expected: Vec<_> = (1..=5).map(|turn| (first + turn) % 3).collect();
        assert_eq!(more, expected);
    }

    #[test]
    fn not_all_begin_with_the_same_partition() {
        let firsts = (0..200).map(|_| Topics::default().learn("t", vec![0, 1], Place::Next, clock::now()));
        assert_eq!(firsts.collect::<BTreeSet<_>>().len(), 2);
    }

    #[test]
    fn a_key_stays_where_it_is_until_the_topic_grows() {
        let (topics, now) = (Topics::default(), clock::now());
        let place = Place::Of(Partitioning::KafkaPython2, b"abc");
        assert_eq!(topics.learn("t", vec![1, 0], place, now), topics.place("t", place, now));
        assert_eq!(topics.place("t", place, now + FRESH * 2), None, "it may have grown");
        let index = Partitioning::KafkaPython2.index(b"abc", 7).unwrap();
        let place_of_seven = topics.learn("t", (0..7).collect(), place, now + FRESH * 2);
        assert_eq!(place_of_seven, i32::try_from(index).ok());
    }

    #[test]
    fn after_a_failure_it_is_asked_again() {
        let (topics, now) = (Topics::default(), clock::now());
        let first = topics.learn("t", vec![0, 1, 2], Place::Next, now).unwrap();
        topics.doubt("t");
        assert_eq!(topics.place("t", Place::Next, now), None);
        let next = topics.learn("t", vec![0, 1, 2], Place::Next, now).unwrap();
        assert_eq!(next, (first + 1) % 3, "and goes on where it was");
        assert_eq!(topics.learn("t", vec![], Place::Next, now), None);
    }
}
