//! Between the loop, which knows, and the threads of those who look: what it put down last, what was seen in that, and the wish for
//! something newer.
//!
//! The loop puts down what it knows at most ten times a second, and only while somebody looks; it never waits for a lock that is
//! held for longer than a pointer is copied. Whoever looks waits for the loop, and after [`HANGS_AFTER`] says that it hangs. The
//! first who finds something new makes a snapshot of it while the others wait: pages are read in the order in which things were put
//! down, so that nothing that only grows is ever seen to shrink.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor::clock::now;
use tokio::sync::Notify;

use super::known::{self, Known};
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
    /// What was seen last. Only those who look lock it, always before `last`.
    seen: Mutex<Option<Arc<Snapshot>>>,
    last: Mutex<Last>,
    news: Condvar,
    async_news: Notify,
    wake: Sender<()>,
}

#[derive(Debug, Default)]
struct Last {
    /// What nobody has seen yet.
    known: Option<Known>,
    /// When the loop put something down last.
    at: Option<Instant>,
    /// An operator was answered since: what he was told he must see.
    stale: bool,
    /// Since when the loop is asked for a newer one, in vain so far.
    asked: Option<Instant>,
    over: bool,
    /// What the last snapshot was made of, empty.
    room: Vec<known::Partition>,
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
            seen: Mutex::default(),
            last: Mutex::default(),
            news: Condvar::new(),
            async_news: Notify::new(),
            wake,
        };
        (Arc::new(board), woken)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was put together before is old.
    pub(crate) fn outdate(&self) {
        self.last().stale = true;
    }

    /// The loop's word to all who wait.
    pub(crate) fn publish(&self, known: Known) {
        let unseen = {
            let mut last = self.last();
            (last.at, last.stale, last.asked, last.over) = (Some(known.moment.instant), false, None, false);
            last.known.replace(known)
        };
        drop(unseen);
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// Empty, with room for as many partitions as were put down before: to ask the system for so much memory each time takes longer
    /// than to fill it.
    pub(crate) fn room(&self) -> Vec<known::Partition> {
        std::mem::take(&mut self.last().room)
    }

    /// The loop has ended: nobody waits for it any more.
    pub(crate) fn close(&self) {
        self.last().over = true;
        self.news.notify_all();
        self.async_news.notify_waiters();
    }

    /// A look that began at `since`, at this time. The loop is asked where what there is will not do.
    fn look_at(&self, time: Instant, since: Instant) -> Look {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, stale) = {
            let mut last = self.last();
            (last.known.take(), last.stale)
        };
        if let Some(mut known) = known {
            *seen = Some(Arc::new(Snapshot::of(&mut known)));
            self.last().room = known.partitions;
        }
        if let Some(snapshot) = &*seen {
            let at = snapshot.moment.instant;
            let young = time.saturating_duration_since(at) < PUBLISH_EVERY;
            if at >= since || (young && !stale) {
                return Look::Seen(Arc::clone(snapshot));
            }
        }
        drop(seen);
        let (asked, over) = {
            let mut last = self.last();
            (*last.asked.get_or_insert(time), last.over)
        };
        // Behind that: what the loop puts down for it takes the wish back. Full: it has been asked already.
        let _asked = self.wake.try_send(());
        if over || time.saturating_duration_since(asked) >= HANGS_AFTER { Look::Hangs } else { Look::Waits }
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
            if last.at.is_none_or(|at| at < since) {
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
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn known() -> Known {
        Known::empty(now())
    }

    #[test]
    fn a_look_is_answered_by_a_snapshot_that_is_made_for_it_and_the_next_by_the_same() {
        let (board, woken) = Board::new();
        let looking = Arc::clone(&board);
        let looks = thread::spawn(move || (looking.look().unwrap(), looking.look().unwrap()));
        woken.recv_timeout(HANGS_AFTER).unwrap();
        board.publish(known());
        let (first, second) = looks.join().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        while woken.try_recv().is_ok() {}
        assert!(board.look().is_ok() && woken.is_empty(), "nobody is woken for what is there");
    }

    #[test]
    fn what_an_operator_was_told_is_in_what_is_seen_after_it() {
        let (board, woken) = Board::new();
        board.publish(known());
        let before = board.look().unwrap();
        board.outdate();
        let looking = Arc::clone(&board);
        let looks = thread::spawn(move || looking.look().unwrap());
        woken.recv_timeout(HANGS_AFTER).unwrap();
        board.publish(known());
        assert!(!Arc::ptr_eq(&before, &looks.join().unwrap()));
    }

    #[test]
    fn a_loop_that_leaves_a_wish_unanswered_for_so_long_hangs_until_it_answers() {
        let (board, _woken) = Board::new();
        let asked = now();
        board.publish(Known::empty(asked));
        let late = asked + PUBLISH_EVERY;
        assert!(matches!(board.look_at(late, late), Look::Waits));
        let nearly = late + HANGS_AFTER * 9 / 10;
        assert!(matches!(board.look_at(nearly, nearly), Look::Waits));
        let later = late + HANGS_AFTER;
        assert!(matches!(board.look_at(later, later), Look::Hangs), "also for who has only come");
        board.publish(Known::empty(later));
        assert!(matches!(board.look_at(later + PUBLISH_EVERY / 2, later + PUBLISH_EVERY / 2), Look::Seen(_)));
        assert!(
            matches!(board.look_at(later + HANGS_AFTER, later + HANGS_AFTER), Look::Waits),
            "it did answer"
        );
    }

    /// A wish that stays would be taken for a loop that hangs, by whoever looks five seconds later.
    #[test]
    fn no_wish_stays_behind_whoever_has_seen_what_they_wished_for() {
        let (board, woken) = Board::new();
        let (putting, over) = (Arc::clone(&board), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&over);
        let puts = thread::spawn(move || {
            while !ends.load(Ordering::Acquire) {
                if woken.recv_timeout(PUBLISH_EVERY).is_ok() {
                    putting.publish(known());
                }
            }
        });
        for _ in 0..20_000 {
            board.outdate();
            board.look().unwrap();
            assert_eq!(board.last().asked, None);
        }
        over.store(true, Ordering::Release);
        puts.join().unwrap();
    }

    #[test]
    fn who_looks_when_the_loop_is_over_is_told_at_once() {
        let (board, _woken) = Board::new();
        board.close();
        assert_eq!(board.look().map(drop), Err(Hangs));
    }
}
