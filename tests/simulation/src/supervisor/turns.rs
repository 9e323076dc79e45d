//! A supervisor's loop: where the program's selects among its channels, this one picks at random.

use kafkavisor_driver::{Driver, Happened};
use kafkavisor_supervisor_core::Operation;
use nix::unistd::Pid;

use crate::machine::{Time, millis};
use crate::system::Simulated;
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, Due, World};

impl World {
    /// The event loop has something to do soon.
    pub(crate) fn poke(&mut self, process: usize) {
        let delay = self.between(1000, 400_000);
        self.wake_supervisor(process, self.now + delay);
    }

    pub(crate) fn supervisor_thaws(&mut self, process: usize) {
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.wake_at = None;
            self.poke(process);
        }
    }

    pub(super) fn wake_supervisor(&mut self, process: usize, at: Time) {
        let now = self.now;
        let Some(supervisor) = self.supervisor(process) else { return };
        if supervisor.wake_at.is_none_or(|due| due <= now || at < due) {
            supervisor.wake_at = Some(at);
            self.schedule(at.saturating_sub(now), Due::Supervisor(process));
        }
    }

    pub(crate) fn supervisor_turns(&mut self, process: usize) -> Checked {
        let now = self.now;
        let paused = self.processes[process].paused;
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        if supervisor.wake_at != Some(now) || paused {
            return Ok(());
        }
        supervisor.wake_at = None;
        loop {
            self.supervisor_iterates(process)?;
            let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
            if supervisor.waiting().is_empty() {
                break;
            }
        }
        let time = self.instant(process);
        let deadline = self.supervisor(process).and_then(|supervisor| supervisor.core()?.next_deadline());
        if deadline.is_some_and(|at| at <= time) {
            return Err(Violation::new(Invariant::Idle, format!("supervisor {process} spins: {deadline:?}")));
        }
        self.await_supervisors_deadline(process);
        self.counters_grow(process)
    }

    pub(super) fn supervisor_iterates(&mut self, process: usize) -> Checked {
        self.figures.event("supervisor");
        let settings = self.settings();
        let pick = self.random.number();
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let channels = supervisor.waiting();
        let chosen = usize::try_from(pick).unwrap_or(0).checked_rem(channels.len()).map(|n| channels[n]);
        let happened = chosen.and_then(|channel| supervisor.next(channel, &settings));
        if let Some(Happened::Operated { partition, operation: Operation::Skip, .. }) = &happened {
            self.may_be_passed_over(process, partition);
        }
        self.turn(process, happened.unwrap_or(Happened::Time))?;
        self.finish_workers(process)?;
        self.look_at_exit(process)
    }

    pub(crate) fn spawn_due(&mut self, process: usize, life: u64, number: u64) -> Checked {
        match self.spawning.remove(&number) {
            Some(start) if self.processes[process].life == life && self.processes[process].runs() => {
                Simulated { world: self, process, violation: None }.try_spawn(start)
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn finish_workers(&mut self, process: usize) -> Checked {
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let gone: Vec<_> = supervisor
            .children
            .iter()
            .filter(|(_, child)| child.closed)
            .filter_map(|(pid, child)| Some((*pid, child.exit?)))
            .collect();
        for (pid, exit) in gone {
            if let Some(supervisor) = self.supervisor(process) {
                supervisor.children.remove(&pid);
            }
            self.turn(process, Happened::Gone { pid: Pid::from_raw(pid), exit })?;
        }
        Ok(())
    }

    /// One turn of the shipping driver.
    pub(super) fn turn(&mut self, process: usize, happened: Happened) -> Checked {
        if !matches!(happened, Happened::Time) {
            let name = self.processes[process].name.clone();
            self.say(|| format!("{name}: {happened:?}"));
        }
        let Some(mut driver) = self.supervisor(process).and_then(|supervisor| supervisor.driver.take())
        else {
            return Ok(());
        };
        let mut system = Simulated { world: self, process, violation: None };
        driver.turn(&mut system, happened);
        let violation = system.violation;
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.driver = Some(driver);
        }
        violation.map_or(Ok(()), Err)
    }

    pub(super) fn await_supervisors_deadline(&mut self, process: usize) {
        let (now, machine) = (self.now, self.processes[process].machine);
        let Some(driver) = self.supervisor(process).and_then(|supervisor| supervisor.driver.take()) else {
            return;
        };
        let deadline = driver.deadline(&Simulated { world: self, process, violation: None });
        if let Some(supervisor) = self.supervisor(process) {
            supervisor.driver = Some(driver);
        }
        if let Some(deadline) = deadline {
            self.wake_supervisor(process, machine.when(now, deadline).max(now + 1));
        }
    }

    pub(super) fn look_at_exit(&mut self, process: usize) -> Checked {
        let Some(supervisor) = self.supervisor(process) else { return Ok(()) };
        let Some(cut_short) = supervisor.driver.as_ref().and_then(Driver::exit) else { return Ok(()) };
        if !supervisor.children.is_empty() {
            let detail = format!("{} exits while workers live", self.processes[process].name);
            return Err(Violation::new(Invariant::OneWorker, detail));
        }
        if let Some((ticket, asked)) = supervisor.tickets.first_key_value() {
            let detail = format!("{ticket:?} ({asked:?}) was never answered");
            return Err(Violation::new(Invariant::Operator, detail));
        }
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} has exited, cut short: {cut_short}"));
        self.figures.count(if cut_short { "stops cut short" } else { "stops in full" });
        self.processes[process].cut_short = Some(cut_short);
        // A process that exits drops its connection; whether its session is closed before that is chance.
        let session = self.processes[process].membership.take().and_then(|membership| membership.session);
        if let Some((_, session)) = session
            && self.random.percent(50)
        {
            self.schedule(millis(1), Due::EndSession(session.0));
        }
        self.processes[process].role = None;
        Ok(())
    }
}
