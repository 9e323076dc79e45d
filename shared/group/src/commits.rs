//! The committing thread: one request at a time, the lease checked at sending, and nothing sent once it may have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor_kafka::offsets::{Answers, MemberNode, OffsetError, OffsetStore, Stored};
use kafkavisor_types::clock::{Boottime, now};
use kafkavisor_types::ids::TopicPartition;

use crate::answer::{CommitAnswer, NotCommitted};

/// Longest that a commit may take; what is left of the lease bounds it, too.
const WITHIN: Duration = Duration::from_secs(5);

/// In whose name offsets are committed: as it was when the commit was asked for, whatever becomes of the session until it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A member of the group, which may have lost the partitions by then.
    Member(MemberNode),
    /// Nobody else can have them: static assignment.
    Only,
    /// Who is in no group has no partitions.
    Nobody,
}

/// What is to be committed together.
#[derive(Debug)]
pub struct CommitRequest {
    pub author: Author,
    /// Offsets and what stands beside each.
    pub offsets: BTreeMap<TopicPartition, Stored>,
    /// Those that begin a topic: only where the group has no offset still, or this one.
    pub starts: BTreeSet<TopicPartition>,
}

/// Until when the partitions are ours, shared with the threads that write to Kafka.
#[derive(Debug, Default, Clone)]
pub struct SharedLease(Arc<AtomicU64>);

impl SharedLease {
    pub fn set(&self, until: Boottime) {
        self.0.store(until.0, Ordering::Release);
    }

    /// How long the partitions are ours still; none when they may be somebody else's.
    pub fn left(&self) -> Option<Duration> {
        let left = Boottime(self.0.load(Ordering::Acquire)).since(Boottime::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Why an offset was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("no evidence that the partition is still ours")]
    NotOurs,
    #[error("another member has just begun this topic")]
    JustBegun,
    #[error(transparent)]
    Store(#[from] OffsetError),
}

impl CommitError {
    fn told(&self) -> NotCommitted {
        let why = self.to_string();
        match self {
            Self::Store(OffsetError::Gone) => NotCommitted::Gone(why),
            Self::Store(error) if error.is_barred() => NotCommitted::Barred(why),
            Self::Store(_) | Self::NotOurs | Self::JustBegun => NotCommitted::Failed(why),
        }
    }
}

/// Writes what the lease allows; one answer a partition.
pub fn commit(
    store: &dyn OffsetStore,
    lease: &SharedLease,
    request: CommitRequest,
) -> BTreeMap<TopicPartition, Result<(), CommitError>> {
    let CommitRequest { author, mut offsets, starts } = request;
    let looked = look_at(store, lease, &offsets, &starts);
    let mut answers = BTreeMap::new();
    let mut fresh = BTreeMap::new();
    for (key, answer) in looked {
        match answer {
            // It is there already: written again, and signed.
            Ok(false) => {}
            Ok(true) => fresh.extend(offsets.remove_entry(&key)),
            Err(error) => {
                offsets.remove(&key);
                answers.insert(key, Err(error));
            }
        }
    }
    let Some(left) = lease.left() else {
        let unwritten = offsets.into_keys().chain(fresh.into_keys());
        answers.extend(unwritten.map(|key| (key, Err(CommitError::NotOurs))));
        return answers;
    };
    let until = now() + left.min(WITHIN);
    let written = match &author {
        Author::Nobody => unwritten(offsets.into_keys().chain(fresh.into_keys())),
        Author::Member(node) => {
            [store.write_as(node, &offsets, until), begin(store, Some(node), &fresh, until)]
        }
        Author::Only => [store.write(&offsets, until), begin(store, None, &fresh, until)],
    };
    let written = written.into_iter().flatten();
    answers.extend(written.map(|(key, answer)| (key, answer.map_err(CommitError::from))));
    answers
}

fn unwritten(keys: impl Iterator<Item = TopicPartition>) -> [Answers<()>; 2] {
    [keys.map(|key| (key, Err(OffsetError::NotOurs))).collect(), Answers::new()]
}

fn begin(
    store: &dyn OffsetStore,
    member: Option<&MemberNode>,
    fresh: &BTreeMap<TopicPartition, Stored>,
    until: Instant,
) -> Answers<()> {
    if fresh.is_empty() { Answers::new() } else { store.begin(member, fresh, until) }
}

/// Of the starts: whether each is to be made, or is there as we want it; an error where it must not be written. Members that came
/// to the same topic at the same time agree on who was first.
fn look_at(
    store: &dyn OffsetStore,
    lease: &SharedLease,
    offsets: &BTreeMap<TopicPartition, Stored>,
    starts: &BTreeSet<TopicPartition>,
) -> BTreeMap<TopicPartition, Result<bool, CommitError>> {
    if starts.is_empty() {
        return BTreeMap::new();
    }
    let Some(left) = lease.left() else {
        return starts.iter().map(|key| (key.clone(), Err(CommitError::NotOurs))).collect();
    };
    let told = |(key, answer): (TopicPartition, Result<Option<Stored>, OffsetError>)| {
        let told = match answer {
            Ok(None) | Err(OffsetError::TakenAway { .. }) => Ok(true),
            Ok(Some(there)) if offsets.get(&key).is_some_and(|ours| ours.offset == there.offset) => Ok(false),
            Ok(Some(_)) => Err(CommitError::JustBegun),
            Err(error) => Err(error.into()),
        };
        (key, told)
    };
    store.read(starts, now() + left.min(WITHIN)).into_iter().map(told).collect()
}

/// The thread's end for the event loop.
#[derive(Debug)]
pub struct Commits {
    requests: Sender<CommitRequest>,
}

impl Commits {
    pub fn start(
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
    pub fn request(&self, request: CommitRequest) {
        if self.requests.try_send(request).is_err() {
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
    while let Ok(request) = requests.recv() {
        let sent: BTreeMap<_, _> =
            request.offsets.iter().map(|(key, stored)| (key.clone(), stored.offset)).collect();
        let answers = commit(store, lease, request).into_iter().filter_map(|(partition, result)| {
            let offset = *sent.get(&partition)?;
            Some(CommitAnswer { partition, offset, error: result.err().map(|error| error.told()) })
        });
        answer(answers.collect());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kafkavisor_types::ids::{Offset, Topic};

    use super::*;

    /// Offsets that are there, and what is written.
    #[derive(Debug, Default)]
    struct Kept(Mutex<BTreeMap<TopicPartition, Stored>>);

    impl OffsetStore for Kept {
        fn read(&self, of: &BTreeSet<TopicPartition>, _: Instant) -> Answers<Option<Stored>> {
            let kept = self.0.lock().unwrap();
            of.iter().map(|key| (key.clone(), Ok(kept.get(key).cloned()))).collect()
        }

        fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, _: Instant) -> Answers<()> {
            self.0.lock().unwrap().extend(offsets.clone());
            offsets.keys().map(|key| (key.clone(), Ok(()))).collect()
        }
    }

    #[test]
    fn who_begins_a_topic_second_keeps_to_the_first_ones_starts() {
        let lease = SharedLease::default();
        lease.set(Boottime(u64::MAX));
        let key = |number| TopicPartition::new(Topic::new("t").unwrap(), number);
        let at = |offset| Stored { offset: Offset(offset), note: String::new() };
        let store = Kept::default();
        store.0.lock().unwrap().extend([(key(0), at(7)), (key(1), at(5))]);
        let offsets = BTreeMap::from([(key(0), at(9)), (key(1), at(5)), (key(2), at(3)), (key(3), at(2))]);
        let starts = BTreeSet::from([key(0), key(1), key(2)]);
        let answers = commit(&store, &lease, CommitRequest { author: Author::Only, offsets, starts });
        let refused: Vec<_> = answers.into_iter().filter(|(_, answer)| answer.is_err()).collect();
        assert!(matches!(refused.as_slice(), [(first, Err(CommitError::JustBegun))] if *first == key(0)));
        let kept = store.0.into_inner().unwrap();
        assert_eq!(kept.into_values().map(|stored| stored.offset.0).collect::<Vec<_>>(), [7, 5, 3, 2]);
    }

    /// Remembers who has written.
    #[derive(Debug, Default)]
    struct Signed(Mutex<Vec<Option<MemberNode>>>);

    impl Signed {
        fn note(&self, who: Option<&MemberNode>, what: &BTreeMap<TopicPartition, Stored>) -> Answers<()> {
            self.0.lock().unwrap().push(who.cloned());
            what.keys().map(|key| (key.clone(), Ok(()))).collect()
        }
    }

    impl OffsetStore for Signed {
        fn read(&self, _: &BTreeSet<TopicPartition>, _: Instant) -> Answers<Option<Stored>> {
            Answers::new()
        }

        fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, _: Instant) -> Answers<()> {
            self.note(None, offsets)
        }

        fn write_as(
            &self,
            member: &MemberNode,
            offsets: &BTreeMap<TopicPartition, Stored>,
            _: Instant,
        ) -> Answers<()> {
            self.note(Some(member), offsets)
        }
    }

    #[test]
    fn a_commit_is_in_the_name_of_whoever_asked_for_it() {
        let lease = SharedLease::default();
        lease.set(Boottime(u64::MAX));
        let member = MemberNode("/g/party/me".to_owned());
        for (author, written) in [
            (Author::Member(member.clone()), vec![Some(member)]),
            (Author::Only, vec![None]),
            (Author::Nobody, Vec::new()),
        ] {
            let store = Signed::default();
            let key = TopicPartition::new(Topic::new("t").unwrap(), 0);
            let offsets = BTreeMap::from([(key, Stored { offset: Offset(1), note: String::new() })]);
            let request = CommitRequest { author, offsets, starts: BTreeSet::new() };
            let answers = commit(&store, &lease, request);
            assert_eq!(answers.into_values().all(|answer| answer.is_ok()), !written.is_empty());
            assert_eq!(store.0.into_inner().unwrap(), written);
        }
    }

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
        let offsets = BTreeMap::from([(key, Stored { offset: Offset(1), note: String::new() })]);
        let request = CommitRequest { author: Author::Only, offsets, starts: BTreeSet::new() };
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
