//! Where reading begins is looked up, as the thread for it does.

use std::collections::BTreeMap;

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_driver::Start;
use kafkavisor_group::start::{Decision, Facts, Missing, Why, decide};

use crate::machine::millis;
use crate::world::World;

use super::{Answer, Look, NO_RIGHT, Pending};

impl World {
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

    pub(super) fn look_next(&mut self, process: usize, life: u64) {
        let next = self.kafka.lookups.get(&(process, life)).and_then(|waiting| waiting.front().cloned());
        if let Some(look) = next {
            let hop = self.kafka_hop();
            self.later(hop, Pending::Look(look));
        }
    }

    pub(super) fn start_found(
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

    pub(super) fn facts(&mut self, process: usize, partition: &TopicPartition, made_again: bool) -> Facts {
        let at = Self::partition_of(partition);
        let at_first = self.supervisor(process).map_or(0, |supervisor| supervisor.partitions_at_first);
        Facts {
            instance: self.processes[process].name.clone(),
            committed: self.partitions[at].committed.clone().filter(|_| !made_again).ok_or(Missing::Never),
            topic_committed: self.partitions.iter().any(|partition| partition.committed.is_some()),
            appeared_later: made_again || partition.partition.0 >= at_first,
            log: self.partitions[at].offsets(),
            topic_id: Some(self.partitions[at].topic.to_string()),
            reset: self.plan.reset,
        }
    }

    pub(super) fn look(&mut self, look: Look) {
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
        if self.kafka.denied.contains(&Self::partition_of(&look.partition)) {
            self.start_found(&look, Err(NO_RIGHT.to_owned()), BTreeMap::new());
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
    pub(super) fn others_starts(
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
}
