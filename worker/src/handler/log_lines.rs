//! A handler's own output as log lines: cut at a bound, and no more a second than a person could want. What is left out is
//! counted, and of what it said at its end the last lines are passed on however much it said before: they tell why it died.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use kafkavisor::text;
use kafkavisor_link::logging::{HANDLER, note_lost};
use nix::errno::Errno;
use nix::unistd::{Pid, read};

/// Lines passed on in each period, and their bytes.
const LINES: u32 = 1000;
const BYTES: usize = 4 << 20;
const PERIOD: Duration = Duration::from_secs(1);
/// Lines kept for a dead letter and for the end, and how many characters of each.
const KEPT: usize = 20;
const KEPT_LINE: usize = 512;

/// Cuts what a handler writes into log lines.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    /// The beginning of a line that has not ended, and how long it is.
    line: Vec<u8>,
    length: usize,
    period_began: Option<Instant>,
    lines: u32,
    bytes: usize,
    /// Left out since the last that was passed on.
    left_out: usize,
    last: VecDeque<String>,
    pid: i32,
}

impl LogLines {
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
        if self.left_out > 0 && self.is_over(now) {
            self.begin_period(now);
        }
    }

    /// The process has ended: half a line is a line, and the last words are passed on.
    pub(crate) fn end(&mut self, now: Instant) {
        if self.length > 0 {
            self.end_line(now);
        }
        let last = self.left_out.min(self.last.len());
        self.say_left_out(self.left_out - last);
        for line in self.last.iter().skip(self.last.len() - last) {
            log::info!(target: HANDLER, pid = self.pid; "{line}");
        }
        self.left_out = 0;
    }

    fn end_line(&mut self, now: Instant) {
        let (line, length) = (std::mem::take(&mut self.line), std::mem::take(&mut self.length));
        let line = text::log_line(&line, length);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        self.remember(text);
        if self.is_over(now) {
            self.begin_period(now);
        }
        // Once one is left out all are until the period is over, so that what is left out is without a gap.
        if self.left_out > 0 || self.lines >= LINES || (self.bytes > 0 && self.bytes + text.len() > BYTES) {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        self.bytes += text.len();
        log::info!(target: HANDLER, pid = self.pid; "{text}");
    }

    fn remember(&mut self, text: &str) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let beginning: String = text.chars().take(KEPT_LINE).collect();
        self.last.push_back(text::escaped(&beginning, &['\t']).chars().take(KEPT_LINE).collect());
    }

    fn is_over(&self, now: Instant) -> bool {
        self.period_began.is_none_or(|began| now.saturating_duration_since(began) >= PERIOD)
    }

    fn begin_period(&mut self, now: Instant) {
        self.say_left_out(self.left_out);
        (self.period_began, self.lines, self.bytes, self.left_out) = (Some(now), 0, 0, 0);
    }

    fn say_left_out(&self, lines: usize) {
        if lines > 0 {
            note_lost(lines as u64);
            log::warn!(target: HANDLER, pid = self.pid; "{lines} more lines were left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;
    use kafkavisor_link::logging::lost;

    use super::*;

    #[test]
    fn lines_are_cut_and_the_last_are_kept() {
        let mut lines = LogLines::default();
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
        let mut lines = LogLines::default();
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
        let mut lines = LogLines::default();
        let time = now();
        (0..6).for_each(|_| lines.line(time, &vec![b'x'; text::LINE]));
        lines.line(time, b"short");
        assert_eq!(lines.left_out, 3);
    }

    #[test]
    fn the_last_words_are_not_among_what_is_left_out() {
        let mut lines = LogLines::default();
        let time = now();
        (0..LINES + 100).for_each(|_| lines.line(time, b"x"));
        let before = lost();
        lines.push(time, b"why");
        lines.end(time);
        assert_eq!(lines.left_out, 0);
        assert!(lost() >= before + 81 && lines.last_lines().ends_with("why"));
    }
}
