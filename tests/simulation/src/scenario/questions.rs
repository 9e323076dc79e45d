//! What a scenario may ask of the group as it really is.

use kafkavisor::ids::TopicPartition;
use kafkavisor_link::page::Progress;
use kafkavisor_supervisor_core::{ConfigNumber, Core, Partition as Owned, Purpose, Refusal, RollState};

use crate::partition::Fate;
use crate::world::{Started, World};

impl World {
    fn core(&self, member: usize) -> Option<&Core> {
        self.processes[member].supervisor_ref()?.core()
    }

    fn key(&self, partition: usize) -> &TopicPartition {
        &self.partitions[partition].partition
    }

    fn owned(&self, member: usize, partition: usize) -> Option<&Owned> {
        self.core(member)?.partitions().get(self.key(partition))
    }

    /// As `status` shows it; "none" where this member does not have it.
    pub(crate) fn state(&self, member: usize, partition: usize) -> &'static str {
        self.owned(member, partition).map_or("none", Owned::state)
    }

    /// Why nothing is delivered, as `status` shows it.
    pub(crate) fn reason(&self, member: usize, partition: usize) -> Option<&str> {
        self.owned(member, partition)?.reason().map(AsRef::as_ref)
    }

    /// Whether this member has it and is on its way to give it up.
    pub(crate) fn leaving(&self, member: usize, partition: usize) -> bool {
        self.owned(member, partition).is_some_and(|owned| owned.phase().leaving())
    }

    /// The phase, by its name.
    pub(crate) fn phase(&self, member: usize, partition: usize) -> String {
        self.owned(member, partition).map_or_else(String::new, |owned| format!("{:?}", owned.phase().name()))
    }

    /// What its worker is being stopped for.
    pub(crate) fn purpose(&self, member: usize, partition: usize) -> Option<Purpose> {
        self.owned(member, partition)?.phase().purpose()
    }

    pub(crate) fn has(&self, member: usize, partition: usize) -> bool {
        self.owned(member, partition).is_some()
    }

    pub(crate) fn stopping(&self, member: usize) -> bool {
        self.core(member).is_some_and(Core::stopping)
    }

    /// The pid of its live worker.
    pub(crate) fn worker_of(&self, partition: usize) -> Option<i32> {
        let of = |(pid, worker): (&i32, &crate::worker::Worker)| {
            (Self::partition_of(&worker.partition) == partition).then_some(*pid)
        };
        self.workers.iter().find_map(of)
    }

    /// Delivered and not acknowledged, by the live worker's own account.
    pub(crate) fn in_flight(&self, partition: usize) -> u32 {
        self.worker_of(partition).map_or(0, |pid| self.workers[&pid].core.window().len())
    }

    /// Whether its live worker is on its way to an end.
    pub(crate) fn is_ending(&self, partition: usize) -> bool {
        self.worker_of(partition).is_some_and(|pid| self.workers[&pid].core.is_ending())
    }

    pub(crate) fn committed(&self, partition: usize) -> Option<i64> {
        self.partitions[partition].committed.as_ref().map(|committed| committed.offset.0)
    }

    pub(crate) fn fate(&self, partition: usize, offset: i64) -> Option<Fate> {
        let partition = &self.partitions[partition];
        partition.log.get(partition.index_from(offset)).filter(|m| m.offset == offset).map(|m| m.fate)
    }

    pub(crate) fn skipped(&self, partition: usize) -> usize {
        self.partitions[partition].log.iter().filter(|message| message.fate == Fate::Skipped).count()
    }

    /// Everything is settled and committed.
    pub(crate) fn done(&mut self, partition: usize) -> bool {
        let end = self.partitions[partition].end;
        self.partitions[partition].unsettled() == end && self.committed(partition) == Some(end)
    }

    pub(crate) fn all_done(&mut self) -> bool {
        (0..self.partitions.len()).all(|partition| self.done(partition))
    }

    /// `messages_total`, as `status` counts it.
    pub(crate) fn messages_total(&self, member: usize, partition: usize) -> u64 {
        let supervisor = self.processes[member].supervisor_ref();
        let page = supervisor.and_then(|supervisor| supervisor.pages.get(self.key(partition)));
        let page = page.map_or_else(Progress::default, |page| self.pages[*page].progress);
        let record = self.core(member).and_then(|core| core.record(self.key(partition)));
        record.map_or(0, |record| record.history.totals(Some(&page)).messages)
    }

    /// The workers that were started for it.
    pub(crate) fn starts_of(&self, partition: usize) -> Vec<Started> {
        self.started.iter().filter(|started| started.partition == partition).copied().collect()
    }

    /// How many workers were started with it.
    pub(crate) fn started_with(&self, config: u64) -> usize {
        self.started.iter().filter(|started| started.config == ConfigNumber(config)).count()
    }

    /// With which configuration its worker runs.
    pub(crate) fn runs_with(&self, partition: usize) -> Option<u64> {
        self.worker_of(partition).map(|pid| self.workers[&pid].config.0)
    }

    pub(crate) fn roll_is_over(&self, member: usize) -> bool {
        let roll = self.core(member).and_then(Core::roll);
        roll.is_some_and(|roll| roll.state != RollState::Running)
    }

    pub(crate) fn roll_has_stopped(&self, member: usize) -> bool {
        let roll = self.core(member).and_then(Core::roll);
        roll.is_some_and(|roll| matches!(roll.state, RollState::Stopped { .. }))
    }

    pub(crate) fn answer_to(&self, word: u64) -> Option<&Result<String, Refusal>> {
        self.answers.get(&word)
    }

    pub(crate) fn runs(&self, member: usize) -> bool {
        self.processes[member].runs()
    }
}
