//! S1: from its first sign to its last no handler is alive beside another one of its partition, nor beside a Python member
//! that holds it. Where supervisor and worker were stopped together, or a Python member was there first, no clock can help:
//! those are counted apart, and the later owner's fencing token must be the greater one, so that a store can refuse the
//! earlier one's writes.

use super::index::{FaultSpan, Index, Life, SECOND};
use super::verdict::Violation;
use crate::schedule::Kind;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Overlaps that no clock can prevent.
    pub(super) excused: usize,
    /// The longest of them, in nanoseconds.
    pub(super) longest_excused: u64,
    /// The longest one that is none of those, in nanoseconds.
    pub(super) longest: u64,
    /// Acknowledgements of an earlier owner beside a later one: a store that knows the token refuses each.
    pub(super) refused: usize,
}

pub(super) struct Overlaps {
    pub(super) violations: Vec<Violation>,
    pub(super) counted: Counted,
}

/// Somebody who has a partition for a time.
struct Stay<'a> {
    name: String,
    token: u64,
    from: u64,
    to: u64,
    life: Option<&'a Life>,
}

pub(super) fn check(index: &Index) -> Overlaps {
    let mut overlaps = Overlaps { violations: Vec::new(), counted: Counted::default() };
    for partition in index.lives.keys() {
        let stays = stays(index, *partition);
        for (number, earlier) in stays.iter().enumerate() {
            let beside = stays.iter().skip(number + 1).filter(|later| later.from < earlier.to);
            for later in beside {
                judge(index, *partition, earlier, later, &mut overlaps);
            }
        }
        tokens(*partition, &stays, &mut overlaps.violations);
    }
    overlaps
}

fn stays(index: &Index, partition: i32) -> Vec<Stay<'_>> {
    let lives = index.lives[&partition].iter().map(|life| Stay {
        name: format!("handler {} of {}", life.who.life, life.who.instance),
        token: life.who.token,
        from: life.first,
        to: life.last,
        life: Some(life),
    });
    let holds = index.holds.iter().filter(|hold| hold.partition == partition).map(|hold| Stay {
        name: format!("Python member {}", hold.member),
        token: hold.token,
        from: hold.from,
        to: hold.to,
        life: None,
    });
    let mut stays: Vec<Stay<'_>> = lives.chain(holds).collect();
    stays.sort_by_key(|stay| stay.from);
    stays
}

fn judge(index: &Index, partition: i32, earlier: &Stay<'_>, later: &Stay<'_>, overlaps: &mut Overlaps) {
    let time = earlier.to.min(later.to) - later.from;
    let what = format!(
        "{partition}: {} (token {}) lived until {}, beside {} (token {}) for {} ms",
        earlier.name,
        earlier.token,
        earlier.to,
        later.name,
        later.token,
        time / 1_000_000
    );
    let counted = &mut overlaps.counted;
    if !is_excused(index, earlier, later) {
        counted.longest = counted.longest.max(time);
        overlaps.violations.push(Violation { invariant: "S1 no overlap", at: later.from, what });
        return;
    }
    counted.excused += 1;
    counted.longest_excused = counted.longest_excused.max(time);
    if let Some(life) = earlier.life {
        counted.refused += life.acknowledged.iter().filter(|(at, _)| *at > later.from).count();
    }
    if later.token <= earlier.token {
        overlaps.violations.push(Violation { invariant: "S1 fencing", at: later.from, what });
    }
}

/// What no clock can prevent.
fn is_excused(index: &Index, earlier: &Stay<'_>, later: &Stay<'_>) -> bool {
    // When a frozen machine goes on, all that is to end there ends at once.
    const TO_DIE: u64 = 2 * SECOND;
    let Some(life) = earlier.life else { return true };
    if later.life.is_some_and(|later| later.same_owner(life)) {
        return false;
    }
    let frozen = |fault: &&FaultSpan| fault.kind == Kind::FreezeMachine && fault.target == life.who.instance;
    index.faults.iter().filter(frozen).any(|fault| {
        fault.from <= later.from && later.from <= fault.to + TO_DIE && earlier.to <= fault.to + TO_DIE
    })
}

/// From owner to owner the token grows; handlers of one owner have the same.
fn tokens(partition: i32, stays: &[Stay<'_>], violations: &mut Vec<Violation>) {
    for pair in stays.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let same = match (before.life, after.life) {
            (Some(before), Some(after)) => before.who.instance == after.who.instance,
            (None, None) => before.name == after.name,
            _ => false,
        };
        let grows = if same { after.token >= before.token } else { after.token > before.token };
        if !grows {
            let what = format!(
                "{partition}: {} has token {} after {} with {}",
                after.name, after.token, before.name, before.token
            );
            violations.push(Violation { invariant: "S1 fencing", at: after.from, what });
        }
    }
}
