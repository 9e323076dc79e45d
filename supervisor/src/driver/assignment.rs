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
    /// What is wrong with ZooKeeper's certificates, authentication or rights, for the group as a whole.
    pub trouble: Option<String>,
    /// The same of partitions.
    pub troubles: BTreeMap<String, String>,
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
        Self {
            mode,
            session: None,
            member: None,
            members: 0,
            joined: false,
            connected: true,
            blocked: BTreeMap::new(),
            trouble: None,
            troubles: BTreeMap::new(),
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

    fn troubled(&mut self, partition: Option<String>, why: String) {
        if let Some(partition) = partition {
            log::error!("{partition}: {why}; it is tried again until that is mended");
            self.troubles.insert(partition, why);
        } else {
            log::error!("{why}; it is tried again until that is mended");
            self.trouble = Some(why);
        }
    }

    fn untroubled(&mut self, partition: Option<String>) {
        if let Some(partition) = partition {
            log::info!("{partition}: what was wrong at ZooKeeper is mended, or of no more concern");
            self.troubles.remove(&partition);
        } else {
            log::info!("what was wrong at ZooKeeper is mended");
            self.trouble = None;
        }
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
