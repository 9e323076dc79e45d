//! What operators say to a supervisor.

use std::time::Duration;

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_supervisor_core::Operation;

use crate::machine::{Time, millis};
use crate::world::World;

use super::Asked;

impl World {
    /// An operator asks for something; his word's number finds the answer.
    pub(crate) fn ask(&mut self, process: usize, partition: TopicPartition, operation: Operation) -> u64 {
        self.words += 1;
        let number = self.words;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.asked.push_back(Asked { number, partition, operation });
            self.poke(process);
        }
        number
    }

    /// The message that blocks the partition, or hangs its handler, may be passed over from here on: an operator says so.
    pub(super) fn may_be_passed_over(&mut self, process: usize, key: &TopicPartition) {
        let (at, hangs_after) =
            (self.processes[process].machine.boottime(self.now), self.settings().hangs_after);
        let Some(supervisor) = self.processes[process].supervisor_ref() else { return };
        let Some(partition) = supervisor.core().and_then(|core| core.partitions().get(key)) else { return };
        // As its page says, which is read before the word is heard: since it was read last much may have been acknowledged.
        let page = supervisor.pages.get(key).map(|page| self.pages[*page].progress);
        let page = page.filter(|page| {
            let delivered = page.oldest_in_flight;
            partition.pid().is_some() && page.in_flight > 0 && at.since(delivered) >= hangs_after
        });
        let blocking = partition.tenure.blocking.as_ref().map(|blocking| blocking.offset);
        let hanging = page.map(|page| Offset(page.acknowledged));
        let Some(offset) = blocking.filter(|offset| Some(*offset) >= hanging).or(hanging) else { return };
        if let Some(message) = self.partitions[Self::partition_of(key)].message_at(offset.0) {
            message.ordered_away = true;
        }
    }

    /// What becomes of a topic is noticed within seconds.
    pub(crate) fn noticed_within(&mut self) -> Time {
        self.between(millis(10), crate::machine::nanos(Duration::from_secs(5)))
    }

    pub(crate) fn some_place(&mut self, at: usize) -> Offset {
        let committed = self.partitions[at].committed.as_ref().map_or(0, |committed| committed.offset.0);
        // Not past what nobody has acknowledged: of a topic that was made again, the group's offset is another's.
        let committed = committed.min(self.partitions[at].unsettled());
        let back = i64::try_from(self.random.below(10)).unwrap_or(0);
        Offset((committed - back).max(0))
    }
}
