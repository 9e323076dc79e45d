//! A status page in memory: what `kafkavisor_link::page::Page` keeps in a file, and what each side does to it.

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::page::{Lease, Progress};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) progress: Progress,
    pub(crate) attempts: Attempts,
    pub(crate) lease: Lease,
    pub(crate) committed: i64,
    pub(crate) commit_sent: i64,
    /// Which making of the topic it is of.
    pub(crate) topic: u64,
}

impl Page {
    pub(crate) fn new(start: Offset) -> Self {
        let mut page = Self {
            progress: Progress { high_watermark: -1, ..Progress::default() },
            attempts: Attempts::default(),
            lease: Lease::NONE,
            committed: -1,
            commit_sent: -1,
            topic: 0,
        };
        page.rewind(start);
        page
    }

    pub(crate) fn rewind(&mut self, start: Offset) {
        self.progress.position = start.0;
        self.progress.acknowledged = start.0;
        self.progress.delivered = start.0;
        self.progress.head_timestamp = -1;
        self.nothing_in_flight();
        self.attempts = Attempts::default();
    }

    pub(crate) fn move_to(&mut self, next: Offset) {
        let attempts = self.attempts;
        let one_on = self.progress.acknowledged + 1 == next.0;
        self.rewind(next);
        if one_on && attempts.isolated(next) {
            self.attempts = attempts.past_head();
        }
    }

    pub(crate) fn drop_in_flight(&mut self) {
        self.progress.position = self.progress.acknowledged;
        self.progress.delivered = self.progress.acknowledged;
        self.nothing_in_flight();
    }

    fn nothing_in_flight(&mut self) {
        self.progress.in_flight = 0;
        self.progress.oldest_in_flight = Boottime(0);
        self.progress.handler_pid = 0;
    }

    /// As `Page::note_crash`.
    pub(crate) fn note_crash(&mut self) {
        if self.progress.in_flight > 0 {
            let (head, until) = (Offset(self.progress.acknowledged), Offset(self.progress.delivered));
            let delivered = self.progress.oldest_in_flight;
            self.attempts = if self.progress.in_flight == 1 && self.progress.handler_pid != 0 {
                self.attempts.after_death(head, until, delivered)
            } else {
                self.attempts.after_crash(until, delivered)
            };
        }
        self.drop_in_flight();
    }
}
