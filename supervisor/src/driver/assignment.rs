//! Membership's notices as events of the core, and the lease that follows from its evidence.

use std::collections::BTreeMap;

use kafkavisor::membership::Notice;
use kafkavisor_link::page::Lease;

use kafkavisor_supervisor_core::Event;

/// What is known of the group.
#[derive(Debug)]
pub struct Assignment {
    pub mode: &'static str,
    pub session: Option<String>,
    pub member: Option<String>,
    pub members: usize,
    /// Whether the group counts us in.
    pub joined: bool,
    pub connected: bool,
    pub blocked: BTreeMap<String, String>,
}

/// What a notice means.
#[derive(Debug)]
pub(crate) enum Meaning {
    Event(Event),
    Lease(Lease),
    Nothing,
}

impl Assignment {
    pub fn new(mode: &'static str) -> Self {
        let (session, member, blocked) = (None, None, BTreeMap::new());
        Self { mode, session, member, members: 0, joined: false, connected: true, blocked }
    }

    pub fn state(&self, settled: bool) -> &'static str {
        match (self.connected, settled) {
            (false, _) => "suspended",
            (true, true) => "acquired",
            (true, false) => "allocating",
        }
    }

    pub(crate) fn understand(&mut self, notice: Notice) -> Meaning {
        match notice {
            Notice::Joined { session, member, timeout, node: _ } => {
                if let (Some(session), Some(member)) = (&session, &member) {
                    log::info!("joined the group as {member} (session {session}, timeout {timeout:?})");
                }
                (self.session, self.member) = (session, member);
                (self.joined, self.connected) = (true, true);
                Meaning::Nothing
            }
            Notice::Assigned { partition, token } => {
                self.blocked.remove(&partition.to_string());
                Meaning::Event(Event::Assigned { partition, token })
            }
            Notice::Revoked { partition, token } => Meaning::Event(Event::Revoked { partition, token }),
            Notice::Lost { partition, .. } => Meaning::Event(Event::Lost { partition }),
            Notice::Settled { members } => {
                if self.member.is_some() {
                    log::info!("the group has settled; members: {members}");
                }
                self.members = members;
                self.blocked.clear();
                Meaning::Event(Event::Settled)
            }
            Notice::Listed { members } => {
                self.members = members;
                Meaning::Nothing
            }
            Notice::Waiting { partition, by } => {
                log::warn!("{partition}: its lock is held by {by}: this partition waits until that lets go");
                self.blocked.insert(partition.to_string(), by);
                Meaning::Nothing
            }
            Notice::NoLongerWaiting { partition } => {
                self.blocked.remove(&partition.to_string());
                Meaning::Nothing
            }
            Notice::Contended { partition } => Meaning::Event(Event::Contended { partition }),
            Notice::Unsettled => Meaning::Event(Event::Unsettled),
            Notice::Blocked { partition, by } => {
                if self.blocked.insert(partition.to_string(), by.clone()).is_none() {
                    log::warn!("{partition}: waits for a member of the same group with other topics ({by})");
                }
                Meaning::Nothing
            }
            Notice::Evidence { sent, timeout } => Meaning::Lease(Lease::from_evidence(sent, timeout)),
            Notice::Suspended => {
                log::warn!("cut off from ZooKeeper");
                self.connected = false;
                Meaning::Nothing
            }
            Notice::Reconnected => {
                log::info!("connected to ZooKeeper again");
                self.connected = true;
                Meaning::Nothing
            }
            Notice::SessionLost => {
                log::error!("the session with ZooKeeper is lost: everything is given up; joining again");
                (self.session, self.member, self.joined) = (None, None, false);
                self.blocked.clear();
                Meaning::Lease(Lease::NONE)
            }
            Notice::Left => Meaning::Event(Event::Left),
        }
    }
}
