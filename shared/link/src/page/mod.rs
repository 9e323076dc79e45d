//! The status page: one page of shared memory for each partition, a file in the runtime directory.
//!
//! The worker writes how far it is, the supervisor its lease and what is committed; each word has one writer at a time.
//! The file outlives a killed worker, so its successor goes on after the last *acknowledged* message, and a killed
//! supervisor, so the next one may too. What a worker wrote is data from outside: [`Progress::check`] before use.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use memmap2::{MmapOptions, MmapRaw};

use crate::attempts::Attempts;

mod latencies;
mod progress;
#[cfg(test)]
mod tests;

pub use self::latencies::{BOUNDS_MILLIS, Latencies};
pub use self::progress::{Nonsense, Progress};
pub use kafkavisor_group::lease::Lease;

/// Bytes of a page.
const SIZE: usize = 4096;
/// Words that hold numbers; the rest of the page is the identity's text.
const WORDS: usize = 64;
/// Where the identity's text begins, and how long it may be.
const IDENTITY_AT: u64 = 1024;
const WORDS_SIZE: usize = 1024;
const IDENTITY_SIZE: usize = SIZE - WORDS_SIZE;
/// "kafkavsr": it and the layout's number stand first in every layout, so that each version knows the others' pages.
const MAGIC: u64 = 0x6b61_666b_6176_7372;
/// Another word, place or meaning of anything on the page is another number: pages are never converted, only left unused.
const LAYOUT: u64 = 3;

/// What stands in which word.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
enum Word {
    Magic = 0,
    Layout = 1,
    // Written by the worker.
    Position = 8,
    Acknowledged = 9,
    Delivered = 10,
    HighWatermark = 11,
    InFlight = 12,
    OldestInFlight = 13,
    HeadTimestamp = 14,
    Messages = 15,
    Bytes = 16,
    Heartbeat = 17,
    HandlerPid = 18,
    Window = 19,
    AcknowledgedAt = 20,
    LogLinesDropped = 21,
    SilentSince = 22,
    SilenceEnds = 23,
    // Written by the worker, and by the supervisor once the worker is gone.
    RangeUntil = 24,
    RangeDeaths = 25,
    Head = 26,
    HeadDeaths = 27,
    RangeDelivered = 28,
    HeadDelivered = 29,
    // Written by the supervisor.
    LeaseDeliver = 32,
    LeaseDead = 33,
    Committed = 34,
    CommitSent = 35,
    // Written by the worker.
    LatencySum = 40,
    /// The first of as many as there are buckets.
    LatencyCounts = 41,
}

/// Why a page can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file can't be opened, made or mapped.
    #[error("status page {path}: {source}")]
    Io {
        /// The page's file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Not a page of this layout: an earlier or a later version's.
    #[error("status page {path} has layout {layout}, and this version has {LAYOUT}: it is left unused")]
    Layout {
        /// The page's file.
        path: String,
        /// The page's.
        layout: u64,
    },
    /// No page at all, or a part of one.
    #[error("{path} is no status page: it is left unused")]
    NoPage {
        /// The file.
        path: String,
    },
}

impl PageError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A mapped status page.
pub struct Page {
    map: MmapRaw,
    file: File,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl Page {
    /// Makes the page at `path` anew, its space reserved, for the partition that `identity` describes.
    pub fn create(path: &Path, identity: &str, start: Offset) -> Result<Self, PageError> {
        let io = |source| PageError::Io { path: path.display().to_string(), source };
        // A new file and not the old one emptied: whoever still has the old one mapped keeps it.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        nix::fcntl::posix_fallocate(&file, 0, i64::try_from(SIZE).unwrap_or(i64::MAX))
            .map_err(|e| io(e.into()))?;
        let text = identity.as_bytes();
        let text = text.get(..text.len().min(IDENTITY_SIZE)).unwrap_or_default();
        file.write_all_at(text, IDENTITY_AT).map_err(io)?;
        let page = Self::map(path, file)?;
        page.rewind(start);
        page.set_signed(Word::HighWatermark, -1);
        page.set_signed(Word::Committed, -1);
        page.set_signed(Word::CommitSent, -1);
        page.set(Word::Layout, LAYOUT);
        page.set(Word::Magic, MAGIC);
        Ok(page)
    }

    /// Opens the page at `path`, which must exist and have this layout.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let io = |source| PageError::Io { path: path.display().to_string(), source };
        let no_page = || PageError::NoPage { path: path.display().to_string() };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(io)?;
        let word = |word| word_of(&file, word).ok_or_else(no_page);
        if word(Word::Magic)? != MAGIC {
            return Err(no_page());
        }
        // Before its size: another layout may have another.
        let layout = word(Word::Layout)?;
        if layout != LAYOUT {
            return Err(PageError::Layout { path: path.display().to_string(), layout });
        }
        if file.metadata().map_err(io)?.len() != SIZE as u64 {
            return Err(no_page());
        }
        Self::map(path, file)
    }

    fn map(path: &Path, file: File) -> Result<Self, PageError> {
        let io = |source| PageError::Io { path: path.display().to_string(), source };
        let map = MmapOptions::new().len(SIZE).map_raw(&file).map_err(io)?;
        Ok(Self { map, file })
    }

    /// The partition that this page was made for.
    pub fn identity(&self) -> String {
        let mut text = vec![0; IDENTITY_SIZE];
        let length = self.file.read_at(&mut text, IDENTITY_AT).unwrap_or(0);
        let text = text.get(..length).unwrap_or_default();
        let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned()
    }

    #[expect(unsafe_code, reason = "shared memory is reached through a pointer")]
    #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page's boundary")]
    fn nth(&self, word: Word, further: usize) -> &AtomicU64 {
        const { assert!(WORDS * 8 <= WORDS_SIZE) };
        let index = (word as usize).saturating_add(further).min(WORDS - 1);
        // SAFETY: the mapping is SIZE bytes, aligned to a page and lives as long as `self`; `index` is below WORDS, so the
        // word lies inside it. Every access to this part of the mapping, in both processes, is through an AtomicU64.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>().add(index) }
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        self.nth(word, 0)
    }

    fn get(&self, word: Word) -> u64 {
        self.word(word).load(Ordering::Acquire)
    }

    fn set(&self, word: Word, value: u64) {
        self.word(word).store(value, Ordering::Release);
    }

    fn get_signed(&self, word: Word) -> i64 {
        self.get(word).cast_signed()
    }

    fn set_signed(&self, word: Word, value: i64) {
        self.set(word, value.cast_unsigned());
    }

    /// Begins anew at `start` with nothing in flight, as when a partition's start has been decided.
    pub fn rewind(&self, start: Offset) {
        for word in [Word::Position, Word::Acknowledged, Word::Delivered] {
            self.set_signed(word, start.0);
        }
        self.set_signed(Word::HeadTimestamp, -1);
        self.set_nothing_in_flight();
        self.set_attempts(Attempts::default());
    }

    /// Goes on at `next`. Where that is one message on, what else was in flight at a death with the message passed over is
    /// still to be delivered one by one.
    pub fn move_to(&self, next: Offset) {
        let attempts = self.attempts();
        let one_on = self.get_signed(Word::Acknowledged).checked_add(1) == Some(next.0);
        self.rewind(next);
        if one_on && attempts.isolated(next) {
            self.set_attempts(attempts.past_head());
        }
    }

    /// What is in flight was dropped with its handler: the next one begins after the last acknowledged message.
    pub fn drop_in_flight(&self) {
        let acknowledged = self.get(Word::Acknowledged);
        self.set(Word::Position, acknowledged);
        self.set(Word::Delivered, acknowledged);
        self.set_nothing_in_flight();
    }

    fn set_nothing_in_flight(&self) {
        for word in
            [Word::InFlight, Word::OldestInFlight, Word::SilentSince, Word::SilenceEnds, Word::HandlerPid]
        {
            self.set(word, 0);
        }
    }

    /// What was in flight when everything died together is to be delivered one by one; alone, its death counts. Where the
    /// handler was gone before, its worker has counted that death already.
    pub fn note_crash(&self) {
        let progress = self.progress();
        if progress.in_flight > 0 {
            let (head, until) = (Offset(progress.acknowledged), Offset(progress.delivered));
            let attempts = self.attempts();
            let delivered = progress.oldest_in_flight;
            let after = if progress.in_flight == 1 && progress.handler_pid != 0 {
                attempts.after_death(head, until, delivered)
            } else {
                attempts.after_crash(until, delivered)
            };
            self.set_attempts(after);
        }
        self.drop_in_flight();
    }

    /// How far the worker says it is.
    pub fn progress(&self) -> Progress {
        // `acknowledged` first: it only grows towards `delivered`, and `delivered` towards `position`, so that a page read
        // while its worker writes never looks like nonsense.
        let acknowledged = self.get_signed(Word::Acknowledged);
        let in_flight = self.get(Word::InFlight);
        let delivered = self.get_signed(Word::Delivered);
        let position = self.get_signed(Word::Position);
        Progress {
            position,
            acknowledged,
            delivered,
            high_watermark: self.get_signed(Word::HighWatermark),
            in_flight: in_flight
                .min(u64::try_from(delivered.saturating_sub(acknowledged)).unwrap_or(in_flight)),
            oldest_in_flight: Boottime(self.get(Word::OldestInFlight)),
            head_timestamp: self.get_signed(Word::HeadTimestamp),
            messages: self.get(Word::Messages),
            bytes: self.get(Word::Bytes),
            heartbeat: Boottime(self.get(Word::Heartbeat)),
            handler_pid: self.get(Word::HandlerPid),
            window: self.get(Word::Window),
            acknowledged_at: Boottime(self.get(Word::AcknowledgedAt)),
            silent_since: Boottime(self.get(Word::SilentSince)),
            silence_ends: Boottime(self.get(Word::SilenceEnds)),
            latencies: self.latencies(),
            log_lines_dropped: self.get(Word::LogLinesDropped),
        }
    }

    /// Writes how far the worker is; only the worker calls this.
    pub fn set_progress(&self, progress: &Progress) {
        self.set_signed(Word::Position, progress.position);
        self.set_signed(Word::Delivered, progress.delivered);
        self.set_signed(Word::Acknowledged, progress.acknowledged);
        self.set_signed(Word::HighWatermark, progress.high_watermark);
        self.set(Word::InFlight, progress.in_flight);
        self.set(Word::OldestInFlight, progress.oldest_in_flight.0);
        self.set_signed(Word::HeadTimestamp, progress.head_timestamp);
        self.set(Word::Messages, progress.messages);
        self.set(Word::Bytes, progress.bytes);
        self.set(Word::Heartbeat, progress.heartbeat.0);
        self.set(Word::HandlerPid, progress.handler_pid);
        self.set(Word::Window, progress.window);
        self.set(Word::AcknowledgedAt, progress.acknowledged_at.0);
        self.set(Word::LogLinesDropped, progress.log_lines_dropped);
        self.set(Word::SilentSince, progress.silent_since.0);
        self.set(Word::SilenceEnds, progress.silence_ends.0);
        self.set_latencies(&progress.latencies);
    }

    fn latencies(&self) -> Latencies {
        const { assert!(Word::LatencyCounts as usize + BOUNDS_MILLIS.len() < WORDS) };
        Latencies {
            counts: std::array::from_fn(|bucket| {
                self.nth(Word::LatencyCounts, bucket).load(Ordering::Acquire)
            }),
            sum_micros: self.get(Word::LatencySum),
        }
    }

    fn set_latencies(&self, latencies: &Latencies) {
        // Most turns settle nothing.
        if self.get(Word::LatencySum) == latencies.sum_micros && self.latencies() == *latencies {
            return;
        }
        self.set(Word::LatencySum, latencies.sum_micros);
        for (bucket, count) in latencies.counts.iter().enumerate() {
            self.nth(Word::LatencyCounts, bucket).store(*count, Ordering::Release);
        }
    }

    /// How often what is in flight has killed its handler, and since when it is with handlers.
    pub fn attempts(&self) -> Attempts {
        Attempts {
            range_until: self.get_signed(Word::RangeUntil),
            range_deaths: self.get(Word::RangeDeaths),
            range_delivered: Boottime(self.get(Word::RangeDelivered)),
            head: self.get_signed(Word::Head),
            head_deaths: self.get(Word::HeadDeaths),
            head_delivered: Boottime(self.get(Word::HeadDelivered)),
        }
    }

    /// Writes how often what is in flight has killed its handler.
    pub fn set_attempts(&self, attempts: Attempts) {
        self.set_signed(Word::RangeUntil, attempts.range_until);
        self.set(Word::RangeDeaths, attempts.range_deaths);
        self.set(Word::RangeDelivered, attempts.range_delivered.0);
        self.set_signed(Word::Head, attempts.head);
        self.set(Word::HeadDeaths, attempts.head_deaths);
        self.set(Word::HeadDelivered, attempts.head_delivered.0);
    }

    /// Until when the worker may deliver, and by when it must be dead.
    pub fn lease(&self) -> Lease {
        Lease {
            deliver_until: Boottime(self.get(Word::LeaseDeliver)),
            dead_by: Boottime(self.get(Word::LeaseDead)),
        }
    }

    /// Renews or ends the lease; only the supervisor calls this.
    pub fn set_lease(&self, lease: Lease) {
        self.set(Word::LeaseDead, lease.dead_by.0);
        self.set(Word::LeaseDeliver, lease.deliver_until.0);
    }

    /// The offset last confirmed as committed, -1 before the first.
    pub fn committed(&self) -> i64 {
        self.get_signed(Word::Committed)
    }

    /// Notes a confirmed commit; only the supervisor calls this.
    pub fn set_committed(&self, offset: Offset) {
        self.set_signed(Word::Committed, offset.0);
    }

    /// The offset of the commit that was last sent, confirmed or not; -1 before the first.
    pub fn commit_sent(&self) -> i64 {
        self.get_signed(Word::CommitSent)
    }

    /// Notes a commit that is about to be sent; only the supervisor calls this.
    pub fn set_commit_sent(&self, offset: Offset) {
        self.set_signed(Word::CommitSent, offset.0);
    }
}

/// A word of a file that may be no page.
fn word_of(file: &File, word: Word) -> Option<u64> {
    let mut bytes = [0; size_of::<u64>()];
    file.read_exact_at(&mut bytes, word as u64 * size_of::<u64>() as u64).ok()?;
    Some(u64::from_ne_bytes(bytes))
}
