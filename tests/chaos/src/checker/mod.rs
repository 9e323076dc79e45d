//! Judges a history. Pure: events in, verdict out.
//!
//! | file | asks |
//! |---|---|
//! | `verdict` | all of them, and puts the answers together |
//! | `index` | (what the others need to know: handlers' lives, faults, who held what) |
//! | `nothing_lost` | is every message acknowledged, and what it was when it was produced? (S3) |
//! | `commits` | did the committed offset pass an unacknowledged message, or go back? (S2) |
//! | `order` | was each life of a handler gapless? (S4) |
//! | `overlap` | did two work on a partition at once? (S1, fencing) |
//! | `duplicates` | do repeats lie where they may? (S5) |
//! | `deploys` | where nothing was wrong but a SIGKILL: is nothing repeated but what that explains? |
//! | `endings` | did everything end as it should, and lag return to 0? (S8, S9, L1) |
//! | `figures` | what there was, in numbers |

mod commits;
mod deploys;
mod duplicates;
mod endings;
mod figures;
mod index;
mod nothing_lost;
mod order;
mod overlap;
mod verdict;

pub use verdict::{Verdict, Violation, check, check_deploy};

#[cfg(test)]
mod tests;
