//! What the loop knows, put together for those who look: while somebody does, and at most ten times a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use kafkavisor::clock::{Boottime, now, wall_millis};
use kafkavisor::config::Handler;
use kafkavisor::ids::TopicPartition;
use kafkavisor_supervisor_core::{Barred, Partition};
use nix::unistd::{Pid, getpid};

use super::event_loop::EventLoop;
use crate::observe::ages::in_words;
use crate::observe::board::PUBLISH_EVERY;
use crate::observe::snapshot::{Moment, Seen, Snapshot};
use crate::observe::status::{self, Status};
use crate::observe::{Describe, Looks};
use kafkavisor_link::message::{Description, ToWorker};
use kafkavisor_link::page::Lease;

/// A clock that is further off than this was set.
const CLOCK_WAS_SET_MILLIS: u64 = 500;

/// What the loop remembers for those who look.
pub(crate) struct Telling {
    pub(super) looks: Looks,
    /// The first assignment is applied.
    pub(super) applied: bool,
    /// When what it knows is to be put together, and when it was.
    pub(super) publish_at: Option<Instant>,
    published_at: Option<Instant>,
    /// Who waits for a worker to describe itself.
    pub(super) describing: BTreeMap<Pid, Vec<Sender<Description>>>,
    /// What is between the wall clock and the other one.
    wall_ahead: i64,
    host: String,
}

impl Telling {
    pub(super) fn new(looks: Looks, host: String) -> Self {
        Self {
            looks,
            applied: false,
            publish_at: None,
            published_at: None,
            describing: BTreeMap::new(),
            wall_ahead: 0,
            host,
        }
    }
}

impl EventLoop {
    /// Somebody looks: at once, unless that was done only now.
    pub(super) fn looked_at(&mut self) {
        let time = now();
        let next = self.telling.published_at.map_or(time, |at| at + PUBLISH_EVERY);
        self.telling.publish_at = Some(next.max(time));
    }

    pub(super) fn publish_if_due(&mut self, time: Instant) {
        if self.telling.publish_at.is_some_and(|at| time >= at) {
            self.telling.publish_at = None;
            self.telling.published_at = Some(time);
            let snapshot = self.snapshot();
            let (count, took) = (snapshot.partitions.len(), now().saturating_duration_since(time));
            self.telling.looks.board.publish(snapshot);
            log::trace!("a snapshot of {count} partitions took {} us", took.as_micros());
        }
    }

    /// A worker is asked to describe itself; where there is none, whoever waits for it hears that.
    pub(super) fn describe(&mut self, describe: Describe) {
        let owned = self.driver.core().partitions().get(&describe.partition);
        if let Some(pid) = owned.and_then(Partition::pid) {
            self.real.workers.say(pid, &ToWorker::Describe);
            self.telling.describing.entry(pid).or_default().push(describe.answer);
        }
    }

    pub(super) fn described(&mut self, pid: Pid, description: &Description) {
        for asked in self.telling.describing.remove(&pid).unwrap_or_default() {
            let _nobody_waits = asked.send(description.clone());
        }
    }

    fn moment(&mut self, boottime: Boottime) -> Moment {
        let wall_millis = wall_millis();
        let wall_ahead =
            wall_millis.saturating_sub(i64::try_from(boottime.0 / 1_000_000).unwrap_or(i64::MAX));
        if wall_ahead.abs_diff(self.telling.wall_ahead) > CLOCK_WAS_SET_MILLIS {
            self.telling.wall_ahead = wall_ahead;
        }
        Moment { instant: now(), boottime, wall_millis, wall_ahead: self.telling.wall_ahead }
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        let moment = self.moment(Boottime::now());
        let (core, assignment) = (self.driver.core(), self.driver.assignment());
        let connected = assignment.connected && assignment.joined;
        let partitions = core.partitions().iter().map(|(key, owned)| self.seen(key, owned)).collect();
        let mut snapshot = Snapshot::new(
            moment,
            self.instance(moment.boottime),
            self.telling.applied,
            connected,
            partitions,
        );
        core.left().for_each(|record| snapshot.left.add_record(record));
        snapshot.rebalances = *core.rebalances();
        snapshot.per_partition = self.real.config().metrics.per_partition;
        snapshot
    }

    fn seen(&self, key: &TopicPartition, owned: &Partition) -> Seen {
        let progress = self.real.pages.get(key).map(|entry| entry.page.progress());
        let end = self.ends.get(key).copied();
        let seen = Seen::of(key, owned, self.driver.core().record(key), progress.as_ref(), end);
        let handler = self.handler_of(owned);
        Seen {
            reason: self.reason_of(owned).or(seen.reason),
            left_behind: self.real.workers.left_of(key),
            hangs_after: handler.map_or(Duration::MAX, Handler::hangs_after),
            timeout: handler.map_or(Duration::MAX, |handler| handler.timeout),
            ..seen
        }
    }

    /// As its worker was started.
    fn handler_of(&self, owned: &Partition) -> Option<&Handler> {
        let worker = owned.phase().worker()?;
        Some(&self.real.config_of(worker.config)?.handler)
    }

    /// The instance without its partitions.
    fn instance(&self, boottime: Boottime) -> Status {
        let (core, assignment, config) = (self.driver.core(), self.driver.assignment(), self.real.config());
        let state = match (core.stopping(), core.settled()) {
            (true, _) => "stopping",
            (false, false) if core.generation().0 == 0 => "starting",
            (false, _) => "running",
        };
        Status {
            group: config.group.to_string(),
            name: config.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.telling.host.clone(),
            topics: config.topics.clone(),
            state: state.to_owned(),
            generation: core.generation().0,
            pid: u32::try_from(getpid().as_raw()).unwrap_or_default(),
            uptime_seconds: now().saturating_duration_since(self.started).as_secs_f64(),
            troubles: self.cut_off(boottime).into_iter().chain(self.all_troubles()).collect(),
            commit_errors_total: core.commit_errors(),
            assignment: status::Assignment {
                mode: assignment.mode.to_owned(),
                state: assignment.state(core.settled()).to_owned(),
                session: assignment.session.clone(),
                member: assignment.member.clone(),
                members: assignment.members,
                group_members: assignment.listed.clone(),
                blocked: assignment.blocked.clone(),
                trouble: assignment.trouble.clone(),
                troubles: assignment.troubles.clone(),
            },
            roll: core.roll().map(status::Roll::of),
            partitions: Vec::new(),
        }
    }

    /// What a closer look found says more than what a worker could.
    fn reason_of(&self, owned: &Partition) -> Option<String> {
        match &owned.tenure.barred {
            Some(Barred::Refused(_)) => self.troubles.seen.clone(),
            Some(Barred::Denied(_)) | None => None,
        }
    }

    /// That ZooKeeper is not reached, and what comes of it when.
    fn cut_off(&self, boottime: Boottime) -> Option<String> {
        if self.driver.assignment().connected {
            return None;
        }
        let Lease { deliver_until, dead_by } = self.driver.lease();
        let then = if boottime < deliver_until {
            format!(
                "handlers get messages for {} more, then their workers end, unless it is reached again",
                in_words(deliver_until.since(boottime))
            )
        } else if boottime < dead_by {
            format!("workers end, in {} at the latest; it is tried again", in_words(dead_by.since(boottime)))
        } else {
            "no partition is surely ours any more, and none is worked on until it is reached again".to_owned()
        };
        Some(format!("ZooKeeper is not reached: {then}"))
    }

    /// What others come from stands first.
    fn all_troubles(&self) -> Vec<String> {
        let of_partition = |(key, owned): (&TopicPartition, &Partition)| {
            let barred = owned.tenure.barred.as_ref()?;
            Some(match barred {
                Barred::Denied(why) => format!("topic {}: {why}", key.topic),
                Barred::Refused(why) => self.reason_of(owned).unwrap_or_else(|| why.clone()),
            })
        };
        let of_commit = |owned: &Partition| {
            let tenure = &owned.tenure;
            // The right that stopped it is said of its topic.
            let said = |error: &&String| tenure.barred.as_ref().is_some_and(|barred| barred.why() == *error);
            let error = tenure.commit_error.as_ref().filter(|_| tenure.commits_barred);
            error.filter(|error| !said(error)).map(|error| format!("commits: {error}"))
        };
        let of_commits = self.driver.core().partitions().values().filter_map(of_commit);
        let of_partitions = self.driver.core().partitions().iter().filter_map(of_partition);
        let of_starts = self.troubles.of_waiting(self.driver.core().partitions());
        let of_topics = self.troubles.of_topics.iter().cloned();
        let all: BTreeSet<_> = of_partitions.chain(of_commits).chain(of_starts).chain(of_topics).collect();
        let of_tokens = self.troubles.of_tokens.iter().map(ToString::to_string);
        let of_secrets = self.real.unreadable_secrets();
        of_tokens.chain(of_secrets).chain(all).collect()
    }

    pub(super) fn log_everything(&mut self) {
        let status = self.snapshot().status();
        log::info!(
            "{}: {}, generation {}, assignment {} with {} members",
            status.group,
            status.state,
            status.generation,
            status.assignment.state,
            status.assignment.members
        );
        for partition in &status.partitions {
            log::info!("{}", serde_json::to_string(partition).unwrap_or_default());
        }
    }
}
