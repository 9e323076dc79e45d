//! Where a member of a group begins and what it commits: the same for the supervisor's workers and for consumers in a program of
//! one's own.
//!
//! | module | for |
//! |---|---|
//! | [`start`] | where reading begins, decided |
//! | [`commit_note`] | what stands beside every offset that is committed |
//! | [`answer`] | what becomes of a commit |
//! | [`lease`] | how long a partition is surely ours |
//! | `topics` | which partitions there are (feature `kafka`, like those below) |
//! | `starts` | what the decision is made from |
//! | `commits` | committing: one request at a time, under the lease |

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

pub mod answer;
pub mod commit_note;
#[cfg(feature = "kafka")]
pub mod commits;
pub mod lease;
pub mod start;
#[cfg(feature = "kafka")]
pub mod starts;
#[cfg(feature = "kafka")]
pub mod topics;
