//! S2: the committed offset never passes an unacknowledged message. It goes back only where the design says so: a request of
//! a former owner that was on its way, or a broker that answers from before it was paused; and that is made good.

use std::collections::BTreeMap;

use super::index::Index;
use super::order::Frontier;
use super::verdict::Violation;
use crate::history::{Doing, Entry, Event};

pub(super) struct Commits {
    pub(super) violations: Vec<Violation>,
    /// How often the committed offset was seen going back where it may.
    pub(super) regressions: usize,
}

pub(super) fn check(history: &[Entry], index: &Index) -> Commits {
    let mut commits = Commits { violations: passes(history), regressions: 0 };
    for (partition, seen) in &index.committed {
        let last = seen.last().map_or(0, |(_, offset)| *offset);
        let mut highest = 0;
        for pair in seen.windows(2) {
            let ((before_at, before), (at, after)) = (pair[0], pair[1]);
            highest = before.max(highest);
            if after >= before {
                continue;
            }
            if index.harmed(before_at, at) && last >= highest {
                commits.regressions += 1;
            } else {
                let what =
                    format!("{partition}: committed went from {before} back to {after}, {last} at last");
                commits.violations.push(Violation { invariant: "S2 commits", at, what });
            }
        }
    }
    commits
}

fn passes(history: &[Entry]) -> Vec<Violation> {
    let mut frontiers: BTreeMap<i32, Frontier> = BTreeMap::new();
    let mut firsts = BTreeMap::new();
    let mut violations = Vec::new();
    for Entry { at, event } in history {
        match event {
            Event::Handler { who, does: Doing::Delivered { offset, .. } } => {
                firsts.entry(who.life).or_insert(*offset);
            }
            Event::Handler { who, does: Doing::Acknowledging { offset } } => {
                let first = firsts.get(&who.life).copied().unwrap_or(i64::MAX);
                frontiers.entry(who.partition).or_default().acknowledge(first, *offset);
            }
            Event::Committed { partition, offset } => {
                let next = frontiers.get(partition).map_or(0, |frontier| frontier.next);
                if *offset > next {
                    let what = format!("{partition}: {offset} is committed, but {next} is not acknowledged");
                    violations.push(Violation { invariant: "S2 commits", at: *at, what });
                }
            }
            _ => {}
        }
    }
    violations
}
