//! Log lines that never block the loop that writes them.
//!
//! Lines go through a bounded queue to a thread of their own. Whoever reads our stderr may stop reading; then lines are
//! dropped and counted, and the next line that gets through says how many.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use kafkavisor::clock::{now, wall_millis};
use kafkavisor::config::LogFormat;
use kafkavisor::text;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines that may wait for a slow reader.
const QUEUE: usize = 4096;
/// Bytes that may wait for a slow reader: a handler's lines may be long.
const QUEUED: usize = 16 << 20;
/// Records of this target are a handler's own output, passed on as it is.
pub const HANDLER: &str = "handler";

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Lines of the log that nobody will ever read, since this process began.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped in this process: because nobody read them in time, or as [`note_lost`] says.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// So many lines are left out of the log, and it says so elsewhere.
pub fn note_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

struct Logger {
    queue: SyncSender<Entry>,
    queued: Arc<AtomicUsize>,
    dropped: AtomicU64,
    format: LogFormat,
    prefix: String,
    /// Of the process that speaks; 0 where its lines need none.
    pid: i32,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak only of trouble, unless everything is asked for.
        let ours = metadata.target().starts_with("kafkavisor") || metadata.target() == HANDLER;
        let level = log::max_level();
        let level = if ours { level } else { level.min(quieter(level)) };
        metadata.level() <= level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // A handler's line says itself which process it is of.
        let own = record.target() == HANDLER || self.pid == 0;
        let pid = if own { String::new() } else { format!("[{}] ", self.pid) };
        let line = render(self.format, &format!("{}{pid}", self.prefix), record, wall_millis());
        if !self.send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            note_lost(1);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text = format!("{dropped} log lines were dropped: nobody read them in time\n");
            if !self.send(text.into_bytes()) {
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        let deadline = now() + Duration::from_millis(500);
        let mut entry = Entry::Flush(done);
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.queue.try_send(entry) {
            if now() > deadline {
                return;
            }
            entry = back;
            std::thread::yield_now();
        }
        // A reader that has stopped reading must not keep us from ending.
        let _ended_or_late = wait.recv_timeout(Duration::from_millis(500));
    }
}

impl Logger {
    /// False if there is no room for the line.
    fn send(&self, line: Vec<u8>) -> bool {
        let length = line.len();
        if self.queued.fetch_add(length, Ordering::Relaxed) <= QUEUED
            && self.queue.try_send(Entry::Line(line)).is_ok()
        {
            return true;
        }
        self.queued.fetch_sub(length, Ordering::Relaxed);
        false
    }
}

fn quieter(level: LevelFilter) -> LevelFilter {
    match level {
        LevelFilter::Trace => LevelFilter::Trace,
        LevelFilter::Debug => LevelFilter::Info,
        LevelFilter::Off => LevelFilter::Off,
        LevelFilter::Info | LevelFilter::Warn | LevelFilter::Error => LevelFilter::Error,
    }
}

fn render(format: LogFormat, prefix: &str, record: &Record<'_>, wall_millis: i64) -> Vec<u8> {
    let level = record.level();
    let text = || record.args().to_string();
    let mut line = match format {
        LogFormat::Text => format!("{} {level:<5} {prefix}{}", timestamp(wall_millis), printable(&text())),
        LogFormat::Journald => format!("<{}>{prefix}{}", syslog(level), printable(&text())),
        LogFormat::Json => {
            let line = serde_json::json!({
                "time": timestamp(wall_millis),
                "level": level.as_str().to_ascii_lowercase(),
                "target": record.target(),
                "worker": prefix.trim_end(),
                "message": text(),
            });
            escaped_in_json(line.to_string())
        }
    };
    line.push('\n');
    line.into_bytes()
}

/// One record is one line, and nothing in it moves a cursor or changes a colour.
fn printable(text: &str) -> Cow<'_, str> {
    text::escaped(text, &['\t'])
}

/// JSON must escape only the first thirty-two control characters; a terminal obeys others too. They stand in strings only.
fn escaped_in_json(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

fn syslog(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// `2026-01-31T12:34:56.789Z`, after the civil-from-days algorithm of Howard Hinnant.
pub fn timestamp(wall_millis: i64) -> String {
    let (days, millis) = (wall_millis.div_euclid(86_400_000), wall_millis.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z",
        millis / 1000 % 60,
        millis % 1000
    )
}

fn write_lines(queue: &Receiver<Entry>, queued: &AtomicUsize) {
    while let Ok(entry) = queue.recv() {
        match entry {
            // Locked for each line only: a panic must get its message out. Nobody to tell when the log can't be written.
            Entry::Line(line) => {
                drop(std::io::stderr().write_all(&line));
                queued.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

/// Sends the log of this process to its stderr, each line behind `prefix` and, unless 0, `pid`.
pub fn start(level: LevelFilter, format: LogFormat, prefix: &str, pid: i32) {
    let (queue, lines) = sync_channel(QUEUE);
    let queued = Arc::new(AtomicUsize::new(0));
    let written = Arc::clone(&queued);
    let writer =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&lines, &written));
    if writer.is_err() {
        return;
    }
    let logger = Logger { queue, queued, dropped: AtomicU64::new(0), format, prefix: prefix.to_owned(), pid };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_people_write_them() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn nothing_in_a_line_is_obeyed_by_a_terminal() {
        for format in [LogFormat::Text, LogFormat::Json, LogFormat::Journald] {
            let args = format_args!("a\tb \u{1b}[2J \u{9b}5n \u{7f}\r end");
            let line = render(format, "orders:3 ", &Record::builder().args(args).build(), 0);
            let line = String::from_utf8(line).unwrap();
            let obeyed = line.trim_end().chars().find(|c| c.is_control() && *c != '\t');
            assert_eq!(obeyed, None, "{format:?}: {line:?}");
            if format == LogFormat::Json {
                let read: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(read["message"], "a\tb \u{1b}[2J \u{9b}5n \u{7f}\r end");
            }
        }
    }

    #[test]
    fn one_record_is_one_line() {
        for format in [LogFormat::Text, LogFormat::Json, LogFormat::Journald] {
            let args = format_args!("two\nlines \"quoted\"");
            let line = render(format, "orders:3 ", &Record::builder().args(args).build(), 0);
            assert!(!line[..line.len() - 1].contains(&b'\n') && line.ends_with(b"\n"), "{format:?}");
        }
    }
}
