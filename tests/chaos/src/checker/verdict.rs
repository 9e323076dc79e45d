//! All questions, and what comes out.

use std::fmt;

use super::figures::Figures;
use super::index::Index;
use super::{commits, deploys, duplicates, endings, figures, nothing_lost, order, overlap};
use crate::history::Entry;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant of the design.
    pub invariant: &'static str,
    /// When, in nanoseconds, as the history has it.
    pub at: u64,
    /// What happened.
    pub what: String,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// None when all is well.
    pub violations: Vec<Violation>,
    /// What there was, in numbers.
    pub figures: Figures,
}

/// Judges a history that is in the order of time.
pub fn check(history: &[Entry]) -> Verdict {
    let index = Index::of(history);
    let mut violations = Vec::new();
    violations.extend(nothing_lost::check(&index));
    let commits = commits::check(history, &index);
    violations.extend(commits.violations);
    violations.extend(order::check(&index));
    let overlaps = overlap::check(&index);
    violations.extend(overlaps.violations);
    let duplicates = duplicates::check(&index);
    violations.extend(duplicates.violations);
    violations.extend(endings::check(history, &index));
    violations.sort_by_key(|violation| violation.at);
    let figures = figures::count(history, &index, commits.regressions, overlaps.counted, duplicates.counted);
    Verdict { violations, figures }
}

/// The same of a rolling deploy, in which supervisors were only stopped and killed: there more must hold.
pub fn check_deploy(history: &[Entry]) -> Verdict {
    let mut verdict = check(history);
    verdict.violations.extend(deploys::check(&Index::of(history)));
    verdict.violations.sort_by_key(|violation| violation.at);
    verdict
}

/// So many are shown of each invariant: the first ones tell.
const SHOWN: usize = 5;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.figures)?;
        if self.violations.is_empty() {
            return writeln!(f, "verdict                 holds: nothing lost, no overlap, lag 0");
        }
        writeln!(f, "verdict                 VIOLATED {} times", self.violations.len())?;
        let mut invariants: Vec<&str> = self.violations.iter().map(|violation| violation.invariant).collect();
        invariants.sort_unstable();
        invariants.dedup();
        for invariant in invariants {
            let of = |violation: &&Violation| violation.invariant == invariant;
            for violation in self.violations.iter().filter(of).take(SHOWN) {
                writeln!(f, "  {invariant} at {}: {}", violation.at, violation.what)?;
            }
            let more = self.violations.iter().filter(of).count().saturating_sub(SHOWN);
            if more > 0 {
                writeln!(f, "  {invariant}: {more} more")?;
            }
        }
        Ok(())
    }
}
