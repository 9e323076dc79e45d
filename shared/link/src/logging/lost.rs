//! Lines of the log that nobody will ever read.

use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped in this process: because nobody read them in time, or as [`note_lost`] says.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// So many lines are left out of the log, and it says so elsewhere.
pub fn note_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}
