//! Kafka as the group meets it: offsets looked up and committed over a network that delays, loses answers, and at times is
//! not there. What a client has sent arrives in order while it lives; what a dead one has sent arrives all the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_driver::Start;
use kafkavisor_supervisor_core::start::{CommitNote, Committed, Decision, Facts, Why, decide};
use kafkavisor_supervisor_core::{CommitAnswer, NotCommitted, Operation};

use crate::machine::{Time, millis};
use crate::partition::Temper;
use crate::world::{Checked, Due, World};

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

    /// One thread looks starts up, one after the other.
    pub(crate) fn look_up(
        &mut self,
        process: usize,
        partition: TopicPartition,
        request: u64,
        made_again: bool,
    ) {
        let life = self.processes[process].life;
        let waiting = self.kafka.lookups.entry((process, life)).or_default();
        waiting.push_back(Look { process, life, partition, request, made_again });
        if waiting.len() == 1 {
            self.look_next(process, life);
        }
    }

    fn look_next(&mut self, process: usize, life: u64) {
        let next = self.kafka.lookups.get(&(process, life)).and_then(|waiting| waiting.front().cloned());
        if let Some(look) = next {
            let hop = self.kafka_hop();
            self.later(hop, Pending::Look(look));
        }
    }

    pub(crate) fn commit(
        &mut self,
        process: usize,
        offsets: BTreeMap<TopicPartition, Offset>,
        starts: &BTreeSet<TopicPartition>,
    ) {
        let life = self.processes[process].life;
        let Some(supervisor) = self.supervisor(process) else { return };
        let commit = |(partition, offset): (TopicPartition, Offset)| Commit {
            token: supervisor.token(&partition),
            first: starts.contains(&partition),
            ordered: supervisor
                .tickets
                .values()
                .any(|asked| asked.partition == partition && asked.operation == Operation::Seek(offset)),
            topic: supervisor.topic(&partition),
            partition,
            offset,
        };
        let commits = offsets.into_iter().map(commit).collect();
        let soon = self.between(1000, 200_000);
        self.later(soon, Pending::Send { process, life, commits });
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

    fn start_found(
        &mut self,
        look: &Look,
        decision: Result<Decision, String>,
        begins: BTreeMap<TopicPartition, Offset>,
    ) {
        let hop = self.between(millis(1), millis(10));
        let Look { process, life, partition, request, .. } = look.clone();
        let topic = self.partitions[Self::partition_of(&partition)].topic;
        let heard = Answer::Start(Start { partition, request, decision, begins }, topic);
        self.later(hop, Pending::Answer { process, life, heard });
        if let Some(waiting) = self.kafka.lookups.get_mut(&(process, life)) {
            waiting.pop_front();
        }
        self.look_next(process, life);
    }

    fn facts(&mut self, process: usize, partition: &TopicPartition, made_again: bool) -> Facts {
        let at = Self::partition_of(partition);
        let at_first = self.supervisor(process).map_or(0, |supervisor| supervisor.partitions_at_first);
        Facts {
            instance: self.processes[process].name.clone(),
            committed: self.partitions[at].committed.clone().filter(|_| !made_again),
            topic_committed: self.partitions.iter().any(|partition| partition.committed.is_some()),
            appeared_later: made_again || partition.partition.0 >= at_first,
            log: self.partitions[at].offsets(),
            topic_id: Some(self.partitions[at].topic.to_string()),
            in_zookeeper: false,
            reset: self.plan.reset,
        }
    }

    fn look(&mut self, look: Look) {
        let process = look.process;
        if !self.lives(process, look.life) {
            return;
        }
        // A thread that is stopped goes on where it was; one that gets no answer says so when it has waited.
        if self.processes[process].paused {
            self.later(millis(50), Pending::Look(look));
            return;
        }
        if self.kafka.away {
            self.later(self.plan.kafka_timeout, Pending::LookFails(look));
            return;
        }
        if self.kafka.without_leader.contains(&Self::partition_of(&look.partition)) {
            self.start_found(&look, Err("it has no leader".to_owned()), BTreeMap::new());
            return;
        }
        // A topic that is another one than when it was looked at last is new, all of it.
        let topic = self.topic;
        if let Some(supervisor) = self.supervisor(process)
            && std::mem::replace(&mut supervisor.looked_at, topic) != topic
        {
            supervisor.partitions_at_first = 0;
        }
        let decision = decide(&self.facts(process, &look.partition, look.made_again));
        let begins = if matches!(decision, Decision::At { why: Why::Reset, .. }) {
            self.others_starts(process, &look.partition)
        } else {
            BTreeMap::new()
        };
        self.start_found(&look, Ok(decision), begins);
    }

    /// Where a topic is new to the group, the starts of all its partitions are known at once.
    fn others_starts(
        &mut self,
        process: usize,
        partition: &TopicPartition,
    ) -> BTreeMap<TopicPartition, Offset> {
        let others: Vec<_> = self.partitions.iter().map(|partition| partition.partition.clone()).collect();
        let start = |other: &TopicPartition, decision: Decision| match decision {
            Decision::At { offset, why: Why::Reset } => Some((other.clone(), offset)),
            Decision::At { .. } | Decision::Park(_) => None,
        };
        others
            .iter()
            .filter(|other| *other != partition)
            .filter_map(|other| start(other, decide(&self.facts(process, other, false))))
            .collect()
    }

    fn note(&self, process: usize, offset: Offset, topic: u64) -> Committed {
        // Every host's instance has the group's name; its id is its own.
        let id = &self.processes[process].name;
        Committed { offset, metadata: CommitNote::new("g", id, Some(topic.to_string())).to_text() }
    }

    /// The lease is checked once more where the request is sent.
    fn send_commit(&mut self, process: usize, life: u64, commits: Vec<Commit>) {
        if !self.lives(process, life) {
            return;
        }
        if self.processes[process].paused {
            self.later(millis(50), Pending::Send { process, life, commits });
            return;
        }
        let boottime = self.processes[process].machine.boottime(self.now);
        let hop = self.kafka_hop();
        let Some(supervisor) = self.supervisor(process) else { return };
        if boottime >= supervisor.shared_lease {
            let heard =
                Answer::Commits(answers(&commits, Some("no evidence that the partition is still ours")));
            self.later(1000, Pending::Answer { process, life, heard });
            return;
        }
        let now = self.now;
        let soonest = self.kafka.arrives.entry((process, life)).or_default();
        *soonest = (*soonest + 1).max(now + hop);
        let after = *soonest - now;
        let commit = self.later(after, Pending::Commit { process, life, commits: commits.clone() });
        self.kafka.awaited.insert(commit, (process, life, commits));
        let wait = self.plan.kafka_timeout;
        self.later(wait, Pending::TimeOut { commit });
    }

    fn commit_arrives(&mut self, number: u64, process: usize, life: u64, commits: Vec<Commit>) -> Checked {
        if self.kafka.away {
            // What waits for a broker is there when the broker is, or was lost with the connection.
            if self.random.percent(50) {
                let later = millis(100);
                // In order all the same.
                let soonest = self.kafka.arrives.entry((process, life)).or_default();
                *soonest = (*soonest).max(self.now + later);
                self.kafka.pending.insert(number, Pending::Commit { process, life, commits });
                self.schedule(later, Due::Kafka(number));
            }
            return Ok(());
        }
        let mut refused = BTreeMap::new();
        for commit in &commits {
            let Commit { partition, offset, token, first, ordered, topic } = commit;
            let at = Self::partition_of(partition);
            if self.kafka.refuses_commits {
                refused.insert(partition.clone(), "the coordinator is not available");
                continue;
            }
            if self.kafka.without_leader.contains(&at) {
                refused.insert(partition.clone(), "its topic is not there");
                continue;
            }
            // The program looks a moment before it sends; here that moment is none.
            let there = self.partitions[at].committed.as_ref().map(|committed| committed.offset);
            if *first && there.is_some_and(|there| there != *offset) {
                refused.insert(partition.clone(), "another member has just begun this topic");
                continue;
            }
            let committed = self.note(process, *offset, *topic);
            self.say(|| format!("{partition}: {offset} is committed by process {process}, token {token:?}"));
            self.figures.count("commits");
            if *topic != self.partitions[at].topic {
                // Of a topic that is gone: its note says so to whoever reads it.
                self.figures.count("commits of a topic that is gone");
                self.partitions[at].committed = Some(committed);
                continue;
            }
            if self.partitions[at].committed.is_none() {
                self.partitions[at].before(*offset);
            }
            if *ordered {
                self.partitions[at].commit_ordered(committed);
            } else if self.partitions[at].commit(committed, *token)? {
                self.figures.fault("late commit of a former owner");
            }
        }
        if self.kafka.loses_answers && self.random.percent(40) {
            self.figures.fault("commit answer lost");
            return Ok(());
        }
        if self.kafka.awaited.remove(&number).is_some() {
            let hop = self.between(millis(1), millis(10));
            let mut heard = answers(&commits, None);
            for answer in &mut heard {
                answer.error = refused
                    .get(&answer.partition)
                    .map(|error| NotCommitted::Failed((*error).to_owned()));
            }
            let heard = Answer::Commits(heard);
            self.later(hop, Pending::Answer { process, life, heard });
        }
        Ok(())
    }

    fn commit_times_out(&mut self, commit: u64) {
        if let Some((process, life, commits)) = self.kafka.awaited.remove(&commit) {
            let heard = Answer::Commits(answers(&commits, Some("no answer in time")));
            self.later(1000, Pending::Answer { process, life, heard });
        }
    }

    /// A Python member commits: nobody checks anything.
    pub(crate) fn python_commits(
        &mut self,
        process: usize,
        partition: &TopicPartition,
        offset: Offset,
        token: FencingToken,
    ) -> Checked {
        if self.kafka.away {
            return Ok(());
        }
        let topic = self.partitions[Self::partition_of(partition)].topic;
        let committed = Committed { metadata: String::new(), ..self.note(process, offset, topic) };
        self.figures.count("commits of Python members");
        if self.partitions[Self::partition_of(partition)].commit(committed, Some(token))? {
            self.figures.fault("late commit of a former owner");
        }
        Ok(())
    }

    /// The topic is deleted and made again: with it go its messages and, mostly, the group's offsets. Who has it notices within
    /// seconds.
    pub(crate) fn make_again(&mut self, keeps: bool) {
        self.topic += 1;
        for partition in &mut self.partitions {
            partition.make_again(self.topic, keeps);
        }
        for process in 0..self.processes.len() {
            // What starts anew for that is no failure.
            if let Some(supervisor) = self.supervisor(process) {
                supervisor.spawns.clear();
            }
            let life = self.processes[process].life;
            let later = self.noticed_within();
            self.later(later, Pending::Notice { process, life });
        }
    }

    fn notice_topic(&mut self, process: usize, life: u64) {
        if !self.lives(process, life) {
            return;
        }
        if self.kafka.away || self.processes[process].paused {
            self.later(millis(500), Pending::Notice { process, life });
            return;
        }
        let all: Vec<_> =
            self.partitions.iter().map(|partition| (partition.partition.clone(), partition.topic)).collect();
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.partitions_at_first = 0;
            supervisor.made_again.extend(all);
            self.poke(process);
        }
    }

    pub(crate) fn append(&mut self, at: usize) {
        let gap = if self.random.percent(10) { i64::try_from(self.random.below(5)).unwrap_or(0) } else { 0 };
        let bytes = u64::try_from(self.random.below(200)).unwrap_or(0);
        let draw = self.random.below(1000);
        let poison = self.plan.poison_messages;
        let temper = if draw < poison {
            Temper::Poison
        } else if draw < poison + self.plan.refused_messages {
            Temper::Refused
        } else {
            Temper::Calm
        };
        self.partitions[at].append(gap, bytes, temper);
        if self.random.percent(3) {
            // Behind a transaction stands its marker.
            self.partitions[at].end += 1;
        }
    }

    pub(crate) fn produce(&mut self, at: usize) -> Checked {
        if self.healing {
            return Ok(());
        }
        if !self.kafka.away {
            self.append(at);
            let pids: Vec<_> = self.partitions[at].live.iter().copied().collect();
            pids.into_iter().for_each(|pid| self.poke_worker(pid));
        }
        let every = self.plan.produce_every;
        let after = self.between(every / 2, every * 3 / 2);
        self.schedule(after, Due::Produce(at));
        Ok(())
    }
}

fn answers(commits: &[Commit], error: Option<&str>) -> Vec<CommitAnswer> {
    let answer = |commit: &Commit| CommitAnswer {
        partition: commit.partition.clone(),
        offset: commit.offset,
        error: error.map(|why| NotCommitted::Failed(why.to_owned())),
    };
    commits.iter().map(answer).collect()
}
