//! The committing thread: one request at a time, the lease checked at sending, and nothing sent once it may have ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor::clock::{Boottime, now};
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_kafka::offsets::{Answers, OffsetError, OffsetStore, Stored};
use kafkavisor_supervisor_core::CommitAnswer;

/// Longest that a commit may take; what is left of the lease bounds it, too.
const WITHIN: Duration = Duration::from_secs(5);

/// Offsets and what stands beside each.
pub(crate) type CommitRequest = BTreeMap<TopicPartition, (Offset, String)>;

/// Until when the partitions are ours, shared with the threads that write to Kafka.
#[derive(Debug, Default, Clone)]
pub(crate) struct SharedLease(Arc<AtomicU64>);

impl SharedLease {
    pub(crate) fn set(&self, until: Boottime) {
        self.0.store(until.0, Ordering::Release);
    }

    /// How long the partitions are ours still; none when they may be somebody else's.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = Boottime(self.0.load(Ordering::Acquire)).since(Boottime::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Why an offset was not committed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("no evidence that the partition is still ours")]
    NotOurs,
    #[error(transparent)]
    Store(#[from] OffsetError),
}

/// Writes what the lease allows; one answer a partition.
pub(super) fn commit(
    store: &dyn OffsetStore,
    lease: &SharedLease,
    offsets: CommitRequest,
) -> BTreeMap<TopicPartition, Result<(), CommitError>> {
    let Some(left) = lease.left() else {
        return offsets.into_keys().map(|key| (key, Err(CommitError::NotOurs))).collect();
    };
    let offsets = offsets.into_iter().map(|(key, (offset, note))| (key, Stored { offset, note })).collect();
    let answers: Answers<()> = store.write(&offsets, now() + left.min(WITHIN));
    answers.into_iter().map(|(key, answer)| (key, answer.map_err(CommitError::from))).collect()
}

/// The thread's end for the event loop.
pub(crate) struct Commits {
    requests: Sender<CommitRequest>,
}

impl Commits {
    pub(crate) fn start(
        store: Arc<dyn OffsetStore>,
        lease: SharedLease,
        answer: impl Fn(Vec<CommitAnswer>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (requests, received) = bounded(1);
        let work = move || commit_all(&received, &*store, &lease, answer);
        thread::Builder::new().name("commits".to_owned()).spawn(work)?;
        Ok(Self { requests })
    }

    /// Asks for a commit; the core never asks for a second one before the first is answered.
    pub(crate) fn request(&self, offsets: CommitRequest) {
        if self.requests.try_send(offsets).is_err() {
            log::error!("a commit was asked for while another is under way; this is a bug");
        }
    }
}

fn commit_all(
    requests: &Receiver<CommitRequest>,
    store: &dyn OffsetStore,
    lease: &SharedLease,
    answer: impl Fn(Vec<CommitAnswer>),
) {
    while let Ok(offsets) = requests.recv() {
        let sent: BTreeMap<_, _> = offsets.iter().map(|(key, (offset, _))| (key.clone(), *offset)).collect();
        let answers = commit(store, lease, offsets).into_iter().filter_map(|(item, result)| {
            let offset = *sent.get(&item)?;
            Some(CommitAnswer { item, offset, error: result.err().map(|error| error.to_string()) })
        });
        answer(answers.collect());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::time::Instant;

    use kafkavisor::ids::Topic;

    use super::*;

    /// Remembers until when it was allowed to write.
    #[derive(Debug, Default)]
    struct Deadlines(Mutex<Vec<Instant>>);

    impl OffsetStore for Deadlines {
        fn read(&self, _: &BTreeSet<TopicPartition>, _: Instant) -> Answers<Option<Stored>> {
            Answers::new()
        }

        fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()> {
            self.0.lock().unwrap().push(deadline);
            offsets.keys().map(|key| (key.clone(), Ok(()))).collect()
        }
    }

    fn committed(lease: &SharedLease) -> (bool, Option<Duration>) {
        let store = Deadlines::default();
        let key = TopicPartition::new(Topic::new("t").unwrap(), 0);
        let request = CommitRequest::from([(key, (Offset(1), String::new()))]);
        let before = now();
        let done = commit(&store, lease, request).values().all(Result::is_ok);
        let deadline = store.0.lock().unwrap().first().map(|deadline| deadline.duration_since(before));
        (done, deadline)
    }

    #[test]
    fn nothing_is_committed_without_a_lease() {
        let lease = SharedLease::default();
        assert_eq!(committed(&lease), (false, None));
        lease.set(Boottime::now());
        assert_eq!(committed(&lease), (false, None), "one that has just ended is none");
    }

    #[test]
    fn nothing_is_committed_past_the_end_of_the_lease() {
        let lease = SharedLease::default();
        lease.set(Boottime(u64::MAX));
        let (done, deadline) = committed(&lease);
        assert!(done && deadline >= Some(WITHIN) && deadline < Some(WITHIN * 2));
        let soon = Duration::from_millis(900);
        lease.set(Boottime(Boottime::now().0 + 900_000_000));
        assert!(committed(&lease).1.is_some_and(|within| within <= soon + Duration::from_millis(50)));
    }
}
