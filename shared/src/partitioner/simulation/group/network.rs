//! What happens between members and server: requests served, events delivered, connections cut, time passed.

use std::time::Duration;

use super::Group;
use crate::partitioner::messages::{Action, Event, Notice};
use crate::partitioner::node_names::Nonce;
use crate::partitioner::simulation::player::{Pending, SESSION_TIMEOUT};

/// When the client gives a session up by its own clock.
const CLIENT_EXPIRY: Duration = Duration::from_millis(1400);

impl Group {
    pub(super) fn tell(&mut self, at: usize, event: Event) {
        if let Some(player) = self.players.get_mut(at) {
            player.to_member.push_back(event);
        }
    }

    pub(super) fn open(&mut self, at: usize) {
        let (now, random) = (self.now, &mut self.random);
        let Some(player) = self.players.get_mut(at).filter(|player| player.connected) else { return };
        let Some(epoch) = player.opening.take() else { return };
        let session = self.zookeeper.open(now);
        let mut nonce = [0; 16];
        nonce.iter_mut().zip(random.number().to_le_bytes().repeat(2)).for_each(|(to, from)| *to = from);
        (player.session, player.last_connected) = (Some((epoch, session)), now);
        player.to_member.push_back(Event::SessionStarted {
            epoch,
            nonce: Nonce(nonce),
            session: format!("{:#x}", session.0),
            timeout: SESSION_TIMEOUT,
        });
    }

    pub(super) fn serve(&mut self, at: usize) {
        let Some(player) = self.players.get_mut(at).filter(|player| player.connected) else { return };
        let Some(pending) = player.to_server.pop_front() else { return };
        let Some((epoch, session)) = player.session.filter(|(epoch, _)| *epoch == pending.epoch) else {
            return;
        };
        let folder = player.folder.clone();
        let answer = self.zookeeper.perform(session, &folder, pending.id, &pending.request);
        // Whoever watches hears of it before anything newer.
        self.deliver_fired();
        if !pending.abandoned {
            self.tell(at, Event::Answered { epoch, id: pending.id, answer });
        }
    }

    pub(super) fn deliver_fired(&mut self) {
        for (session, id) in self.zookeeper.take_fired() {
            let watcher =
                self.players.iter_mut().find(|player| player.session.is_some_and(|(_, s)| s == session));
            if let Some(watcher) = watcher
                && let Some((epoch, _)) = watcher.session
            {
                watcher.to_member.push_back(Event::WatchFired { epoch, id });
            }
        }
    }

    pub(super) fn deliver(&mut self, at: usize) -> Result<(), String> {
        let event = self.players.get_mut(at).and_then(|player| player.to_member.pop_front());
        event.map_or(Ok(()), |event| self.handle(at, event))
    }

    pub(super) fn handle(&mut self, at: usize, event: Event) -> Result<(), String> {
        let now = self.now;
        let Some(player) = self.players.get_mut(at) else { return Ok(()) };
        for action in player.member.handle(now, event) {
            match action {
                Action::OpenSession { epoch } => (player.opening, player.session) = (Some(epoch), None),
                Action::CloseSession { epoch } => {
                    player.opening = None;
                    player.to_server.clear();
                    // Without a connection nobody tells the server, and it finds out later.
                    if let Some((_, session)) = player.session.take().filter(|_| player.connected) {
                        self.zookeeper.end(session);
                    }
                    player.to_member.push_back(Event::SessionEnded { epoch });
                }
                Action::Send { epoch, id, .. } if !player.connected => {
                    player.to_member.push_back(Event::Failed { epoch, id });
                }
                Action::Send { epoch, id, request } => {
                    player.to_server.push_back(Pending { id, epoch, request, abandoned: false });
                }
                Action::Notify(notice) => {
                    if let Notice::Assigned { partition, token: Some(token) } = &notice {
                        self.acquisitions += 1;
                        let before = self.tokens.insert(partition.clone(), *token);
                        if before.is_some_and(|before| before >= *token) {
                            return Err(format!("{partition}: {token} follows {before:?}"));
                        }
                    }
                    player.notice(notice)?;
                }
            }
        }
        self.deliver_fired();
        Ok(())
    }

    /// The supervisor is done with one of the partitions that it is to give back.
    pub(super) fn release(&mut self, at: usize) -> Result<(), String> {
        let Some(player) = self.players.get_mut(at) else { return Ok(()) };
        let Some((partition, token)) =
            player.has.iter().find(|(_, (_, revoked))| *revoked).map(|(i, (t, _))| (i.clone(), *t))
        else {
            return Ok(());
        };
        player.has.remove(&partition);
        self.handle(at, Event::Released { partition, token })
    }

    /// The connection breaks: some of what was sent has reached the server, no answer comes back.
    pub(super) fn cut(&mut self, at: usize) {
        let Some(player) = self.players.get(at).filter(|player| player.connected) else { return };
        let reach = self.random.below(player.to_server.len() + 1);
        let before: Vec<_> = player.to_member.iter().map(unanswered).collect();
        (0..reach).for_each(|_| self.serve(at));
        let Some(player) = self.players.get_mut(at) else { return };
        player.connected = false;
        let after = player.to_member.split_off(before.len().min(player.to_member.len()));
        player.to_member = before.into_iter().chain(after.iter().map(unanswered)).collect();
        let lost = player.to_server.drain(..).filter(|pending| !pending.abandoned);
        player.to_member.extend(lost.map(|Pending { epoch, id, .. }| Event::Failed { epoch, id }));
        if let Some((epoch, _)) = player.session {
            player.to_member.push_back(Event::Suspended { epoch });
        }
    }

    pub(super) fn reconnect(&mut self, at: usize) {
        let now = self.now;
        let Some(player) = self.players.get_mut(at).filter(|player| !player.connected) else { return };
        player.connected = true;
        let Some((epoch, session)) = player.session else { return };
        if self.zookeeper.is_alive(session) {
            self.zookeeper.hear(session, now);
            player.last_connected = now;
            player.to_member.push_back(Event::Reconnected { epoch });
        } else {
            player.session = None;
            player.to_member.push_back(Event::SessionEnded { epoch });
        }
    }

    /// The client gives up waiting for an answer that the server is still going to give.
    pub(super) fn time_out(&mut self, at: usize) {
        let Some(player) = self.players.get_mut(at) else { return };
        if let Some(pending) = player.to_server.iter_mut().find(|pending| !pending.abandoned) {
            pending.abandoned = true;
            player.to_member.push_back(Event::Failed { epoch: pending.epoch, id: pending.id });
        }
    }

    /// A right is missing for a while: the request has no effect.
    pub(super) fn refuse(&mut self, at: usize) {
        let Some(player) = self.players.get_mut(at) else { return };
        if player.to_server.front().is_some_and(|pending| !pending.abandoned)
            && let Some(Pending { epoch, id, .. }) = player.to_server.pop_front()
        {
            player.to_member.push_back(Event::Refused { epoch, id });
        }
    }

    pub(super) fn change_partitions(&mut self) {
        let all: Vec<_> = self.partitions.iter().cloned().collect();
        let Some(last) = all.last() else { return };
        let mut next = last.clone();
        next.partition.0 += 1;
        if self.random.percent(50) || all.len() < 3 {
            self.partitions.insert(next);
        } else if let Some(partition) = self.random.choose(&all) {
            self.partitions.remove(partition);
        }
        (0..self.players.len())
            .for_each(|at| self.tell(at, Event::PartitionsChanged { partitions: self.partitions.clone() }));
    }

    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.now += time;
        let now = self.now;
        for player in &mut self.players {
            let Some((epoch, session)) = player.session else { continue };
            if player.connected {
                self.zookeeper.hear(session, now);
                player.last_connected = now;
            } else if now > player.last_connected + CLIENT_EXPIRY {
                player.session = None;
                player.to_member.push_back(Event::SessionEnded { epoch });
            }
        }
        self.zookeeper.expire(now);
        self.deliver_fired();
        for at in 0..self.players.len() {
            let due = self.players.get(at).and_then(|player| player.member.next_deadline());
            if due.is_some_and(|due| due <= now) {
                self.handle(at, Event::DeadlineReached)?;
            }
        }
        Ok(())
    }
}

/// What is left of an event when the connection breaks before it arrives. Watches are set again and fire later.
fn unanswered(event: &Event) -> Event {
    if let Event::Answered { epoch, id, .. } = event {
        return Event::Failed { epoch: *epoch, id: *id };
    }
    event.clone()
}
