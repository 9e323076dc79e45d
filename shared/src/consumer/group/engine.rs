//! The group's own thread: what membership says, where partitions begin, commits, releases. It waits for nobody who consumes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use kafkavisor_group::commits::Author;
use kafkavisor_kafka::offsets::{MemberNode, OffsetError};

use super::callbacks::Callbacks;
use super::state::{Shared, Stage, Tenure};
use crate::clock::now;
use crate::consumer::progress::Progress;
use crate::consumer::reach::{Reached, Setup};
use crate::consumer::{ConsumerError, PartitionerError};
use crate::ids::{FencingToken, Offset, TopicPartition};
use crate::membership::{Member, Notice, Options, ZookeeperMember};
use crate::metrics::{Metric, Reporter};

/// The topics are looked at this often: what grows is noticed (yelp_kafka: every 120 s).
const TOPICS_EVERY: Duration = Duration::from_secs(5);
/// How long leaving the group may take.
const LEAVING: Duration = Duration::from_secs(5);
/// Where nothing else wakes the thread.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A commit that a release waits for is tried again after this.
const COMMIT_ERROR: Duration = Duration::from_millis(250);

/// What comes to the thread.
#[derive(Debug)]
pub(super) enum Input {
    Notice(Notice),
    /// Somebody is done with what was waited for.
    Done,
    /// The place that a partition was read from is lost.
    Lost(TopicPartition, u64),
    /// Commit, and say how that went.
    Commit(Sender<Result<(), ConsumerError>>),
    /// Commit, release, leave; then say so.
    Stop(Sender<Result<(), ConsumerError>>),
}

pub(super) struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) setup: Setup,
    pub(super) reached: Reached,
    pub(super) member: ZookeeperMember,
    pub(super) options: Options,
    pub(super) author: Author,
    pub(super) callbacks: Callbacks,
    pub(super) reporter: Option<Arc<Reporter>>,
    /// To be told of before they are released.
    pub(super) revoked: BTreeSet<TopicPartition>,
    /// All that is ours is to be told.
    pub(super) settled: bool,
    pub(super) turns: u64,
    pub(super) commit_at: Instant,
    pub(super) topics_at: Instant,
}

impl Engine {
    /// Until it is stopped, or membership is lost.
    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            // Whoever could say something has gone without a word: nothing is anybody's.
            let first = match inputs.recv_deadline(self.next_deadline()) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for input in first.into_iter().chain(inputs.try_iter()) {
                match input {
                    Input::Notice(notice) => self.noticed(notice),
                    Input::Done => {}
                    Input::Lost(partition, turn) => {
                        self.report(|reporter| reporter.counted(Metric::OutOfRange, 1));
                        self.locate_again(&partition, turn);
                    }
                    Input::Commit(reply) => {
                        // Whoever has asked may have gone meanwhile.
                        let failure = self.shared.state().failure.clone();
                        let committed =
                            failure.map_or_else(|| self.commit_all(), |failure| Err(failure.into()));
                        let _nobody = reply.send(committed);
                    }
                    Input::Stop(reply) => {
                        let failure = self.shared.state().failure.clone();
                        let ended = failure.map_or_else(|| self.stop(inputs), |failure| Err(failure.into()));
                        let _nobody = reply.send(ended);
                        return;
                    }
                }
            }
            if self.shared.state().failure.is_some() {
                return;
            }
            self.tick();
        }
    }

    fn next_deadline(&self) -> Instant {
        let state = self.shared.state();
        let stages = state.tenures.values().filter_map(|tenure| match tenure.stage {
            // A lease that is missing comes with a notice.
            Stage::Locating { at, .. } | Stage::Parked { at, .. } => Some(at.max(now() + LOOK_AGAIN)),
            Stage::Leaving { until } if tenure.progress.is_open() => Some(until),
            Stage::Leaving { until } => Some(until.min(now() + COMMIT_ERROR)),
            Stage::Consuming => None,
        });
        stages.chain([self.commit_at, self.topics_at]).min().unwrap_or(self.topics_at)
    }

    fn tick(&mut self) {
        let time = now();
        if time >= self.topics_at {
            self.topics_at = time + TOPICS_EVERY;
            self.look_at_topics();
        }
        self.locate(time);
        let config = &self.setup.config;
        let many = config.auto_commit_interval_messages().is_some_and(|n| self.shared.state().done >= n);
        if config.auto_commit_enable() && (many || time >= self.commit_at) {
            self.commit_at = time + config.auto_commit_interval();
            self.commit_unasked("it is tried again");
        } else if time >= self.commit_at {
            self.commit_at = time + config.auto_commit_interval();
        }
        let revoked = std::mem::take(&mut self.revoked);
        if !revoked.is_empty() {
            self.callbacks.revoked(&revoked);
        }
        if std::mem::take(&mut self.settled) {
            let state = self.shared.state();
            let stays =
                |(_, tenure): &(&TopicPartition, &Tenure)| !matches!(tenure.stage, Stage::Leaving { .. });
            let held: BTreeSet<_> = state.tenures.iter().filter(stays).map(|(key, _)| key.clone()).collect();
            drop(state);
            self.callbacks.settled(&held);
        }
        self.release_what_is_finished(time);
    }

    fn noticed(&mut self, notice: Notice) {
        let group = self.setup.config.group_id().clone();
        match notice {
            Notice::Joined { node: Some(node), .. } => {
                self.author = Author::Member(MemberNode(self.options.member_node(&node)));
            }
            Notice::Assigned { partition, token } => self.assigned(partition, token),
            Notice::Revoked { partition, token } => self.revoked(partition, token),
            Notice::Lost { partition, .. } => {
                log::warn!("group {group}: {partition} is lost: it may be somebody else's already");
                self.drop_tenure(&partition);
            }
            Notice::Settled { .. } => {
                self.shared.state().settled = true;
                self.shared.tell();
                // Told once those that go are told of.
                self.settled = true;
            }
            Notice::Unsettled => self.shared.state().settled = false,
            Notice::SessionLost => {
                self.author = Author::Nobody;
                let why =
                    "the session is lost, and every partition with it: start the group again".to_owned();
                let servers = self.shared.servers.clone();
                self.shared.fail(PartitionerError::Zookeeper { servers, why });
            }
            Notice::Waiting { partition, by } | Notice::Blocked { partition, by } => {
                log::warn!("group {group}: {partition} waits for {by}");
            }
            Notice::Troubled { why, .. } => log::error!("group {group}: {why}; it is tried again"),
            Notice::Suspended => log::warn!("group {group}: cut off from ZooKeeper"),
            Notice::Reconnected => log::info!("group {group}: connected to ZooKeeper again"),
            Notice::Joined { node: None, .. }
            | Notice::Listed { .. }
            | Notice::NoLongerWaiting { .. }
            | Notice::Contended { .. }
            | Notice::Evidence { .. }
            | Notice::Untroubled { .. }
            | Notice::Left => {}
        }
    }

    fn assigned(&mut self, partition: TopicPartition, token: Option<FencingToken>) {
        self.turns += 1;
        let tenure = Tenure {
            turn: self.turns,
            token,
            topic_id: None,
            made_again: false,
            stage: Stage::Locating { at: now(), tries: 0 },
            progress: Progress::at(Offset(0), true),
        };
        self.shared.state().tenures.insert(partition, tenure);
    }

    /// What was handed over may be finished first, for a while.
    fn revoked(&mut self, partition: TopicPartition, token: Option<FencingToken>) {
        self.revoked.insert(partition.clone());
        let until = now() + self.setup.config.max_termination_timeout();
        let mut state = self.shared.state();
        match state.tenures.get_mut(&partition) {
            Some(tenure) => {
                tenure.stage = Stage::Leaving { until };
                self.shared.fetching().end(&partition);
            }
            None => self.member.released(partition, token),
        }
    }

    fn drop_tenure(&mut self, partition: &TopicPartition) -> Option<Tenure> {
        let mut state = self.shared.state();
        let tenure = state.tenures.remove(partition);
        self.shared.fetching().end(partition);
        tenure
    }

    fn release_what_is_finished(&mut self, time: Instant) {
        let finished = |tenure: &Tenure| match tenure.stage {
            Stage::Leaving { until } => time >= until || !tenure.progress.is_open(),
            Stage::Locating { .. } | Stage::Consuming | Stage::Parked { .. } => false,
        };
        if !self.shared.state().tenures.values().any(finished) {
            return;
        }
        self.commit_unasked("it is tried again, until its partition must be released");
        let state = self.shared.state();
        let over = |tenure: &Tenure| match tenure.stage {
            Stage::Leaving { until } => {
                time >= until || (!tenure.progress.is_open() && tenure.progress.uncommitted().is_none())
            }
            Stage::Locating { .. } | Stage::Consuming | Stage::Parked { .. } => false,
        };
        let leaving: Vec<_> =
            state.tenures.iter().filter(|(_, tenure)| over(tenure)).map(|(key, _)| key.clone()).collect();
        drop(state);
        for partition in leaving {
            if let Some(tenure) = self.drop_tenure(&partition) {
                self.member.released(partition, tenure.token);
            }
        }
    }

    fn look_at_topics(&mut self) {
        let begun = now();
        let changes = self.reached.topics.look();
        self.shared.fetching().serve();
        self.report(|reporter| {
            reporter.took(Metric::MetadataRequest, now().saturating_duration_since(begun));
        });
        let Some(changes) = changes else { return };
        let mut state = self.shared.state();
        for (partition, id) in changes.made_again {
            let Some(tenure) = state.tenures.get_mut(&partition) else { continue };
            // It was found out between two looks, and begun with.
            if id.is_some() && tenure.topic_id == id {
                continue;
            }
            tenure.made_again = true;
            tenure.topic_id = id;
            // Whatever was done is the old topic's, and must not be committed for this one.
            tenure.progress = Progress::at(Offset(0), true);
            if !matches!(tenure.stage, Stage::Leaving { .. }) {
                self.turns += 1;
                tenure.turn = self.turns;
                tenure.stage = Stage::Locating { at: now(), tries: 0 };
                self.shared.fetching().end(&partition);
            }
        }
        drop(state);
        if !changes.partitions.is_empty() {
            self.member.partitions_changed(changes.partitions);
        }
    }

    /// What is done is committed as the group is left, where that is not for the program to ask for.
    fn commit_last(&mut self) -> Result<(), ConsumerError> {
        if !self.setup.config.auto_commit_enable() {
            return Ok(());
        }
        let until = now() + self.setup.config.max_termination_timeout().min(LEAVING);
        loop {
            match self.commit_all() {
                Err(error) if error.is_retriable() && now() < until => {
                    std::thread::park_timeout(COMMIT_ERROR);
                }
                // What was done of a topic that is gone is nobody's to go on from.
                Err(ConsumerError::NotCommitted { error: OffsetError::Gone, .. }) => return Ok(()),
                committed => return committed,
            }
        }
    }

    fn report(&self, report: impl FnOnce(&Reporter)) {
        if let Some(reporter) = &self.reporter {
            report(reporter);
        }
    }

    fn stop(&mut self, inputs: &Receiver<Input>) -> Result<(), ConsumerError> {
        let held: BTreeSet<_> = self.shared.state().tenures.keys().cloned().collect();
        if !held.is_empty() {
            self.callbacks.revoked(&held);
        }
        let committed = self.commit_last();
        for partition in held {
            // The others are released as each is revoked.
            if let Some(Tenure { stage: Stage::Leaving { .. }, token, .. }) = self.drop_tenure(&partition) {
                self.member.released(partition, token);
            }
        }
        self.member.leave();
        let until = now() + LEAVING;
        loop {
            match inputs.recv_deadline(until) {
                Ok(Input::Notice(Notice::Revoked { partition, token })) => {
                    self.member.released(partition, token);
                }
                Ok(Input::Notice(Notice::Left | Notice::SessionLost)) => break,
                Ok(Input::Notice(_) | Input::Done | Input::Lost(..) | Input::Commit(_) | Input::Stop(_)) => {}
                Err(_) => {
                    log::warn!(
                        "ZooKeeper did not confirm that group {} was left",
                        self.setup.config.group_id()
                    );
                    break;
                }
            }
        }
        committed
    }
}
