//! What is produced, and what becomes of the topic.

use crate::machine::millis;
use crate::partition::Temper;
use crate::world::{Checked, Due, World};

use super::Pending;

impl World {
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

    /// The right to read it is taken away: its worker hears so instead of messages.
    pub(crate) fn deny(&mut self, partition: usize) {
        self.kafka.denied.insert(partition);
        let pids: Vec<_> = self.partitions[partition].live.iter().copied().collect();
        pids.into_iter().for_each(|pid| self.poke_worker(pid));
    }

    pub(super) fn notice_topic(&mut self, process: usize, life: u64) {
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
