//! How a group begins: on its own thread, so that the caller may have an async runtime, or none.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use kafkavisor_group::commits::{Author, SharedLease};
use kafkavisor_group::lease::Lease;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::fetch::{FetchError, Several};

use super::callbacks::Callbacks;
use super::engine::{Engine, Input};
use super::state::{Shared, Stage, State, Tenure};
use crate::async_thread::AsyncThread;
use crate::clock::{Boottime, now};
use crate::consumer::reach::{Setup, connect, no_thread};
use crate::consumer::reports::statistics;
use crate::consumer::{ConsumerError, PartitionerError};
use crate::membership::{Notice, ZookeeperMember};

/// Beyond the cooldown, whoever still holds what should be ours is waited for so long.
const SETTLING: Duration = Duration::from_secs(20);
/// How long a session may take to be closed.
const CLOSING: Duration = Duration::from_secs(2);

/// A group that has begun.
pub(super) struct Begun {
    pub(super) shared: Arc<Shared>,
    pub(super) inputs: Sender<Input>,
    pub(super) thread: JoinHandle<()>,
}

/// Joins the group, and waits until its partitions are dealt out.
pub(super) fn begin(setup: &Setup, callbacks: &Callbacks) -> Result<Begun, ConsumerError> {
    let (inputs, received) = unbounded();
    let (say, said) = bounded(1);
    let (ours, theirs) = ((setup.clone(), callbacks.clone()), inputs.clone());
    let work = move || run(ours, theirs, &received, &say);
    let thread =
        std::thread::Builder::new().name("kafkavisor-group".to_owned()).spawn(work).map_err(no_thread)?;
    let ended = || ConsumerError::from(KafkaError::Client("the group's thread has ended".to_owned()));
    let shared = said.recv().unwrap_or_else(|_| Err(ended()))?;
    let begun = Begun { shared, inputs, thread };
    begun.settle(setup.config.partitioner_cooldown() + SETTLING);
    Ok(begun)
}

impl Begun {
    /// Until everything that is ours by now is assigned, and where that begins is known; until the group is lost, or the time is over.
    fn settle(&self, within: Duration) {
        let until = now() + within;
        let mut state = self.shared.state();
        let begun = |state: &State| {
            let looks = |tenure: &Tenure| matches!(tenure.stage, Stage::Locating { .. });
            state.settled && !state.tenures.values().any(looks)
        };
        while !begun(&state) && state.failure.is_none() {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

fn run(
    (setup, callbacks): (Setup, Callbacks),
    inputs: Sender<Input>,
    received: &Receiver<Input>,
    say: &Sender<Result<Arc<Shared>, ConsumerError>>,
) {
    // Whoever began it waits for this.
    match engine(setup, callbacks, inputs) {
        Ok((engine, membership, left)) => {
            let whatever_ends_it = Ended(Arc::clone(&engine.shared));
            let _heard = say.send(Ok(Arc::clone(&engine.shared)));
            let ran = catch_unwind(AssertUnwindSafe(move || engine.run(received)));
            drop(whatever_ends_it);
            // A session that is closed gives its partitions away at once.
            let _closed = left.recv_timeout(CLOSING);
            drop(membership);
            if let Err(panic) = ran {
                resume_unwind(panic);
            }
        }
        Err(error) => drop(say.send(Err(error))),
    }
}

fn engine(
    setup: Setup,
    callbacks: Callbacks,
    inputs: Sender<Input>,
) -> Result<(Engine, AsyncThread, Receiver<Infallible>), ConsumerError> {
    let reporter = setup.reports.start(&setup.config)?;
    let reached = setup.reach(reporter.as_ref())?;
    let partitions = reached.topics.partitions();
    if partitions.is_empty() {
        let topics = setup.topics.iter().map(ToString::to_string).collect();
        return Err(PartitionerError::NoPartitions(topics).into());
    }
    let options = setup.membership()?;
    let membership = AsyncThread::start("membership").map_err(no_thread)?;
    let connection = connect(&membership, &options)?;
    let fetching =
        Several::new(&reached.properties, reporter.as_ref().map(statistics)).map_err(cannot_fetch)?;
    let shared = Arc::new(Shared::new(fetching, SharedLease::default(), options.ensemble.servers()));
    let (membership_lives, left) = bounded(0);
    let ownership = Ownership { shared: Arc::clone(&shared), over: Cell::new(false) };
    let sink = move |notice: Notice| {
        let _until_it_ends = &membership_lives;
        ownership.noticed(&notice);
        // The thread has ended: nobody needs to be told.
        let _heard = inputs.send(Input::Notice(notice));
    };
    let member = ZookeeperMember::start(&membership.handle(), connection, options.clone(), partitions, sink);
    let engine = Engine {
        shared,
        commit_at: now() + setup.config.auto_commit_interval(),
        topics_at: now(),
        setup,
        reached,
        member,
        options,
        author: Author::Nobody,
        callbacks,
        reporter,
        revoked: BTreeSet::new(),
        settled: false,
        turns: 0,
    };
    Ok((engine, membership, left))
}

/// What must be true the moment it is known, whatever the group's thread is at.
struct Ownership {
    shared: Arc<Shared>,
    /// The session in which everything was given out is lost.
    over: Cell<bool>,
}

impl Ownership {
    fn noticed(&self, notice: &Notice) {
        if *notice == Notice::SessionLost {
            self.over.set(true);
            self.shared.lease.set(Boottime(0));
        } else if let Notice::Evidence { sent, timeout } = notice
            && !self.over.get()
        {
            // That of another session is not for what was given out in this one.
            self.shared.lease.set(Lease::from_evidence(*sent, *timeout).deliver_until);
        } else if let Notice::Lost { partition, .. } = notice {
            self.shared.state().tenures.remove(partition);
        }
    }
}

/// Whoever waits for the group must not wait for a thread that is gone.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fail(PartitionerError::Ended);
    }
}

/// Why a client that fetches can't be made.
pub(in crate::consumer) fn cannot_fetch(error: FetchError) -> ConsumerError {
    match error {
        FetchError::Property(why) => KafkaError::Configuration(why),
        FetchError::Refused(trouble) => KafkaError::Security(trouble),
        FetchError::Start(why) => KafkaError::Client(why),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::consumer::group::state::tests::{consuming, shared};

    #[test]
    fn a_session_that_is_lost_gives_no_lease_any_more_whatever_another_one_proves() {
        let ownership = Ownership { shared: shared(), over: Cell::new(false) };
        let proof = Notice::Evidence { sent: Boottime::now(), timeout: Duration::from_secs(10) };
        ownership.noticed(&proof);
        assert!(ownership.shared.lease.left().is_some());
        ownership.noticed(&Notice::SessionLost);
        assert_eq!(ownership.shared.lease.left(), None);
        ownership.noticed(&proof);
        assert_eq!(ownership.shared.lease.left(), None);
    }

    #[test]
    fn a_partition_that_is_lost_is_nobodys_before_the_groups_thread_looks() {
        let ownership = Ownership { shared: shared(), over: Cell::new(false) };
        let lost = consuming(&ownership.shared, 0);
        let kept = consuming(&ownership.shared, 1);
        ownership.noticed(&Notice::Lost { partition: lost, token: None });
        assert!(ownership.shared.state().tenures.keys().eq([&kept]));
    }
}
