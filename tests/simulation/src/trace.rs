//! What happened, as text: of every schedule a few counters, of one that is looked at each event.

use std::collections::VecDeque;

use crate::machine::Time;

/// Whether and how much is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing: fast.
    None,
    /// So many of the last events.
    Last(usize),
    /// Everything.
    All,
}

/// The events written down.
#[derive(Debug)]
pub(crate) struct Trace {
    detail: Detail,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new(detail: Detail) -> Self {
        Self { detail, lines: VecDeque::new() }
    }

    pub(crate) fn say(&mut self, now: Time, step: u64, what: impl FnOnce() -> String) {
        if self.detail == Detail::None {
            return;
        }
        let (seconds, micros) = (now / 1_000_000_000, now % 1_000_000_000 / 1000);
        self.lines.push_back(format!("{seconds:>4}.{micros:06} #{step:<6} {}", what()));
        if let Detail::Last(count) = self.detail
            && self.lines.len() > count
        {
            self.lines.pop_front();
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
