//! What the driver needs of whatever it runs on. Nothing here waits for the network or the disk; what takes its time is answered
//! as something that [`Happened`](super::Happened).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::Verdict;
use kafkavisor_link::page::{Lease, Progress};
use kafkavisor_supervisor_core::{Change, ConfigNumber, Refusal, TakenUp, Ticket, WorkerStart};
use nix::unistd::Pid;

/// See the module.
pub trait System {
    fn now(&self) -> Instant;
    fn boottime(&self) -> Boottime;

    /// What has changed, for whoever looks.
    fn changed(&mut self, changes: Vec<Change>);

    /// Finds out where reading begins.
    fn find_start(&mut self, partition: &TopicPartition, request: u64, made_again: bool);
    /// Commits these, in one request; the lease is looked at once more where it is sent. Those among `starts` only where the
    /// group has no offset yet.
    fn commit(&mut self, offsets: BTreeMap<TopicPartition, Offset>, starts: BTreeSet<TopicPartition>);

    /// What the present page says; none without one.
    fn page(&self, partition: &TopicPartition) -> Option<(Progress, Attempts)>;
    /// What all pages say.
    fn pages(&self) -> Vec<(TopicPartition, Progress)>;
    /// The page of an earlier tenure, if it can be gone on from: the group's offset is still its own last commit.
    fn take_up_page(&mut self, partition: &TopicPartition, committed: Offset) -> Option<TakenUp>;
    fn make_page(&mut self, partition: &TopicPartition, start: Offset);
    fn settle_page(&mut self, partition: &TopicPartition, attempts: Attempts);
    fn move_page(&mut self, partition: &TopicPartition, next: Offset);
    fn forget_page(&mut self, partition: &TopicPartition);
    fn note_commit_sent(&mut self, partition: &TopicPartition, offset: Offset);
    fn note_committed(&mut self, partition: &TopicPartition, offset: Offset);
    /// In all pages, present and to come, and wherever commits are sent.
    fn set_lease(&mut self, lease: Lease);

    /// Starts a worker; answered by [`Start::Spawned`](super::Happened) or failed, at once or later.
    fn spawn(&mut self, start: WorkerStart);
    fn stop_worker(&mut self, pid: Pid, reason: StopReason, within: Duration);
    fn decide(&mut self, pid: Pid, partition: &TopicPartition, offset: Offset, verdict: Verdict);
    fn abort_worker(&mut self, pid: Pid);
    fn kill_worker(&mut self, pid: Pid);

    fn release(&mut self, partition: &TopicPartition, token: Option<FencingToken>);
    fn leave_group(&mut self);

    fn answer(&mut self, ticket: Ticket, result: Result<String, Refusal>);
    fn note_worked(&mut self, config: ConfigNumber);
    /// It counts as one that has not, for whoever starts after us.
    fn note_gave_up(&mut self, config: ConfigNumber);
    fn establish(&mut self, config: ConfigNumber);
    fn discard(&mut self, config: ConfigNumber);
}
