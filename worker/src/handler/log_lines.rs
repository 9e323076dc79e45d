//! A handler's own output as log lines: cut at a bound, and no more a second than a person could want.

use std::time::{Duration, Instant};

use kafkavisor_link::logging::HANDLER;
use nix::unistd::Pid;

/// Longest line passed on; the rest of it is dropped.
const MAX_LINE: usize = 8 * 1024;
/// Lines passed on in each period.
const LINES: u32 = 1000;
const PERIOD: Duration = Duration::from_secs(1);
/// Lines kept for a dead letter, and how much of each.
const KEPT: usize = 20;
const KEPT_LINE: usize = 512;

/// Cuts what a handler writes into log lines.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    line: Vec<u8>,
    period_began: Option<Instant>,
    in_period: u32,
    suppressed: u64,
    last: std::collections::VecDeque<String>,
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

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }

    /// The output ended: half a line is a line.
    pub(crate) fn end(&mut self, now: Instant) {
        if !self.line.is_empty() {
            self.end_line(now);
        }
    }

    /// One whole line.
    pub(crate) fn line(&mut self, now: Instant, line: &[u8]) {
        self.keep(line);
        self.end_line(now);
    }

    fn end_line(&mut self, now: Instant) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(text.chars().take(KEPT_LINE).collect());
        if self.period_began.is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            self.period_began = Some(now);
            self.in_period = 0;
            if self.suppressed > 0 {
                log::warn!(target: HANDLER, "[{}] {} more lines were left out", self.pid, self.suppressed);
                self.suppressed = 0;
            }
        }
        self.in_period += 1;
        if self.in_period > LINES {
            self.suppressed += 1;
        } else {
            log::info!(target: HANDLER, "[{}] {text}", self.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    #[test]
    fn lines_are_cut_and_the_last_are_kept() {
        let mut lines = LogLines::default();
        lines.push(now(), b"one\ntw");
        lines.push(now(), b"o\r\n");
        lines.push(now(), &vec![b'x'; 10 * MAX_LINE]);
        lines.end(now());
        let long = "x".repeat(KEPT_LINE);
        assert_eq!(lines.last_lines(), format!("one\ntwo\n{long}"));
    }

    #[test]
    fn a_flood_is_left_out() {
        let mut lines = LogLines::default();
        let time = now();
        (0..LINES + 7).for_each(|_| lines.line(time, b"x"));
        assert_eq!(lines.suppressed, 7);
    }
}
