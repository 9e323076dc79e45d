//! What is remembered of a partition for the supervisor's life, whoever owns it meanwhile: counters, how its workers ended,
//! when a message of it was given up, and that an operator has paused it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::FencingToken;
use kafkavisor_link::page::{Latencies, Progress};

use crate::reason::Reason;

/// So many ends of workers are remembered.
const EXITS: usize = 5;

/// What pages count: messages acknowledged, their bytes, how long they took, and lines of the log that nobody will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub messages: u64,
    pub bytes: u64,
    pub latencies: Latencies,
    pub log_lines_dropped: u64,
}

impl Count {
    fn of(page: &Progress) -> Self {
        let Progress { messages, bytes, latencies, log_lines_dropped, .. } = *page;
        Self { messages, bytes, latencies, log_lines_dropped }
    }

    /// These and those.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
            latencies: self.latencies.plus(&other.latencies),
            log_lines_dropped: self.log_lines_dropped.saturating_add(other.log_lines_dropped),
        }
    }

    /// These without those.
    fn minus(self, other: &Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
            latencies: self.latencies.minus(&other.latencies),
            log_lines_dropped: self.log_lines_dropped.saturating_sub(other.log_lines_dropped),
        }
    }

    /// Whether nothing is less than there.
    fn covers(&self, other: &Self) -> bool {
        let mut latencies = self.latencies.counts.iter().zip(other.latencies.counts);
        self.messages >= other.messages
            && self.bytes >= other.bytes
            && self.log_lines_dropped >= other.log_lines_dropped
            && self.latencies.sum_micros >= other.latencies.sum_micros
            && latencies.all(|(count, other)| *count >= other)
    }

    /// What is counted since `from`, on top of `before`.
    fn grown(self, from: &Self, before: &Self) -> Self {
        self.minus(from).plus(before)
    }
}

/// How a worker ended, or a batch of `exec` failed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    pub at: Boottime,
    pub how: Arc<str>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Record {
    pub history: History,
    /// An operator wants nothing delivered. It outlives a lost session, but not another owner.
    pub paused: Option<Pause>,
    /// When a message was last given up for deaths.
    pub(crate) gave_up_at: Option<Boottime>,
}

/// What is counted and what has ended. Copying it copies pointers: whoever looks keeps it as it was.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub past: Arc<Past>,
    /// What the present page says.
    page: Arc<Count>,
}

/// What changes only when something ends: a worker, a page's time with us.
#[derive(Debug, Clone, Default)]
pub struct Past {
    pub restarts: BTreeMap<Reason, u64>,
    pub dead_lettered: u64,
    /// The last of them, newest last.
    pub exits: VecDeque<Exited>,
    /// The last lines that its last handler has left.
    pub stderr: Arc<str>,
    /// Acknowledged since this supervisor's start, as far as the present page does not count it.
    before: Count,
    /// What the present page said when it became ours.
    from: Count,
}

/// A pause and the tenure in which it was last known to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why nothing is delivered: who asked for it.
    pub why: Arc<str>,
    pub under: Option<FencingToken>,
    /// Somebody else has stood in line for the partition since.
    pub contended: bool,
}

impl Record {
    /// The past, to be changed.
    pub(crate) fn past_mut(&mut self) -> &mut Past {
        Arc::make_mut(&mut self.history.past)
    }

    fn set_page(&mut self, count: Count) {
        let page = &mut self.history.page;
        if **page != count {
            *page = Arc::new(count);
        }
    }

    /// Acknowledged messages and bytes as the present page counts them, over all its workers.
    pub(crate) fn page_messages(&self) -> u64 {
        self.history.page.messages
    }

    pub(crate) fn note(&mut self, progress: &Progress) {
        self.set_page(Count::of(progress));
    }

    /// Its page stays behind, to be gone on from or not: what it counts is counted, whoever looks at it meanwhile.
    pub(crate) fn leave_page(&mut self) {
        let page = *self.history.page;
        let past = self.past_mut();
        past.before = page.grown(&past.from, &past.before);
        past.from = page;
    }

    /// Its page begins anew.
    pub(crate) fn new_page(&mut self) {
        self.leave_page();
        self.past_mut().from = Count::default();
        self.set_page(Count::default());
    }

    /// Its page is one that an earlier tenure or an earlier supervisor left.
    pub(crate) fn old_page(&mut self, page: &Progress) {
        self.new_page();
        self.note(page);
        self.past_mut().from = Count::of(page);
    }

    /// Who has paused it, in words.
    pub fn paused_by(&self) -> Option<&Arc<str>> {
        self.paused.as_ref().map(|pause| &pause.why)
    }

    /// Notes how a worker ended.
    pub(crate) fn exited(&mut self, at: Boottime, how: &str) {
        let exits = &mut self.past_mut().exits;
        if exits.len() == EXITS {
            exits.pop_front();
        }
        exits.push_back(Exited { at, how: Arc::from(how) });
    }

    /// More is known of how the last one ended.
    pub(crate) fn last_exited(&mut self, at: Boottime, how: &str) {
        self.past_mut().exits.pop_back();
        self.exited(at, how);
    }

    /// How the last one ended.
    pub fn last_exit(&self) -> Option<&Arc<str>> {
        self.history.past.exits.back().map(|exited| &exited.how)
    }

    /// Restarts for whatever reason.
    pub fn restarts_total(&self) -> u64 {
        self.history.past.restarts.values().sum()
    }

    pub(crate) fn count_restart(&mut self, reason: Reason) {
        *self.past_mut().restarts.entry(reason).or_default() += 1;
    }
}

impl History {
    /// What was acknowledged since this supervisor's start, where its page says `page`; none, or one that says less than before: as
    /// it said last.
    pub fn totals(&self, page: Option<&Progress>) -> Count {
        let page = page.map(Count::of).filter(|page| page.covers(&self.page));
        page.unwrap_or(*self.page).grown(&self.past.from, &self.past.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(messages: u64) -> Progress {
        let mut latencies = Latencies::default();
        latencies.counts[0] = messages;
        let log_lines_dropped = 2 * messages;
        Progress { messages, bytes: 10 * messages, latencies, log_lines_dropped, ..Progress::default() }
    }

    fn totals(record: &Record, says: u64) -> (u64, u64) {
        let count = record.history.totals(Some(&page(says)));
        assert_eq!(count.latencies.counts[0], count.messages);
        assert_eq!(count.log_lines_dropped, 2 * count.messages);
        (count.messages, count.bytes)
    }

    #[test]
    fn counters_only_grow_whatever_becomes_of_pages() {
        let mut record = Record::default();
        record.note(&page(5));
        assert_eq!(totals(&record, 5), (5, 50));
        record.new_page();
        assert_eq!(totals(&record, 0), (5, 50), "a new page begins at 0");
        record.note(&page(3));
        record.old_page(&page(100));
        assert_eq!(totals(&record, 100), (8, 80), "what an earlier supervisor counted is not ours");
        record.note(&page(102));
        assert_eq!(totals(&record, 102), (10, 100));
    }

    #[test]
    fn a_page_that_says_less_than_before_is_not_counted_by() {
        let mut record = Record::default();
        record.note(&page(5));
        assert_eq!(totals(&record, 4), (5, 50));
        let scribbled = Progress { bytes: 3, ..page(9) };
        assert_eq!(record.history.totals(Some(&scribbled)).bytes, 50);
    }

    #[test]
    fn the_last_five_ends_are_remembered() {
        let mut record = Record::default();
        (0..7).for_each(|n| record.exited(Boottime(n), &n.to_string()));
        record.last_exited(Boottime(6), "six, in more words");
        let hows: Vec<_> = record.history.past.exits.iter().map(|exited| exited.how.to_string()).collect();
        assert_eq!(hows, ["2", "3", "4", "5", "six, in more words"]);
        assert_eq!(record.last_exit().map(|how| &**how), Some("six, in more words"));
    }

    #[test]
    fn a_page_that_stays_behind_counts_once() {
        let mut record = Record::default();
        record.note(&page(5));
        record.leave_page();
        assert_eq!(totals(&record, 5), (5, 50), "as long as it is there");
        assert_eq!(totals(&record, 0), (5, 50), "and when it is not any more");
        record.old_page(&page(5));
        record.note(&page(6));
        assert_eq!(totals(&record, 6), (6, 60), "gone on from");
        record.leave_page();
        record.new_page();
        assert_eq!(totals(&record, 0), (6, 60), "made anew");
    }
}
