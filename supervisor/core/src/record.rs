//! What is remembered of a partition for the supervisor's life, whoever owns it meanwhile: counters, how its workers ended,
//! when a message of it was given up, and that an operator has paused it.

use std::collections::BTreeMap;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::FencingToken;
use kafkavisor_link::page::Progress;

use crate::reason::Reason;

/// Messages acknowledged, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    messages: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Record {
    pub restarts: BTreeMap<Reason, u64>,
    pub dead_lettered: u64,
    pub last_exit: Option<String>,
    /// An operator wants nothing delivered. It outlives a lost session, but not another owner.
    pub paused: Option<Pause>,
    /// When a message was last given up for deaths.
    pub(crate) gave_up_at: Option<Boottime>,
    /// Acknowledged since this supervisor's start, as far as the present page does not count it.
    before: Count,
    /// What the present page said when it became ours, and what it says.
    from: Count,
    page: Count,
}

/// A pause and the tenure in which it was last known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub under: Option<FencingToken>,
    /// Somebody else has stood in line for the partition since.
    pub contended: bool,
}

impl Record {
    /// Acknowledged messages and bytes as the present page counts them, over all its workers.
    pub(crate) fn page_messages(&self) -> u64 {
        self.page.messages
    }

    pub(crate) fn note(&mut self, progress: &Progress) {
        self.page = Count { messages: progress.messages, bytes: progress.bytes };
    }

    /// Its page stays behind, to be gone on from or not: what it counts is counted, whoever looks at it meanwhile.
    pub(crate) fn leave_page(&mut self) {
        let (messages, bytes) = self.totals(self.page.messages, self.page.bytes);
        self.before = Count { messages, bytes };
        self.from = self.page;
    }

    /// Its page begins anew.
    pub(crate) fn new_page(&mut self) {
        self.leave_page();
        (self.from, self.page) = (Count::default(), Count::default());
    }

    /// Its page is one that an earlier tenure or an earlier supervisor left.
    pub(crate) fn old_page(&mut self, page: &Progress) {
        self.new_page();
        self.note(page);
        self.from = self.page;
    }

    /// Messages and bytes acknowledged since this supervisor's start, where its page says so many.
    pub fn totals(&self, messages: u64, bytes: u64) -> (u64, u64) {
        (
            self.before.messages.saturating_add(messages.saturating_sub(self.from.messages)),
            self.before.bytes.saturating_add(bytes.saturating_sub(self.from.bytes)),
        )
    }

    /// Restarts for whatever reason.
    pub fn restarts_total(&self) -> u64 {
        self.restarts.values().sum()
    }

    pub(crate) fn count_restart(&mut self, reason: Reason) {
        *self.restarts.entry(reason).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(messages: u64) -> Progress {
        Progress { messages, bytes: 10 * messages, ..Progress::default() }
    }

    #[test]
    fn counters_only_grow_whatever_becomes_of_pages() {
        let mut record = Record::default();
        record.note(&page(5));
        assert_eq!(record.totals(5, 50), (5, 50));
        record.new_page();
        assert_eq!(record.totals(0, 0), (5, 50), "a new page begins at 0");
        record.note(&page(3));
        record.old_page(&page(100));
        assert_eq!(record.totals(100, 1000), (8, 80), "what an earlier supervisor counted is not ours");
        record.note(&page(102));
        assert_eq!(record.totals(102, 1020), (10, 100));
    }

    #[test]
    fn a_page_that_stays_behind_counts_once() {
        let mut record = Record::default();
        record.note(&page(5));
        record.leave_page();
        assert_eq!(record.totals(5, 50), (5, 50), "as long as it is there");
        assert_eq!(record.totals(0, 0), (5, 50), "and when it is not any more");
        record.old_page(&page(5));
        record.note(&page(6));
        assert_eq!(record.totals(6, 60), (6, 60), "gone on from");
        record.leave_page();
        record.new_page();
        assert_eq!(record.totals(0, 0), (6, 60), "made anew");
    }
}
