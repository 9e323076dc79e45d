//! How far a consumer is in one partition.

use std::collections::BTreeMap;

use crate::ids::Offset;

/// What was delivered, and what of it is done. The offset to commit is the first that nobody is done with.
#[derive(Debug)]
pub(super) struct Progress {
    /// The next to deliver.
    position: Offset,
    /// Delivered ones, from the first that is not done on, and whether each is.
    delivered: BTreeMap<Offset, bool>,
    /// How often the partition had been taken away when it was begun.
    pub(super) revocations: u64,
}

impl Progress {
    pub(super) fn at(position: Offset, revocations: u64) -> Self {
        Self { position, delivered: BTreeMap::new(), revocations }
    }

    pub(super) fn position(&self) -> Offset {
        self.position
    }

    pub(super) fn deliver(&mut self) {
        self.delivered.insert(self.position, false);
        self.position = self.position.next();
    }

    /// False where it was not delivered.
    pub(super) fn done(&mut self, offset: Offset) -> bool {
        if let Some(done) = self.delivered.get_mut(&offset) {
            *done = true;
        } else {
            return offset < self.to_commit();
        }
        while let Some(first) = self.delivered.first_entry().filter(|first| *first.get()) {
            first.remove();
        }
        true
    }

    pub(super) fn to_commit(&self) -> Offset {
        self.delivered.keys().next().copied().unwrap_or(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_further_than_to_the_first_that_is_not_done() {
        let mut progress = Progress::at(Offset(5), 0);
        (0..4).for_each(|_| progress.deliver());
        assert_eq!((progress.position(), progress.to_commit()), (Offset(9), Offset(5)));
        assert!(progress.done(Offset(6)) && progress.done(Offset(8)));
        assert_eq!(progress.to_commit(), Offset(5));
        assert!(progress.done(Offset(5)));
        assert_eq!(progress.to_commit(), Offset(7));
        assert!(progress.done(Offset(7)));
        assert_eq!(progress.to_commit(), Offset(9));
        assert!(progress.done(Offset(7)), "once more says nothing new");
        assert!(!progress.done(Offset(9)), "nobody has it yet");
    }
}
