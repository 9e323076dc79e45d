//! How far a command is, on a line of its own that is written over; only where stderr is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;

use crate::exit::Failure;

/// The line is written this often at most.
const EVERY: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    /// None where there is no terminal.
    due: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { due: std::io::stderr().is_terminal().then(now), shown: false }
    }

    /// Prints a result, and the line below it.
    pub(super) fn print(&mut self, result: &str, line: &str) -> Result<(), Failure> {
        self.clear();
        super::super::print(result)?;
        let at = now();
        if self.due.is_some_and(|due| due <= at) {
            self.due = Some(at + EVERY);
            self.write(line);
        }
        Ok(())
    }

    fn write(&mut self, line: &str) {
        // Nothing else can be done when even this can't be written.
        let _unwritable = write!(std::io::stderr(), "\r\x1b[K{line}");
        self.shown = !line.is_empty();
    }

    fn clear(&mut self) {
        if self.shown {
            self.write("");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
