//! One call that sends messages, and what has been heard of them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError as ClientError;

use super::Produced;
use crate::clock::now;

/// What became of a message.
pub(super) type Outcome = Result<Produced, ClientError>;

/// See the module.
pub(super) struct Call {
    heard: Mutex<Heard>,
    news: Condvar,
}

struct Heard {
    outcomes: Vec<Option<Outcome>>,
    open: usize,
}

/// A message of a call.
pub(super) struct Slot {
    call: Arc<Call>,
    index: usize,
}

impl Call {
    /// Of so many messages.
    pub(super) fn new(messages: usize) -> Arc<Self> {
        let heard = Mutex::new(Heard { outcomes: vec![None; messages], open: messages });
        Arc::new(Self { heard, news: Condvar::new() })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something more is heard, or for so long.
    pub(super) fn wait_news(&self, at_most: Duration) {
        let heard = self.heard();
        let open = heard.open;
        let _timed_out = self.news.wait_timeout_while(heard, at_most, |heard| heard.open == open && open > 0);
    }

    /// Waits until all is heard, or until then: what there is by message, and none of those that nothing was heard of.
    pub(super) fn wait(&self, until: Instant) -> Vec<Option<Outcome>> {
        let left = until.saturating_duration_since(now());
        let waited = self.news.wait_timeout_while(self.heard(), left, |heard| heard.open > 0);
        let mut heard = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(heard, _)| heard);
        std::mem::take(&mut heard.outcomes)
    }
}

impl Slot {
    /// The message of this number.
    pub(super) fn of(call: &Arc<Call>, index: usize) -> Self {
        Self { call: Arc::clone(call), index }
    }

    /// This became of it.
    pub(super) fn fill(self, outcome: Outcome) {
        let mut heard = self.call.heard();
        // There is none where the call is over.
        if let Some(slot) = heard.outcomes.get_mut(self.index) {
            *slot = Some(outcome);
            heard.open = heard.open.saturating_sub(1);
        }
        drop(heard);
        self.call.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Offset, Partition};

    fn produced(offset: i64) -> Produced {
        Produced { partition: Partition(1), offset: Offset(offset) }
    }

    #[test]
    fn a_call_waits_for_all_its_messages() {
        let call = Call::new(2);
        let slots = [1, 0].map(|index| Slot::of(&call, index));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (slot, offset) in slots.into_iter().zip(8..) {
                    slot.fill(Ok(produced(offset)));
                }
            });
            let heard = call.wait(now() + Duration::from_secs(60));
            assert_eq!(heard, [Some(Ok(produced(9))), Some(Ok(produced(8)))]);
        });
    }

    #[test]
    fn what_comes_after_the_call_is_nobodys() {
        let call = Call::new(1);
        let slot = Slot::of(&call, 0);
        assert_eq!(call.wait(now()), [None]);
        slot.fill(Ok(produced(1)));
    }
}
