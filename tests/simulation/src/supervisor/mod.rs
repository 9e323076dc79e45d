//! A supervisor's process: the shipping driver and its core on a simulated system.
//!
//! Where the program's loop selects among its channels, this one picks at random; where it waits, this one is woken. What the
//! system is asked for, `system` does.
//!
//! | file | for |
//! |---|---|
//! | `turns` | its loop |
//! | `words` | operators' words |

mod turns;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, TopicPartition};
use kafkavisor::membership::Notice;
use kafkavisor_driver::{Assignment, Driver, Happened, Start};
use kafkavisor_group::answer::CommitAnswer;
use kafkavisor_link::message::FromWorker;
use kafkavisor_link::page::Lease;
use kafkavisor_link::process::Exit;
use kafkavisor_supervisor_core::{ConfigNumber, Core, Operation, Settings, Stop, Ticket};
use nix::unistd::Pid;

use crate::machine::Time;
use crate::process::Role;
use crate::world::World;

/// What comes from a worker, or of asking for one.
#[derive(Debug)]
pub(crate) enum WorkerHeard {
    Spawned(TopicPartition),
    Said(FromWorker),
    Closed,
}

/// A worker as its supervisor knows it.
#[derive(Debug, Default)]
pub(crate) struct Child {
    closed: bool,
    pub(crate) exit: Option<Exit>,
}

/// An operator's word that is not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) partition: TopicPartition,
    pub(crate) operation: Operation,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// Away while it turns.
    pub(crate) driver: Option<Driver>,
    /// The pages in use.
    pub(crate) pages: BTreeMap<TopicPartition, usize>,
    pub(crate) lease: Lease,
    pub(crate) shared_lease: Boottime,
    pub(crate) tokens: BTreeMap<TopicPartition, FencingToken>,
    wake_at: Option<Time>,
    pub(crate) children: BTreeMap<i32, Child>,
    pub(crate) notices: VecDeque<Notice>,
    pub(crate) workers: VecDeque<(i32, WorkerHeard)>,
    pub(crate) failed_spawns: VecDeque<TopicPartition>,
    pub(crate) reaped: VecDeque<(i32, Exit)>,
    /// With the making of the topic that each is of.
    pub(crate) starts: VecDeque<(Start, u64)>,
    /// Which making of the topic its offsets are of.
    pub(crate) topics: BTreeMap<TopicPartition, u64>,
    pub(crate) made_again: VecDeque<(TopicPartition, u64)>,
    pub(crate) commits: VecDeque<Vec<CommitAnswer>>,
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) reloads: VecDeque<bool>,
    pub(crate) stops: VecDeque<Stop>,
    pub(crate) tickets: BTreeMap<Ticket, Asked>,
    last_ticket: u64,
    /// Configurations with which no handler works.
    pub(crate) broken: BTreeSet<ConfigNumber>,
    pub(crate) established: ConfigNumber,
    /// Whose workers have shown that they work with it, and are gone.
    pub(crate) proved: BTreeSet<(ConfigNumber, TopicPartition)>,
    pub(crate) stop_asked: Option<Time>,
    pub(crate) paused_before_stop: Time,
    pub(crate) partitions_at_first: i32,
    /// The making of the topic that its look-ups know.
    pub(crate) looked_at: u64,
    /// Spawns after failures, for the bound on restarts.
    pub(crate) spawns: BTreeMap<TopicPartition, (Option<FencingToken>, Vec<Time>)>,
    /// Messages counted of each partition, as `status` last showed them.
    pub(crate) counted: BTreeMap<TopicPartition, u64>,
    /// Whose last worker's end was no failure: the lease ended, or somebody wanted another.
    pub(crate) no_failure: BTreeSet<TopicPartition>,
}

/// Where something waits to be taken.
#[derive(Debug, Clone, Copy)]
enum Channel {
    Stops,
    Workers,
    FailedSpawns,
    Reaped,
    Notices,
    Starts,
    MadeAgain,
    Commits,
    Asked,
    Reloads,
}

impl Supervisor {
    pub(crate) fn token(&self, partition: &TopicPartition) -> Option<FencingToken> {
        self.tokens.get(partition).copied()
    }

    /// Which making of the topic this partition's offsets are of, as far as it knows.
    pub(crate) fn topic(&self, partition: &TopicPartition) -> u64 {
        let of_any = || self.topics.values().max().copied().unwrap_or(0);
        self.topics.get(partition).copied().unwrap_or_else(of_any)
    }

    pub(crate) fn core(&self) -> Option<&Core> {
        self.driver.as_ref().map(Driver::core)
    }

    /// The channels that hold something.
    fn waiting(&self) -> Vec<Channel> {
        [
            (Channel::Stops, self.stops.is_empty()),
            (Channel::Workers, self.workers.is_empty()),
            (Channel::FailedSpawns, self.failed_spawns.is_empty()),
            (Channel::Reaped, self.reaped.is_empty()),
            (Channel::Notices, self.notices.is_empty()),
            (Channel::Starts, self.starts.is_empty()),
            (Channel::MadeAgain, self.made_again.is_empty()),
            (Channel::Commits, self.commits.is_empty()),
            (Channel::Asked, self.asked.is_empty()),
            (Channel::Reloads, self.reloads.is_empty()),
        ]
        .into_iter()
        .filter(|(_, empty)| !empty)
        .map(|(channel, _)| channel)
        .collect()
    }

    fn next(&mut self, channel: Channel, settings: &Settings) -> Option<Happened> {
        match channel {
            Channel::Stops => self.stops.pop_front().map(Happened::Stop),
            Channel::Workers => self.workers.pop_front().and_then(|(pid, heard)| self.heard(pid, heard)),
            Channel::FailedSpawns => {
                let error = "no process to be had".to_owned();
                self.failed_spawns.pop_front().map(|partition| Happened::SpawnFailed { partition, error })
            }
            Channel::Reaped => self.reaped.pop_front().and_then(|(pid, exit)| {
                self.children.get_mut(&pid)?.exit = Some(exit);
                None
            }),
            Channel::Notices => self.notices.pop_front().map(Happened::Notice),
            Channel::Starts => self.starts.pop_front().map(|(start, topic)| {
                // What is still owed of a place from before is of the topic that that was found in.
                if start.decision.is_ok() {
                    self.topics.insert(start.partition.clone(), topic);
                }
                self.topics.extend(start.begins.keys().map(|partition| (partition.clone(), topic)));
                Happened::Start(start)
            }),
            // What is found to be of the new topic already is no news.
            Channel::MadeAgain => self.made_again.pop_front().and_then(|(partition, topic)| {
                (self.topic(&partition) < topic).then_some(Happened::TopicMadeAgain(partition))
            }),
            Channel::Commits => self.commits.pop_front().map(Happened::Committed),
            Channel::Asked => self.asked.pop_front().map(|asked| {
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                let Asked { partition, operation, .. } = asked.clone();
                // What starts at a word is no failure.
                self.spawns.remove(&partition);
                self.tickets.insert(ticket, asked);
                Happened::Operated { partition, operation, ticket, by: "somebody".into() }
            }),
            Channel::Reloads => self.reloads.pop_front().and_then(|broken| {
                let number = self.core()?.next_config();
                self.spawns.clear();
                if broken {
                    self.broken.insert(number);
                }
                Some(Happened::Reloaded(Settings { worked: false, ..settings.clone() }))
            }),
        }
    }

    fn heard(&mut self, pid: i32, heard: WorkerHeard) -> Option<Happened> {
        let child = self.children.get_mut(&pid)?;
        let pid = Pid::from_raw(pid);
        match heard {
            WorkerHeard::Spawned(partition) => Some(Happened::Spawned { partition, pid }),
            WorkerHeard::Said(message) => Some(Happened::Said { pid, message }),
            WorkerHeard::Closed => {
                child.closed = true;
                None
            }
        }
    }
}

impl World {
    pub(crate) fn start_supervisor(&mut self, process: usize) {
        let now = self.instant(process);
        let worked = self.processes[process].worked;
        let core = Core::new(Settings { worked, ..self.settings() }, self.random.number());
        let supervisor = Supervisor {
            driver: Some(Driver::new(core, Assignment::new("zookeeper"), now)),
            pages: BTreeMap::new(),
            lease: Lease::NONE,
            shared_lease: Boottime(0),
            tokens: BTreeMap::new(),
            wake_at: None,
            children: BTreeMap::new(),
            notices: VecDeque::new(),
            workers: VecDeque::new(),
            failed_spawns: VecDeque::new(),
            reaped: VecDeque::new(),
            starts: VecDeque::new(),
            topics: BTreeMap::new(),
            made_again: VecDeque::new(),
            commits: VecDeque::new(),
            asked: VecDeque::new(),
            reloads: VecDeque::new(),
            stops: VecDeque::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            broken: BTreeSet::new(),
            established: ConfigNumber(0),
            proved: BTreeSet::new(),
            stop_asked: None,
            paused_before_stop: 0,
            partitions_at_first: i32::try_from(self.partitions.len()).unwrap_or(i32::MAX),
            looked_at: self.topic,
            spawns: BTreeMap::new(),
            counted: BTreeMap::new(),
            no_failure: BTreeSet::new(),
        };
        self.processes[process].life += 1;
        self.processes[process].role = Some(Role::Supervisor(Box::new(supervisor)));
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} starts"));
        self.join(process);
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            restart: self.plan.restart.clone(),
            poison: self.plan.poison.clone(),
            stop_timeout: self.plan.stop_timeout,
            hangs_after: Duration::from_secs(6),
            commit_interval: self.plan.commit_interval,
            worked: false,
        }
    }

    pub(crate) fn supervisor(&mut self, process: usize) -> Option<&mut Supervisor> {
        self.processes[process].supervisor()
    }
}
