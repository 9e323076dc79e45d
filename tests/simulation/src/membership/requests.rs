//! What a member asks of ZooKeeper, and the answers: in order, delayed, lost.

use std::time::Duration;

use kafkavisor::partitioner::messages::{Epoch, Event};
use kafkavisor::partitioner::simulation::zookeeper::Session;

use crate::machine::{Time, millis, nanos};
use crate::world::{Checked, Due, World};

use super::{Ask, Heard, Question};

impl World {
    /// A hop between client and server: mostly short, at times long.
    pub(super) fn hop(&mut self) -> Time {
        if self.random.percent(2) {
            self.between(millis(1), millis(200))
        } else {
            self.between(100_000, millis(4))
        }
    }

    pub(super) fn send(&mut self, process: usize, epoch: Epoch, question: Question) -> Checked {
        let hop = self.hop();
        let (now, limit) = (self.now, nanos(self.plan.session_timeout) / 3);
        let Some(membership) = self.membership(process) else { return Ok(()) };
        if !membership.up || membership.session.is_none_or(|(present, _)| present != epoch) {
            if let Some(heard) = unanswered(epoch, &question) {
                membership.inbox.push_back(heard);
            }
            return Ok(());
        }
        membership.asks += 1;
        let number = membership.asks;
        membership.to_server.push_back(Ask { number, epoch, question, abandoned: false });
        membership.served_at = membership.served_at.max(now + hop);
        let (arrives, connection, deaf) =
            (membership.served_at - now, membership.connection, membership.deaf);
        self.schedule(arrives, Due::Serve { process, connection });
        if deaf || arrives >= limit {
            self.schedule(limit, Due::GiveUp { process, connection, ask: number });
        }
        Ok(())
    }

    /// The client has waited for a third of the session's time.
    pub(crate) fn give_up(&mut self, process: usize, connection: u64, number: u64) -> Checked {
        let Some(membership) = self.membership_on(process, connection) else { return Ok(()) };
        let Some(ask) = membership.to_server.iter_mut().find(|ask| ask.number == number && !ask.abandoned)
        else {
            return Ok(());
        };
        ask.abandoned = true;
        let epoch = ask.epoch;
        match unanswered(epoch, &ask.question) {
            Some(heard) => self.enter(process, heard),
            // The barrier is asked for until it is answered.
            None => self.send(process, epoch, Question::Barrier),
        }
    }

    pub(crate) fn awaits_an_answer(&self, process: usize) -> bool {
        self.processes[process].membership.as_ref().is_some_and(|membership| !membership.to_server.is_empty())
    }

    /// Some request of this member: the client gives up, and the server does not know.
    pub(crate) fn lose_an_answer(&mut self, process: usize) -> Checked {
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let (connection, number) = match membership.to_server.front() {
            Some(ask) => (membership.connection, ask.number),
            None => return Ok(()),
        };
        self.give_up(process, connection, number)
    }

    pub(crate) fn serve(&mut self, process: usize, connection: u64) -> Checked {
        let Some(membership) = self.membership_on(process, connection).filter(|membership| !membership.deaf)
        else {
            return Ok(());
        };
        let Some((epoch, session)) = membership.session else { return Ok(()) };
        if self.zookeeper.is_alive(session) {
            return self.serve_one(process, epoch, session);
        }
        self.expired(process)
    }

    pub(super) fn serve_one(&mut self, process: usize, epoch: Epoch, session: Session) -> Checked {
        let now = self.base + Duration::from_nanos(self.now);
        let Some(ask) = self.membership(process).and_then(|membership| membership.to_server.pop_front())
        else {
            return Ok(());
        };
        self.zookeeper.hear(session, now);
        self.figures.event("zookeeper");
        let folder = self.processes[process].folder;
        let heard = match ask.question {
            Question::Member { id, request } => {
                let answer = self.zookeeper.perform(session, folder, id, &request);
                Heard::Event(Event::Answered { epoch, id, answer })
            }
            Question::Proof { node, sent } => {
                let path = format!("{folder}/party/{node}");
                let proved = self.zookeeper.paths().any(|present| present == path);
                Heard::Proof { epoch, sent, proved }
            }
            Question::Barrier => Heard::Passed { epoch },
        };
        // Whoever watches hears of it before anything newer.
        self.spread_watches();
        if !ask.abandoned {
            self.answer(process, heard);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, process: usize, heard: Heard) {
        let hop = self.hop();
        let now = self.now;
        let Some(membership) = self.membership(process) else { return };
        membership.heard_at = membership.heard_at.max(now + hop);
        membership.to_client.push_back((membership.heard_at, heard));
        let (after, connection) = (membership.heard_at - now, membership.connection);
        self.schedule(after, Due::Hear { process, connection });
    }

    pub(crate) fn spread_watches(&mut self) {
        for (session, id) in self.zookeeper.take_fired() {
            let Some(process) = self.sessions.get(&session).copied() else { continue };
            let Some(membership) = self.membership(process) else { continue };
            let Some((epoch, _)) = membership.session.filter(|(_, present)| *present == session) else {
                continue;
            };
            if membership.up && !membership.deaf {
                self.answer(process, Heard::Event(Event::WatchFired { epoch, id }));
            } else {
                membership.missed.push((epoch, id));
            }
        }
    }

    pub(crate) fn hear(&mut self, process: usize, connection: u64) -> Checked {
        let now = self.now;
        let Some(membership) = self.membership_on(process, connection) else { return Ok(()) };
        if membership.to_client.front().is_none_or(|(at, _)| *at > now) {
            return Ok(());
        }
        let Some((_, heard)) = membership.to_client.pop_front() else { return Ok(()) };
        self.enter(process, heard)
    }
}

/// What is heard of a question whose answer is lost.
pub(super) fn unanswered(epoch: Epoch, question: &Question) -> Option<Heard> {
    match question {
        Question::Member { id, .. } => Some(Heard::Event(Event::Failed { epoch, id: *id })),
        Question::Proof { sent, .. } => Some(Heard::Proof { epoch, sent: *sent, proved: false }),
        Question::Barrier => None,
    }
}
