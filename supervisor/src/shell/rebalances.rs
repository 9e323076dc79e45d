//! Those who attend the rebalances, and what is held back for them. Pure.
//!
//! A partition that is to be given up is not given up at once where somebody attends: they are told, its handler works on, and the
//! notice goes on to the driver when all of them have done what they had to do before, are gone, or have taken too long. Nothing
//! else waits: what is lost is lost at once, and whoever stops the instance is not held up. The lease goes on meanwhile, as it does in
//! a drain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use kafkavisor::ids::TopicPartition;
use kafkavisor::membership::Notice;
use kafkavisor_link::control::Rebalance;

use crate::operate::attending::{Attendant, Attending};

/// What one rebalance takes away comes as notices one after the other: those that follow so soon are told together.
const GATHERED_WITHIN: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rebalances {
    attendants: BTreeMap<Attendant, Told>,
    /// Ours, and not to be given up.
    owned: BTreeSet<TopicPartition>,
    members: usize,
    settled: bool,
    held: BTreeMap<TopicPartition, Held>,
    holds: BTreeMap<u64, Hold>,
    /// When what is held and nobody knows of yet is told.
    gathered_at: Option<Instant>,
    last: u64,
}

/// One who attends.
#[derive(Debug)]
struct Told {
    tell: Sender<Rebalance>,
    /// What they believe to be ours; none where something was taken away since.
    owned: Option<BTreeSet<TopicPartition>>,
}

/// Notices of one partition, the first of them its revocation.
#[derive(Debug)]
struct Held {
    /// Why; none before that is told.
    by: Option<u64>,
    notices: Vec<Notice>,
}

/// What is waited for.
#[derive(Debug)]
struct Hold {
    until: Instant,
    by: BTreeSet<Attendant>,
}

impl Rebalances {
    /// Takes a notice, and gives it back where nobody is to hear of it before.
    pub(super) fn noticed(&mut self, notice: Notice, time: Instant, stopping: bool) -> Option<Notice> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these concern what is ours")]
        match &notice {
            Notice::Assigned { partition, .. } => {
                if let Some(held) = self.held.get_mut(partition) {
                    held.notices.push(notice);
                    return None;
                }
                self.owned.insert(partition.clone());
            }
            Notice::Revoked { partition, .. } => {
                let was_ours = self.owned.remove(partition);
                if was_ours && !stopping && !self.attendants.is_empty() {
                    let partition = partition.clone();
                    self.held.insert(partition, Held { by: None, notices: vec![notice] });
                    self.gathered_at.get_or_insert(time + GATHERED_WITHIN);
                    return None;
                }
            }
            Notice::Lost { partition, .. } => {
                self.owned.remove(partition);
                self.held.remove(partition);
                self.forget_told();
            }
            Notice::Settled { members } => (self.settled, self.members) = (true, *members),
            Notice::Unsettled | Notice::SessionLost => self.settled = false,
            _ => {}
        }
        Some(notice)
    }

    /// Takes what those who attend say.
    pub(super) fn attending(&mut self, attending: Attending) {
        match attending {
            Attending::Comes { who, tell } => {
                self.attendants.insert(who, Told { tell, owned: None });
            }
            Attending::Done { who, id } => {
                if let Some(hold) = self.holds.get_mut(&id) {
                    hold.by.remove(&who);
                }
            }
            Attending::Goes { who } => {
                self.attendants.remove(&who);
                self.holds.values_mut().for_each(|hold| hold.by.retain(|one| *one != who));
            }
        }
    }

    /// Tells what is to be told by now, and gives back the notices that nothing holds any more. `within` is how long those who attend
    /// may take.
    pub(super) fn due(&mut self, time: Instant, within: Duration, stopping: bool) -> Vec<Notice> {
        if self.gathered_at.is_some_and(|at| time >= at || stopping) {
            self.gathered_at = None;
            self.hold(time, within);
        }
        let notices = self.let_go(time, within, stopping);
        if self.settled && self.gathered_at.is_none() {
            self.tell_assigned();
        }
        notices
    }

    /// When [`Rebalances::due`] has something to do at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.holds.values().map(|hold| hold.until).chain(self.gathered_at).min()
    }

    /// Those who attend hear the end.
    pub(super) fn close(&mut self) {
        self.attendants.clear();
    }

    /// The notices whose hold is over.
    fn let_go(&mut self, time: Instant, within: Duration, stopping: bool) -> Vec<Notice> {
        self.holds.retain(|_, hold| {
            let late = time >= hold.until;
            if late && !hold.by.is_empty() && !stopping {
                log::warn!(
                    "those who attend the rebalances have not done within {within:?} what they do before: it goes on"
                );
            }
            !stopping && !late && !hold.by.is_empty()
        });
        let holds = &self.holds;
        let mut notices = Vec::new();
        self.held.retain(|_, held| {
            let is_held = held.by.is_none_or(|by| holds.contains_key(&by));
            if !is_held {
                notices.append(&mut held.notices);
            }
            is_held
        });
        for notice in &notices {
            if let Notice::Assigned { partition, .. } = notice {
                self.owned.insert(partition.clone());
            }
        }
        notices
    }

    fn hold(&mut self, time: Instant, within: Duration) {
        self.last += 1;
        let id = self.last;
        let mut revoking = Vec::new();
        for (partition, held) in self.held.iter_mut().filter(|(_, held)| held.by.is_none()) {
            held.by = Some(id);
            revoking.push(partition.to_string());
        }
        if !revoking.is_empty() && !self.attendants.is_empty() {
            log::info!(
                "{} to be given up: those who attend the rebalances are told, and have {within:?}",
                revoking.join(", ")
            );
        }
        let told = Rebalance::Revoking { revoking, id, within_seconds: within.as_secs_f64() };
        let by = self.attendants.keys().copied().collect();
        self.attendants.values().for_each(|one| drop(one.tell.send(told.clone())));
        self.forget_told();
        self.holds.insert(id, Hold { until: time + within, by });
    }

    fn forget_told(&mut self) {
        self.attendants.values_mut().for_each(|told| told.owned = None);
    }

    fn tell_assigned(&mut self) {
        let news = self.attendants.values_mut().filter(|told| told.owned.as_ref() != Some(&self.owned));
        for told in news {
            let assigned = self.owned.iter().map(ToString::to_string).collect();
            let _gone = told.tell.send(Rebalance::Assigned { assigned, members: self.members });
            told.owned = Some(self.owned.clone());
        }
    }
}

#[cfg(test)]
mod tests;
