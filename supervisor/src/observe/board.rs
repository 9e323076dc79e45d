//! Between the loop, which knows, and the threads of those who look: the snapshot that was put together last, and the wish for a
//! newer one.
//!
//! The loop puts one together at most ten times a second, and only while somebody looks; it never waits for a lock that is held
//! for longer than a pointer is copied. Whoever looks waits for the loop, and after [`HANGS_AFTER`] says that it hangs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor::clock::now;
use tokio::sync::Notify;

use super::snapshot::Snapshot;

/// However many look, what the loop knows is put together at most this often.
pub(crate) const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// A loop that has not turned for so long, asked to, hangs.
pub(crate) const HANGS_AFTER: Duration = Duration::from_secs(5);

/// The loop does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event loop has not turned for {} s: it hangs", HANGS_AFTER.as_secs())]
pub(crate) struct Hangs;

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    last: Mutex<Last>,
    news: Condvar,
    async_news: Notify,
    wake: Sender<()>,
    /// An operator was answered since: what he was told he must see.
    stale: AtomicBool,
    /// How often the loop has turned.
    turns: AtomicU64,
}

#[derive(Debug, Default)]
struct Last {
    snapshot: Option<Arc<Snapshot>>,
    /// Since when the loop is asked to turn, and how often it had.
    asked: Option<(Instant, u64)>,
    over: bool,
}

/// How a look may end that is not over yet.
enum Look {
    Seen(Arc<Snapshot>),
    Hangs,
    Waits(Instant),
}

impl Board {
    /// The board, and what the loop hears when somebody looks.
    pub(crate) fn new() -> (Arc<Self>, Receiver<()>) {
        let (wake, woken) = bounded(1);
        let board = Self {
            last: Mutex::default(),
            news: Condvar::new(),
            async_news: Notify::new(),
            wake,
            stale: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        };
        (Arc::new(board), woken)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop has turned.
    pub(crate) fn turned(&self) {
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// What was put together before is old.
    pub(crate) fn outdate(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// The loop's word to all who wait.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.stale.store(false, Ordering::Release);
        self.last().snapshot = Some(Arc::new(snapshot));
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// The loop has ended: nobody waits for it any more.
    pub(crate) fn close(&self) {
        self.last().over = true;
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// Whether the loop turns: it is asked to.
    fn turns(&self, last: &mut Last, time: Instant) -> Result<Instant, Hangs> {
        let turns = self.turns.load(Ordering::Acquire);
        // Full: it has been asked already.
        let _asked = self.wake.try_send(());
        let (since, then) = *last.asked.get_or_insert((time, turns));
        if turns != then {
            last.asked = None;
            return Ok(time);
        }
        if last.over || time.saturating_duration_since(since) >= HANGS_AFTER { Err(Hangs) } else { Ok(since) }
    }

    fn look_once(&self, since: Instant) -> Look {
        let time = now();
        let mut last = self.last();
        if let Some(snapshot) = last.snapshot.clone() {
            let young = time.saturating_duration_since(snapshot.at) < PUBLISH_EVERY;
            if snapshot.at >= since || (young && !self.stale.load(Ordering::Acquire)) {
                last.asked = None;
                return Look::Seen(snapshot);
            }
        }
        match self.turns(&mut last, time) {
            Err(Hangs) => Look::Hangs,
            Ok(_) => Look::Waits(time + HANGS_AFTER),
        }
    }

    /// What the loop knows now, a moment old at most.
    pub(crate) fn look(&self) -> Result<Arc<Snapshot>, Hangs> {
        let since = now();
        loop {
            let until = match self.look_once(since) {
                Look::Seen(snapshot) => return Ok(snapshot),
                Look::Hangs => return Err(Hangs),
                Look::Waits(until) => until.min(since + HANGS_AFTER),
            };
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                return Err(Hangs);
            }
            let last = self.last();
            if last.snapshot.as_ref().is_none_or(|snapshot| snapshot.at < since) {
                drop(self.news.wait_timeout(last, left.min(PUBLISH_EVERY)));
            }
        }
    }

    /// The same for who must not block.
    pub(crate) async fn look_async(&self) -> Result<Arc<Snapshot>, Hangs> {
        let since = now();
        loop {
            let news = self.async_news.notified();
            match self.look_once(since) {
                Look::Seen(snapshot) => return Ok(snapshot),
                Look::Hangs => return Err(Hangs),
                Look::Waits(_) => {}
            }
            let _news_or_not = tokio::time::timeout(PUBLISH_EVERY, news).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot::empty(now())
    }

    #[test]
    fn a_look_is_answered_by_a_snapshot_that_is_made_for_it_and_the_next_by_the_same() {
        let (board, woken) = Board::new();
        let looking = Arc::clone(&board);
        let looks = thread::spawn(move || (looking.look().unwrap(), looking.look().unwrap()));
        woken.recv_timeout(HANGS_AFTER).unwrap();
        board.turned();
        board.publish(snapshot());
        let (first, second) = looks.join().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        while woken.try_recv().is_ok() {}
        assert!(board.look().is_ok() && woken.is_empty(), "nobody is woken for what is there");
    }

    #[test]
    fn what_an_operator_was_told_is_in_what_is_seen_after_it() {
        let (board, woken) = Board::new();
        board.publish(snapshot());
        let before = board.look().unwrap();
        board.outdate();
        let looking = Arc::clone(&board);
        let looks = thread::spawn(move || looking.look().unwrap());
        woken.recv_timeout(HANGS_AFTER).unwrap();
        board.publish(snapshot());
        assert!(!Arc::ptr_eq(&before, &looks.join().unwrap()));
    }

    #[test]
    fn who_looks_when_the_loop_is_over_is_told_at_once() {
        let (board, _woken) = Board::new();
        board.close();
        assert_eq!(board.look().map(drop), Err(Hangs));
    }
}
