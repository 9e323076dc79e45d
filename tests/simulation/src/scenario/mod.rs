//! Scenarios: what is known to have gone wrong once, or nearly, as a group of a chosen shape, steps one after the other, and what
//! must come of them. Beside that, every invariant of the schedules holds after every step, and at the end the group comes to rest.
//!
//! | file | for |
//! |---|---|
//! | `stage` | the steps a scenario may take |
//! | `questions` | what it may ask |
//! | `scenes/` | the scenarios, by what they are about |
//! | `marks` | the marks in the code, and those that no scenario reaches |

mod marks;
mod questions;
mod scenes;
mod stage;

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::trace::Detail;
use crate::violation::Violation;
use crate::world::Checked;

pub use marks::{Mark, UNREACHED, marks};
pub use scenes::scenarios;
use stage::Stage;

/// See the module.
#[derive(Debug)]
pub struct Scenario {
    /// As `--scenario` finds it.
    pub name: &'static str,
    /// What it proves, in a sentence.
    pub proves: &'static str,
    /// The marks in the code that it must reach.
    pub marks: &'static [&'static str],
    pub(crate) group: fn() -> Plan,
    pub(crate) steps: fn(&mut Stage) -> Checked,
}

/// How a scenario went.
#[derive(Debug)]
pub struct Performance {
    /// What did not hold.
    pub violation: Option<Violation>,
    /// All marks that it reached.
    pub reached: BTreeSet<&'static str>,
    /// What was written down.
    pub trace: Vec<String>,
}

impl Scenario {
    /// Plays it.
    pub fn perform(&self, detail: Detail) -> Performance {
        let play = || {
            let mut stage = Stage::new((self.group)(), detail);
            let violation = (self.steps)(&mut stage).and_then(|()| stage.end()).err();
            (violation, stage.into_trace())
        };
        let ((violation, trace), reached) = kafkavisor_marks::passed_by(play);
        Performance { violation, reached, trace }
    }

    /// The marks that it must reach and has not.
    pub fn missed(&self, performance: &Performance) -> Vec<&'static str> {
        let missed = |mark: &&&'static str| !performance.reached.contains(*mark);
        self.marks.iter().filter(missed).copied().collect()
    }
}
