//! The bounded queue to the thread that writes, so that a slow reader holds nobody up. Its room is counted and not set aside: a
//! thousand workers have one each, and next to nothing in it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::line::Line;
use super::lost::note_lost;

/// Lines that may wait for a slow reader.
const LINES: usize = 4096;
/// Bytes that may wait for a slow reader: a handler's lines may be long.
const BYTES: usize = 16 << 20;
/// What a line takes of them at least.
const LEAST: usize = BYTES / LINES;
/// A reader that has stopped reading must not keep us from ending.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

enum Entry {
    Line(Line),
    Flush(Sender<()>),
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
    entries: Sender<Entry>,
    /// Bytes taken by lines.
    waiting: Arc<AtomicUsize>,
    dropped: AtomicU64,
}

impl Queue {
    /// Starts the thread that writes each line.
    pub(super) fn start(write: Write) -> std::io::Result<Self> {
        let (entries, to_write) = channel();
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
        let size = room(&line);
        if self.waiting.fetch_add(size, Ordering::Relaxed) <= BYTES
            && self.entries.send(Entry::Line(line)).is_ok()
        {
            return true;
        }
        self.waiting.fetch_sub(size, Ordering::Relaxed);
        false
    }

    /// Waits for a moment until everything is written.
    pub(super) fn flush(&self) {
        let (done, wait) = channel();
        let _ended = self.entries.send(Entry::Flush(done));
        let _ended_or_late = wait.recv_timeout(FLUSH_WITHIN);
    }
}

fn room(line: &Line) -> usize {
    line.size().max(LEAST)
}

fn write_lines(entries: &Receiver<Entry>, waiting: &AtomicUsize, mut write: Write) {
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(line) => {
                write(&line);
                waiting.fetch_sub(room(&line), Ordering::Relaxed);
            }
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use log::Level;

    use super::*;

    fn line(length: usize) -> Line {
        Line {
            wall_millis: 0,
            level: Level::Info,
            target: String::new(),
            partition: None,
            pid: 1,
            shows_pid: false,
            message: "x".repeat(length),
        }
    }

    /// Of so many lines of this length, written by a thread that stands still: how many find room.
    fn taken(lines: usize, length: usize) -> usize {
        let (go_on, waits) = sync_channel::<()>(0);
        let queue = Queue::start(Box::new(move |_| waits.recv().unwrap_or_default())).unwrap();
        let taken = (0..lines).filter(|_| queue.send(line(length))).count();
        drop(go_on);
        taken
    }

    #[test]
    fn as_much_waits_for_a_slow_reader_as_there_is_room_for() {
        // One is being written, and still counted; the last may go beyond the end.
        assert_eq!(taken(2 * LINES, 10), LINES + 1);
        assert_eq!(taken(2 * LINES, 1 << 20), 16);
    }

    #[test]
    fn what_was_written_before_a_flush_is_out_behind_it() {
        let (write, written) = channel();
        let queue =
            Queue::start(Box::new(move |line: &Line| write.send(line.message.len()).unwrap())).unwrap();
        assert!(queue.send(line(3)) && queue.send(line(4)));
        queue.flush();
        assert_eq!(written.try_iter().collect::<Vec<_>>(), [3, 4]);
    }
}
