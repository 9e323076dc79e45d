//! Membership's notices as events of the core, and the lease that follows from its evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafkavisor::membership::Notice;
use kafkavisor_link::page::Lease;

use kafkavisor_supervisor_core::{Change, Event};

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
    pub blocked: Arc<BTreeMap<String, String>>,
    /// What is wrong with ZooKeeper's certificates, authentication or rights, for the group as a whole.
    pub trouble: Option<String>,
    /// The same of partitions.
    pub troubles: Arc<BTreeMap<String, String>>,
    /// The ids of all members, as they were seen last.
    pub listed: Arc<[String]>,
    changes: Vec<Change>,
}

/// What a notice means.
#[derive(Debug)]
pub(crate) enum Meaning {
    Event(Box<Event>),
    Lease(Lease),
    Nothing,
}

impl Assignment {
    pub fn new(mode: &'static str) -> Self {
        Self {
            mode,
            session: None,
            member: None,
            members: 0,
            joined: false,
            connected: true,
            blocked: Arc::default(),
            trouble: None,
            troubles: Arc::default(),
            listed: Arc::default(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn note(&mut self, event: &'static str, reason: Option<String>) {
        self.changes.push(Change { partition: None, event, reason: reason.map(Arc::from) });
    }

    /// Who came and who went.
    fn list(&mut self, members: Vec<String>) {
        let known = std::mem::replace(&mut self.listed, Arc::from(members));
        let us = self.member.clone();
        let others = |of: &[String], without: &[String]| {
            let other = |id: &&String| !without.contains(id) && Some(*id) != us.as_ref();
            of.iter().filter(other).cloned().collect::<Vec<_>>()
        };
        for gone in others(&known, &self.listed) {
            log::info!("member {gone} has left the group");
            self.note("member_left", Some(gone));
        }
        for new in others(&self.listed, &known) {
            self.note("member_joined", Some(new));
        }
    }

    pub fn state(&self, settled: bool) -> &'static str {
        match (self.connected, self.joined, settled) {
            (false, ..) => "suspended",
            (true, false, _) => "joining",
            (true, true, true) => "acquired",
            (true, true, false) => "allocating",
        }
    }

    pub(crate) fn understand(&mut self, notice: Notice) -> Meaning {
        match notice {
            Notice::Joined { session, member, timeout, node: _ } => {
                if let (Some(session), Some(member)) = (&session, &member) {
                    log::info!("joined the group as {member} (session {session}, timeout {timeout:?})");
                }
                self.note("joined", member.as_ref().map(|member| format!("as {member}")));
                (self.session, self.member) = (session, member);
                (self.joined, self.connected) = (true, true);
                Meaning::Nothing
            }
            Notice::Assigned { partition, token } => {
                take_out(&mut self.blocked, &partition.to_string());
                Meaning::Event(Box::new(Event::Assigned { partition, token }))
            }
            Notice::Revoked { partition, token } => {
                Meaning::Event(Box::new(Event::Revoked { partition, token }))
            }
            Notice::Lost { partition, .. } => Meaning::Event(Box::new(Event::Lost { partition })),
            Notice::Settled { members } => {
                if self.member.is_some() {
                    log::info!("the group has settled; members: {members}");
                }
                self.members = members;
                self.note("settled", Some(format!("members: {members}")));
                self.blocked = Arc::default();
                Meaning::Event(Box::new(Event::Settled))
            }
            Notice::Listed { members } => {
                self.members = members.len();
                self.list(members);
                Meaning::Nothing
            }
            Notice::Waiting { partition, by } => {
                log::warn!(partition:%; "its lock is held by {by}: this partition waits until that lets go");
                Arc::make_mut(&mut self.blocked).insert(partition.to_string(), by);
                Meaning::Nothing
            }
            Notice::NoLongerWaiting { partition } => {
                take_out(&mut self.blocked, &partition.to_string());
                Meaning::Nothing
            }
            Notice::Contended { partition } => Meaning::Event(Box::new(Event::Contended { partition })),
            Notice::Unsettled => Meaning::Event(Box::new(Event::Unsettled)),
            Notice::Blocked { partition, by } => {
                if Arc::make_mut(&mut self.blocked).insert(partition.to_string(), by.clone()).is_none() {
                    log::warn!(partition:%; "waits for a member of the same group with other topics ({by})");
                }
                Meaning::Nothing
            }
            Notice::Troubled { partition, why } => {
                self.troubled(partition.map(|partition| partition.to_string()), why);
                Meaning::Nothing
            }
            Notice::Untroubled { partition } => {
                self.untroubled(partition.map(|partition| partition.to_string()));
                Meaning::Nothing
            }
            Notice::Evidence { sent, timeout } => Meaning::Lease(Lease::from_evidence(sent, timeout)),
            Notice::Suspended => {
                log::warn!(
                    "cut off from ZooKeeper: handlers work on while the session may still live, and are stopped in time"
                );
                self.note("suspended", Some("cut off from ZooKeeper".to_owned()));
                self.connected = false;
                Meaning::Nothing
            }
            Notice::Reconnected => {
                log::info!("connected to ZooKeeper again");
                self.note("reconnected", None);
                self.connected = true;
                Meaning::Nothing
            }
            Notice::SessionLost => {
                log::error!("the session with ZooKeeper is lost: everything is given up; joining again");
                self.note("session_lost", Some("everything is given up; joining again".to_owned()));
                (self.session, self.member, self.joined) = (None, None, false);
                self.listed = Arc::default();
                self.blocked = Arc::default();
                Meaning::Lease(Lease::NONE)
            }
            Notice::Left => Meaning::Event(Box::new(Event::Left)),
        }
    }

    fn troubled(&mut self, partition: Option<String>, why: String) {
        if let Some(partition) = partition {
            log::error!(partition:%; "{why}; it is tried again until that is mended");
            Arc::make_mut(&mut self.troubles).insert(partition, why);
        } else {
            log::error!("{why}; it is tried again until that is mended");
            self.trouble = Some(why);
        }
    }

    fn untroubled(&mut self, partition: Option<String>) {
        if let Some(partition) = partition {
            log::info!(partition:%; "what was wrong at ZooKeeper is mended, or of no more concern");
            take_out(&mut self.troubles, &partition);
        } else {
            log::info!("what was wrong at ZooKeeper is mended");
            self.trouble = None;
        }
    }
}

/// Whoever looks keeps the map as it was.
fn take_out(map: &mut Arc<BTreeMap<String, String>>, partition: &str) {
    if map.contains_key(partition) {
        Arc::make_mut(map).remove(partition);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_is_in_no_group_has_acquired_nothing() {
        let mut assignment = Assignment::new("zookeeper");
        assert_eq!(assignment.state(false), "joining");
        let member = || Some("me".to_owned());
        let joined = || Notice::Joined {
            session: member(),
            member: member(),
            node: member(),
            timeout: Duration::ZERO,
        };
        assignment.understand(joined());
        assert_eq!((assignment.state(false), assignment.state(true)), ("allocating", "acquired"));
        assignment.understand(Notice::SessionLost);
        assert_eq!(assignment.state(true), "joining", "as it was settled before");
        assignment.understand(joined());
        assert_eq!(assignment.state(true), "acquired");
    }
}
