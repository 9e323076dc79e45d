//! The bounded queue to the thread that writes, so that a slow reader holds nobody up.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use kafkavisor::clock::now;

use super::line::Line;
use super::lost::note_lost;

/// Lines that may wait for a slow reader.
const LINES: usize = 4096;
/// Bytes that may wait for a slow reader: a handler's lines may be long.
const BYTES: usize = 16 << 20;
/// A reader that has stopped reading must not keep us from ending.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

enum Entry {
    Line(Line),
    Flush(SyncSender<()>),
}

/// Writes one line. Nobody is told where it can't.
pub(super) type Write = Box<dyn FnMut(&Line) + Send>;

/// Lines on stderr, as `render` has them. It is locked for each line only: a panic must get its message out.
pub(super) fn to_stderr(render: fn(&Line) -> String) -> Write {
    Box::new(move |line| drop(std::io::stderr().write_all(render(line).as_bytes())))
}

/// The end of the queue that lines are put in.
#[derive(Debug)]
pub(super) struct Queue {
    entries: SyncSender<Entry>,
    waiting: Arc<AtomicUsize>,
    dropped: AtomicU64,
}

impl Queue {
    /// Starts the thread that writes each line.
    pub(super) fn start(write: Write) -> std::io::Result<Self> {
        let (entries, to_write) = sync_channel(LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&waiting);
        let write = move || write_lines(&to_write, &written, write);
        std::thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(Self { entries, waiting, dropped: AtomicU64::new(0) })
    }

    /// Writes a line soon, or drops it; `said` makes the line that says how many were dropped before one that was not.
    pub(super) fn push(&self, line: Line, said: impl FnOnce(u64) -> Line) {
        if !self.send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            note_lost(1);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 && !self.send(said(dropped)) {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    /// False if there is no room for the line.
    fn send(&self, line: Line) -> bool {
        let size = line.size();
        if self.waiting.fetch_add(size, Ordering::Relaxed) <= BYTES
            && self.entries.try_send(Entry::Line(line)).is_ok()
        {
            return true;
        }
        self.waiting.fetch_sub(size, Ordering::Relaxed);
        false
    }

    /// Waits for a moment until everything is written.
    pub(super) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        let deadline = now() + FLUSH_WITHIN;
        let mut entry = Entry::Flush(done);
        while let Err(TrySendError::Full(back)) = self.entries.try_send(entry) {
            if now() > deadline {
                return;
            }
            entry = back;
            std::thread::yield_now();
        }
        let _ended_or_late = wait.recv_timeout(FLUSH_WITHIN);
    }
}

fn write_lines(entries: &Receiver<Entry>, waiting: &AtomicUsize, mut write: Write) {
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(line) => {
                write(&line);
                waiting.fetch_sub(line.size(), Ordering::Relaxed);
            }
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}
