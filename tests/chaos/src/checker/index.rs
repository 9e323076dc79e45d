//! A history, sorted by what the questions are about.

use std::collections::{BTreeMap, HashMap};

use crate::history::{Doing, Entry, Event, Handler, PythonDoing};
use crate::schedule::Kind;

/// A second, in nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;

/// The life of one handler, with what it left behind.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) who: Handler,
    pub(super) first: u64,
    /// Its last sign, or that of a process it forked.
    pub(super) last: u64,
    /// When, offset, number.
    pub(super) delivered: Vec<(u64, i64, u64)>,
    /// When, up to which offset.
    pub(super) acknowledged: Vec<(u64, i64)>,
    pub(super) stopping: Option<u64>,
    /// It finished what it had, and ended by itself.
    pub(super) finished: bool,
}

impl Life {
    /// Whether both have the same owner: the same supervisor's process under the same lock.
    pub(super) fn same_owner(&self, other: &Self) -> bool {
        self.who.instance == other.who.instance && self.who.token == other.who.token
    }

    /// When it acknowledged what lies at this offset.
    pub(super) fn acknowledged_at(&self, offset: i64) -> Option<u64> {
        // Acknowledgements grow.
        let next = self.acknowledged.partition_point(|(_, up_to)| *up_to < offset);
        self.acknowledged.get(next).map(|(at, _)| *at)
    }
}

/// A partition in the hands of a Python member.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) member: String,
    pub(super) partition: i32,
    pub(super) token: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A fault, from its beginning until it was healed.
#[derive(Debug, Clone)]
pub(super) struct FaultSpan {
    pub(super) kind: Kind,
    pub(super) target: String,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl FaultSpan {
    pub(super) fn touches(&self, from: u64, to: u64) -> bool {
        self.from <= to && from <= self.to
    }
}

/// The whole.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By partition, in the order of their beginnings.
    pub(super) lives: BTreeMap<i32, Vec<Life>>,
    pub(super) holds: Vec<Hold>,
    pub(super) faults: Vec<FaultSpan>,
    /// By partition: offset to number, from the log itself.
    pub(super) log: BTreeMap<i32, BTreeMap<i64, u64>>,
    /// By partition: offset to number, as confirmed to the producer.
    pub(super) produced: BTreeMap<i32, Vec<(i64, u64)>>,
    /// By partition: when, offset.
    pub(super) committed: BTreeMap<i32, Vec<(u64, i64)>>,
    /// Supervisors' words: when, partition, where it is held.
    pub(super) held: Vec<(u64, i32)>,
    /// The last event.
    pub(super) end: u64,
}

impl Index {
    pub(super) fn of(history: &[Entry]) -> Self {
        let mut index = Self { end: history.last().map_or(0, |entry| entry.at), ..Self::default() };
        let (mut lives, mut held, mut faults) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        for Entry { at, event } in history {
            match event {
                Event::Handler { who, does } => {
                    lives.entry(who.life).or_insert_with(|| Life::begin(who, *at)).add(*at, does);
                }
                Event::Python { member, does } => index.python(&mut held, *at, member, does),
                Event::Fault { number, kind, target } => {
                    let span = FaultSpan { kind: *kind, target: target.clone(), from: *at, to: index.end };
                    faults.insert(*number, span);
                }
                Event::Healed { number } => {
                    if let Some(fault) = faults.get_mut(number) {
                        fault.to = *at;
                    }
                }
                Event::Logged { partition, offset, number } => {
                    index.log.entry(*partition).or_default().insert(*offset, *number);
                }
                Event::Produced { partition, offset, number } => {
                    index.produced.entry(*partition).or_default().push((*offset, *number));
                }
                Event::Committed { partition, offset } => {
                    index.committed.entry(*partition).or_default().push((*at, *offset));
                }
                Event::Status { partition, token: Some(_), .. } => index.held.push((*at, *partition)),
                Event::Status { .. }
                | Event::Began { .. }
                | Event::Started { .. }
                | Event::Ended { .. }
                | Event::Gone { .. }
                | Event::FaultsEnded
                | Event::Drained
                | Event::NotDrained { .. } => {}
            }
        }
        let still: Vec<Hold> = held.into_values().flatten().collect();
        index.holds.extend(still.into_iter().map(|hold| Hold { to: index.end, ..hold }));
        index.holds.sort_by_key(|hold| hold.from);
        index.faults = faults.into_values().collect();
        let mut lives: Vec<Life> = lives.into_values().collect();
        lives.sort_by_key(|life| life.first);
        lives.into_iter().for_each(|life| index.lives.entry(life.who.partition).or_default().push(life));
        index
    }

    fn python(&mut self, held: &mut HashMap<String, Vec<Hold>>, at: u64, member: &str, does: &PythonDoing) {
        for hold in held.remove(member).into_iter().flatten() {
            self.holds.push(Hold { to: at, ..hold });
        }
        if let PythonDoing::Acquired { held: now } = does {
            let hold = |(partition, token): &(i32, u64)| Hold {
                member: member.to_owned(),
                partition: *partition,
                token: *token,
                from: at,
                to: at,
            };
            held.insert(member.to_owned(), now.iter().map(hold).collect());
        }
    }

    /// Whether something was wrong in this time that lets a handover be less than graceful: a fault, or what it left
    /// behind.
    pub(super) fn harmed(&self, from: u64, to: u64) -> bool {
        const AFTERMATH: u64 = 12 * SECOND;
        let harm = |fault: &&FaultSpan| !fault.kind.is_graceful();
        self.faults.iter().filter(harm).any(|fault| fault.touches(from.saturating_sub(AFTERMATH), to))
    }
}

impl Life {
    fn begin(who: &Handler, at: u64) -> Self {
        Self {
            who: who.clone(),
            first: at,
            last: at,
            delivered: Vec::new(),
            acknowledged: Vec::new(),
            stopping: None,
            finished: false,
        }
    }

    fn add(&mut self, at: u64, does: &Doing) {
        self.last = at;
        match does {
            Doing::Delivered { offset, number } => self.delivered.push((at, *offset, *number)),
            Doing::Acknowledging { offset } => self.acknowledged.push((at, *offset)),
            Doing::Stopping { .. } => self.stopping = Some(at),
            Doing::Ended => self.finished = true,
            Doing::Started | Doing::Working | Doing::Misbehaving { .. } => {}
        }
    }
}
