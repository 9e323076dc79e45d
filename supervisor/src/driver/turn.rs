//! One turn of the loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::membership::Notice;
use kafkavisor_group::answer::CommitAnswer;
use kafkavisor_group::start::Decision;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::FromWorker;
use kafkavisor_link::page::{Lease, Progress};
use kafkavisor_link::process::Exit;
use kafkavisor_supervisor_core::{Core, Event, Found, Operation, Partition, Phase, Settings, Stop, Ticket};
use nix::unistd::Pid;

use crate::assignment::{Assignment, Meaning};
use crate::system::System;

/// All pages are read at least this often while there are any.
const PAGES_EVERY: Duration = Duration::from_secs(1);
/// A loop so late did not run: it was stopped, suspended or starved.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// Where a partition begins, or why that is not known.
#[derive(Debug, Clone)]
pub struct Start {
    pub partition: TopicPartition,
    pub request: u64,
    pub decision: Result<Decision, String>,
    /// Where a topic begins: the starts of its other partitions.
    pub begins: BTreeMap<TopicPartition, Offset>,
}

/// What comes from outside.
#[derive(Debug)]
pub enum Happened {
    Stop(Stop),
    Spawned {
        partition: TopicPartition,
        pid: Pid,
    },
    SpawnFailed {
        partition: TopicPartition,
        error: String,
    },
    Said {
        pid: Pid,
        message: FromWorker,
    },
    /// Nothing of it is left.
    Gone {
        pid: Pid,
        exit: Exit,
    },
    Notice(Notice),
    Start(Start),
    TopicMadeAgain(TopicPartition),
    Committed(Vec<CommitAnswer>),
    Operated {
        partition: TopicPartition,
        operation: Operation,
        ticket: Ticket,
        by: Arc<str>,
    },
    Reloaded(Settings),
    Time,
}

/// See the module.
#[derive(Debug)]
pub struct Driver {
    pub(crate) core: Core,
    pub(crate) assignment: Assignment,
    pub(crate) workers: BTreeMap<Pid, TopicPartition>,
    lease: Lease,
    leased: bool,
    dead_by_passed: bool,
    pages_read: Instant,
    /// When the last turn said that the next is due.
    due: Option<Instant>,
    pub(crate) exit: Option<bool>,
}

impl Driver {
    pub fn new(core: Core, assignment: Assignment, now: Instant) -> Self {
        Self {
            core,
            assignment,
            workers: BTreeMap::new(),
            lease: Lease::NONE,
            leased: false,
            dead_by_passed: true,
            pages_read: now,
            due: None,
            exit: None,
        }
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Set when the core says exit; true where the drain was cut short.
    pub fn exit(&self) -> Option<bool> {
        self.exit
    }

    /// Takes what happened and does all that follows from it.
    pub fn turn<S: System>(&mut self, system: &mut S, happened: Happened) {
        let time = system.now();
        if let Some(due) = self.due
            && time.saturating_duration_since(due) > STOOD_STILL
        {
            log::warn!("this process stood still for {:.1?}", time.saturating_duration_since(due));
            self.decide(system, Event::StoodStill);
        }
        if time.saturating_duration_since(self.pages_read) >= PAGES_EVERY {
            self.pages_read = time;
            let pages = system.pages();
            self.decide(system, Event::PagesRead { pages });
        }
        self.look_at_lease(system);
        self.happened(system, happened);
        self.decide(system, Event::Woken);
        self.due = self.deadline(system);
    }

    /// When [`Happened::Time`] is due at the latest.
    pub fn deadline<S: System>(&self, system: &S) -> Option<Instant> {
        let (time, boottime) = (system.now(), system.boottime());
        let busy = !self.core.partitions().is_empty();
        let beat = busy.then(|| self.pages_read + PAGES_EVERY);
        let next = if self.leased { self.lease.deliver_until } else { self.lease.dead_by };
        let lease = (busy && next > boottime && next < Boottime(u64::MAX))
            .then(|| time + next.since(boottime) + Duration::from_millis(1));
        [beat, lease, self.core.next_deadline()].into_iter().flatten().min()
    }

    fn happened<S: System>(&mut self, system: &mut S, happened: Happened) {
        match happened {
            Happened::Stop(stop) => self.decide(system, Event::StopRequested(stop)),
            Happened::Spawned { partition, pid } => {
                self.workers.insert(pid, partition.clone());
                self.decide(system, Event::WorkerSpawned { partition, pid });
            }
            Happened::SpawnFailed { partition, error } => {
                self.decide(system, Event::SpawnFailed { partition, error });
            }
            Happened::Said { pid, message } => self.said(system, pid, message),
            Happened::Gone { pid, exit } => self.gone(system, pid, exit),
            Happened::Notice(notice) => self.noticed(system, notice),
            Happened::Start(start) => self.found(system, start),
            Happened::TopicMadeAgain(partition) => self.decide(system, Event::TopicMadeAgain { partition }),
            Happened::Committed(answers) => self.decide(system, Event::Committed { answers }),
            Happened::Operated { partition, operation, ticket, by } => {
                self.decide(system, Event::Operated { partition, operation, ticket, by });
            }
            Happened::Reloaded(settings) => self.decide(system, Event::Reloaded { settings }),
            Happened::Time => {}
        }
    }

    /// What it has written before it spoke is known before what it says.
    fn said<S: System>(&mut self, system: &mut S, pid: Pid, message: FromWorker) {
        let Some(partition) = self.workers.get(&pid).cloned() else { return };
        if let Some((progress, _)) = system.page(&partition) {
            self.decide(system, Event::PagesRead { pages: vec![(partition.clone(), progress)] });
        }
        self.decide(system, Event::WorkerSaid { partition, pid, message });
    }

    fn gone<S: System>(&mut self, system: &mut S, pid: Pid, exit: Exit) {
        let Some(partition) = self.workers.remove(&pid) else { return };
        let (progress, attempts) =
            system.page(&partition).unwrap_or((Progress::default(), Attempts::default()));
        self.decide(system, Event::WorkerExited { partition, pid, exit, progress, attempts });
    }

    fn noticed<S: System>(&mut self, system: &mut S, notice: Notice) {
        let meaning = self.assignment.understand(notice);
        let changes = self.assignment.take_changes();
        if !changes.is_empty() {
            system.changed(changes);
        }
        match meaning {
            Meaning::Event(event) => self.decide(system, *event),
            Meaning::Lease(lease) => {
                self.lease = lease;
                system.set_lease(lease);
                self.look_at_lease(system);
            }
            Meaning::Nothing => {}
        }
    }

    fn look_at_lease<S: System>(&mut self, system: &mut S) {
        let time = system.boottime();
        let leased = time < self.lease.deliver_until;
        if std::mem::replace(&mut self.leased, leased) != leased {
            self.decide(system, if leased { Event::LeaseRenewed } else { Event::LeaseLapsed });
        }
        let dead = time >= self.lease.dead_by;
        if !std::mem::replace(&mut self.dead_by_passed, dead) && dead {
            self.decide(system, Event::LeaseEnded);
        }
    }

    fn found<S: System>(&mut self, system: &mut S, start: Start) {
        let Start { partition, request, decision, begins } = start;
        let awaited = |owned: &Partition| matches!(owned.phase(), Phase::Locating { request: asked, .. } if *asked == request);
        let Some(owned) = self.core.partitions().get(&partition).filter(|owned| awaited(owned)) else {
            // Nobody waits for it any more, and its page is nobody's to touch.
            return;
        };
        let event = match decision {
            Ok(decision) => {
                let page = match &decision {
                    // Its page is the one that it has.
                    decision if owned.tenure.goes_on(decision) => None,
                    Decision::At { offset, why } if why.is_by_us() => {
                        system.take_up_page(&partition, *offset)
                    }
                    Decision::At { .. } | Decision::Park(_) => None,
                };
                let found = Box::new(Found { decision, begins, page });
                Event::StartFound { partition, request, found }
            }
            Err(error) => Event::StartUnknown { partition, request, error },
        };
        self.decide(system, event);
    }
}
