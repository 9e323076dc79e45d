//! How much is acknowledged and not committed: a partition stops at ten windows of it, so that a group whose commits fail
//! does not run on for hours and repeat it all. Pure.

use std::collections::VecDeque;

use kafkavisor::ids::Offset;
use kafkavisor_marks::hit;

/// A partition stops at so many windows.
const STOP_AT_WINDOWS: u64 = 10;
/// It asks for a commit at so many.
const ASK_AT_WINDOWS: u64 = 3;

/// Acknowledgements that no commit covers yet.
#[derive(Debug, Default)]
pub(crate) struct Uncommitted {
    /// Next offset after a stretch, and its messages.
    stretches: VecDeque<(i64, u64)>,
    messages: u64,
    committed: Option<i64>,
    asked: bool,
}

impl Uncommitted {
    pub(crate) fn acknowledged(&mut self, until: Offset, messages: u64, window: u32) {
        if messages == 0 {
            return;
        }
        self.messages += messages;
        let grain = u64::from(window / 8).max(1);
        match self.stretches.back_mut() {
            Some((end, count)) if *count + messages <= grain => {
                *end = until.0;
                *count += messages;
            }
            _ => self.stretches.push_back((until.0, messages)),
        }
    }

    pub(crate) fn committed(&mut self, offset: Offset) {
        // It may end inside a stretch: what is left of that may be asked for again.
        self.asked &= self.committed.is_some_and(|committed| committed >= offset.0);
        self.committed = self.committed.max(Some(offset.0));
        while let Some((end, count)) = self.stretches.front().copied() {
            if end > offset.0 {
                break;
            }
            self.stretches.pop_front();
            self.messages -= count;
        }
    }

    /// Whether a commit should be asked for now; once for what is there.
    pub(crate) fn ask(&mut self, window: u32, commit_messages: u64) -> bool {
        let enough = commit_messages.min(u64::from(window) * ASK_AT_WINDOWS).max(1);
        let ask = !self.asked && self.messages >= enough;
        if ask {
            hit!(commit_is_asked_for);
        }
        self.asked |= ask;
        ask
    }

    pub(crate) fn too_much(&self, window: u32) -> bool {
        let too_much = self.messages >= u64::from(window) * STOP_AT_WINDOWS;
        if too_much {
            hit!(too_much_is_not_committed);
        }
        too_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_ten_windows_and_goes_on_with_a_commit() {
        let mut uncommitted = Uncommitted::default();
        for offset in 1..=99 {
            uncommitted.acknowledged(Offset(offset), 1, 10);
        }
        assert!(!uncommitted.too_much(10));
        uncommitted.acknowledged(Offset(100), 1, 10);
        assert!(uncommitted.too_much(10));
        assert!(uncommitted.ask(10, 10_000) && !uncommitted.ask(10, 10_000));
        uncommitted.committed(Offset(50));
        assert!(!uncommitted.too_much(10));
        assert!(uncommitted.ask(10, 10_000));
    }

    #[test]
    fn asks_again_after_a_commit_inside_a_stretch() {
        let mut uncommitted = Uncommitted::default();
        (1..=100).for_each(|offset| uncommitted.acknowledged(Offset(offset), 1, 10_000));
        assert!(uncommitted.ask(10_000, 100));
        uncommitted.committed(Offset(90));
        (101..=200).for_each(|offset| uncommitted.acknowledged(Offset(offset), 1, 10_000));
        assert!(uncommitted.ask(10_000, 100));
    }
}
