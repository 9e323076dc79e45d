//! What is shown and sent of an instance as numbers: `metrics`.

use super::errors::Problems;
use super::reader::Section;

const KEYS: &[&str] = &["per_partition", "statsd", "signalfx"];

/// What is shown as numbers, and to whom they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Each partition has series of its own.
    pub per_partition: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { per_partition: true }
    }
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Metrics {
    let section = root.section("metrics", KEYS, p);
    Metrics { per_partition: section.boolean("per_partition", true, p) }
}
