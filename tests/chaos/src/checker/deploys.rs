//! Where supervisors are only stopped and killed, and handlers behave, a message comes twice only because the supervisor that
//! had it was killed in between, and only if that was soon after: what was acknowledged then is not committed for one commit
//! interval at most.

use std::collections::HashMap;

use super::index::{Index, SECOND};
use super::verdict::Violation;
use crate::schedule::Kind;

/// The commit interval of the runs (2 s), what is in flight, and a machine that is busy with something else.
const NOT_COMMITTED: u64 = 8 * SECOND;

pub(super) fn check(index: &Index) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (partition, lives) in &index.lives {
        // Offset to when it was delivered last, and to whom.
        let mut had: HashMap<i64, (u64, &str)> = HashMap::new();
        for life in lives {
            for (at, offset, _) in &life.delivered {
                let Some((before, instance)) = had.insert(*offset, (*at, &life.who.instance)) else {
                    continue;
                };
                if !is_explained(index, (before, instance), *at) {
                    let what = format!(
                        "{partition}@{offset}: delivered at {before} by {instance}, again by {}: no kill of {instance} explains it",
                        life.who.instance
                    );
                    violations.push(Violation { invariant: "S5 deploys", at: *at, what });
                }
            }
        }
    }
    violations
}

fn is_explained(index: &Index, (before, instance): (u64, &str), again: u64) -> bool {
    let kills =
        index.faults.iter().filter(|fault| fault.kind == Kind::KillSupervisor && fault.target == instance);
    kills
        .into_iter()
        .any(|kill| kill.touches(before, again) && kill.from.saturating_sub(before) <= NOT_COMMITTED)
}
