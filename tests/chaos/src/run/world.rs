//! What all parts of a run share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::waiting::pause;

use super::cluster::Cluster;
use super::supervisor::Supervisor;
use crate::history::Writer;

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 8;
/// Supervisors of the group.
pub(super) const SUPERVISORS: usize = 3;

/// The world of a run.
#[derive(Debug)]
pub(super) struct World {
    /// Everything of the run lies here.
    pub(super) folder: PathBuf,
    pub(super) cluster: Cluster,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) supervisors: Vec<Supervisor>,
    /// Set by INT and TERM: everything ends as soon as it can.
    pub(super) interrupted: Arc<AtomicBool>,
}

impl World {
    /// The history.
    pub(super) fn history(&self) -> Writer {
        Writer::open(&self.history_path())
    }

    /// Its file.
    pub(super) fn history_path(&self) -> PathBuf {
        history_path(&self.folder)
    }

    /// Where brokers are, as clients want it.
    pub(super) fn brokers(&self) -> String {
        self.cluster.brokers.join(",")
    }

    /// Whether the run was interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Ends the run as soon as that can be.
    pub(super) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Lets time pass, unless the run is interrupted.
    pub(super) fn pass(&self, time: Duration) {
        let end = clock::now() + time;
        while !self.is_interrupted() {
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() {
                return;
            }
            pause(left.min(Duration::from_millis(50)));
        }
    }
}

/// The history of the run in this folder.
pub(super) fn history_path(folder: &Path) -> PathBuf {
    folder.join("history.jsonl")
}

/// While this file is there, handlers behave.
pub(super) fn calm_path(folder: &Path) -> PathBuf {
    folder.join("calm")
}
