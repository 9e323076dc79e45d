//! How workers come back and how they stop: `restart` and `stop`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::errors::Problems;
use super::quantity::show_duration;
use super::reader::{Field, Section};

const MILLISECOND: Duration = Duration::from_millis(1);
const DELAYS: RangeInclusive<Duration> = MILLISECOND..=Duration::from_secs(86_400);
const STOP_TIMEOUTS: RangeInclusive<Duration> = MILLISECOND..=Duration::from_secs(3600);

/// How long a worker that ended waits for its successor: at once after a healthy run, else doubling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait; at least `initial`.
    pub max: Duration,
    /// A run of this length starts afresh.
    pub healthy_after: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
        }
    }
}

/// How a worker stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// How long what is in flight may take before it is cut short.
    pub timeout: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10) }
    }
}

pub(super) fn read_restart(root: &Section<'_>, p: &mut Problems) -> Restart {
    let section = root.section("restart", &["initial", "max", "healthy_after"], p);
    let default = Restart::default();
    let restart = Restart {
        initial: section.duration("initial", &DELAYS, default.initial, p),
        max: section.duration("max", &DELAYS, default.max, p),
        healthy_after: section.duration("healthy_after", &DELAYS, default.healthy_after, p),
    };
    if restart.max < restart.initial {
        let key = if section.get("max").is_some() { "max" } else { "initial" };
        let place = section.get(key).map(Field::place);
        let (max, initial) = (show_duration(restart.max), show_duration(restart.initial));
        let message =
            format!("`restart.max` ({max}) is below `restart.initial` ({initial}); raise it or lower that");
        if let Some(place) = place {
            p.at(place, message);
        }
    }
    restart
}

pub(super) fn read_stop(root: &Section<'_>, default: Stop, p: &mut Problems) -> Stop {
    let section = root.section("stop", &["timeout"], p);
    Stop { timeout: section.duration("timeout", &STOP_TIMEOUTS, default.timeout, p) }
}
