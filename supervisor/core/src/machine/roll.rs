//! Replacing all workers, one after the other: after a reload, so that a new configuration or a handler changed on disk is
//! taken up without stopping everything at once.
//!
//! One canary first, then a tenth at a time. A worker is rolled when its successor is ready and has acknowledged a message, or
//! has had nothing to do for a while. When a successor fails the roll stops, and the rest goes on as it was.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kafkavisor::ids::TopicPartition;
use nix::unistd::Pid;

use super::Core;
use crate::item::{After, Phase};
use crate::messages::{Action, Settings};
use crate::reason::Reason;

/// Ready for so long with nothing in flight is as good as an acknowledgement.
const IDLE: Duration = Duration::from_secs(2);

/// How a roll stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollState {
    Running,
    Done,
    /// This one failed.
    Stopped {
        item: TopicPartition,
        why: String,
    },
}

/// One roll.
#[derive(Debug)]
pub struct Roll {
    waiting: VecDeque<TopicPartition>,
    under_way: BTreeMap<TopicPartition, Rolling>,
    /// Workers that are replaced and well.
    pub rolled: usize,
    /// Workers to replace.
    pub of: usize,
    pub state: RollState,
}

#[derive(Debug)]
struct Rolling {
    old: Option<Pid>,
    messages: u64,
    ready_since: Option<Instant>,
    /// When it is looked at without anything having happened.
    look_at: Option<Instant>,
}

impl Roll {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.values().filter_map(|rolling| rolling.look_at).min()
    }

    fn width(&self) -> usize {
        if self.rolled == 0 { 1 } else { self.of.div_ceil(10) }
    }
}

impl Core {
    pub(super) fn reloaded(&mut self, settings: Settings) -> Vec<Action> {
        self.judge.set_rule(settings.poison.clone());
        self.settings = settings;
        if self.stopping {
            return Vec::new();
        }
        // Partitions without a worker have nothing to replace: the next one is started with what is new.
        let running = self.items.iter().filter(|(_, item)| item.pid().is_some());
        let waiting: VecDeque<_> = running.map(|(key, _)| key.clone()).collect();
        log::info!("{} workers are replaced, one first, then a tenth at a time", waiting.len());
        let of = waiting.len();
        let under_way = BTreeMap::new();
        self.roll = Some(Roll { waiting, under_way, rolled: 0, of, state: RollState::Running });
        Vec::new()
    }

    /// Counts those that are rolled, and replaces the next.
    pub(super) fn advance_roll(&mut self, now: Instant) -> Vec<Action> {
        let Some(mut roll) = self.roll.take() else { return Vec::new() };
        let mut actions = Vec::new();
        if roll.state == RollState::Running {
            self.count_rolled(now, &mut roll);
            while !self.stopping
                && roll.under_way.len() < roll.width()
                && let Some(key) = roll.waiting.pop_front()
            {
                actions.extend(self.roll_one(now, &mut roll, key));
            }
            if roll.under_way.is_empty() && (roll.waiting.is_empty() || self.stopping) {
                log::info!("the roll is over: {} of {} workers are replaced", roll.rolled, roll.of);
                roll.state = RollState::Done;
            }
        }
        self.roll = Some(roll);
        actions
    }

    fn roll_one(&mut self, now: Instant, roll: &mut Roll, key: TopicPartition) -> Vec<Action> {
        let Some(item) = self.items.get(&key) else { return Vec::new() };
        if item.after == After::Recover && matches!(item.phase, Phase::Starting { .. } | Phase::Ready { .. })
        {
            let rolling = Rolling { old: item.pid(), messages: 0, ready_since: None, look_at: None };
            let actions = self.begin_again(now, &key, Reason::ConfigChanged);
            roll.under_way.insert(key, rolling);
            return actions;
        }
        // Whatever else happens to it, its next worker is one of the new.
        roll.rolled += 1;
        Vec::new()
    }

    fn count_rolled(&mut self, now: Instant, roll: &mut Roll) {
        let mut rolled = 0;
        roll.under_way.retain(|key, rolling| {
            let Some(item) = self.items.get(key) else { return false };
            let going = matches!(item.after, After::Release | After::Forget);
            if going || matches!(item.phase, Phase::Paused | Phase::Parked { .. }) {
                return false;
            }
            if !matches!(item.phase, Phase::Ready { .. }) || item.pid() == rolling.old {
                rolling.messages = item.messages;
                return true;
            }
            let since = *rolling.ready_since.get_or_insert(now);
            rolling.look_at = Some(since + IDLE).filter(|at| *at > now);
            let idle = item.in_flight == 0 && now.saturating_duration_since(since) >= IDLE;
            let done = item.messages > rolling.messages || idle;
            rolled += usize::from(done);
            !done
        });
        roll.rolled += rolled;
    }

    /// A worker failed: if it was one of the new, the roll stops.
    pub(super) fn roll_failed(&mut self, key: &TopicPartition, why: &str) {
        let Some(roll) = self.roll.as_mut().filter(|roll| roll.state == RollState::Running) else { return };
        if roll.under_way.remove(key).is_some() {
            let left = roll.waiting.len();
            log::error!(
                "{key}: its new worker failed: {why}. The roll stops: {} of {} workers are replaced, {left} go on as they \
                 were; mend it and reload again",
                roll.rolled,
                roll.of
            );
            roll.state = RollState::Stopped { item: key.clone(), why: why.to_owned() };
            roll.waiting.clear();
        }
    }
}
