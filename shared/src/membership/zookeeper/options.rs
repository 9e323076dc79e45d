//! What a membership is told once.

use std::time::Duration;

use kafkavisor_zookeeper::Ensemble;
use nix::unistd::gethostname;

use super::paths::Paths;

/// Who this process is; with each session's own ending it is the member's identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The machine's full name. Holds no `/`.
    pub fqdn: String,
    /// The process id.
    pub pid: u32,
}

impl Identity {
    /// This process on this machine.
    pub fn here() -> Self {
        Self { fqdn: host_name(), pid: std::process::id() }
    }
}

/// The machine's name, without what a node's name must not hold.
pub fn host_name() -> String {
    let name = gethostname().map(|name| name.to_string_lossy().replace('/', "_")).unwrap_or_default();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

impl Options {
    /// The path, chroot included, of the member's node [`Notice::Joined`](crate::membership::Notice) names.
    pub fn member_node(&self, name: &str) -> String {
        Paths::new(&self.chroot, &self.group_path).party_node(name)
    }
}

/// Of one membership.
#[derive(Debug, Clone)]
pub struct Options {
    /// ZooKeeper, and who we are to it.
    pub ensemble: Ensemble,
    /// The folder everything lies in, made where it is missing; empty or `/` for none.
    pub chroot: String,
    /// The group's folder within it, absolute: [`GroupFolder::path`](crate::partitioner::group_path::GroupFolder::path).
    pub group_path: String,
    /// Whether members with other topics may be in folders beside the group's.
    pub siblings: bool,
    /// The session timeout to ask for. The server may give another.
    pub session_timeout: Duration,
    /// How long the party must be unchanged before partitions are allocated.
    pub cooldown: Duration,
    /// Who this member is.
    pub identity: Identity,
}
