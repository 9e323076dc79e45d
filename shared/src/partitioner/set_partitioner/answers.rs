//! What answers, lost answers and watches mean to the member. Each goes to whoever asked: the phase, the party or a lock.

use std::time::{Duration, Instant};

use super::{Asked, Ending, Phase, SetPartitioner};
use crate::ids::TopicPartition;
use crate::partitioner::locks::Step;
use crate::partitioner::messages::{Action, Answer, Notice, RequestId};
use crate::partitioner::node_names::number;
use crate::partitioner::party::Listed;

/// After a lost answer nothing is asked for this long.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl SetPartitioner {
    pub(super) fn answered(&mut self, now: Instant, id: RequestId, answer: Answer, out: &mut Vec<Action>) {
        match self.asked.remove(&id) {
            Some(Asked::Itself) => self.phase_answered(&answer, out),
            Some(Asked::Party) => self.party_answered(now, id, answer, out),
            Some(Asked::Lock(partition)) => self.lock_answered(now, id, partition, answer, out),
            None => {}
        }
    }

    fn phase_answered(&mut self, answer: &Answer, out: &mut Vec<Action>) {
        self.awaiting = false;
        match (self.phase, answer) {
            (Phase::Preparing, Answer::FoldersEnsured) => self.phase = Phase::Joining,
            (Phase::Joining, Answer::PartyJoined) => {
                self.phase = Phase::Joined;
                let (session, timeout) = self.session.clone();
                out.push(Action::Notify(Notice::Joined {
                    session: Some(session),
                    member: Some(self.party.me().to_owned()),
                    node: Some(self.party.node().to_owned()),
                    timeout,
                }));
            }
            (Phase::Departing, Answer::PartyLeft) => self.close(out),
            _ => {}
        }
    }

    fn party_answered(&mut self, now: Instant, id: RequestId, answer: Answer, out: &mut Vec<Action>) {
        let Answer::PartyListed { nodes } = answer else { return };
        match self.party.listed(now, id, nodes, self.settings.cooldown) {
            Listed::Same => {}
            Listed::Changed => {
                let members = self.party.ids().into_iter().map(str::to_owned).collect();
                out.push(Action::Notify(Notice::Listed { members }));
                self.unsettle(out);
            }
            Listed::WithoutUs => self.end(Ending::Renew, out),
        }
    }

    fn lock_answered(
        &mut self,
        now: Instant,
        id: RequestId,
        partition: TopicPartition,
        answer: Answer,
        out: &mut Vec<Action>,
    ) {
        self.note_number(&partition, &answer, out);
        let settled = self.party.is_settled();
        let Some(lock) = self.locks.get_mut(&partition) else { return };
        match lock.answered(now, id, answer, settled) {
            Step::Kept(notice) => out.extend(notice.map(Action::Notify)),
            Step::Gone => {
                self.locks.remove(&partition);
                if self.mine.contains(&partition) {
                    self.begin_lock(partition);
                }
            }
            Step::Doubted(notice) => {
                out.extend(notice.map(Action::Notify));
                self.end(Ending::Renew, out);
            }
        }
    }

    /// The numbers in a line have no gaps, so one that is not ours was somebody else's.
    fn note_number(&mut self, partition: &TopicPartition, answer: &Answer, out: &mut Vec<Action>) {
        let own = if let Answer::LockCreated(own) = answer {
            own
        } else if let Answer::LocksListed { own, .. } = answer
            && let [own] = own.as_slice()
        {
            own
        } else {
            return;
        };
        let Some(number) = number(&own.node) else { return };
        let before = self.numbers.insert(partition.clone(), number);
        if before.is_some_and(|before| number != before && number != before.wrapping_add(1)) {
            out.push(Action::Notify(Notice::Contended { partition: partition.clone() }));
        }
    }

    pub(super) fn failed(&mut self, now: Instant, id: RequestId, out: &mut Vec<Action>) {
        let Some(asked) = self.asked.remove(&id) else { return };
        self.paused_until = Some(now + RETRY_PAUSE);
        match asked {
            Asked::Itself => {
                self.awaiting = false;
                // Closing the session does what deleting the node would have done.
                if self.phase == Phase::Departing {
                    self.close(out);
                }
            }
            Asked::Party => self.party.failed(id),
            Asked::Lock(partition) => {
                if let Some(lock) = self.locks.get_mut(&partition) {
                    lock.failed(id);
                }
            }
        }
    }

    /// Others are asked meanwhile. What is refused while we end is left to the session's end, which needs no right.
    pub(super) fn refused(&mut self, id: RequestId, out: &mut Vec<Action>) {
        let ending = self.ending.is_some();
        match self.asked.remove(&id) {
            Some(Asked::Itself) => {
                self.awaiting = false;
                if self.phase == Phase::Departing {
                    self.close(out);
                }
            }
            Some(Asked::Party) => self.party.failed(id),
            Some(Asked::Lock(partition)) => {
                let gone = self.locks.get_mut(&partition).is_some_and(|lock| lock.refused(id, ending));
                if gone {
                    self.locks.remove(&partition);
                }
            }
            None => {}
        }
    }

    pub(super) fn watch_fired(&mut self, id: RequestId, out: &mut Vec<Action>) {
        if self.party.watch_fired(id) {
            self.unsettle(out);
        }
        self.locks.values_mut().for_each(|lock| lock.watch_fired(id));
    }
}
