//! How far a consumer is in one partition: what was handed over, what of it is done, and up to where that may be committed. Pure.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::ids::Offset;

/// Offsets are committed again this often, changed or not, so that a quiet partition's offset never expires.
const COMMIT_AGAIN: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Handed over, and nobody is done with them.
    open: BTreeSet<i64>,
    /// Behind the last one that was handed over, or that is known not to be a message.
    end: i64,
    committed: Option<i64>,
    /// Since when that is so, as far as anybody has looked.
    since: Option<Instant>,
}

impl Progress {
    /// Begins at `start`, which is committed or is not.
    pub(crate) fn at(start: Offset, committed: bool) -> Self {
        Self { open: BTreeSet::new(), end: start.0, committed: committed.then_some(start.0), since: None }
    }

    /// A message is handed over. What comes a second time is nobody's.
    pub(crate) fn hand(&mut self, offset: Offset) -> bool {
        let new = offset.0 >= self.end;
        if new {
            self.open.insert(offset.0);
            self.end = offset.0 + 1;
        }
        new
    }

    /// Below this there are no more messages than were handed over.
    pub(crate) fn seen(&mut self, end: Offset) {
        self.end = self.end.max(end.0);
    }

    /// Somebody is done with a message; whether it was handed over, once or ever.
    pub(crate) fn done(&mut self, offset: Offset) -> bool {
        self.open.remove(&offset.0) || offset.0 < self.end
    }

    /// The next one to hand over.
    #[cfg(feature = "testing")]
    pub(crate) fn position(&self) -> Offset {
        Offset(self.end)
    }

    /// Whether somebody is still at a message.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Everything below is done.
    pub(crate) fn reached(&self) -> Offset {
        Offset(self.open.first().copied().unwrap_or(self.end))
    }

    /// What is to be committed, if anything is.
    pub(crate) fn uncommitted(&self) -> Option<Offset> {
        let reached = self.reached();
        self.committed.is_none_or(|committed| committed < reached.0).then_some(reached)
    }

    /// What is to be committed now: also what is committed, once that is long ago.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Offset> {
        if let Some(offset) = self.uncommitted() {
            return Some(offset);
        }
        let since = *self.since.get_or_insert(now);
        (now.saturating_duration_since(since) >= COMMIT_AGAIN).then(|| self.reached())
    }

    pub(crate) fn committed(&mut self, offset: Offset) {
        self.since = None;
        self.committed = self.committed.max(Some(offset.0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_is_done_with_holds_the_commit_back() {
        let mut progress = Progress::at(Offset(5), true);
        assert_eq!(progress.uncommitted(), None);
        // Offset 7 is a transaction's marker, or was compacted away.
        for offset in [5, 6, 8, 9] {
            assert!(progress.hand(Offset(offset)));
        }
        assert!(!progress.hand(Offset(8)), "a second time");
        assert_eq!((progress.uncommitted(), progress.is_open()), (None, true));
        assert!(progress.done(Offset(6)) && progress.done(Offset(9)));
        assert_eq!(progress.uncommitted(), None, "5 is not done");
        assert!(progress.done(Offset(5)));
        assert_eq!(progress.uncommitted(), Some(Offset(8)));
        progress.committed(Offset(8));
        assert!(progress.done(Offset(8)) && progress.done(Offset(8)), "twice is as good as once");
        assert!(!progress.done(Offset(10)), "it was never handed over");
        assert_eq!((progress.uncommitted(), progress.is_open()), (Some(Offset(10)), false));
        progress.seen(Offset(12));
        assert_eq!(progress.uncommitted(), Some(Offset(12)), "what stands before the end is no message");
    }

    #[test]
    fn a_start_that_is_not_committed_is_to_be() {
        assert_eq!(Progress::at(Offset(0), false).uncommitted(), Some(Offset(0)));
    }

    #[test]
    fn what_is_committed_is_committed_again_before_it_expires() {
        let begun = crate::clock::now();
        let mut progress = Progress::at(Offset(7), true);
        assert_eq!((progress.due(begun), progress.due(begun + COMMIT_AGAIN / 2)), (None, None));
        assert_eq!(progress.due(begun + COMMIT_AGAIN), Some(Offset(7)));
        progress.committed(Offset(7));
        assert_eq!(progress.due(begun + COMMIT_AGAIN), None);
        assert_eq!(progress.due(begun + COMMIT_AGAIN * 2), Some(Offset(7)));
    }

    proptest! {
        /// Whatever order they are done in: never beyond the first that is not, and everything in the end.
        #[test]
        fn nothing_is_committed_that_is_not_done(gaps in proptest::collection::vec(1i64..4, 1..40), seed: u64) {
            let mut progress = Progress::at(Offset(0), true);
            let offsets: Vec<i64> = gaps.iter().scan(-1, |at, gap| { *at += gap; Some(*at) }).collect();
            offsets.iter().for_each(|offset| assert!(progress.hand(Offset(*offset))));
            let mut left = offsets.clone();
            let mut state = seed | 1;
            while !left.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let done = left.remove(usize::try_from(state >> 33).unwrap() % left.len());
                prop_assert!(progress.done(Offset(done)));
                if let Some(Offset(commit)) = progress.uncommitted() {
                    prop_assert!(left.iter().all(|open| *open >= commit));
                    progress.committed(Offset(commit));
                }
            }
            prop_assert_eq!(progress.reached(), Offset(offsets.last().unwrap() + 1));
        }
    }
}
