//! An operator, who stops everything and sets the group's offset back. What he says must hold, whatever any page remembers.

use kafkavisor::ids::Offset;
use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_group::start::Committed;
use kafkavisor_supervisor_core::Stop;

use crate::machine::{Time, millis};
use crate::world::{Checked, Due, World};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    /// Everything is being stopped, for so long.
    since: Option<Time>,
}

impl Operator {
    pub(crate) fn is_idle(&self) -> bool {
        self.since.is_none()
    }
}

impl World {
    /// Begins a maintenance: everything is stopped, or killed.
    pub(crate) fn maintain(&mut self) -> Checked {
        if self.operator.since.is_some() {
            return Ok(());
        }
        self.operator.since = Some(self.now);
        for process in 0..self.processes.len() {
            self.processes[process].wanted = false;
            if self.random.percent(30) {
                self.kill_process(process)?;
            } else {
                self.stop_process(process, Stop::Signalled)?;
            }
        }
        self.schedule(millis(200), Due::Operate);
        Ok(())
    }

    pub(crate) fn operate(&mut self) -> Checked {
        if self.operator.since.is_none() {
            return Ok(());
        }
        if self.processes.iter().any(crate::process::Process::runs) || !self.kafka.quiet() {
            self.schedule(millis(200), Due::Operate);
            return Ok(());
        }
        self.operator.since = None;
        self.set_an_offset();
        for process in 0..self.processes.len() {
            self.processes[process].wanted = true;
            self.start_soon(process);
        }
        Ok(())
    }

    fn set_an_offset(&mut self) {
        let at = self.random.below(self.partitions.len());
        let Some(committed) = self.partitions[at].committed.clone() else { return };
        // He knows which topic he means.
        let topic = CommitNote::of(&committed.metadata).and_then(|note| note.topic_id);
        if topic.is_some_and(|topic| topic != self.partitions[at].topic.to_string()) {
            return;
        }
        let offset = self.some_offset(at, committed.offset.0);
        if offset >= committed.offset.0 {
            return;
        }
        let partition = self.partitions[at].partition.clone();
        self.say(|| {
            format!("{partition}: an operator sets the offset back from {} to {offset}", committed.offset)
        });
        self.figures.fault("offset set back by an operator");
        self.partitions[at].rewind(offset);
        self.partitions[at].committed =
            Some(Committed { offset: Offset(offset), metadata: String::new(), complete: true });
    }

    /// Some offset behind us; at times just the one that a page remembers.
    fn some_offset(&mut self, at: usize, committed: i64) -> i64 {
        let partition = &self.partitions[at].partition;
        let remembered: Vec<_> = self
            .processes
            .iter()
            .filter_map(|process| process.directory.get(partition))
            .flat_map(|page| [self.pages[*page].committed, self.pages[*page].commit_sent])
            .filter(|offset| *offset >= 0)
            .collect();
        if self.random.percent(50)
            && let Some(offset) = self.random.choose(&remembered)
        {
            return *offset;
        }
        let back = i64::try_from(self.random.below(20)).unwrap_or(0);
        let offset = (committed - back).max(0);
        // Where messages were before the group's beginning, nobody asks for them.
        let first =
            self.partitions[at].log.iter().find(|message| message.fate != crate::partition::Fate::Before);
        first.map_or(committed, |message| message.offset.max(offset))
    }
}
