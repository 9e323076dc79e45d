//! A supervisor, or a Python member: what of it outlives its process, and the process while it runs.

use std::collections::BTreeMap;

use kafkavisor::ids::TopicPartition;

use crate::machine::{Machine, Time};
use crate::membership::Membership;
use crate::python::Python;
use crate::supervisor::Supervisor;

/// What is running.
#[derive(Debug)]
pub(crate) enum Role {
    Supervisor(Box<Supervisor>),
    Python(Box<Python>),
}

/// A page of an earlier process: its number, and the partition it is of.
pub(crate) type Directory = BTreeMap<TopicPartition, usize>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) python: bool,
    /// Where its group is in ZooKeeper.
    pub(crate) folder: &'static str,
    pub(crate) machine: Machine,
    pub(crate) paused: bool,
    /// Counts its processes.
    pub(crate) life: u64,
    /// The runtime directory.
    pub(crate) directory: Directory,
    pub(crate) role: Option<Role>,
    pub(crate) membership: Option<Membership>,
    /// Whether the operator wants it to run.
    pub(crate) wanted: bool,
    /// The network to ZooKeeper is there.
    pub(crate) network: bool,
    /// Of the present pause: when it began.
    pub(crate) paused_at: Time,
    pub(crate) paused_for: Time,
    /// When it was last stopped, cut off or hurried.
    pub(crate) troubled_at: Option<Time>,
    pub(crate) asleep: bool,
    /// Its deployment has acknowledged something before.
    pub(crate) worked: bool,
    /// How its last supervisor exited: whether the drain was cut short.
    pub(crate) cut_short: Option<bool>,
}

impl Process {
    pub(crate) fn new(number: usize, machine: Machine, python: bool, folder: &'static str) -> Self {
        Self {
            name: format!("{}{number}", if python { "python-" } else { "kafkavisor-" }),
            python,
            folder,
            machine,
            paused: false,
            life: 0,
            directory: Directory::new(),
            role: None,
            membership: None,
            wanted: true,
            network: true,
            paused_at: 0,
            paused_for: 0,
            troubled_at: None,
            asleep: false,
            worked: false,
            cut_short: None,
        }
    }

    pub(crate) fn supervisor(&mut self) -> Option<&mut Supervisor> {
        match &mut self.role {
            Some(Role::Supervisor(supervisor)) => Some(supervisor),
            Some(Role::Python(_)) | None => None,
        }
    }

    pub(crate) fn supervisor_ref(&self) -> Option<&Supervisor> {
        match &self.role {
            Some(Role::Supervisor(supervisor)) => Some(supervisor),
            Some(Role::Python(_)) | None => None,
        }
    }

    pub(crate) fn python(&mut self) -> Option<&mut Python> {
        match &mut self.role {
            Some(Role::Python(python)) => Some(python),
            Some(Role::Supervisor(_)) | None => None,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.role.is_some()
    }
}
