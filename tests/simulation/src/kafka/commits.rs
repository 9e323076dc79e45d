//! Commits: one request at a time, the lease looked at where it is sent.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_group::answer::{CommitAnswer, NotCommitted};
use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_group::start::Committed;
use kafkavisor_supervisor_core::Operation;

use crate::machine::millis;
use crate::world::{Checked, Due, World};

use super::{Answer, Commit, NO_RIGHT, Pending};

impl World {
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

    pub(super) fn note(&self, process: usize, offset: Offset, topic: u64) -> Committed {
        // Every host's instance has the group's name; its id is its own.
        let id = &self.processes[process].name;
        let metadata = CommitNote::new("g", id, Some(topic.to_string())).to_text();
        Committed { offset, metadata, complete: true }
    }

    /// The lease is checked once more where the request is sent.
    pub(super) fn send_commit(&mut self, process: usize, life: u64, commits: Vec<Commit>) {
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

    pub(super) fn commit_arrives(
        &mut self,
        number: u64,
        process: usize,
        life: u64,
        commits: Vec<Commit>,
    ) -> Checked {
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
            if self.kafka.denied.contains(&at) {
                refused.insert(partition.clone(), NO_RIGHT);
                continue;
            }
            // The program looks a moment before it sends; here that moment is none.
            let there = self.partitions[at].committed.as_ref().map(|committed| committed.offset);
            if *first && there.is_some_and(|there| there != *offset) {
                refused.insert(partition.clone(), "another member has just begun this topic");
                continue;
            }
            let mut committed = self.note(process, *offset, *topic);
            if self.plan.two_places && self.random.percent(5) {
                self.figures.fault("commit in one place of two");
                committed.complete = false;
                refused.insert(partition.clone(), "one of two places did not take it");
            }
            self.say(|| format!("{partition}: {offset} is committed by process {process}, token {token:?}"));
            self.figures.count("commits");
            if *topic != self.partitions[at].topic {
                // Of a topic that is gone: its note says so to whoever reads it.
                self.figures.fault("late commit of a topic that is gone");
                self.partitions[at].committed = Some(committed);
                continue;
            }
            if self.partitions[at].committed.is_none() {
                self.partitions[at].before(*offset);
            }
            let late = if *ordered {
                self.partitions[at].commit_ordered(committed, *token)
            } else {
                self.partitions[at].commit(committed, *token)?
            };
            if late {
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
                answer.error =
                    refused.get(&answer.partition).map(|error| NotCommitted::Failed((*error).to_owned()));
            }
            let heard = Answer::Commits(heard);
            self.later(hop, Pending::Answer { process, life, heard });
        }
        Ok(())
    }

    pub(super) fn commit_times_out(&mut self, commit: u64) {
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
}

pub(super) fn answers(commits: &[Commit], error: Option<&str>) -> Vec<CommitAnswer> {
    let answer = |commit: &Commit| CommitAnswer {
        partition: commit.partition.clone(),
        offset: commit.offset,
        error: error.map(|why| NotCommitted::Failed(why.to_owned())),
    };
    commits.iter().map(answer).collect()
}
