//! What the member does next, after each event: settle, ask, report.

use std::time::Instant;

use super::{Asked, Phase, SetPartitioner};
use crate::ids::TopicPartition;
use crate::partitioner::locks::Lock;
use crate::partitioner::messages::{Action, Notice, Request, RequestId};

impl SetPartitioner {
    pub(super) fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
        }
        if !self.suspended {
            self.settle(now, out);
        }
        self.depart(out);
        if !self.suspended && self.paused_until.is_none() {
            self.send_for_phase(out);
            self.send_for_party(out);
            self.send_for_locks(now, out);
        }
        if !self.suspended {
            out.extend(self.locks.values_mut().filter_map(|lock| lock.news(now)).map(Action::Notify));
        }
        self.report_settled(out);
    }

    fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Joined || self.ending.is_some() {
            return;
        }
        if self.party.settles(now) {
            self.allocate(out);
        }
        if self.party.is_settled() {
            let siblings = self.settings.siblings;
            out.extend(self.locks.values_mut().filter_map(|lock| lock.promote(siblings)).map(Action::Notify));
        }
    }

    fn send_for_phase(&mut self, out: &mut Vec<Action>) {
        if self.awaiting {
            return;
        }
        let node = self.party.node().to_owned();
        let request = match self.phase {
            Phase::Preparing => Request::EnsureFolders,
            Phase::Joining => Request::JoinParty { identifier: self.party.me().to_owned(), node },
            Phase::Departing => Request::LeaveParty { node },
            Phase::Opening | Phase::Joined | Phase::Closing | Phase::Left => return,
        };
        self.awaiting = true;
        self.send(Asked::Itself, request, out);
    }

    fn send_for_party(&mut self, out: &mut Vec<Action>) {
        if self.phase == Phase::Joined && self.ending.is_none() && self.party.is_due() {
            let id = self.send(Asked::Party, Request::ListParty, out);
            self.party.sent(id);
        }
    }

    fn send_for_locks(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Joined {
            return;
        }
        let settled = self.party.is_settled();
        let due =
            |(partition, lock): (&TopicPartition, &Lock)| Some((partition.clone(), lock.due(now, settled)?));
        let requests: Vec<_> = self.locks.iter().filter_map(due).collect();
        for (partition, request) in requests {
            let id = self.send(Asked::Lock(partition.clone()), request, out);
            if let Some(lock) = self.locks.get_mut(&partition) {
                lock.sent(id);
            }
        }
    }

    fn send(&mut self, asked: Asked, request: Request, out: &mut Vec<Action>) -> RequestId {
        self.last_request = RequestId(self.last_request.0 + 1);
        let id = self.last_request;
        self.asked.insert(id, asked);
        out.push(Action::Send { epoch: self.epoch, id, request });
        id
    }

    fn report_settled(&mut self, out: &mut Vec<Action>) {
        let settled = self.phase == Phase::Joined && self.ending.is_none() && self.party.is_settled();
        if !settled || self.reported_settled {
            return;
        }
        if self.mine.iter().all(|partition| self.locks.get(partition).is_some_and(Lock::is_held)) {
            self.reported_settled = true;
            out.push(Action::Notify(Notice::Settled { members: self.party.ids().len() }));
        }
    }
}
