//! What the loop knows, put together for those who look: while somebody does, and at most ten times a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use kafkavisor::clock::{Boottime, now, thread_time, wall_millis};
use kafkavisor::config::Handler;
use kafkavisor::ids::TopicPartition;
use kafkavisor_supervisor_core::{Barred, Beside, Partition, Record};
use nix::unistd::{Pid, getpid};

use super::event_loop::EventLoop;
use crate::observe::ages::in_words;
use crate::observe::board::PUBLISH_EVERY;
use crate::observe::known::{self, Known, Moment, Troubles};
use crate::observe::snapshot::Snapshot;
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
            let (began, worked) = (now(), thread_time());
            let known = self.known();
            let count = known.partitions.len();
            self.telling.looks.board.publish(known);
            let took = now().saturating_duration_since(began);
            let work = thread_time().saturating_sub(worked);
            log::trace!(
                "a snapshot of {count} partitions took {} us, {} us of them at work",
                took.as_micros(),
                work.as_micros()
            );
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

    fn known(&mut self) -> Known {
        let moment = self.moment(Boottime::now());
        let (core, assignment) = (self.driver.core(), self.driver.assignment());
        Known {
            moment,
            instance: self.instance(),
            applied: self.telling.applied,
            connected: assignment.connected && assignment.joined,
            partitions: self.partitions(self.telling.looks.board.room()),
            left: core.left().map(|record| record.history.clone()).collect(),
            rebalances: *core.rebalances(),
            per_partition: self.real.config().metrics.per_partition,
            troubles: self.first_troubles(moment.boottime),
        }
    }

    /// Everything that is known by partition is gone through once, in step.
    fn partitions(&self, mut room: Vec<known::Partition>) -> Vec<known::Partition> {
        let (mut pages, mut ends) = (Beside::new(self.real.pages.all()), Beside::new(&self.ends));
        let (mut left, mut starts) =
            (Beside::new(self.real.workers.left()), Beside::new(&self.troubles.of_starts));
        let known = |(key, owned, record): (&TopicPartition, &Partition, Option<&Record>)| {
            let handler = self.handler_of(owned);
            let known = known::Partition::of(key, owned, record);
            let left = left.get(key).into_iter().flatten();
            known::Partition {
                reason: self.reason_of(owned).cloned().or(known.reason),
                start_trouble: starts.get(key).filter(|_| owned.waiting().is_some()).cloned(),
                left_behind: left.map(|left| left.name.clone()).collect(),
                page: pages.get(key).map(|entry| Arc::clone(&entry.page)),
                end: ends.get(key).copied(),
                hangs_after: handler.map_or(Duration::MAX, Handler::hangs_after),
                ..known
            }
        };
        room.extend(self.driver.core().owned().map(known));
        room
    }

    /// As its worker was started.
    fn handler_of(&self, owned: &Partition) -> Option<&Handler> {
        let worker = owned.phase().worker()?;
        Some(&self.real.config_of(worker.config)?.handler)
    }

    /// The instance without its partitions and its troubles.
    fn instance(&self) -> Status {
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
            troubles: Vec::new(),
            commit_errors_total: core.commit_errors(),
            assignment: status::Assignment {
                mode: assignment.mode.to_owned(),
                state: assignment.state(core.settled()).to_owned(),
                session: assignment.session.clone(),
                member: assignment.member.clone(),
                members: assignment.members,
                group_members: Arc::clone(&assignment.listed),
                blocked: Arc::clone(&assignment.blocked),
                trouble: assignment.trouble.clone(),
                troubles: Arc::clone(&assignment.troubles),
            },
            roll: core.roll().map(status::Roll::of),
            partitions: Vec::new(),
        }
    }

    /// What a closer look found says more than what a worker could.
    fn reason_of(&self, owned: &Partition) -> Option<&Arc<str>> {
        match &owned.tenure.barred {
            Some(Barred::Refused(_)) => self.troubles.seen.as_ref(),
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

    fn first_troubles(&self, boottime: Boottime) -> Troubles {
        let cut_off = self.cut_off(boottime).into_iter();
        let of_tokens = self.troubles.of_tokens.iter().map(ToString::to_string);
        Troubles {
            first: cut_off.chain(of_tokens).chain(self.real.unreadable_secrets()).collect(),
            of_topics: Arc::clone(&self.troubles.of_topics),
        }
    }

    pub(super) fn log_everything(&mut self) {
        let status = Snapshot::of(&mut self.known()).status();
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
