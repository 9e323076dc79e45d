//! What the worker tells of itself: the page at each turn, and more where somebody asks.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafkavisor::clock::{Boottime, now};
use kafkavisor::ids::Offset;
use kafkavisor_link::logging;
use kafkavisor_link::message::{Description, Head};
use kafkavisor_link::page::Progress;
use nix::unistd::Pid;

use super::Worker;

impl Worker {
    pub(super) fn write_page(&mut self) {
        self.keys.forget(self.core.window().acknowledged());
        self.note_handler();
        let window = self.core.window();
        let head = window.head();
        let (messages, bytes) = self.core.totals();
        let head_timestamp =
            head.map(|m| m.timestamp).or_else(|| self.consumer.front_timestamp()).unwrap_or(-1);
        let delivered = window.delivered();
        let (time, heartbeat) = (now(), Boottime::now());
        let of = |at: Option<Instant>| at.map_or(Boottime(0), |at| boottime_of(at, time, heartbeat));
        let (silent_since, silence_ends) = self.core.silence().or_else(|| self.driver.silence()).unzip();
        self.page.set_progress(&Progress {
            position: self.position.max(delivered).0,
            acknowledged: window.acknowledged().0,
            delivered: delivered.0,
            high_watermark: self.consumer.high_watermark().map_or(-1, |end| end.0),
            in_flight: u64::from(window.len()),
            oldest_in_flight: head.map_or(Boottime(0), |m| m.delivered_at),
            head_timestamp,
            messages: self.before.messages.saturating_add(messages),
            bytes: self.before.bytes.saturating_add(bytes),
            heartbeat,
            handler_pid: self.driver.pid().map_or(0, |pid| u64::try_from(pid.as_raw()).unwrap_or(0)),
            window: u64::from(self.core.window_size()),
            acknowledged_at: self.acknowledged_at,
            log_lines_dropped: self.before.log_lines_dropped.saturating_add(logging::lost()),
            silent_since: of(silent_since),
            silence_ends: of(silence_ends),
            latencies: self.before.latencies.plus(window.latencies()),
        });
    }

    fn note_handler(&mut self) {
        let pid = self.driver.pid();
        if self.handler.map(|(known, _)| known) != pid {
            self.handler = pid.map(|pid| (pid, Boottime::now()));
        }
    }

    /// What the page has no room for.
    pub(super) fn describe(&self) -> Description {
        let at = Boottime::now();
        let head = self.core.window().head().map(|head| {
            let offset = Offset(head.offset);
            let key = self.keys.of_head(offset).map(String::from_utf8);
            let (key, key_base64) = match key {
                None => (None, None),
                Some(Ok(text)) => (Some(text), None),
                Some(Err(other)) => (None, Some(STANDARD.encode(other.as_bytes()))),
            };
            let (size, attempt) = (head.bytes, self.core.attempt(offset));
            Head { offset, key, key_base64, size, age: at.since(head.delivered_at), attempt }
        });
        let handler_age = self.handler.map(|(_, started): (Pid, Boottime)| at.since(started));
        Description { head, handler_age, stderr: self.driver.last_lines() }
    }
}

/// A moment of our clock by the one that pages have, where it is `now` by the one and `boottime` by the other.
fn boottime_of(at: Instant, now: Instant, boottime: Boottime) -> Boottime {
    let ago = now.saturating_duration_since(at);
    let ahead = at.saturating_duration_since(now);
    Boottime(boottime.after(ahead).0.saturating_sub(Boottime(0).after(ago).0))
}
