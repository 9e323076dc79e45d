//! What becomes of messages that are given up: dead letters, and those passed over by verdict.

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::message::Verdict;
use kafkavisor_worker_core::Event;

use crate::world::{Checked, World};

impl World {
    /// Dead letters that their broker has confirmed by now.
    pub(super) fn post_dead_letters(&mut self, pid: i32) -> Checked {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else { return Ok(()) };
        let (partition, topic) = (worker.partition.clone(), worker.topic);
        let posted: Vec<_> = worker.dead_letters.extract_if(.., |(_, posted)| *posted <= now).collect();
        if let Some((_, next)) = worker.dead_letters.iter().min_by_key(|(_, posted)| *posted).copied() {
            self.wake_worker(pid, next);
        }
        for (offset, _) in posted {
            if self.kafka.refuses_dead_letters {
                let error = "no such topic".to_owned();
                self.handle_in_worker(pid, Event::DeadLetterFailed { offset, error })?;
                continue;
            }
            self.figures.count("messages dead-lettered");
            self.skip(&partition, offset.0, topic)?;
            self.handle_in_worker(pid, Event::DeadLettered { offset, bytes: 1 })?;
        }
        Ok(())
    }

    /// What the supervisor's verdict makes of a message.
    pub(crate) fn verdict(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        verdict: Verdict,
        topic: u64,
    ) -> Checked {
        if verdict == Verdict::Apply(PoisonAction::Skip) {
            self.figures.count("messages skipped");
            self.skip(partition, offset.0, topic)?;
        }
        Ok(())
    }

    /// A message is passed over, if it is not gone with its topic.
    pub(crate) fn skip(&mut self, partition: &TopicPartition, offset: i64, topic: u64) -> Checked {
        let attempts = self.plan.poison.attempts;
        let partition = &mut self.partitions[Self::partition_of(partition)];
        if partition.topic == topic { partition.skip(offset, attempts) } else { Ok(()) }
    }
}
