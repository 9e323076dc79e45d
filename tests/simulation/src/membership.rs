//! A member's place in the group: the member itself, its session, and the connection between it and ZooKeeper.
//!
//! Requests of one connection take effect in the order they were sent, answers arrive in order. A cut loses answers and
//! requests; a *deaf* server keeps the connection and reaches no quorum. Proofs of life are asked for every tenth of the
//! session's time, counted from before they are sent, as `membership::session` does it.

use std::collections::VecDeque;
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::partitioner::messages::{Action, Epoch, Event, Request, RequestId};
use kafkavisor::partitioner::node_names::Nonce;
use kafkavisor::partitioner::set_partitioner::{SetPartitioner, Settings};
use kafkavisor::partitioner::simulation::zookeeper::Session;

use crate::machine::{Time, millis, nanos};
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, Due, World};

/// The group's folders: the second is a sibling, of members that were started with other topics.
pub(crate) const FOLDERS: [&str; 2] = ["/g/a", "/g/b"];
/// How long closing a session may take before the member goes on without it.
const CLOSING: Time = millis(1000);

#[derive(Debug)]
pub(crate) enum Question {
    Member { id: RequestId, request: Request },
    Proof { node: String, sent: Boottime },
    Barrier,
}

#[derive(Debug)]
pub(crate) struct Ask {
    number: u64,
    epoch: Epoch,
    question: Question,
    /// The client has given up waiting; the server does not know.
    abandoned: bool,
}

#[derive(Debug)]
pub(crate) enum Heard {
    Event(Event),
    Proof { epoch: Epoch, sent: Boottime, proved: bool },
    Passed { epoch: Epoch },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) member: SetPartitioner,
    pub(crate) up: bool,
    /// Changes with every cut: what is on its way on another connection never arrives.
    pub(crate) connection: u64,
    pub(crate) deaf: bool,
    opening: Option<Epoch>,
    pub(crate) session: Option<(Epoch, Session)>,
    pub(crate) to_server: VecDeque<Ask>,
    to_client: VecDeque<(Time, Heard)>,
    /// Asked and neither answered nor given up: number and, for the member's own, its id.
    served_at: Time,
    heard_at: Time,
    /// What the member has not looked at yet, its process being stopped.
    inbox: VecDeque<Heard>,
    /// Watches that fired while nobody could be told.
    missed: Vec<(Epoch, RequestId)>,
    /// The session whose proofs of life are being asked for.
    proving: Option<Epoch>,
    prove_when_thawed: Option<u64>,
    down_since: Time,
    wake_at: Option<Time>,
    asks: u64,
}

impl World {
    pub(crate) fn join(&mut self, process: usize) {
        let number = self.processes[process].life;
        let settings = Settings {
            identity: format!("host-{process}-{number}"),
            cooldown: self.plan.cooldown,
            siblings: !self.processes[process].python,
        };
        let partitions = self.partitions.iter().map(|partition| partition.partition.clone()).collect();
        let up = self.processes[process].network;
        self.processes[process].membership = Some(Membership {
            member: SetPartitioner::new(settings, partitions),
            up,
            connection: number << 32,
            deaf: false,
            opening: Some(SetPartitioner::FIRST_EPOCH),
            session: None,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            served_at: 0,
            heard_at: 0,
            inbox: VecDeque::new(),
            missed: Vec::new(),
            proving: None,
            prove_when_thawed: None,
            down_since: self.now,
            wake_at: None,
            asks: 0,
        });
        let delay = self.between(millis(1), millis(30));
        self.schedule(delay, Due::Open { process, life: number });
    }

    fn membership(&mut self, process: usize) -> Option<&mut Membership> {
        self.processes[process].membership.as_mut()
    }

    fn membership_on(&mut self, process: usize, connection: u64) -> Option<&mut Membership> {
        self.membership(process).filter(|membership| membership.up && membership.connection == connection)
    }

    /// A hop between client and server: mostly short, at times long.
    fn hop(&mut self) -> Time {
        if self.random.percent(2) {
            self.between(millis(1), millis(200))
        } else {
            self.between(100_000, millis(4))
        }
    }

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

    /// Tells the member, at once or when its process goes on.
    pub(crate) fn enter(&mut self, process: usize, heard: Heard) -> Checked {
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.inbox.push_back(heard);
        self.drain(process)
    }

    pub(crate) fn tell_member(&mut self, process: usize, event: Event) -> Checked {
        self.enter(process, Heard::Event(event))
    }

    /// Whatever waits for the member is handled, unless its process is stopped.
    pub(crate) fn drain(&mut self, process: usize) -> Checked {
        while !self.processes[process].paused
            && let Some(heard) = self.membership(process).and_then(|membership| membership.inbox.pop_front())
        {
            match heard {
                Heard::Event(event) => self.handle(process, event)?,
                Heard::Proof { epoch, sent, proved } => self.proof_ended(process, epoch, sent, proved)?,
                Heard::Passed { epoch } => self.handle(process, Event::Reconnected { epoch })?,
            }
        }
        Ok(())
    }

    fn handle(&mut self, process: usize, event: Event) -> Checked {
        let now = self.instant(process);
        self.figures.event("member");
        let name = self.processes[process].name.clone();
        self.say(|| format!("{name} member: {event:?}"));
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let actions = membership.member.handle(now, event);
        for action in actions {
            self.perform_for_member(process, action)?;
        }
        let life = self.processes[process].life;
        let Some(membership) = self.membership(process) else { return Ok(()) };
        if let Some((epoch, _)) = membership.session
            && membership.member.holding_as().is_some()
            && membership.proving != Some(epoch)
        {
            membership.proving = Some(epoch);
            self.schedule(0, Due::Prove { process, life, epoch: epoch.0 });
        }
        self.await_deadline(process);
        Ok(())
    }

    fn await_deadline(&mut self, process: usize) {
        let (now, machine) = (self.now, self.processes[process].machine);
        let Some(membership) = self.membership(process) else { return };
        let at = membership.member.next_deadline().map(|deadline| machine.when(now, deadline));
        if at != membership.wake_at {
            membership.wake_at = at;
            if let Some(at) = at {
                self.schedule(at - now, Due::Member(process));
            }
        }
    }

    pub(crate) fn member_due(&mut self, process: usize) -> Checked {
        let now = self.now;
        let paused = self.processes[process].paused;
        let Some(membership) = self.membership(process) else { return Ok(()) };
        if paused || membership.wake_at != Some(now) {
            return Ok(());
        }
        membership.wake_at = None;
        self.handle(process, Event::DeadlineReached)?;
        if self.membership(process).is_some_and(|membership| membership.wake_at == Some(now)) {
            return Err(Violation::new(Invariant::Idle, format!("member {process} spins")));
        }
        Ok(())
    }

    fn perform_for_member(&mut self, process: usize, action: Action) -> Checked {
        let life = self.processes[process].life;
        match action {
            Action::OpenSession { epoch } => {
                let Some(membership) = self.membership(process) else { return Ok(()) };
                membership.opening = Some(epoch);
                membership.session = None;
                membership.to_server.clear();
                let delay = self.between(millis(1), millis(300));
                self.schedule(delay, Due::Open { process, life });
            }
            Action::CloseSession { epoch } => self.close_session(process, epoch)?,
            Action::Send { epoch, id, request } => {
                self.send(process, epoch, Question::Member { id, request })?;
            }
            Action::Notify(notice) => self.notice(process, notice)?,
        }
        Ok(())
    }

    fn close_session(&mut self, process: usize, epoch: Epoch) -> Checked {
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

    fn send(&mut self, process: usize, epoch: Epoch, question: Question) -> Checked {
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

    pub(crate) fn expired(&mut self, process: usize) -> Checked {
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let Some((epoch, _)) = membership.session.take() else { return Ok(()) };
        membership.to_server.clear();
        self.figures.fault("session expired");
        self.tell_member(process, Event::SessionEnded { epoch })
    }

    fn serve_one(&mut self, process: usize, epoch: Epoch, session: Session) -> Checked {
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

    fn answer(&mut self, process: usize, heard: Heard) {
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
    fn ping(&mut self, process: usize) -> Checked {
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
    fn proof_ended(&mut self, process: usize, epoch: Epoch, sent: Boottime, proved: bool) -> Checked {
        let (life, machine) = (self.processes[process].life, self.processes[process].machine);
        let timeout = self.plan.session_timeout;
        let passed = machine.boottime(self.now).since(sent);
        let next = machine.true_time((timeout / 10).saturating_sub(passed));
        self.schedule(next.max(1), Due::Prove { process, life, epoch: epoch.0 });
        let Some(membership) = self.membership(process) else { return Ok(()) };
        let present = membership.session.is_some_and(|(present, _)| present == epoch);
        if proved && present && membership.member.holding_as().is_some() {
            return self.evidence(process, sent, timeout);
        }
        Ok(())
    }

    /// The process goes on after a stop: all that waited for it is there at once.
    pub(crate) fn thaw_membership(&mut self, process: usize) -> Checked {
        let life = self.processes[process].life;
        self.drain(process)?;
        let Some(membership) = self.membership(process) else { return Ok(()) };
        membership.wake_at = None;
        if let Some(epoch) = membership.prove_when_thawed.take() {
            self.schedule(0, Due::Prove { process, life, epoch });
        }
        self.await_deadline(process);
        Ok(())
    }
}

/// What is heard of a question whose answer is lost.
fn unanswered(epoch: Epoch, question: &Question) -> Option<Heard> {
    match question {
        Question::Member { id, .. } => Some(Heard::Event(Event::Failed { epoch, id: *id })),
        Question::Proof { sent, .. } => Some(Heard::Proof { epoch, sent: *sent, proved: false }),
        Question::Barrier => None,
    }
}
