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
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use memmap2::{MmapOptions, MmapRaw};

use crate::attempts::Attempts;

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
const LAYOUT: u64 = 2;

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

/// When a worker must stop delivering, and when it must be gone, on `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Nothing is written to the handler from here on.
    pub deliver_until: Boottime,
    /// Every process of the worker is dead from here on.
    pub dead_by: Boottime,
}

impl Lease {
    /// A lease that does not end: static assignment.
    pub const UNLIMITED: Self = Self { deliver_until: Boottime(u64::MAX), dead_by: Boottime(u64::MAX) };
    /// A lease that has ended.
    pub const NONE: Self = Self { deliver_until: Boottime(0), dead_by: Boottime(0) };
    /// In parts of the session's time.
    const DELIVER: f64 = 0.6;
    const DEAD: f64 = 0.75;

    /// The lease that follows from a proof that the session lives. It counts from before the proof was `sent`: ZooKeeper gives
    /// a partition to somebody else after the whole of the session's `timeout` from then at the soonest.
    pub fn from_evidence(sent: Boottime, timeout: Duration) -> Self {
        Self {
            deliver_until: sent.after(timeout.mul_f64(Self::DELIVER)),
            dead_by: sent.after(timeout.mul_f64(Self::DEAD)),
        }
    }
}

/// How far a partition is, as its worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Next offset to read.
    pub position: i64,
    /// Last acknowledged + 1.
    pub acknowledged: i64,
    /// Last handed to the handler + 1: what is in flight lies between `acknowledged` and this.
    pub delivered: i64,
    /// End of the partition as last seen, -1 before it is known.
    pub high_watermark: i64,
    /// Messages handed over and not acknowledged.
    pub in_flight: u64,
    /// When the oldest of them was handed over, 0 without any.
    pub oldest_in_flight: Boottime,
    /// Timestamp (milliseconds) of the oldest message that is not acknowledged, -1 where it is not known.
    pub head_timestamp: i64,
    /// Messages acknowledged, over all workers of this page.
    pub messages: u64,
    /// Their bytes, keys and values.
    pub bytes: u64,
    /// When the worker's loop last turned.
    pub heartbeat: Boottime,
    /// The handler's process, 0 without one.
    pub handler_pid: u64,
    /// Messages that may be in flight now.
    pub window: u64,
    /// When a handler last acknowledged something, over all workers of this page; 0 before the first.
    pub acknowledged_at: Boottime,
}

/// Why a page's numbers can't be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the status page holds nonsense: {what} ({progress:?})")]
pub struct Nonsense {
    what: &'static str,
    progress: Progress,
}

impl Progress {
    /// Checks what a worker says against itself and against `floor`, the lowest offset it can have acknowledged.
    pub fn check(&self, floor: Offset) -> Result<(), Nonsense> {
        let wrong = |what| Err(Nonsense { what, progress: *self });
        if self.acknowledged < floor.0.max(0) {
            return wrong("acknowledged went backwards");
        }
        if self.acknowledged > self.delivered {
            return wrong("more acknowledged than delivered");
        }
        if self.delivered > self.position {
            return wrong("more delivered than read");
        }
        if !i64::try_from(self.in_flight).is_ok_and(|n| n <= self.delivered - self.acknowledged) {
            return wrong("more in flight than delivered");
        }
        // Numbers at random may pass for offsets; hardly any pass for a pid and a window as well.
        if i32::try_from(self.handler_pid).is_err() || u32::try_from(self.window).is_err() {
            return wrong("a pid or a window that can't be");
        }
        Ok(())
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
    fn word(&self, word: Word) -> &AtomicU64 {
        const { assert!(WORDS * 8 <= WORDS_SIZE) };
        let index = (word as usize).min(WORDS - 1);
        // SAFETY: the mapping is SIZE bytes, aligned to a page and lives as long as `self`; `index` is below WORDS, so the
        // word lies inside it. Every access to this part of the mapping, in both processes, is through an AtomicU64.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>().add(index) }
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
        self.set(Word::InFlight, 0);
        self.set(Word::OldestInFlight, 0);
        self.set_signed(Word::HeadTimestamp, -1);
        self.set(Word::HandlerPid, 0);
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
        self.set(Word::InFlight, 0);
        self.set(Word::OldestInFlight, 0);
        self.set(Word::HandlerPid, 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_a_message_over_keeps_the_others_alone_and_a_seek_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let page = Page::create(&folder.path().join("orders-3.page"), "", Offset(42)).unwrap();
        page.set_attempts(Attempts::default().after_death(Offset(42), Offset(50), Boottime(7)));
        page.move_to(Offset(43));
        assert!(page.attempts().isolated(Offset(49)));
        assert_eq!((page.progress().acknowledged, page.attempts().attempt(Offset(44))), (43, 2));
        assert_eq!(page.attempts().first_delivered(Offset(44)), Some(Boottime(7)));
        page.move_to(Offset(20));
        assert!(!page.attempts().isolated(Offset(49)));
    }

    #[test]
    fn a_page_is_the_same_for_everyone_who_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders-3.page");
        let ours = Page::create(&path, "orders-3 in g", Offset(42)).unwrap();
        let theirs = Page::open(&path).unwrap();
        assert_eq!(theirs.identity(), "orders-3 in g");
        assert_eq!(theirs.progress().acknowledged, 42);
        let progress = Progress {
            position: 60,
            acknowledged: 50,
            delivered: 55,
            high_watermark: 70,
            in_flight: 5,
            messages: 8,
            ..Progress::default()
        };
        theirs.set_progress(&progress);
        assert_eq!(ours.progress(), progress);
        ours.drop_in_flight();
        let after = theirs.progress();
        assert_eq!((after.position, after.delivered, after.in_flight, after.messages), (50, 50, 0, 8));
    }

    #[test]
    fn another_layout_is_not_read_and_named_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        drop(Page::create(&path, "orders-3 in g", Offset(42)).unwrap());
        let ours = std::fs::read(&path).unwrap();
        for other in [LAYOUT - 1, LAYOUT + 1, u64::MAX] {
            for size in [16, SIZE, 3 * SIZE] {
                let mut page = ours.clone();
                page[8..16].copy_from_slice(&other.to_ne_bytes());
                page.resize(size, 0);
                std::fs::write(&path, page).unwrap();
                let found = Page::open(&path).unwrap_err();
                assert!(matches!(found, PageError::Layout { layout, .. } if layout == other), "{found:?}");
            }
        }
        for none in [vec![0; SIZE], b"short".to_vec(), Vec::new(), ours[..SIZE - 1].to_vec()] {
            std::fs::write(&path, none).unwrap();
            assert!(matches!(Page::open(&path), Err(PageError::NoPage { .. })));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Page::open(&path).unwrap_err().is_missing());
    }

    /// What a page of layout 2 looks like, whoever wrote it. Where this fails, the layout has changed: give it the next number
    /// and renew the table.
    #[test]
    fn each_thing_has_its_place_in_this_layout() {
        const PLACES: [(usize, u64); 27] = [
            (0, 0x6b61_666b_6176_7372),
            (1, 2),
            (8, 108),
            (9, 109),
            (10, 110),
            (11, 111),
            (12, 1),
            (13, 113),
            (14, 114),
            (15, 115),
            (16, 116),
            (17, 117),
            (18, 118),
            (19, 119),
            (20, 120),
            (24, 124),
            (25, 125),
            (26, 126),
            (27, 127),
            (28, 128),
            (29, 129),
            (32, 132),
            (33, 133),
            (34, 134),
            (35, 135),
            (128, u64::from_ne_bytes(*b"orders-3")),
            (129, u64::from_ne_bytes(*b" in g\0\0\0")),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let page = Page::create(&path, "orders-3 in g", Offset(42)).unwrap();
        page.set_progress(&Progress {
            position: 108,
            acknowledged: 109,
            delivered: 110,
            high_watermark: 111,
            in_flight: 1,
            oldest_in_flight: Boottime(113),
            head_timestamp: 114,
            messages: 115,
            bytes: 116,
            heartbeat: Boottime(117),
            handler_pid: 118,
            window: 119,
            acknowledged_at: Boottime(120),
        });
        page.set_attempts(Attempts {
            range_until: 124,
            range_deaths: 125,
            head: 126,
            head_deaths: 127,
            range_delivered: Boottime(128),
            head_delivered: Boottime(129),
        });
        page.set_lease(Lease { deliver_until: Boottime(132), dead_by: Boottime(133) });
        page.set_committed(Offset(134));
        page.set_commit_sent(Offset(135));
        let bytes = std::fs::read(&path).unwrap();
        let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
        let there: Vec<_> = words.enumerate().filter(|(_, word)| *word != 0).collect();
        assert_eq!((there.as_slice(), bytes.len()), (PLACES.as_slice(), 4096));
    }

    #[test]
    fn nonsense_is_named() {
        let good =
            Progress { position: 60, acknowledged: 50, delivered: 55, in_flight: 5, ..Progress::default() };
        assert_eq!(good.check(Offset(50)), Ok(()));
        for bad in [
            Progress { acknowledged: 49, ..good },
            Progress { acknowledged: 56, ..good },
            Progress { delivered: 61, ..good },
            Progress { in_flight: 6, ..good },
            Progress { in_flight: u64::MAX, ..good },
            Progress { handler_pid: 1 << 31, ..good },
            Progress { window: 1 << 32, ..good },
        ] {
            assert!(bad.check(Offset(50)).is_err(), "{bad:?}");
        }
        let negative = Progress { acknowledged: -1, delivered: i64::MAX, position: i64::MAX, ..good };
        assert!(negative.check(Offset(-1)).is_err());
    }
}
