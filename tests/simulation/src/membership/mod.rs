//! A member's place in the group: the member itself, its session, and the connection between it and ZooKeeper.
//!
//! Requests of one connection take effect in the order they were sent, answers arrive in order. A cut loses answers and
//! requests; a *deaf* server keeps the connection and reaches no quorum. Proofs of life are asked for every tenth of the
//! session's time, counted from before they are sent, as `membership::session` does it.
//!
//! | file | for |
//! |---|---|
//! | `session` | how sessions begin and end |
//! | `requests` | what is asked of ZooKeeper, and its answers |
//! | `connection` | cuts, and servers without a quorum |
//! | `proofs` | the evidence that a lease is made of |

mod connection;
mod proofs;
mod requests;
mod session;

use std::collections::VecDeque;

use kafkavisor::clock::Boottime;
use kafkavisor::partitioner::messages::{Action, Epoch, Event, Request, RequestId};
use kafkavisor::partitioner::set_partitioner::{SetPartitioner, Settings};
use kafkavisor::partitioner::simulation::zookeeper::Session;

use crate::machine::{Time, millis};
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
