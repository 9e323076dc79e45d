//! How faults end.

use kafkavisor_supervisor_core::{Operation, Stop};

use crate::machine::millis;
use crate::world::{Checked, Due, World};

use super::Undo;

impl World {
    /// What an operator has left behind is put right: nothing is paused, and the configuration is one that works.
    pub(super) fn mend(&mut self, process: usize) {
        for at in 0..self.partitions.len() {
            let partition = self.partitions[at].partition.clone();
            self.ask(process, partition, Operation::Resume);
        }
        // Only where one may not work: a roll would mend hung handlers, too.
        if let Some(supervisor) = self.supervisor(process)
            && !(supervisor.broken.is_empty() && supervisor.reloads.is_empty())
        {
            supervisor.reloads.push_back(false);
            self.poke(process);
        }
    }

    pub(crate) fn undo(&mut self, undo: Undo) -> Checked {
        match undo {
            Undo::Start(process) => self.start(process),
            Undo::Thaw { process, life } => {
                if self.processes[process].life == life {
                    self.thaw(process)?;
                }
            }
            Undo::ThawWorker(pid) => {
                let frozen = self
                    .workers
                    .get(&pid)
                    .is_some_and(|worker| self.processes[worker.process].paused && worker.handler.paused);
                if !frozen {
                    self.thaw_worker(pid);
                }
            }
            Undo::Network(process) => {
                self.processes[process].network = true;
                if let Some(connection) =
                    self.processes[process].membership.as_ref().map(|membership| membership.connection)
                {
                    self.reconnect(process, connection)?;
                }
            }
            Undo::Undeafen { process, connection } => self.undeafen(process, connection)?,
            Undo::Pause { process, partition } => {
                let partition = self.partitions[partition].partition.clone();
                self.ask(process, partition, Operation::Resume);
            }
            Undo::Outage => self.outage = false,
            Undo::Kafka => {
                (self.kafka.away, self.kafka.slow, self.kafka.loses_answers) = (false, false, false);
                self.kafka.without_leader.clear();
                self.kafka.denied.clear();
                self.kafka.refuses_logins = false;
                (self.kafka.refuses_commits, self.kafka.refuses_dead_letters) = (false, false);
                self.kafka.holds_dead_letters = false;
                self.kafka.recovered_at = Some(self.now);
            }
            Undo::Hurry { process, life } => {
                if self.processes[process].life == life && self.processes[process].runs() {
                    self.processes[process].troubled_at = Some(self.now + millis(10_000));
                    self.stop_process(process, Stop::Signalled)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn start(&mut self, process: usize) {
        let state = &self.processes[process];
        if !state.wanted || state.asleep {
            return;
        }
        if state.runs() {
            // It is still stopping: look again.
            let stopping = self.supervisor(process).is_some_and(|supervisor| supervisor.stop_asked.is_some());
            if stopping || self.processes[process].python {
                self.schedule(millis(500), Due::Undo(Undo::Start(process)));
            }
            return;
        }
        if self.processes[process].python {
            self.start_python(process);
        } else {
            self.start_supervisor(process);
        }
    }

    /// Faults end: everything that can work works.
    pub(crate) fn heal(&mut self) -> Checked {
        self.healing = true;
        self.say(|| "FAULTS END".to_owned());
        self.held.clear();
        self.undo(Undo::Kafka)?;
        self.undo(Undo::Outage)?;
        for process in 0..self.processes.len() {
            self.undo(Undo::Network(process))?;
            self.thaw(process)?;
            let connection =
                self.processes[process].membership.as_ref().map_or(0, |membership| membership.connection);
            self.undeafen(process, connection)?;
            self.mend(process);
            if self.operator.is_idle() {
                self.start_soon(process);
            }
        }
        let pids: Vec<_> = self.workers.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.thaw_worker(pid));
        Ok(())
    }
}
