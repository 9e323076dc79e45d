//! Kafka as the group meets it: offsets looked up and committed over a network that delays, loses answers, and at times is
//! not there. What a client has sent arrives in order while it lives; what a dead one has sent arrives all the same.
//!
//! | file | for |
//! |---|---|
//! | `starts` | where reading begins |
//! | `commits` | commits and their answers |
//! | `topics` | what is produced, and topics made again |

mod commits;
mod starts;
mod topics;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_driver::Start;
use kafkavisor_group::answer::CommitAnswer;

use crate::machine::{Time, millis};
use crate::world::{Checked, Due, World};

/// What whoever has no right to read is told.
pub(crate) const NO_RIGHT: &str = "not allowed to read the topic";

/// A start that is asked for.
#[derive(Debug, Clone)]
struct Look {
    process: usize,
    life: u64,
    partition: TopicPartition,
    request: u64,
    made_again: bool,
}

/// What waits for its moment.
#[derive(Debug)]
enum Pending {
    /// A start is looked up.
    Look(Look),
    /// It gets no answer.
    LookFails(Look),
    /// The committing thread takes up its request.
    Send { process: usize, life: u64, commits: Vec<Commit> },
    /// A commit arrives.
    Commit { process: usize, life: u64, commits: Vec<Commit> },
    /// The client waits no longer for the answer to that commit.
    TimeOut { commit: u64 },
    /// An answer reaches the supervisor.
    Answer { process: usize, life: u64, heard: Answer },
    /// A supervisor notices that a topic is another one.
    Notice { process: usize, life: u64 },
}

#[derive(Debug)]
enum Answer {
    Start(Start, u64),
    Commits(Vec<CommitAnswer>),
}

/// One partition's part of a commit, with whoever its sender was at sending.
#[derive(Debug, Clone)]
struct Commit {
    partition: TopicPartition,
    offset: Offset,
    token: Option<FencingToken>,
    /// Only where the group has no offset.
    first: bool,
    /// An operator wants it so.
    ordered: bool,
    /// Which making of the topic it is of.
    topic: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Kafka {
    pending: BTreeMap<u64, Pending>,
    last: u64,
    /// Commits whose sender still waits.
    awaited: BTreeMap<u64, (usize, u64, Vec<Commit>)>,
    /// Starts to be looked up; the first of each is under way.
    lookups: BTreeMap<(usize, u64), VecDeque<Look>>,
    /// For each process: when its last commit arrives at the soonest.
    arrives: BTreeMap<(usize, u64), Time>,
    pub(crate) away: bool,
    pub(crate) slow: bool,
    pub(crate) loses_answers: bool,
    /// Partitions without a leader, or whose topic is gone.
    pub(crate) without_leader: BTreeSet<usize>,
    /// Partitions that the group has no right to read, as if each were of a topic of its own.
    pub(crate) denied: BTreeSet<usize>,
    /// Whoever is logged in stays so; nobody else is let in.
    pub(crate) refuses_logins: bool,
    /// The group's coordinator is away: messages come, commits fail.
    pub(crate) refuses_commits: bool,
    /// The dead-letter topic takes nothing.
    pub(crate) refuses_dead_letters: bool,
    /// It confirms nothing.
    pub(crate) holds_dead_letters: bool,
    /// When it was last itself again.
    pub(crate) recovered_at: Option<Time>,
}

impl Kafka {
    /// Whether workers of this partition get messages.
    pub(crate) fn serves(&self, partition: usize) -> bool {
        !self.away && !self.without_leader.contains(&partition)
    }

    /// Whether any commit is still on its way.
    pub(crate) fn quiet(&self) -> bool {
        !self
            .pending
            .values()
            .any(|pending| matches!(pending, Pending::Commit { .. } | Pending::Notice { .. }))
    }
}

impl World {
    fn later(&mut self, after: Time, pending: Pending) -> u64 {
        self.kafka.last += 1;
        let number = self.kafka.last;
        self.kafka.pending.insert(number, pending);
        self.schedule(after, Due::Kafka(number));
        number
    }

    fn kafka_hop(&mut self) -> Time {
        if self.kafka.slow && self.random.percent(40) {
            let longest = self.plan.kafka_timeout * 3 / 2;
            return self.between(millis(5), longest);
        }
        self.between(millis(1), millis(15))
    }

    fn lives(&self, process: usize, life: u64) -> bool {
        self.processes[process].life == life && self.processes[process].runs()
    }

    pub(crate) fn kafka_due(&mut self, number: u64) -> Checked {
        let Some(pending) = self.kafka.pending.remove(&number) else { return Ok(()) };
        self.figures.event("kafka");
        match pending {
            Pending::Look(look) => self.look(look),
            Pending::LookFails(look) => self.start_found(&look, Err("no answer".to_owned()), BTreeMap::new()),
            Pending::Notice { process, life } => self.notice_topic(process, life),
            Pending::Send { process, life, commits } => self.send_commit(process, life, commits),
            Pending::Commit { process, life, commits } => {
                return self.commit_arrives(number, process, life, commits);
            }
            Pending::TimeOut { commit } => self.commit_times_out(commit),
            Pending::Answer { process, life, heard } => self.kafka_answers(process, life, heard),
        }
        Ok(())
    }

    fn kafka_answers(&mut self, process: usize, life: u64, heard: Answer) {
        if !self.lives(process, life) {
            return;
        }
        let Some(supervisor) = self.supervisor(process) else { return };
        match heard {
            Answer::Start(start, topic) => supervisor.starts.push_back((start, topic)),
            Answer::Commits(answers) => supervisor.commits.push_back(answers),
        }
        self.poke(process);
    }
}
