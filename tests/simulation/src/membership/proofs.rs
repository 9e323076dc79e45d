//! Proofs of life: the evidence that a supervisor's lease is made of.

use kafkavisor::clock::Boottime;
use kafkavisor::membership::Notice;
use kafkavisor::partitioner::messages::Epoch;

use crate::world::{Checked, Due, World};

use super::Question;

impl World {
    pub(crate) fn prove(&mut self, process: usize, life: u64, of: u64) -> Checked {
        if self.processes[process].life != life {
            return Ok(());
        }
        let paused = self.processes[process].paused;
        let sent = self.processes[process].machine.boottime(self.now);
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let Some((epoch, _)) = membership.session.filter(|(epoch, _)| epoch.0 == of) else { return Ok(()) };
        if paused {
            membership.prove_when_thawed = Some(of);
            return Ok(());
        }
        let Some(node) = membership.member.holding_as().map(str::to_owned) else {
            membership.proving = None;
            return Ok(());
        };
        self.send(process, epoch, Question::Proof { node, sent })?;
        self.drain(process)
    }

    /// Answered or not: a tenth of the session's time after it was sent, the next one is.
    pub(super) fn proof_ended(
        &mut self,
        process: usize,
        epoch: Epoch,
        sent: Boottime,
        proved: bool,
    ) -> Checked {
        let (life, machine) = (self.processes[process].life, self.processes[process].machine);
        let timeout = self.plan.session_timeout;
        let passed = machine.boottime(self.now).since(sent);
        let next = machine.true_time((timeout / 10).saturating_sub(passed));
        self.schedule(next.max(1), Due::Prove { process, life, epoch: epoch.0 });
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let present = membership.session.is_some_and(|(present, _)| present == epoch);
        if proved && present && membership.member.holding_as().is_some() {
            return self.notice(process, Notice::Evidence { sent, timeout });
        }
        Ok(())
    }
}
