//! Kafka as the group meets it: offsets looked up and committed over a network that delays, loses answers, and at times is
//! not there. What a client has sent arrives in order while it lives; what a dead one has sent arrives all the same.

use std::collections::{BTreeMap, VecDeque};

use kafkavisor::config::Reset;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_supervisor_core::CommitAnswer;
use kafkavisor_supervisor_core::start::{CommitNote, Committed, Decision, Facts, Why, decide};

use crate::machine::{Time, millis};
use crate::partition::{Fate, Temper};
use crate::supervisor::KafkaHeard;
use crate::world::{Checked, Due, World};

/// What waits for its moment.
#[derive(Debug)]
enum Pending {
    /// A start is looked up.
    Look { process: usize, life: u64, item: TopicPartition, request: u64 },
    /// It gets no answer.
    LookFails { process: usize, life: u64, item: TopicPartition, request: u64 },
    /// The starts found are committed, if they are still new.
    CommitStart { process: usize, life: u64, item: TopicPartition, request: u64, decision: Decision },
    /// The committing thread takes up its request.
    Send { process: usize, life: u64, commits: Vec<Commit> },
    /// A commit arrives.
    Commit { process: usize, life: u64, commits: Vec<Commit> },
    /// The client waits no longer for the answer to that commit.
    TimeOut { commit: u64 },
    /// An answer reaches the supervisor.
    Answer { process: usize, life: u64, heard: Answer },
}

#[derive(Debug)]
enum Answer {
    Start(KafkaHeard),
    Commits(Vec<CommitAnswer>),
}

/// One partition's part of a commit, with whoever its sender was at sending.
#[derive(Debug, Clone)]
struct Commit {
    item: TopicPartition,
    offset: Offset,
    token: Option<FencingToken>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Kafka {
    pending: BTreeMap<u64, Pending>,
    last: u64,
    /// Commits whose sender still waits.
    awaited: BTreeMap<u64, (usize, u64, Vec<Commit>)>,
    /// Starts to be looked up; the first of each is under way.
    lookups: BTreeMap<(usize, u64), VecDeque<(TopicPartition, u64)>>,
    /// For each process: when its last commit arrives at the soonest.
    arrives: BTreeMap<(usize, u64), Time>,
    pub(crate) away: bool,
    pub(crate) slow: bool,
    pub(crate) loses_answers: bool,
    /// When it was last itself again.
    pub(crate) recovered_at: Option<Time>,
}

impl Kafka {
    /// Whether this process's workers get messages.
    pub(crate) fn serves(&self, _process: usize) -> bool {
        !self.away
    }

    /// Whether any commit is still on its way.
    pub(crate) fn quiet(&self) -> bool {
        !self
            .pending
            .values()
            .any(|pending| matches!(pending, Pending::Commit { .. } | Pending::CommitStart { .. }))
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
    pub(crate) fn look_up(&mut self, process: usize, item: TopicPartition, request: u64) {
        let life = self.processes[process].life;
        let waiting = self.kafka.lookups.entry((process, life)).or_default();
        waiting.push_back((item, request));
        if waiting.len() == 1 {
            self.look_next(process, life);
        }
    }

    fn look_next(&mut self, process: usize, life: u64) {
        let next = self.kafka.lookups.get(&(process, life)).and_then(|waiting| waiting.front().cloned());
        if let Some((item, request)) = next {
            let hop = self.kafka_hop();
            self.later(hop, Pending::Look { process, life, item, request });
        }
    }

    pub(crate) fn commit(&mut self, process: usize, offsets: BTreeMap<TopicPartition, Offset>) {
        let life = self.processes[process].life;
        let pages = self.supervisor(process).map(|supervisor| supervisor.pages.clone()).unwrap_or_default();
        for (item, offset) in &offsets {
            if let Some(page) = pages.get(item) {
                self.pages[*page].commit_sent = offset.0;
            }
        }
        let Some(supervisor) = self.supervisor(process) else { return };
        let commit = |(item, offset): (TopicPartition, Offset)| Commit {
            token: supervisor.token(&item),
            item,
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
            Pending::Look { process, life, item, request } => self.look(process, life, item, request),
            Pending::LookFails { process, life, item, request } => {
                self.start_found(process, life, item, request, Err("no answer".to_owned()));
            }
            Pending::CommitStart { process, life, item, request, decision } => {
                return self.commit_start(process, life, item, request, decision);
            }
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
            Answer::Start(heard) => supervisor.kafka.push_back(heard),
            Answer::Commits(answers) => supervisor.commits.push_back(answers),
        }
        self.poke(process);
    }

    fn start_found(
        &mut self,
        process: usize,
        life: u64,
        item: TopicPartition,
        request: u64,
        result: Result<Decision, String>,
    ) {
        let hop = self.between(millis(1), millis(10));
        let heard = Answer::Start(KafkaHeard::Start { item, request, result });
        self.later(hop, Pending::Answer { process, life, heard });
        if let Some(waiting) = self.kafka.lookups.get_mut(&(process, life)) {
            waiting.pop_front();
        }
        self.look_next(process, life);
    }

    fn facts(&mut self, process: usize, item: &TopicPartition) -> Facts {
        let at = Self::partition_of(item);
        let at_first = self.supervisor(process).map_or(0, |supervisor| supervisor.partitions_at_first);
        Facts {
            instance: self.processes[process].name.clone(),
            committed: self.partitions[at].committed.clone(),
            topic_committed: self.partitions.iter().any(|partition| partition.committed.is_some()),
            appeared_later: item.partition.0 >= at_first,
            log: self.partitions[at].offsets(),
            topic_id: None,
            in_zookeeper: false,
            reset: self.plan.reset,
        }
    }

    fn look(&mut self, process: usize, life: u64, item: TopicPartition, request: u64) {
        if !self.lives(process, life) {
            return;
        }
        // A thread that is stopped goes on where it was; one that gets no answer says so when it has waited.
        if self.processes[process].paused {
            self.later(millis(50), Pending::Look { process, life, item, request });
            return;
        }
        if self.kafka.away {
            self.later(self.plan.kafka_timeout, Pending::LookFails { process, life, item, request });
            return;
        }
        let decision = decide(&self.facts(process, &item));
        match decision {
            Decision::At { why: Why::Committed { .. }, .. } | Decision::Park(_) => {
                self.start_found(process, life, item, request, Ok(decision));
            }
            Decision::At { .. } => {
                let hop = self.kafka_hop();
                self.later(hop, Pending::CommitStart { process, life, item, request, decision });
            }
        }
    }

    /// As `committed_starts`: where a topic is new to the group, the starts of all its partitions at once.
    fn commit_start(
        &mut self,
        process: usize,
        life: u64,
        item: TopicPartition,
        request: u64,
        decision: Decision,
    ) -> Checked {
        if !self.lives(process, life) {
            return Ok(());
        }
        if self.processes[process].paused {
            self.later(millis(50), Pending::CommitStart { process, life, item, request, decision });
            return Ok(());
        }
        let Decision::At { offset, why } = decision.clone() else { return Ok(()) };
        let boottime = self.processes[process].machine.boottime(self.now);
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let token = supervisor.token(&item);
        let leased = boottime < supervisor.shared_lease;
        let begun =
            why == Why::Reset && self.partitions.iter().any(|partition| partition.committed.is_some());
        if self.kafka.away || !leased || begun {
            let why =
                if begun { "another member has just begun this topic" } else { "no answer, or no lease" };
            self.start_found(process, life, item, request, Err(why.to_owned()));
            return Ok(());
        }
        if why == Why::Reset {
            for at in 0..self.partitions.len() {
                let start = match self.plan.reset {
                    Reset::Earliest => 0,
                    Reset::Latest => self.partitions[at].end,
                };
                let appeared = i32::try_from(at).unwrap_or(0) >= self.partitions_at_first(process);
                if appeared && Self::partition_of(&item) != at {
                    continue;
                }
                for message in self.partitions[at].log.iter_mut().filter(|m| m.offset < start) {
                    message.fate = Fate::Before;
                }
                let committed = self.note(process, Offset(start));
                let token = token.filter(|_| Self::partition_of(&item) == at);
                self.partitions[at].commit(committed, token)?;
            }
            let start = self.partitions[Self::partition_of(&item)].committed.clone();
            let offset = start.map_or(offset, |committed| committed.offset);
            self.start_found(process, life, item, request, Ok(Decision::At { offset, why }));
            return Ok(());
        }
        let committed = self.note(process, offset);
        self.say(|| format!("{item}: its start {offset} is committed: {why:?}"));
        if self.partitions[Self::partition_of(&item)].commit(committed, token)? {
            self.figures.fault("late start of a former owner");
        }
        self.start_found(process, life, item, request, Ok(decision));
        Ok(())
    }

    fn partitions_at_first(&mut self, process: usize) -> i32 {
        self.supervisor(process).map_or(0, |supervisor| supervisor.partitions_at_first)
    }

    fn note(&self, process: usize, offset: Offset) -> Committed {
        let instance = self.processes[process].name.clone();
        Committed { offset, metadata: CommitNote::new(&instance, &instance, None).to_text() }
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
                self.kafka.pending.insert(number, Pending::Commit { process, life, commits });
                self.schedule(later, Due::Kafka(number));
            }
            return Ok(());
        }
        for Commit { item, offset, token } in &commits {
            let committed = self.note(process, *offset);
            self.say(|| format!("{item}: {offset} is committed by process {process}, token {token:?}"));
            self.figures.count("commits");
            if self.partitions[Self::partition_of(item)].commit(committed, *token)? {
                self.figures.fault("late commit of a former owner");
            }
        }
        if self.kafka.loses_answers && self.random.percent(40) {
            self.figures.fault("commit answer lost");
            return Ok(());
        }
        if self.kafka.awaited.remove(&number).is_some() {
            let hop = self.between(millis(1), millis(10));
            let heard = Answer::Commits(answers(&commits, None));
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
        item: &TopicPartition,
        offset: Offset,
        token: FencingToken,
    ) -> Checked {
        if self.kafka.away {
            return Ok(());
        }
        let committed = self.note(process, offset);
        self.figures.count("commits of Python members");
        if self.partitions[Self::partition_of(item)].commit(committed, Some(token))? {
            self.figures.fault("late commit of a former owner");
        }
        Ok(())
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
        item: commit.item.clone(),
        offset: commit.offset,
        error: error.map(str::to_owned),
    };
    commits.iter().map(answer).collect()
}
