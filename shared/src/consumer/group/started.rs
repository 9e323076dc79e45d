//! A member of a group: its messages, and what is done with them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::fetch::Taken;

use super::begin::Begun;
use super::engine::Input;
use super::state::{Shared, Stage};
use crate::clock::now;
use crate::consumer::{Consume, ConsumerError, Message, PartitionerError};
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::TopicPartition;

/// A lease that ends is noticed so soon, whoever waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest that a commit may be waited for.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// A member of a group. When it is dropped, what is done is committed (unless auto-commit is off), its partitions are released, and it
/// leaves the group.
#[derive(Debug)]
pub struct StartedConsumerGroup {
    shared: Arc<Shared>,
    inputs: Sender<Input>,
    thread: Option<JoinHandle<()>>,
    timeout: Option<Duration>,
    /// Commit at the latest when so many are done.
    many: Option<u64>,
}

impl StartedConsumerGroup {
    pub(super) fn new(begun: Begun, config: &KafkaConsumerConfig) -> Self {
        let Begun { shared, inputs, thread } = begun;
        let many = config.auto_commit_interval_messages().filter(|_| config.auto_commit_enable());
        Self { shared, inputs, thread: Some(thread), timeout: config.consumer_timeout(), many }
    }

    pub(super) fn failure(&self) -> Option<PartitionerError> {
        self.shared.state().failure.clone()
    }

    /// The next message of any partition that is this member's, in order within each; [`ConsumerError::Timeout`] when none came within
    /// `consumer_timeout`. Meanwhile the group is balanced, whether this is called or not.
    pub fn next(&self) -> Result<Message, ConsumerError> {
        let until = self.timeout.map(|timeout| now() + timeout);
        loop {
            self.look()?;
            self.shared.wake.settle();
            let taken = self.shared.fetching().take();
            match taken {
                Some((partition, turn, taken)) => {
                    if let Some(message) = self.taken(partition, turn, taken)? {
                        return Ok(message);
                    }
                }
                None => self.wait(until)?,
            }
        }
    }

    /// Messages one after the other, until none came within `consumer_timeout`; also `for message in &consumer`. An error that is no time-out is an item, and whether
    /// to go on then is the caller's.
    pub fn iter(&self) -> Messages<'_> {
        Messages(self)
    }

    /// The caller is done with this message. Its partition's offset is committed up to the first message that nobody is done with,
    /// so that none is lost. A second time does nothing.
    pub fn task_done(&self, message: &Message) -> Result<(), ConsumerError> {
        let partition = message.topic_partition();
        let mut state = self.shared.state();
        if let Some(refusal) = self.shared.refusal(&state) {
            return Err(refusal.into());
        }
        // A later turn is of another ownership, or of another topic of that name.
        let done = state.tenures.get_mut(&partition).filter(|tenure| tenure.turn == message.turn);
        let done = done.filter(|tenure| match tenure.stage {
            Stage::Consuming | Stage::Leaving { .. } => true,
            Stage::Locating { .. } | Stage::Parked { .. } => false,
        });
        let Some(tenure) = done else {
            return Err(ConsumerError::NotOurs { partition, offset: message.offset });
        };
        if !tenure.progress.done(message.offset) {
            return Err(ConsumerError::NotOurs { partition, offset: message.offset });
        }
        let released = matches!(tenure.stage, Stage::Leaving { .. }) && !tenure.progress.is_open();
        state.done += 1;
        let many = self.many.is_some_and(|many| state.done == many);
        drop(state);
        if released || many {
            self.tell(Input::Done);
        }
        Ok(())
    }

    /// Commits what the caller is done with, and waits until that is confirmed; the first partition's error, where there is any. What was
    /// done of a partition that is this member's no more is not committed, and no error.
    pub fn commit(&self) -> Result<(), ConsumerError> {
        if let Some(refusal) = self.shared.refusal(&self.shared.state()) {
            return Err(refusal.into());
        }
        let (say, said) = bounded(1);
        self.tell(Input::Commit(say));
        said.recv_timeout(COMMIT_WITHIN).unwrap_or_else(|error| Err(self.no_answer(error)))
    }

    /// The partitions that are this member's now.
    pub fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.shared.state().tenures.keys().cloned().collect()
    }

    /// Leaves the group as dropping does, and says what could not be committed.
    pub fn stop(mut self) -> Result<(), ConsumerError> {
        self.end()
    }

    /// Why there can be no more messages; what can't begin is told once.
    fn look(&self) -> Result<(), ConsumerError> {
        let mut state = self.shared.state();
        if let Some(refusal) = self.shared.refusal(&state) {
            drop(state);
            self.shared.fail(refusal.clone());
            self.tell(Input::Done);
            return Err(refusal.into());
        }
        state.parked.pop().map_or(Ok(()), |(partition, why)| Err(ConsumerError::Parked { partition, why }))
    }

    /// The message, where it is ours still.
    fn taken(
        &self,
        partition: TopicPartition,
        turn: u64,
        taken: Taken,
    ) -> Result<Option<Message>, ConsumerError> {
        let mut state = self.shared.state();
        let Some(tenure) = state.tenures.get_mut(&partition).filter(|tenure| tenure.turn == turn) else {
            return Ok(None);
        };
        if !matches!(tenure.stage, Stage::Consuming) {
            return Ok(None);
        }
        match taken {
            // The lease is looked at last: the message may have waited.
            Taken::Message { offset, timestamp, key, value, headers } => {
                let ours = self.shared.lease.left().is_some() && tenure.progress.hand(offset);
                let TopicPartition { topic, partition } = partition;
                let fencing_token = tenure.token;
                let message =
                    Message { topic, partition, offset, timestamp, key, value, headers, fencing_token, turn };
                Ok(ours.then_some(message))
            }
            Taken::End(offset) => {
                tenure.progress.seen(offset);
                Ok(None)
            }
            Taken::StartLost(why) => {
                log::warn!("{partition}: {why}; where it goes on is looked for");
                self.tell(Input::Lost(partition, turn));
                Ok(None)
            }
            Taken::Denied(error) => {
                self.tell(Input::Lost(partition, turn));
                Err(error.into())
            }
        }
    }

    fn wait(&self, until: Option<Instant>) -> Result<(), ConsumerError> {
        let left = until.map(|until| until.saturating_duration_since(now()));
        if let (Some(timeout), Some(Duration::ZERO)) = (self.timeout, left) {
            return Err(ConsumerError::Timeout(timeout));
        }
        self.shared.wake.wait(left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY));
        Ok(())
    }

    fn tell(&self, input: Input) {
        // A thread that has ended has said why.
        let _heard = self.inputs.send(input);
    }

    fn no_answer(&self, error: RecvTimeoutError) -> ConsumerError {
        let why = || match error {
            RecvTimeoutError::Timeout => KafkaError::TimedOut.into(),
            RecvTimeoutError::Disconnected => PartitionerError::Ended.into(),
        };
        self.failure().map_or_else(why, ConsumerError::from)
    }

    fn end(&mut self) -> Result<(), ConsumerError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let (say, said) = bounded(1);
        self.tell(Input::Stop(say));
        if thread.thread().id() == std::thread::current().id() {
            // A callback ends its own group: that is done once it has returned.
            return Ok(());
        }
        let ended = said.recv_timeout(COMMIT_WITHIN).unwrap_or_else(|error| Err(self.no_answer(error)));
        // A panic there has been told already.
        let _panicked = thread.join();
        ended
    }
}

/// As [`StartedConsumerGroup::iter`].
impl<'a> IntoIterator for &'a StartedConsumerGroup {
    type Item = Result<Message, ConsumerError>;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.iter()
    }
}

impl Drop for StartedConsumerGroup {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!("{error}: what is not committed comes again");
        }
    }
}

impl Consume for StartedConsumerGroup {
    fn next(&mut self) -> Result<Message, ConsumerError> {
        Self::next(self)
    }

    fn task_done(&mut self, message: &Message) -> Result<(), ConsumerError> {
        Self::task_done(self, message)
    }

    fn commit(&mut self) -> Result<(), ConsumerError> {
        Self::commit(self)
    }
}

/// Messages one after the other: see [`StartedConsumerGroup::iter`].
#[derive(Debug)]
pub struct Messages<'a>(&'a StartedConsumerGroup);

impl Iterator for Messages<'_> {
    type Item = Result<Message, ConsumerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next() {
            Err(ConsumerError::Timeout(_)) => None,
            other => Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;
    use crate::clock::Boottime;
    use crate::consumer::group::state::tests::{consuming, shared};
    use crate::ids::Offset;

    /// A member whose group's thread commits whatever it is asked to.
    fn member(shared: &Arc<Shared>) -> StartedConsumerGroup {
        let (inputs, received) = unbounded();
        let commits = move || {
            for input in received {
                match input {
                    Input::Commit(reply) => drop(reply.send(Ok(()))),
                    Input::Stop(reply) => return drop(reply.send(Ok(()))),
                    Input::Notice(_) | Input::Done | Input::Lost(..) => {}
                }
            }
        };
        let (shared, thread) = (Arc::clone(shared), std::thread::spawn(commits));
        let (timeout, many) = (Some(Duration::ZERO), None);
        StartedConsumerGroup { shared, inputs, thread: Some(thread), timeout, many }
    }

    fn fetched(offset: i64) -> Taken {
        let offset = Offset(offset);
        Taken::Message { offset, timestamp: None, key: None, value: None, headers: Vec::new() }
    }

    #[test]
    fn without_a_lease_nothing_is_handed_over_done_or_committed() {
        let shared = shared();
        let partition = consuming(&shared, 0);
        let member = member(&shared);
        shared.lease.set(Boottime(u64::MAX));
        assert!(matches!(member.next(), Err(ConsumerError::Timeout(_))));
        let message = member.taken(partition.clone(), 1, fetched(0)).unwrap().expect("it is ours");
        assert_eq!((member.task_done(&message), member.commit()), (Ok(()), Ok(())));

        shared.lease.set(Boottime::now());
        assert_eq!(member.taken(partition, 1, fetched(1)).unwrap(), None, "it may have waited");
        assert!(member.task_done(&message).unwrap_err().is_partitioner());
        assert!(member.commit().unwrap_err().is_partitioner());
        assert!(member.next().unwrap_err().is_partitioner());
        // It is not taken up again: the group is to be started again.
        shared.lease.set(Boottime(u64::MAX));
        assert!(member.next().unwrap_err().is_partitioner());
    }

    #[test]
    fn what_was_fetched_in_an_earlier_turn_is_not_handed_over() {
        let shared = shared();
        shared.lease.set(Boottime(u64::MAX));
        let partition = consuming(&shared, 0);
        let member = member(&shared);
        assert_eq!(member.taken(partition.clone(), 0, fetched(0)).unwrap(), None);
        shared.state().tenures.clear();
        assert_eq!(member.taken(partition, 1, fetched(0)).unwrap(), None);
    }
}
