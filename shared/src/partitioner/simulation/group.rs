//! A group of members on a simulated ZooKeeper, and a schedule of faults that a seed determines.
//!
//! [`Group::step`] does one random thing
//! and checks afterwards; [`Group::heal`] ends all faults and runs until every partition has its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::player::{Player, SESSION_TIMEOUT};
use super::random::Random;
use super::zookeeper::ZooKeeper;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::messages::Event;

mod network;

/// See the module.
#[derive(Debug)]
pub struct Group {
    /// The present, in virtual time.
    pub now: Instant,
    zookeeper: ZooKeeper,
    random: Random,
    players: Vec<Player>,
    folders: Vec<String>,
    partitions: BTreeSet<TopicPartition>,
    tokens: BTreeMap<TopicPartition, FencingToken>,
    acquisitions: usize,
}

impl Group {
    /// So many members in each of these folders, sharing these partitions. More than one folder means siblings.
    pub fn new(seed: u64, folders: &[&str], members: usize, partitions: BTreeSet<TopicPartition>) -> Self {
        let mut group = Self {
            now: crate::clock::now(),
            zookeeper: ZooKeeper::new(SESSION_TIMEOUT),
            random: Random::new(seed),
            players: Vec::new(),
            folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
            partitions,
            tokens: BTreeMap::new(),
            acquisitions: 0,
        };
        for _ in 0..members {
            (0..folders.len()).for_each(|folder| group.join(folder));
        }
        group
    }

    /// Everyone who ever joined.
    pub fn players(&self) -> &[Player] {
        &self.players
    }

    /// How often a partition was acquired.
    pub fn acquisitions(&self) -> usize {
        self.acquisitions
    }

    /// The server.
    pub fn zookeeper(&mut self) -> &mut ZooKeeper {
        &mut self.zookeeper
    }

    /// A new member in the folder of that number.
    pub fn join(&mut self, folder: usize) {
        let siblings = self.folders.len() > 1;
        let Some(folder) = self.folders.get(folder) else { return };
        let player = Player::new(self.players.len(), folder, self.partitions.clone(), siblings, self.now);
        self.players.push(player);
    }

    /// That member is asked to leave.
    pub fn leave(&mut self, at: usize) {
        self.tell(at, Event::LeaveRequested);
    }

    /// One random thing happens; then everything is checked.
    pub fn step(&mut self) -> Result<(), String> {
        let present = |(at, player): (usize, &Player)| (!player.left).then_some(at);
        let present: Vec<_> = self.players.iter().enumerate().filter_map(present).collect();
        let Some(&at) = self.random.choose(&present) else {
            self.join(0);
            return Ok(());
        };
        match self.random.below(1000) {
            0..300 => self.serve(at),
            300..600 => self.deliver(at)?,
            600..750 => self.release(at)?,
            750..900 => self.open(at),
            900..970 => {
                let millis = u64::try_from(self.random.below(120)).unwrap_or(0);
                self.pass(Duration::from_millis(millis))?;
            }
            970..978 => self.cut(at),
            978..988 => self.reconnect(at),
            988..991 => self.time_out(at),
            991..992 => self.refuse(at),
            992..994 => self.leave(at),
            994..997 if present.len() < 6 => {
                let folder = self.random.below(self.folders.len());
                self.join(folder);
            }
            _ => self.change_partitions(),
        }
        self.check()
    }

    /// Ends all faults and runs until all is at rest, for `bound` of virtual time at most.
    pub fn heal(&mut self, bound: Duration) -> Result<(), String> {
        let end = self.now + bound;
        (0..self.players.len()).for_each(|at| self.reconnect(at));
        while !self.is_at_rest() {
            if self.now > end {
                return Err(format!("not at rest after {bound:?}: {:#?}", self.players));
            }
            self.exchange()?;
            // Those who were still to leave have left.
            if self.players.iter().all(|player| player.left) {
                self.join(0);
            }
            self.pass(Duration::from_millis(50))?;
        }
        self.check()
    }

    /// Delivers everything that is on its way, until nothing is.
    pub fn exchange(&mut self) -> Result<(), String> {
        let busy = |player: &Player| {
            !player.to_member.is_empty()
                || player.connected && (!player.to_server.is_empty() || player.opening.is_some())
                || player.has.values().any(|(_, revoked)| *revoked)
        };
        while self.players.iter().any(busy) {
            for at in 0..self.players.len() {
                self.open(at);
                self.serve(at);
                self.deliver(at)?;
                self.release(at)?;
                self.check()?;
            }
        }
        Ok(())
    }

    /// Every partition has exactly one owner, and everyone has settled who is not kept waiting by a sibling.
    fn is_at_rest(&self) -> bool {
        let owners =
            |partition| self.players.iter().filter(|player| player.has.contains_key(partition)).count();
        let settled = |player: &Player| {
            player.left
                || player.opening.is_none() && (player.settled.is_some() || !player.blocked.is_empty())
        };
        let extra =
            self.players.iter().any(|p| p.has.keys().any(|partition| !self.partitions.contains(partition)));
        !extra
            && self.partitions.iter().all(|partition| owners(partition) == 1)
            && self.players.iter().all(settled)
    }

    fn check(&self) -> Result<(), String> {
        let mut owners = BTreeMap::new();
        for (at, player) in self.players.iter().enumerate() {
            for partition in player.works_on(self.now) {
                if let Some(other) = owners.insert(partition, at) {
                    return Err(format!(
                        "{partition} has two owners: {:#?} and {player:#?}",
                        self.players.get(other)
                    ));
                }
            }
        }
        Ok(())
    }
}
