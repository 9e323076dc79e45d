//! A handler's own output as log lines: cut at a bound, and no more a second than a person could want. What is left out is
//! counted, and of what it said at its end the last lines are passed on however much it said before: they tell why it died. Of
//! processes that die one after the other only those of the first in each second.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Instant;

use kafkavisor::text;
use kafkavisor_link::logging::{HANDLER, note_lost};
use kafkavisor_link::message::LogAllowance;
use nix::errno::Errno;
use nix::unistd::{Pid, read};

use super::log_budget::{LAST, LogBudget};

/// How many characters are kept of a line for a dead letter and for the end.
const KEPT_LINE: usize = 512;

/// Cuts what a handler writes into log lines.
#[derive(Debug)]
pub(crate) struct LogLines {
    /// The beginning of a line that has not ended, and how long it is.
    line: Vec<u8>,
    length: usize,
    budget: LogBudget,
    /// Left out since the last that was passed on, and not counted yet: some may be its last words.
    left_out: usize,
    /// Counted, and not said yet.
    unsaid: usize,
    last: VecDeque<String>,
    pid: i32,
}

impl LogLines {
    /// Passes on so much.
    pub(crate) fn new(allowance: LogAllowance) -> Self {
        Self {
            line: Vec::new(),
            length: 0,
            budget: LogBudget::new(allowance),
            left_out: 0,
            unsaid: 0,
            last: VecDeque::new(),
            pid: 0,
        }
    }

    /// The last lines, as text.
    pub(crate) fn last_lines(&self) -> String {
        self.last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The process that speaks from here on.
    pub(crate) fn of(&mut self, pid: Pid) {
        self.pid = pid.as_raw();
    }

    /// Reads up to `chunks` of what a handler wrote to its log; true when there may be more at once.
    pub(super) fn read(
        &mut self,
        log: &mut Option<OwnedFd>,
        chunk: &mut [u8],
        now: Instant,
        chunks: usize,
    ) -> bool {
        for _ in 0..chunks {
            let Some(descriptor) = log.as_ref() else { return false };
            match read(descriptor, chunk) {
                Ok(0) => {
                    *log = None;
                    return false;
                }
                Ok(count) => self.push(now, chunk.get(..count).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    pub(crate) fn push(&mut self, now: Instant, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            self.keep(line);
            self.end_line(now);
            rest = behind.get(1..).unwrap_or_default();
        }
        self.keep(rest);
    }

    /// One whole line.
    pub(crate) fn line(&mut self, now: Instant, line: &[u8]) {
        self.keep(line);
        self.end_line(now);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = text::LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.length += bytes.len();
    }

    /// Time passes: what was left out is said, whether or not another line comes.
    pub(crate) fn turn(&mut self, now: Instant) {
        if self.lacks() && self.budget.renew(now) {
            self.say_left_out();
        }
    }

    fn lacks(&self) -> bool {
        self.left_out + self.unsaid > 0
    }

    /// The process has ended: half a line is a line, and the last words are passed on.
    pub(crate) fn end(&mut self, now: Instant) {
        if self.length > 0 {
            self.end_line(now);
        }
        self.budget.renew(now);
        let words = self.budget.take_last(self.left_out.min(self.last.len()));
        self.left_out -= words;
        self.count();
        if words > 0 {
            self.say_left_out();
        }
        for line in self.last.iter().skip(self.last.len() - words) {
            log::info!(target: HANDLER, pid = self.pid; "{line}");
        }
    }

    fn end_line(&mut self, now: Instant) {
        let (line, length) = (std::mem::take(&mut self.line), std::mem::take(&mut self.length));
        let line = text::log_line(&line, length);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        self.remember(text);
        if self.budget.renew(now) {
            self.say_left_out();
        }
        // Once one is left out all are until the period is over, so that what is left out is without a gap.
        if self.lacks() || !self.budget.take(text.len()) {
            self.left_out += 1;
            return;
        }
        log::info!(target: HANDLER, pid = self.pid; "{text}");
    }

    fn remember(&mut self, text: &str) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        let beginning: String = text.chars().take(KEPT_LINE).collect();
        self.last.push_back(text::escaped(&beginning, &['\t']).chars().take(KEPT_LINE).collect());
    }

    /// Nobody will read what was left out.
    fn count(&mut self) {
        note_lost(self.left_out as u64);
        self.unsaid += std::mem::take(&mut self.left_out);
    }

    fn say_left_out(&mut self) {
        self.count();
        let lines = std::mem::take(&mut self.unsaid);
        if lines > 0 {
            log::warn!(target: HANDLER, pid = self.pid; "{lines} more lines were left out");
        }
    }
}

impl Drop for LogLines {
    fn drop(&mut self) {
        self.say_left_out();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafkavisor::clock::now;
    use kafkavisor_link::logging::lost;

    use super::*;

    const LINES: u32 = 1000;
    const PERIOD: Duration = Duration::from_secs(1);

    fn log_lines() -> LogLines {
        LogLines::new(LogAllowance { at_first: LINES, per_second: LINES })
    }

    #[test]
    fn lines_are_cut_and_the_last_are_kept() {
        let mut lines = log_lines();
        lines.push(now(), b"one\ntw");
        lines.push(now(), b"o\r\n\x1b[31m\tred\n");
        lines.push(now(), &vec![b'x'; 2 * text::LINE]);
        assert_eq!(lines.line.len(), text::LINE);
        lines.end(now());
        let long = "x".repeat(KEPT_LINE);
        assert_eq!(lines.last_lines(), format!("one\ntwo\n\\u{{1b}}[31m\tred\n{long}"));
    }

    #[test]
    fn a_flood_is_left_out_and_counted_once_its_second_is_over() {
        let mut lines = log_lines();
        let time = now();
        (0..LINES + 7).for_each(|_| lines.line(time, b"x"));
        lines.turn(time);
        assert_eq!(lines.left_out, 7);
        let before = lost();
        lines.turn(time + PERIOD);
        assert_eq!(lines.left_out, 0);
        assert!(lost() >= before + 7);
    }

    #[test]
    fn a_flood_of_bytes_is_left_out_too_but_never_a_line_alone() {
        let mut lines = log_lines();
        let time = now();
        (0..6).for_each(|_| lines.line(time, &vec![b'x'; text::LINE]));
        lines.line(time, b"short");
        assert_eq!(lines.left_out, 3);
    }

    #[test]
    fn the_last_words_are_not_among_what_is_left_out() {
        let mut lines = log_lines();
        let time = now();
        (0..LINES + 100).for_each(|_| lines.line(time, b"x"));
        let before = lost();
        lines.push(time, b"why");
        lines.end(time);
        assert_eq!(lines.left_out, 0);
        assert!(lost() >= before + 81 && lines.last_lines().ends_with("why"));
    }

    #[test]
    fn of_processes_that_die_one_after_the_other_all_is_counted_and_said_later() {
        let mut lines = log_lines();
        let time = now();
        let before = lost();
        for _ in 0..30 {
            (0..LINES).for_each(|_| lines.line(time, b"x"));
            lines.end(time);
        }
        // But the first thousand, and the last words of the second process.
        assert!(lost() >= before + 29 * 1000 - 20);
        assert_eq!((lines.left_out, lines.unsaid), (0, 28 * 1000));
        lines.turn(time + PERIOD);
        assert_eq!(lines.unsaid, 0);
    }
}
