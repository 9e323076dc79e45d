//! What is done when the core says so: every action, at once and without waiting.

use kafkavisor_supervisor_core::{Action, Event};

use crate::system::System;
use crate::turn::Driver;

impl Driver {
    pub(crate) fn decide<S: System>(&mut self, system: &mut S, event: Event) {
        let actions = self.core.handle(system.now(), system.boottime(), event);
        let changes = self.core.take_changes();
        if !changes.is_empty() {
            system.changed(changes);
        }
        actions.into_iter().for_each(|action| self.perform(system, action));
    }

    fn perform<S: System>(&mut self, system: &mut S, action: Action) {
        match action {
            Action::FindStart { partition, request, made_again } => {
                system.find_start(&partition, request, made_again);
            }
            Action::MakePage { partition, start } => system.make_page(&partition, start),
            Action::SpawnWorker(start) => system.spawn(start),
            Action::StopWorker { pid, reason, within } => system.stop_worker(pid, reason, within),
            Action::AbortWorker { pid } => system.abort_worker(pid),
            Action::KillWorker { pid } => system.kill_worker(pid),
            Action::Decide { pid, partition, offset, verdict } => {
                system.decide(pid, &partition, offset, verdict);
            }
            Action::SettlePage { partition, attempts } => system.settle_page(&partition, attempts),
            Action::MovePage { partition, next } => system.move_page(&partition, next),
            Action::Commit { offsets, starts } => {
                // A page is told of what is its own: not of where a topic begins before anybody has looked at this page.
                for (partition, offset) in &offsets {
                    let known = self.core.partitions().get(partition);
                    if known.is_some_and(|partition| partition.tenure.held().is_some()) {
                        system.note_commit_sent(partition, *offset);
                    }
                }
                system.commit(offsets, starts);
            }
            Action::NoteCommitted { partition, offset } => system.note_committed(&partition, offset),
            Action::Release { partition, token } => {
                let to = if token.is_some() { ": it is another member's to take" } else { "" };
                log::info!(partition:%; "released{to}");
                system.release(&partition, token);
            }
            Action::ForgetPage { partition } => system.forget_page(&partition),
            Action::LeaveGroup => system.leave_group(),
            Action::Answer { ticket, result } => system.answer(ticket, result),
            Action::NoteWorked { config } => system.note_worked(config),
            Action::NoteGaveUp { config } => system.note_gave_up(config),
            Action::Establish { config } => system.establish(config),
            Action::Discard { config } => system.discard(config),
            Action::Exit { cut_short } => self.exit = Some(cut_short),
        }
    }
}
