//! What the program is told of a rebalance: one call at a time, in the order in which things happen, whoever's thread it is.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::TopicPartition;

/// Called with partitions.
pub(super) type Callback = Box<dyn FnMut(&[TopicPartition]) + Send>;

/// See the module.
#[derive(Default)]
pub(super) struct Callbacks {
    /// While the group is started.
    called: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    before: Option<Callback>,
    after: Option<Callback>,
    /// What the program was told that it has, less what it was told that it loses.
    owned: BTreeSet<TopicPartition>,
}

impl Callbacks {
    pub(super) fn new(before: Option<Callback>, after: Option<Callback>) -> Self {
        let inner = Mutex::new(Inner { before, after, owned: BTreeSet::new() });
        Self { called: AtomicBool::new(false), inner }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is to be called.
    pub(super) fn are_none(&self) -> bool {
        let inner = self.inner();
        inner.before.is_none() && inner.after.is_none()
    }

    /// The group has started, and has nothing yet.
    pub(super) fn start(&self) {
        self.inner().owned.clear();
        self.called.store(true, Ordering::Release);
    }

    /// These are about to be given up; returns when the program has done what it does before.
    pub(super) fn revoking(&self, partitions: &[TopicPartition]) {
        let mut inner = self.inner();
        inner.owned.retain(|partition| !partitions.contains(partition));
        if self.called.load(Ordering::Acquire) && !partitions.is_empty() {
            call("before_rebalance", inner.before.as_mut(), partitions);
        }
    }

    /// These are all that the group has here now.
    pub(super) fn assigned(&self, partitions: &[TopicPartition]) {
        let mut inner = self.inner();
        inner.owned = partitions.iter().cloned().collect();
        if self.called.load(Ordering::Acquire) {
            call("after_rebalance", inner.after.as_mut(), partitions);
        }
    }

    /// Everything is about to be given up, and nobody is called any more after that.
    pub(super) fn stop(&self) {
        let mut inner = self.inner();
        let owned: Vec<_> = std::mem::take(&mut inner.owned).into_iter().collect();
        if self.called.swap(false, Ordering::AcqRel) && !owned.is_empty() {
            call("before_rebalance", inner.before.as_mut(), &owned);
        }
    }

    /// Whether nobody is called any more.
    pub(super) fn are_over(&self) -> bool {
        !self.called.load(Ordering::Acquire)
    }

    /// Nobody is called any more; one who is being called is not waited for.
    pub(super) fn end(&self) {
        self.called.store(false, Ordering::Release);
    }
}

/// A panic of the program's own is no reason to keep partitions from others.
fn call(name: &str, callback: Option<&mut Callback>, partitions: &[TopicPartition]) {
    let Some(callback) = callback else { return };
    if catch_unwind(AssertUnwindSafe(|| callback(partitions))).is_err() {
        log::error!("{name} has panicked; the rebalance goes on");
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn keys(text: &str) -> Vec<TopicPartition> {
        text.split_whitespace().map(|one| one.parse().unwrap()).collect()
    }

    fn told() -> (Callbacks, Receiver<String>) {
        let (told, hears) = channel();
        let teller = |name: &'static str| -> Callback {
            let told = told.clone();
            Box::new(move |partitions| told.send(format!("{name} {partitions:?}")).unwrap())
        };
        (Callbacks::new(Some(teller("before")), Some(teller("after"))), hears)
    }

    #[test]
    fn what_is_owned_at_the_end_is_given_up_then_and_nobody_is_called_later() {
        let (callbacks, hears) = told();
        assert!(!callbacks.are_none());
        callbacks.start();
        callbacks.assigned(&keys("t:0 t:1 t:2"));
        callbacks.revoking(&keys("t:1"));
        callbacks.assigned(&keys("t:0 t:2"));
        callbacks.stop();
        callbacks.revoking(&keys("t:0"));
        callbacks.assigned(&keys("t:0"));
        callbacks.stop();
        let calls: Vec<_> = hears.try_iter().collect();
        let wanted = ["after [t:0, t:1, t:2]", "before [t:1]", "after [t:0, t:2]", "before [t:0, t:2]"];
        assert_eq!(calls, wanted);
    }

    #[test]
    fn who_has_nothing_gives_nothing_up() {
        let (callbacks, hears) = told();
        callbacks.start();
        callbacks.revoking(&[]);
        callbacks.assigned(&[]);
        callbacks.stop();
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["after []"]);
    }

    #[test]
    fn a_panic_is_the_callbacks_own() {
        let callbacks = Callbacks::new(Some(Box::new(|_| panic!("as a program may"))), None);
        callbacks.start();
        callbacks.revoking(&keys("t:0"));
        callbacks.revoking(&keys("t:1"));
        assert!(Callbacks::default().are_none());
    }
}
