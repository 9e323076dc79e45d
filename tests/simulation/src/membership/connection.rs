//! The connection breaks and is there again; the server that it leads to reaches no quorum.

use std::time::Duration;

use kafkavisor::partitioner::messages::Event;

use crate::machine::{millis, nanos};
use crate::world::{Checked, Due, World};

use super::requests::unanswered;
use super::{Heard, Question};

impl World {
    /// The connection breaks: some of what was sent has reached the server, no answer comes back.
    pub(crate) fn cut(&mut self, process: usize) -> Checked {
        let Some(membership) = self.membership(process).filter(|membership| membership.up) else {
            return Ok(());
        };
        let (deaf, waiting, session) = (membership.deaf, membership.to_server.len(), membership.session);
        let reach = if deaf { 0 } else { self.random.below(waiting + 1) };
        if let Some((epoch, session)) = session.filter(|(_, session)| self.zookeeper.is_alive(*session)) {
            for _ in 0..reach {
                self.serve_one(process, epoch, session)?;
            }
        }
        let now = self.now;
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.up = false;
        membership.deaf = false;
        membership.connection += 1;
        membership.down_since = now;
        (membership.served_at, membership.heard_at) = (0, 0);
        for (_, heard) in std::mem::take(&mut membership.to_client) {
            match heard {
                Heard::Event(Event::Answered { epoch, id, .. }) => {
                    membership.inbox.push_back(Heard::Event(Event::Failed { epoch, id }));
                }
                Heard::Event(Event::WatchFired { epoch, id }) => membership.missed.push((epoch, id)),
                Heard::Event(_) | Heard::Passed { .. } => {}
                Heard::Proof { epoch, sent, .. } => {
                    membership.inbox.push_back(Heard::Proof { epoch, sent, proved: false });
                }
            }
        }
        for ask in std::mem::take(&mut membership.to_server).into_iter().filter(|ask| !ask.abandoned) {
            membership.inbox.extend(unanswered(ask.epoch, &ask.question));
        }
        if let Some((epoch, _)) = membership.session {
            membership.inbox.push_back(Heard::Event(Event::Suspended { epoch }));
        }
        self.drain(process)
    }

    /// The server that this member is connected to reaches no quorum any more.
    pub(crate) fn deafen(&mut self, process: usize) {
        let limit = nanos(self.plan.session_timeout) / 3;
        let Some(membership) = self.membership(process).filter(|membership| membership.up) else { return };
        membership.deaf = true;
        let connection = membership.connection;
        let asks: Vec<_> = membership.to_server.iter().map(|ask| ask.number).collect();
        for ask in asks {
            self.schedule(limit, Due::GiveUp { process, connection, ask });
        }
    }

    /// Its server is in the quorum again, if it is still the same connection: what waits there is served.
    pub(crate) fn undeafen(&mut self, process: usize, connection: u64) -> Checked {
        let life = self.processes[process].life;
        let Some(membership) = self.membership_on(process, connection).filter(|membership| membership.deaf)
        else {
            return Ok(());
        };
        membership.deaf = false;
        let waiting = membership.to_server.len();
        let missed = std::mem::take(&mut membership.missed);
        for (epoch, id) in missed {
            self.answer(process, Heard::Event(Event::WatchFired { epoch, id }));
        }
        for _ in 0..waiting {
            self.schedule(millis(1), Due::Serve { process, connection });
        }
        self.schedule(millis(1), Due::Open { process, life });
        Ok(())
    }

    pub(crate) fn reconnect(&mut self, process: usize, connection: u64) -> Checked {
        let (now, base) = (self.now, self.base);
        let life = self.processes[process].life;
        let network = self.processes[process].network;
        let Some(membership) = self
            .membership(process)
            .filter(|membership| !membership.up && membership.connection == connection)
        else {
            return Ok(());
        };
        if !network {
            return Ok(());
        }
        membership.up = true;
        let (missed, session) = (std::mem::take(&mut membership.missed), membership.session);
        match session {
            None => {
                self.schedule(millis(1), Due::Open { process, life });
                Ok(())
            }
            Some((epoch, session)) if self.zookeeper.is_alive(session) => {
                self.zookeeper.hear(session, base + Duration::from_nanos(now));
                for (_, id) in missed.into_iter().filter(|(of, _)| *of == epoch) {
                    self.answer(process, Heard::Event(Event::WatchFired { epoch, id }));
                }
                self.send(process, epoch, Question::Barrier)
            }
            Some(_) => self.expired(process),
        }
    }
}
