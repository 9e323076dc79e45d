//! How far the position may go: over what is done, in order, and never over what is not.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::offsets::Log;

use super::target::Offsets;

/// The next letter of each partition that is not done.
#[derive(Debug)]
pub(super) struct Positions {
    offsets: Offsets,
    held: BTreeSet<TopicPartition>,
}

impl Positions {
    pub(super) fn new(begins: Offsets) -> Self {
        Self { offsets: begins, held: BTreeSet::new() }
    }

    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Everything below `next` is done, or not ours to do, but for what holds the position.
    pub(super) fn done_below(&mut self, key: &TopicPartition, next: Offset) {
        if !self.held.contains(key) {
            self.offsets.insert(key.clone(), next);
        }
    }

    /// The letter at `offset` is not done: the position stays before it, whatever comes behind.
    pub(super) fn hold(&mut self, key: &TopicPartition, offset: Offset) {
        self.done_below(key, offset);
        self.held.insert(key.clone());
    }
}

/// Why nobody can say where to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPosition {
    /// There is none, or it has expired.
    None,
    /// It is behind the end: these are other logs by now.
    Beyond(TopicPartition, Offset),
}

/// Where to go on, and the partitions whose next letters are gone. All of a topic's positions are committed at once: a partition that
/// has none beside others that do is a new one.
pub(super) fn goes_on(
    logs: &BTreeMap<TopicPartition, Log>,
    committed: &Offsets,
) -> Result<(Offsets, Vec<TopicPartition>), NoPosition> {
    if committed.is_empty() {
        return Err(NoPosition::None);
    }
    let (mut begins, mut gone) = (Offsets::new(), Vec::new());
    for (key, log) in logs {
        let begin = committed.get(key).copied();
        if let Some(beyond) = begin.filter(|begin| *begin > log.end) {
            return Err(NoPosition::Beyond(key.clone(), beyond));
        }
        if begin.is_some_and(|begin| begin < log.start) {
            gone.push(key.clone());
        }
        begins.insert(key.clone(), begin.unwrap_or(log.start).max(log.start));
    }
    Ok((begins, gone))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(partition: i32) -> TopicPartition {
        format!("d:{partition}").parse().unwrap()
    }

    fn log(start: i64, end: i64) -> Log {
        Log { start: Offset(start), end: Offset(end), stable_end: Offset(end) }
    }

    #[test]
    fn it_goes_on_where_it_ended() {
        let logs = BTreeMap::from([(key(0), log(10, 20)), (key(1), log(5, 9)), (key(2), log(3, 4))]);
        let committed = |offsets: &[(i32, i64)]| {
            offsets.iter().map(|(partition, offset)| (key(*partition), Offset(*offset))).collect::<Offsets>()
        };
        assert_eq!(goes_on(&logs, &Offsets::new()), Err(NoPosition::None));
        let expected = (committed(&[(0, 20), (1, 5), (2, 3)]), vec![key(1)]);
        assert_eq!(goes_on(&logs, &committed(&[(0, 20), (1, 2)])), Ok(expected));
        let beyond = NoPosition::Beyond(key(0), Offset(21));
        assert_eq!(goes_on(&logs, &committed(&[(0, 21), (1, 5), (2, 3)])), Err(beyond));
    }

    #[test]
    fn what_is_left_holds_its_own_partition_alone() {
        let mut positions = Positions::new([(key(0), Offset(3)), (key(1), Offset(0))].into());
        positions.done_below(&key(0), Offset(4));
        // 4 is a mark of a transaction.
        positions.hold(&key(0), Offset(5));
        positions.done_below(&key(0), Offset(7));
        positions.hold(&key(0), Offset(8));
        positions.done_below(&key(1), Offset(9));
        assert_eq!(*positions.offsets(), [(key(0), Offset(5)), (key(1), Offset(9))].into());
    }

    proptest! {
        #[test]
        fn it_never_passes_what_is_not_done(done in proptest::collection::vec(any::<bool>(), 0..30)) {
            let mut positions = Positions::new([(key(0), Offset(0))].into());
            for (offset, done) in (0..).map(Offset).zip(&done) {
                if *done { positions.done_below(&key(0), offset.next()) } else { positions.hold(&key(0), offset) }
            }
            let first = done.iter().position(|done| !done).unwrap_or(done.len());
            prop_assert_eq!(positions.offsets()[&key(0)], Offset(first.try_into().unwrap()));
        }
    }
}
