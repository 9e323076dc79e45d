//! What happened, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use crate::machine::Time;

/// Counted over one schedule, or over many.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How many schedules these are of.
    pub schedules: u64,
    /// Steps taken.
    pub steps: u64,
    /// Virtual time, in nanoseconds.
    pub time: u64,
    /// Events by who handled them.
    pub events: BTreeMap<&'static str, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Everything else worth counting.
    pub counts: BTreeMap<&'static str, u64>,
    /// Messages delivered although acknowledged, by what excuses it.
    pub duplicates: BTreeMap<&'static str, u64>,
    /// The longest a partition was without an owner, in nanoseconds, and the schedule in which it was.
    pub unowned: u64,
    /// The longest until everything was at rest after the faults, in nanoseconds.
    pub healed: u64,
}

fn bump(map: &mut BTreeMap<&'static str, u64>, key: &'static str) {
    *map.entry(key).or_default() += 1;
}

fn merge(into: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>) {
    from.iter().for_each(|(key, count)| *into.entry(key).or_default() += count);
}

impl Figures {
    pub(crate) fn event(&mut self, of: &'static str) {
        bump(&mut self.events, of);
    }

    pub(crate) fn fault(&mut self, kind: &'static str) {
        bump(&mut self.faults, kind);
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        bump(&mut self.counts, what);
    }

    pub(crate) fn duplicate(&mut self, excuse: &'static str) {
        bump(&mut self.duplicates, excuse);
    }

    pub(crate) fn unowned_for(&mut self, time: Time) {
        self.unowned = self.unowned.max(time);
    }

    /// Takes another's in.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.time += other.time;
        merge(&mut self.events, &other.events);
        merge(&mut self.faults, &other.faults);
        merge(&mut self.counts, &other.counts);
        merge(&mut self.duplicates, &other.duplicates);
        self.unowned = self.unowned.max(other.unowned);
        self.healed = self.healed.max(other.healed);
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people with a tenth of a second")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:<44} {:>12}", "schedules", self.schedules)?;
        writeln!(f, "  {:<44} {:>12}", "steps", self.steps)?;
        writeln!(f, "  {:<44} {:>12.1}", "hours of virtual time", seconds(self.time) / 3600.0)?;
        let mut table = |title: &str, rows: &BTreeMap<&'static str, u64>| {
            writeln!(f, "{title}")?;
            rows.iter().try_for_each(|(key, count)| writeln!(f, "  {key:<44} {count:>12}"))
        };
        table("events, by who handled them", &self.events)?;
        table("faults", &self.faults)?;
        table("what happened", &self.counts)?;
        table("messages that came again, by why they may", &self.duplicates)?;
        writeln!(f, "longest, in seconds")?;
        writeln!(f, "  {:<44} {:>12.1}", "a partition without a worker", seconds(self.unowned))?;
        writeln!(f, "  {:<44} {:>12.1}", "from the end of the faults to lag 0", seconds(self.healed))
    }
}
