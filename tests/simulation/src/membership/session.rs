//! How sessions begin and end.

use std::time::Duration;

use kafkavisor::partitioner::messages::{Epoch, Event};
use kafkavisor::partitioner::node_names::Nonce;
use kafkavisor::partitioner::simulation::zookeeper::Session;

use crate::machine::{millis, nanos};
use crate::world::{Checked, Due, World};

use super::{CLOSING, Heard};

impl World {
    pub(crate) fn open_session(&mut self, process: usize, life: u64) -> Checked {
        if self.processes[process].life != life {
            return Ok(());
        }
        let (now, base, timeout) = (self.now, self.base, self.plan.session_timeout);
        let number = self.random.number();
        let Some(membership) =
            self.membership(process).filter(|membership| membership.up && !membership.deaf)
        else {
            return Ok(());
        };
        let Some(epoch) = membership.opening.take() else { return Ok(()) };
        let session = self.zookeeper.open(base + Duration::from_nanos(now));
        self.sessions.insert(session, process);
        let mut nonce = [0; 16];
        nonce.iter_mut().zip(number.to_le_bytes().repeat(2)).for_each(|(to, from)| *to = from);
        let event = Event::SessionStarted {
            epoch,
            nonce: Nonce(nonce),
            session: format!("{:#x}", session.0),
            timeout,
        };
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.session = Some((epoch, session));
        membership.missed.clear();
        self.enter(process, Heard::Event(event))
    }

    pub(super) fn close_session(&mut self, process: usize, epoch: Epoch) -> Checked {
        let life = self.processes[process].life;
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.opening = None;
        let reaches = membership.up && !membership.deaf;
        let session = membership.session.take();
        // What was sent before has its effect first.
        while reaches && self.membership(process).is_some_and(|membership| !membership.to_server.is_empty()) {
            if let Some((_, session)) = session {
                self.serve_one(process, epoch, session)?;
            }
        }
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.to_server.clear();
        let hop = self.hop();
        match session {
            Some((_, session)) if reaches => {
                self.schedule(hop, Due::EndSession(session.0));
                self.schedule(2 * hop + 1, Due::Closed { process, life, epoch: epoch.0 });
            }
            Some(_) => self.schedule(CLOSING, Due::Closed { process, life, epoch: epoch.0 }),
            None => self.schedule(0, Due::Closed { process, life, epoch: epoch.0 }),
        }
        Ok(())
    }

    pub(crate) fn end_session(&mut self, session: Session) -> Checked {
        self.zookeeper.end(session);
        self.sessions.remove(&session);
        self.spread_watches();
        Ok(())
    }

    pub(crate) fn session_closed(&mut self, process: usize, life: u64, epoch: u64) -> Checked {
        if self.processes[process].life != life {
            return Ok(());
        }
        // Who follows the session's state says so too, and may be late.
        if self.random.percent(20) {
            let later = self.between(millis(1), millis(1500));
            self.schedule(later, Due::Closed { process, life, epoch });
        }
        self.tell_member(process, Event::SessionEnded { epoch: Epoch(epoch) })
    }

    pub(crate) fn expired(&mut self, process: usize) -> Checked {
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let Some((epoch, _)) = membership.session.take() else { return Ok(()) };
        membership.to_server.clear();
        self.figures.fault("session expired");
        self.tell_member(process, Event::SessionEnded { epoch })
    }

    pub(crate) fn expire(&mut self) -> Checked {
        self.schedule(nanos(self.plan.session_timeout) / 16, Due::Expire);
        let (now, timeout) = (self.now, nanos(self.plan.session_timeout));
        for process in 0..self.processes.len() {
            self.ping(process)?;
            // A client gives up a session by its own clock some time after the server has.
            let paused = self.processes[process].paused;
            let Some(membership) = self.membership(process).filter(|_| !paused) else { continue };
            if !membership.up && now > membership.down_since + timeout + timeout * 2 / 5 {
                self.expired(process)?;
            }
        }
        self.zookeeper.expire(self.base + Duration::from_nanos(now));
        let gone: Vec<_> = self.sessions.keys().copied().filter(|s| !self.zookeeper.is_alive(*s)).collect();
        for session in gone {
            self.sessions.remove(&session);
        }
        self.spread_watches();
        Ok(())
    }

    /// A client with a connection is heard of now and then; it hears itself when its session is over.
    pub(super) fn ping(&mut self, process: usize) -> Checked {
        if self.processes[process].paused || !self.random.percent(15) {
            return Ok(());
        }
        let now = self.base + Duration::from_nanos(self.now);
        let Some(membership) =
            self.membership(process).filter(|membership| membership.up && !membership.deaf)
        else {
            return Ok(());
        };
        let Some((_, session)) = membership.session else { return Ok(()) };
        if self.zookeeper.is_alive(session) {
            self.zookeeper.hear(session, now);
            return Ok(());
        }
        self.expired(process)
    }
}
