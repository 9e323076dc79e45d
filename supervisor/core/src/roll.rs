//! How far the replacement of all workers is, after a reload; and which configurations there are meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::ids::TopicPartition;
use nix::unistd::Pid;

use crate::messages::Settings;

/// Ready for so long with nothing in flight is as good as an acknowledgement.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// The running number of a configuration of this supervisor, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigNumber(pub u64);

/// The configuration that holds, and the one that a roll tries out.
#[derive(Debug)]
pub(crate) struct Configs {
    established: (ConfigNumber, Settings),
    tried: Option<(ConfigNumber, Settings)>,
    last: ConfigNumber,
}

impl Configs {
    pub(crate) fn new(settings: Settings) -> Self {
        let first = ConfigNumber(0);
        Self { established: (first, settings), tried: None, last: first }
    }

    pub(crate) fn established(&self) -> ConfigNumber {
        self.established.0
    }

    /// What holds for the instance.
    pub(crate) fn settings(&self) -> &Settings {
        &self.established.1
    }

    /// What holds for a partition whose workers run with `number`.
    pub(crate) fn of(&self, number: ConfigNumber) -> &Settings {
        match &self.tried {
            Some((tried, settings)) if *tried == number => settings,
            _ => &self.established.1,
        }
    }

    /// Whether something was acknowledged with `number`. Of one that is given up nobody knows.
    pub(crate) fn worked(&self, number: ConfigNumber) -> bool {
        let mut known = [Some(&self.established), self.tried.as_ref()].into_iter().flatten();
        known.any(|(known, settings)| *known == number && settings.worked)
    }

    /// Something was acknowledged with `number`; true when that is news.
    pub(crate) fn note_work(&mut self, number: ConfigNumber) -> bool {
        let known = [Some(&mut self.established), self.tried.as_mut()].into_iter().flatten();
        let meant = known.into_iter().find(|(known, _)| *known == number);
        meant.is_some_and(|(_, settings)| !std::mem::replace(&mut settings.worked, true))
    }

    pub(crate) fn next(&self) -> ConfigNumber {
        ConfigNumber(self.last.0 + 1)
    }

    /// Tries another one; returns its number, and that of the one that was being tried.
    pub(crate) fn try_out(&mut self, settings: Settings) -> (ConfigNumber, Option<ConfigNumber>) {
        self.last = self.next();
        let before = self.tried.replace((self.last, settings));
        (self.last, before.map(|(number, _)| number))
    }

    /// What is tried holds from here on; returns the number of the one that held.
    pub(crate) fn establish(&mut self) -> ConfigNumber {
        let before = self.established.0;
        if let Some(tried) = self.tried.take() {
            self.established = tried;
        }
        before
    }

    pub(crate) fn give_up(&mut self) -> Option<ConfigNumber> {
        self.tried.take().map(|(number, _)| number)
    }
}

/// How a roll stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollState {
    Running,
    Done,
    /// This one failed: everything runs as before, or will when its worker is gone.
    Stopped {
        partition: TopicPartition,
        why: String,
    },
}

/// One roll.
#[derive(Debug)]
pub struct Roll {
    pub(crate) to: ConfigNumber,
    pub(crate) under_way: BTreeMap<TopicPartition, Rolling>,
    /// Workers that are replaced and well.
    pub rolled: usize,
    /// Workers to replace.
    pub of: usize,
    pub state: RollState,
}

/// One partition that is being rolled.
#[derive(Debug)]
pub(crate) struct Rolling {
    /// The worker before.
    pub(crate) old: Option<Pid>,
    pub(crate) ready_since: Option<Instant>,
    /// When it is looked at without anything having happened.
    pub(crate) look_at: Option<Instant>,
}

impl Roll {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.under_way.values().filter_map(|rolling| rolling.look_at).min()
    }

    /// How many may be under way at once: a canary, then a tenth.
    pub(crate) fn width(&self) -> usize {
        if self.rolled == 0 { 1 } else { self.of.div_ceil(10).max(1) }
    }
}
