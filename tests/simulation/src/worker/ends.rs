//! How a worker comes to its end, by itself or killed, and what its supervisor hears of it.

use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::process::Exit;
use nix::sys::signal::Signal;

use crate::faults::Fault;
use crate::machine::millis;
use crate::partition::Excuse;
use crate::supervisor::WorkerHeard;
use crate::world::{Checked, Due, World};

impl World {
    /// The worker has come to its end by itself.
    pub(super) fn worker_ends(&mut self, pid: i32, ending: Ending) -> Checked {
        self.say_to_supervisor(pid, FromWorker::Ended { ending: ending.clone(), stderr: String::new() });
        // Its page is written; whether it comes to say how it ended is another matter.
        if !self.healing && self.random.percent(3) && self.plan.faults.contains(&Fault::KillWorker) {
            self.figures.fault("SIGKILL of a worker before its last word");
            return self.kill_worker(pid);
        }
        let drained = matches!(ending, Ending::Stopped { cut_short: false, .. });
        if matches!(
            ending,
            Ending::HandlerExit { .. } | Ending::HandlerSignal { .. } | Ending::HandlerTimeout { .. }
        ) && let Some(worker) = self.workers.get(&pid)
            && let Some(token) = worker.token
            && worker.topic == self.partitions[Self::partition_of(&worker.partition)].topic
        {
            let until = worker.core.window().delivered().0;
            let suspects = &mut self.partitions[Self::partition_of(&worker.partition)].suspects;
            let before = suspects.filter(|(of, _)| *of == token).map_or(0, |(_, until)| until);
            *suspects = Some((token, until.max(before)));
        }
        let status = i32::from(!matches!(ending, Ending::Stopped { .. }));
        self.bury(pid, Exit::Status(status), if drained { None } else { Some(Excuse::Crash) });
        Ok(())
    }

    pub(crate) fn kill_worker(&mut self, pid: i32) -> Checked {
        if self.workers.contains_key(&pid) {
            self.say(|| format!("worker {pid} is killed"));
            self.bury(pid, Exit::Signal(Signal::SIGKILL as i32), Some(Excuse::Crash));
        }
        Ok(())
    }

    /// The process is gone, its handler with it.
    pub(super) fn bury(&mut self, pid: i32, exit: Exit, excuse: Option<Excuse>) {
        self.heard_from(pid, WorkerHeard::Closed);
        let leased = self.workers.get(&pid).is_some_and(|worker| self.may_write(worker));
        let Some(worker) = self.workers.remove(&pid) else { return };
        let proved = self.proves_its_configuration(&worker);
        self.say(|| format!("worker {pid} is gone: {exit}"));
        let at = Self::partition_of(&worker.partition);
        let (acknowledged, delivered) =
            (worker.core.window().acknowledged().0, worker.core.window().delivered().0);
        let partition = &mut self.partitions[at];
        partition.leave(pid, self.now);
        partition.excuses.extend(excuse);
        let alone = worker.core.window().len() == 1;
        let known = partition.topic == worker.topic;
        let in_flight = |m: &&mut crate::partition::Message| m.offset >= acknowledged && m.offset < delivered;
        for message in partition.log.iter_mut().filter(|_| known).filter(in_flight) {
            message.deaths += 1;
            message.died_alone |= alone;
        }
        if self.processes[worker.process].life == worker.life
            && let Some(supervisor) = self.supervisor(worker.process)
        {
            if proved {
                supervisor.proved.insert((worker.config, worker.partition.clone()));
            }
            // One that stood still is killed when its lease is over, and does not know it.
            let kept_out = matches!(worker.ending, Some(Ending::Denied { .. } | Ending::Refused { .. }));
            let wanted = worker.stopped_in_order || worker.lease_ended || !leased || kept_out;
            if wanted {
                supervisor.no_failure.insert(worker.partition);
            } else {
                supervisor.no_failure.remove(&worker.partition);
            }
            // What it leaves behind may take its time to end; only then it is gone.
            let slow = self.random.percent(self.plan.slow_ends) && !self.healing;
            let after =
                if slow { self.between(millis(5), millis(2500)) } else { self.between(10_000, 500_000) };
            let (process, life) = (worker.process, worker.life);
            let status = if let Exit::Status(status) = exit { status } else { -1 };
            self.schedule(after, Due::Reap { process, life, worker: pid, status });
        }
    }

    /// The supervisor hears that a worker has exited; a status below 0 is SIGKILL.
    pub(crate) fn reap(&mut self, process: usize, life: u64, pid: i32, status: i32) -> Checked {
        let exit = if status < 0 { Exit::Signal(Signal::SIGKILL as i32) } else { Exit::Status(status) };
        if self.processes[process].life == life
            && let Some(supervisor) = self.supervisor(process)
        {
            supervisor.reaped.push_back((pid, exit));
            self.poke(process);
        }
        Ok(())
    }
}
