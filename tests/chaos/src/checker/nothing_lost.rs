//! S3, both ways: every message in the log was acknowledged, and every message delivered is in the log as it was produced.

use std::collections::BTreeSet;

use super::index::Index;
use super::verdict::Violation;

pub(super) fn check(index: &Index) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut violated =
        |at: u64, what: String| violations.push(Violation { invariant: "S3 nothing lost", at, what });
    for (partition, produced) in &index.produced {
        let log = index.log.get(partition);
        for (offset, number) in produced {
            let found = log.and_then(|log| log.get(offset));
            if found != Some(number) {
                violated(
                    index.end,
                    format!("{partition}@{offset}: confirmed as number {number}, the log has {found:?}"),
                );
            }
        }
    }
    for (partition, log) in &index.log {
        let mut acknowledged = BTreeSet::new();
        for life in index.lives.get(partition).into_iter().flatten() {
            for (at, offset, number) in &life.delivered {
                if log.get(offset) != Some(number) {
                    violated(
                        *at,
                        format!("{partition}@{offset}: delivered as number {number}, which the log has not"),
                    );
                }
                if life.acknowledged_at(*offset).is_some() {
                    acknowledged.insert(*offset);
                }
            }
        }
        for (offset, number) in log {
            if !acknowledged.contains(offset) {
                violated(index.end, format!("{partition}@{offset}: number {number} was never acknowledged"));
            }
        }
    }
    violations
}
