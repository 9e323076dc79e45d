//! S5: what is delivered again was in flight when something crashed, or acknowledged and not yet committed when another
//! member took over. After a graceful handover nothing is repeated that was acknowledged.

use std::collections::HashMap;
use std::fmt;

use super::index::{FaultSpan, Index, Life, SECOND};
use super::verdict::Violation;
use crate::schedule::Kind;

/// How long before its handler's last sign an acknowledgement may still be in the pipe when a worker is killed.
const IN_THE_PIPE: u64 = SECOND;

/// Repeats, by where they lie.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Not acknowledged: in flight at the end of the life before.
    pub(super) in_flight: usize,
    /// Acknowledged, in the pipe to a worker that was killed or stopped; delivered again under the same owner.
    pub(super) in_the_pipe: usize,
    /// Acknowledged, not committed, delivered again by another owner that took over without a drain.
    pub(super) not_committed: usize,
    /// Below an offset that was once seen as committed: behind a late request of a former owner.
    pub(super) late_commit: usize,
    /// No repeats: how often a partition went to another owner in an orderly way, where none of the above is allowed.
    pub(super) graceful_handovers: usize,
}

impl Counted {
    pub(super) fn all(self) -> usize {
        self.in_flight + self.in_the_pipe + self.not_committed + self.late_commit
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} in flight at a crash, {} acknowledged into a broken pipe, {} acknowledged but not committed at a takeover",
            self.all(),
            self.in_flight,
            self.in_the_pipe,
            self.not_committed
        )?;
        if self.late_commit > 0 {
            write!(f, ", {} behind a late commit", self.late_commit)?;
        }
        Ok(())
    }
}

pub(super) struct Duplicates {
    pub(super) violations: Vec<Violation>,
    pub(super) counted: Counted,
}

pub(super) fn check(index: &Index) -> Duplicates {
    let mut duplicates = Duplicates { violations: Vec::new(), counted: Counted::default() };
    for (partition, lives) in &index.lives {
        // Offset to the last life that had it.
        let mut had: HashMap<i64, usize> = HashMap::new();
        for (number, life) in lives.iter().enumerate() {
            if number > 0 && is_graceful(index, &lives[number - 1], life) {
                duplicates.counted.graceful_handovers += 1;
            }
            for (at, offset, _) in &life.delivered {
                if let Some(earlier) = had.insert(*offset, number)
                    && earlier != number
                {
                    let mut acknowledged = lives[..number]
                        .iter()
                        .filter_map(|life| life.acknowledged_at(*offset).map(|at| (life, at)));
                    let repeat = Repeat { index, partition: *partition, at: *at, offset: *offset, life };
                    repeat.judge(acknowledged.next_back(), &mut duplicates);
                }
            }
        }
    }
    duplicates
}

/// Whether the partition went from one owner to another in an orderly way: the handler finished what it had, and nothing
/// was wrong.
fn is_graceful(index: &Index, before: &Life, after: &Life) -> bool {
    before.finished
        && !after.same_owner(before)
        && !index.harmed(before.stopping.unwrap_or(before.last), after.first)
}

struct Repeat<'a> {
    index: &'a Index,
    partition: i32,
    at: u64,
    offset: i64,
    life: &'a Life,
}

impl Repeat<'_> {
    /// `before`: the last life that acknowledged it, and when.
    fn judge(&self, before: Option<(&Life, u64)>, duplicates: &mut Duplicates) {
        let counted = &mut duplicates.counted;
        let Some((before, acknowledged)) = before else {
            counted.in_flight += 1;
            return;
        };
        let what = format!(
            "{}@{}: acknowledged at {acknowledged} by {:?}, delivered again to {:?}",
            self.partition, self.offset, before.who, self.life.who
        );
        let wrong = if self.life.same_owner(before) {
            counted.in_the_pipe += 1;
            !self.was_in_the_pipe(before, acknowledged)
        } else if before.finished
            && !self.index.harmed(before.stopping.unwrap_or(before.last), self.life.first)
        {
            true
        } else if self.committed_before(before) <= self.offset {
            counted.not_committed += 1;
            false
        } else {
            counted.late_commit += 1;
            !self.index.harmed(before.last, self.at)
        };
        if wrong {
            duplicates.violations.push(Violation { invariant: "S5 duplicates", at: self.at, what });
        }
    }

    fn was_in_the_pipe(&self, before: &Life, acknowledged: u64) -> bool {
        let stops = |fault: &&FaultSpan| {
            matches!(fault.kind, Kind::StopWorker | Kind::StopSupervisor | Kind::FreezeMachine)
                && fault.target == before.who.instance
        };
        let stopped =
            || self.index.faults.iter().filter(stops).any(|f| f.touches(acknowledged, self.life.first));
        before.last - acknowledged.min(before.last) <= IN_THE_PIPE || stopped()
    }

    /// The highest offset that was seen as committed before that life ended, and before this one began: a frozen machine's
    /// may end much later.
    fn committed_before(&self, life: &Life) -> i64 {
        let until = life.last.min(self.life.first);
        let seen = self.index.committed.get(&self.partition).into_iter().flatten();
        seen.take_while(|(at, _)| *at <= until).map(|(_, offset)| *offset).max().unwrap_or(0)
    }
}
