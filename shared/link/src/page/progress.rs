//! How far a partition is, and whether that can be true.

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;

use super::latencies::Latencies;

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
    /// Since when the handler says nothing with messages in flight, 0 while it owes no answer or none runs (`exec`).
    pub silent_since: Boottime,
    /// When that is too long, 0 as above.
    pub silence_ends: Boottime,
    /// From delivery to acknowledgement, over all workers of this page.
    pub latencies: Latencies,
    /// Lines of the log, its own and its handlers', that nobody will read, over all workers of this page.
    pub log_lines_dropped: u64,
}

/// Why a page's numbers can't be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the status page holds nonsense: {what} ({progress:?})")]
pub struct Nonsense {
    what: &'static str,
    progress: Box<Progress>,
}

impl Progress {
    /// Since when a handler that runs says nothing although messages are in flight.
    pub fn silence(&self) -> Option<Boottime> {
        let owes = self.in_flight > 0 && self.handler_pid > 0 && self.silent_since.0 > 0;
        owes.then_some(self.silent_since)
    }

    /// Checks what a worker says against itself and against `floor`, the lowest offset it can have acknowledged.
    pub fn check(&self, floor: Offset) -> Result<(), Nonsense> {
        let wrong = |what| Err(Nonsense { what, progress: Box::new(*self) });
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
