//! A line on the terminal that is written over: how far a command is. Nothing of it where stderr is no terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;

/// The line is written this often at most.
const EVERY: Duration = Duration::from_millis(200);
/// As wide is the bar.
const WIDE: usize = 20;

/// How far it is: a bar and the hundredths; empty where there is no whole.
pub(super) fn bar(done: i64, all: i64) -> String {
    let Some(hundredths) = (done * 100).checked_div(all) else { return String::new() };
    let full = usize::try_from(hundredths).unwrap_or(0) * WIDE / 100;
    format!("[{}{}] {hundredths:>3} %  ", "#".repeat(full), "-".repeat(WIDE.saturating_sub(full)))
}

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    /// None where there is no terminal.
    due: Option<Instant>,
    shown: bool,
}

impl Line {
    /// Shown only where it is `wanted`, too.
    pub(super) fn new(wanted: bool) -> Self {
        let due = (wanted && std::io::stderr().is_terminal()).then(now);
        Self { due, shown: false }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.due.is_some()
    }

    /// Writes what it is like now, unless it was written a moment ago.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        let at = now();
        if self.due.is_some_and(|due| due <= at) {
            self.due = Some(at + EVERY);
            self.write(&text());
        }
    }

    fn write(&mut self, line: &str) {
        // Nothing else can be done when even this can't be written.
        let _unwritable = write!(std::io::stderr(), "\r\x1b[K{line}");
        self.shown = !line.is_empty();
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            self.write("");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}
