//! Between the loop, which knows, and the threads of those who look: the snapshot that was put together last, and the wish for a
//! newer one.
//!
//! The loop puts one together at most ten times a second, and only while somebody looks; it never waits for a lock that is held
//! for longer than a pointer is copied. Whoever looks waits for the loop, and after [`HANGS_AFTER`] says that it hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor::clock::now;
use tokio::sync::Notify;

use super::snapshot::Snapshot;

/// However many look, what the loop knows is put together at most this often.
pub(crate) const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// A loop that has put nothing together for so long, asked to, hangs.
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
}

#[derive(Debug, Default)]
struct Last {
    snapshot: Option<Arc<Snapshot>>,
    /// Since when the loop is asked for a newer one, in vain so far.
    asked: Option<Instant>,
    over: bool,
}

/// How far a look is.
#[derive(Debug)]
enum Look {
    Seen(Arc<Snapshot>),
    Hangs,
    Waits,
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
        };
        (Arc::new(board), woken)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was put together before is old.
    pub(crate) fn outdate(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// The loop's word to all who wait.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.stale.store(false, Ordering::Release);
        *self.last() = Last { snapshot: Some(Arc::new(snapshot)), asked: None, over: false };
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// The loop has ended: nobody waits for it any more.
    pub(crate) fn close(&self) {
        self.last().over = true;
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// A look that began at `since`, at this time. The loop is asked where what there is will not do.
    fn look_at(&self, time: Instant, since: Instant) -> Look {
        let mut last = self.last();
        if let Some(snapshot) = &last.snapshot {
            let at = snapshot.moment.instant;
            let young = time.saturating_duration_since(at) < PUBLISH_EVERY;
            if at >= since || (young && !self.stale.load(Ordering::Acquire)) {
                return Look::Seen(Arc::clone(snapshot));
            }
        }
        // Full: it has been asked already.
        let _asked = self.wake.try_send(());
        let asked = *last.asked.get_or_insert(time);
        if last.over || time.saturating_duration_since(asked) >= HANGS_AFTER {
            Look::Hangs
        } else {
            Look::Waits
        }
    }

    /// What the loop knows now, a moment old at most.
    pub(crate) fn look(&self) -> Result<Arc<Snapshot>, Hangs> {
        let since = now();
        loop {
            match self.look_at(now(), since) {
                Look::Seen(snapshot) => return Ok(snapshot),
                Look::Hangs => return Err(Hangs),
                Look::Waits => {}
            }
            let last = self.last();
            if last.snapshot.as_ref().is_none_or(|snapshot| snapshot.moment.instant < since) {
                drop(self.news.wait_timeout(last, PUBLISH_EVERY));
            }
        }
    }

    /// The same for who must not block.
    pub(crate) async fn look_async(&self) -> Result<Arc<Snapshot>, Hangs> {
        let since = now();
        loop {
            let news = self.async_news.notified();
            match self.look_at(now(), since) {
                Look::Seen(snapshot) => return Ok(snapshot),
                Look::Hangs => return Err(Hangs),
                Look::Waits => {}
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
    fn a_loop_that_leaves_a_wish_unanswered_for_so_long_hangs_until_it_answers() {
        let (board, _woken) = Board::new();
        let asked = now();
        board.publish(Snapshot::empty(asked));
        let late = asked + PUBLISH_EVERY;
        assert!(matches!(board.look_at(late, late), Look::Waits));
        let nearly = late + HANGS_AFTER * 9 / 10;
        assert!(matches!(board.look_at(nearly, nearly), Look::Waits));
        let later = late + HANGS_AFTER;
        assert!(matches!(board.look_at(later, later), Look::Hangs), "also for who has only come");
        board.publish(Snapshot::empty(later));
        assert!(matches!(board.look_at(later + PUBLISH_EVERY / 2, later + PUBLISH_EVERY / 2), Look::Seen(_)));
        assert!(
            matches!(board.look_at(later + HANGS_AFTER, later + HANGS_AFTER), Look::Waits),
            "it did answer"
        );
    }

    #[test]
    fn who_looks_when_the_loop_is_over_is_told_at_once() {
        let (board, _woken) = Board::new();
        board.close();
        assert_eq!(board.look().map(drop), Err(Hangs));
    }
}
