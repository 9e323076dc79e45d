//! The group's offsets in two places at once, so that a group can move from one to the other: both are written, and the first is
//! read where it has an offset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use kafkavisor_types::ids::TopicPartition;

use super::store::{Answers, MemberNode, OffsetError, OffsetStore, Stored};

/// See the module.
#[derive(Debug)]
pub struct DualOffsets {
    first: Arc<dyn OffsetStore>,
    second: Arc<dyn OffsetStore>,
}

impl DualOffsets {
    /// `first` is believed where both have an offset.
    pub fn new(first: Arc<dyn OffsetStore>, second: Arc<dyn OffsetStore>) -> Self {
        Self { first, second }
    }

    /// Writes to both at the same time, each within the whole deadline, so that neither waits for the other's outage.
    fn write_both(&self, write: impl Fn(&dyn OffsetStore) -> Answers<()> + Sync) -> Answers<()> {
        let (mut first, second) = thread::scope(|scope| {
            let second = scope.spawn(|| write(&*self.second));
            let first = write(&*self.first);
            // A panic there is one here.
            (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        for (key, answer) in second {
            // What one place lacks is not written.
            let both = first.entry(key).or_insert(Ok(()));
            if both.is_ok() {
                *both = answer;
            }
        }
        first
    }
}

impl OffsetStore for DualOffsets {
    fn read(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Stored>> {
        let mut answers = self.first.read(of, deadline);
        let without = answers.iter().filter(|(_, answer)| **answer == Ok(None)).map(|(key, _)| key.clone());
        let without: BTreeSet<_> = without.collect();
        if !without.is_empty() {
            answers.extend(self.second.read(&without, deadline));
        }
        answers
    }

    fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()> {
        self.write_both(|store| store.write(offsets, deadline))
    }

    fn write_as(
        &self,
        member: &MemberNode,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.write_both(|store| store.write_as(member, offsets, deadline))
    }

    fn begin(
        &self,
        member: Option<&MemberNode>,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.write_both(|store| store.begin(member, offsets, deadline))
    }

    fn complete(&self, found: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<bool> {
        let keys: BTreeSet<_> = found.keys().cloned().collect();
        let there = [&self.first, &self.second].map(|place| place.read(&keys, deadline));
        let in_both = |key: &TopicPartition| {
            for answers in &there {
                match answers.get(key) {
                    Some(Ok(Some(stored))) if Some(stored.offset) == found.get(key).map(|f| f.offset) => {}
                    Some(Ok(_) | Err(OffsetError::TakenAway { .. })) | None => return Ok(false),
                    Some(Err(error)) => return Err(error.clone()),
                }
            }
            Ok(true)
        };
        keys.iter().map(|key| (key.clone(), in_both(key))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kafkavisor_types::clock::now;
    use kafkavisor_types::ids::{Offset, Topic};

    use super::*;

    /// A place in memory; what is in `refused` can't be written.
    #[derive(Debug, Default)]
    struct Kept {
        offsets: Mutex<BTreeMap<TopicPartition, i64>>,
        refused: Mutex<BTreeSet<TopicPartition>>,
    }

    impl OffsetStore for Kept {
        fn read(&self, of: &BTreeSet<TopicPartition>, _: Instant) -> Answers<Option<Stored>> {
            let offsets = self.offsets.lock().unwrap();
            let stored = |key| offsets.get(key).map(|offset| at(*offset));
            of.iter().map(|key| (key.clone(), Ok(stored(key)))).collect()
        }

        fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, _: Instant) -> Answers<()> {
            let refused = self.refused.lock().unwrap();
            let mut written = Answers::new();
            for (key, stored) in offsets {
                let taken = !refused.contains(key);
                if taken {
                    self.offsets.lock().unwrap().insert(key.clone(), stored.offset.0);
                }
                written.insert(key.clone(), if taken { Ok(()) } else { Err(OffsetError::Gone) });
            }
            written
        }
    }

    fn at(offset: i64) -> Stored {
        Stored { offset: Offset(offset), note: String::new() }
    }

    fn key(number: i32) -> TopicPartition {
        TopicPartition::new(Topic::new("t").unwrap(), number)
    }

    fn both() -> (Arc<Kept>, Arc<Kept>, DualOffsets) {
        let (first, second) = (Arc::<Kept>::default(), Arc::<Kept>::default());
        let dual = DualOffsets::new(Arc::clone(&first) as _, Arc::clone(&second) as _);
        (first, second, dual)
    }

    #[test]
    fn the_first_is_read_and_the_second_where_it_has_none() {
        let (first, second, dual) = both();
        first.offsets.lock().unwrap().extend([(key(0), 5)]);
        second.offsets.lock().unwrap().extend([(key(0), 9), (key(1), 7)]);
        let found = dual.read(&[key(0), key(1), key(2)].into(), now());
        let found: Vec<_> = found.into_values().map(|answer| answer.unwrap().map(|s| s.offset.0)).collect();
        assert_eq!(found, [Some(5), Some(7), None]);
        let found = [(key(0), at(5)), (key(1), at(7))].into();
        let complete: Vec<_> = dual.complete(&found, now()).into_values().collect();
        assert_eq!(complete, [Ok(false), Ok(false)]);
    }

    #[test]
    fn written_is_what_both_have_taken() {
        let (first, second, dual) = both();
        first.refused.lock().unwrap().insert(key(1));
        second.refused.lock().unwrap().insert(key(2));
        let wanted: BTreeMap<_, _> = (0..4).map(|number| (key(number), at(3))).collect();
        let written: Vec<_> = dual.write(&wanted, now()).into_values().map(|answer| answer.is_ok()).collect();
        assert_eq!(written, [true, false, false, true]);
        let complete: Vec<_> = dual.complete(&wanted, now()).into_values().collect();
        assert_eq!(complete, [Ok(true), Ok(false), Ok(false), Ok(true)]);
    }
}
