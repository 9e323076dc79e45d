//! The same for whoever draws curves: everything of a snapshot as numbers with names, put together when it is asked for. Nothing is
//! kept, so nothing is counted twice.
//!
//! | file | for |
//! |---|---|
//! | `family` | a metric: its name, what it is, its series |
//! | `instance` | those of an instance and its partitions |
//! | `process` | those of this process, as Prometheus's clients name them |
//! | `points` | the same as single numbers |
//! | `statsd` | ... to StatsD |
//! | `pushing` | the thread that sends them, to SignalFx too |
//! | `text` | all of them as Prometheus reads them |

mod family;
mod instance;
mod points;
mod process;
mod pushing;
mod statsd;
mod text;

use self::family::Family;
pub(crate) use self::pushing::Pushing;
pub(crate) use self::text::Format;
use super::snapshot::Snapshot;

/// All metrics.
fn all(snapshot: &Snapshot) -> Vec<Family> {
    let mut families = instance::families(snapshot);
    families.push(instance::build_info(&snapshot.instance));
    families.extend(process::families());
    families
}

/// All metrics as text.
pub(crate) fn text(snapshot: &Snapshot, format: Format) -> String {
    text::encode(all(snapshot), format)
}
