//! How faults begin.

use kafkavisor::partitioner::messages::Event as MemberEvent;

use kafkavisor_supervisor_core::{Operation, Stop};

use crate::machine::{Time, millis, nanos};
use crate::world::{Checked, Due, World};

use super::{Fault, Undo};

impl World {
    pub(crate) fn fault(&mut self) -> Checked {
        if self.healing {
            return Ok(());
        }
        let every = self.plan.fault_every;
        let next = self.between(every / 4, every * 7 / 4);
        self.schedule(next, Due::Fault);
        let Some(fault) = self.random.choose(&self.plan.faults.clone()).copied() else { return Ok(()) };
        let process = self.random.below(self.processes.len());
        let name = self.processes[process].name.clone();
        self.say(|| format!("FAULT {} ({name})", fault.name()));
        self.inflict(fault, process)
    }

    /// From a moment to longer than a session, mostly around where it matters.
    pub(super) fn a_while(&mut self) -> Time {
        let session = nanos(self.plan.session_timeout);
        let (low, high) = [(session / 20, session / 2), (session / 2, session), (session, session * 5 / 2)]
            [self.random.below(3)];
        self.between(low, high)
    }

    pub(super) fn inflict(&mut self, fault: Fault, process: usize) -> Checked {
        let running = self.processes[process].runs();
        let worker = self.some_worker();
        let before = self.figures.faults.get(fault.name()).copied().unwrap_or(0);
        self.figures.fault(fault.name());
        let life = self.processes[process].life;
        match fault {
            Fault::KillProcess if running => self.kill_process(process)?,
            Fault::KillWorker if worker.is_some() => self.kill_worker(worker.unwrap_or(0))?,
            Fault::KillHandler if worker.is_some() => {
                self.signal_handler(worker.unwrap_or(0), nix::sys::signal::Signal::SIGKILL)?;
            }
            Fault::PauseSupervisor | Fault::PauseBoth | Fault::Suspend
                if running && !self.processes[process].paused =>
            {
                self.freeze(process, fault);
                let while_ = self.a_while();
                self.schedule(while_, Due::Undo(Undo::Thaw { process, life }));
            }
            Fault::PauseWorker if worker.is_some() => {
                let pid = worker.unwrap_or(0);
                self.freeze_worker(pid, false);
                let while_ = self.a_while();
                self.schedule(while_, Due::Undo(Undo::ThawWorker(pid)));
            }
            Fault::Cut if self.processes[process].network => {
                let while_ = self.a_while();
                self.cut_off(process, while_)?;
            }
            Fault::Blip if self.processes[process].network => self.cut_off(process, millis(5))?,
            Fault::RestartZooKeeper => {
                let while_ = self.between(millis(20), nanos(self.plan.session_timeout) / 2);
                for process in 0..self.processes.len() {
                    self.cut_off(process, while_)?;
                }
            }
            Fault::Deaf if running => {
                self.processes[process].troubled_at = Some(self.now);
                self.deafen(process);
                let while_ = self.a_while();
                let connection =
                    self.processes[process].membership.as_ref().map_or(0, |membership| membership.connection);
                self.schedule(while_, Due::Undo(Undo::Undeafen { process, connection }));
            }
            Fault::LoseAnswer if self.awaits_an_answer(process) => self.lose_an_answer(process)?,
            Fault::KafkaAway
            | Fault::KafkaSlow
            | Fault::KafkaForgets
            | Fault::NoLeader
            | Fault::NoCoordinator
            | Fault::NoRight
            | Fault::NoLogin => {
                match fault {
                    Fault::KafkaAway => self.kafka.away = true,
                    Fault::KafkaSlow => self.kafka.slow = true,
                    Fault::NoCoordinator => self.kafka.refuses_commits = true,
                    Fault::NoLogin => self.kafka.refuses_logins = true,
                    Fault::NoRight => {
                        let partition = self.random.below(self.partitions.len());
                        self.deny(partition);
                    }
                    Fault::NoLeader => {
                        let partition = self.random.below(self.partitions.len());
                        self.kafka.without_leader.insert(partition);
                    }
                    _ => self.kafka.loses_answers = true,
                }
                let while_ = self.between(millis(300), millis(9000));
                self.schedule(while_, Due::Undo(Undo::Kafka));
            }
            Fault::StopOne | Fault::StopTwice if running && self.processes[process].wanted => {
                self.stop_process(process, Stop::Signalled)?;
                if fault == Fault::StopTwice {
                    let hurry = self.between(0, millis(1500));
                    self.schedule(hurry, Due::Undo(Undo::Hurry { process, life }));
                }
            }
            Fault::Maintain => self.maintain()?,
            Fault::Grow if self.partitions.len() < 6 => self.grow()?,
            Fault::MakeAgain if self.plan.pythons == 0 => {
                let keeps = self.random.percent(50);
                self.make_again(keeps);
            }
            Fault::Operate if running => self.some_word(process),
            Fault::Reload if running => {
                let broken = self.random.percent(40);
                self.reload(process, broken);
            }
            Fault::Outage => {
                self.outage = true;
                let while_ = self.between(millis(500), millis(20_000));
                self.schedule(while_, Due::Undo(Undo::Outage));
            }
            _ => {
                // Nobody was there to suffer it.
                self.figures.faults.insert(fault.name(), before);
            }
        }
        Ok(())
    }

    pub(super) fn some_worker(&mut self) -> Option<i32> {
        let pids: Vec<_> = self.workers.keys().copied().collect();
        self.random.choose(&pids).copied()
    }

    pub(crate) fn cut_off(&mut self, process: usize, while_: Time) -> Checked {
        self.processes[process].network = false;
        self.processes[process].troubled_at = Some(self.now + while_);
        self.schedule(while_, Due::Undo(Undo::Network(process)));
        self.cut(process)
    }

    /// One of the things that an operator may ask for.
    pub(super) fn some_word(&mut self, process: usize) {
        let at = self.random.below(self.partitions.len());
        let place = self.some_place(at);
        let operation = [
            Operation::Pause,
            Operation::Resume,
            Operation::Restart,
            Operation::Skip,
            Operation::Seek(place),
        ][self.random.below(5)];
        let partition = self.partitions[at].partition.clone();
        self.ask(process, partition, operation);
        if operation == Operation::Pause {
            let while_ = self.a_while();
            self.schedule(while_, Due::Undo(Undo::Pause { process, partition: at }));
        }
    }

    pub(crate) fn reload(&mut self, process: usize, broken: bool) {
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.reloads.push_back(broken);
            self.poke(process);
        }
    }

    pub(super) fn grow(&mut self) -> Checked {
        let number = i32::try_from(self.partitions.len()).unwrap_or(0);
        self.add_partition(number);
        let partitions: std::collections::BTreeSet<_> =
            self.partitions.iter().map(|p| p.partition.clone()).collect();
        for process in 0..self.processes.len() {
            self.tell_member(process, MemberEvent::PartitionsChanged { partitions: partitions.clone() })?;
        }
        Ok(())
    }
}
