//! Processes that are stopped for a while, killed, or told to stop.

use kafkavisor::partitioner::messages::Event as MemberEvent;

use kafkavisor_supervisor_core::Stop;

use crate::machine::millis;
use crate::partition::Excuse;
use crate::world::{Checked, Due, World};

use super::{Fault, Undo};

impl World {
    pub(crate) fn freeze(&mut self, process: usize, fault: Fault) {
        let now = self.now;
        self.processes[process].paused = true;
        self.processes[process].paused_at = now;
        if fault == Fault::PauseSupervisor {
            return;
        }
        for pid in self.workers_of(process) {
            self.freeze_worker(pid, true);
        }
        if fault == Fault::Suspend {
            self.processes[process].machine.fall_asleep(now);
            self.processes[process].asleep = true;
        }
    }

    pub(super) fn workers_of(&self, process: usize) -> Vec<i32> {
        self.workers.iter().filter(|(_, worker)| worker.process == process).map(|(pid, _)| *pid).collect()
    }

    pub(crate) fn freeze_worker(&mut self, pid: i32, with_handler: bool) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.paused = true;
            worker.handler.paused |= with_handler;
        }
    }

    pub(crate) fn thaw(&mut self, process: usize) -> Checked {
        if !std::mem::take(&mut self.processes[process].paused) {
            return Ok(());
        }
        let now = self.now;
        let paused_at = self.processes[process].paused_at;
        self.processes[process].paused_for += now - paused_at;
        self.processes[process].troubled_at = Some(now);
        if std::mem::take(&mut self.processes[process].asleep) {
            self.processes[process].machine.wake_up(now);
        }
        for pid in self.workers_of(process) {
            self.thaw_worker(pid);
        }
        // What a frozen Python member was about to do, it does before it hears anything.
        if self.processes[process].python && self.random.percent(50) {
            self.python_works(process)?;
        }
        self.thaw_membership(process)?;
        self.supervisor_thaws(process);
        Ok(())
    }

    pub(super) fn thaw_worker(&mut self, pid: i32) {
        let now = self.now;
        if let Some(worker) = self.workers.get_mut(&pid)
            && worker.paused
        {
            worker.thawed |= worker.handler.paused;
            worker.paused = false;
            worker.handler.paused = false;
            worker.going_since = now;
            self.worker_thaws(pid);
            self.handler_begins(pid);
        }
    }

    /// SIGKILL: workers and handlers go with their supervisor, its session and its pages stay.
    pub(crate) fn kill_process(&mut self, process: usize) -> Checked {
        if !self.processes[process].runs() || self.processes[process].asleep {
            return Ok(());
        }
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} is killed"));
        self.python_dies(process);
        let held: Option<Vec<_>> =
            self.supervisor(process).and_then(|s| Some(s.core()?.partitions().keys().cloned().collect()));
        for partition in held.unwrap_or_default() {
            self.partitions[Self::partition_of(&partition)].excuses.insert(Excuse::TakenOver);
        }
        for pid in self.workers_of(process) {
            self.kill_worker(pid)?;
        }
        let now = self.now;
        let process_ = &mut self.processes[process];
        if std::mem::take(&mut process_.paused) {
            process_.paused_for += now - process_.paused_at;
        }
        process_.role = None;
        process_.membership = None;
        self.start_soon(process);
        Ok(())
    }

    pub(crate) fn stop_process(&mut self, process: usize, stop: Stop) -> Checked {
        let now = self.now;
        let paused_for = self.processes[process].paused_for;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.stops.push_back(stop);
            if supervisor.stop_asked.is_none() {
                supervisor.stop_asked = Some(now);
                supervisor.paused_before_stop = paused_for;
            }
            self.poke(process);
        } else if self.processes[process].runs() {
            self.tell_member(process, MemberEvent::LeaveRequested)?;
        }
        self.start_soon(process);
        Ok(())
    }

    /// Whoever is wanted and does not run starts in a while.
    pub(crate) fn start_soon(&mut self, process: usize) {
        let delay = self.between(millis(20), millis(3000));
        self.schedule(delay, Due::Undo(Undo::Start(process)));
    }
}
