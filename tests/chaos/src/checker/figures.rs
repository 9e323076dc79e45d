//! What there was, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::duplicates;
use super::index::{Index, SECOND};
use super::overlap;
use crate::history::{Doing, Entry, Event};
use crate::schedule::Kind;

/// The numbers of a run.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    seed: u64,
    seconds: u64,
    messages: usize,
    deliveries: usize,
    acknowledgements: usize,
    commits_seen: usize,
    faults: BTreeMap<Kind, usize>,
    misbehaved: BTreeMap<String, usize>,
    handlers: usize,
    owners: usize,
    python_holds: usize,
    duplicates: duplicates::Counted,
    regressions: usize,
    overlaps: overlap::Counted,
    longest_without_owner: (u64, i32),
    longest_gone_ms: u64,
    ended: usize,
    lag_0_after: Option<u64>,
}

pub(super) fn count(
    history: &[Entry],
    index: &Index,
    regressions: usize,
    overlaps: overlap::Counted,
    duplicates: duplicates::Counted,
) -> Figures {
    let mut figures = Figures { duplicates, regressions, overlaps, ..Figures::default() };
    let (mut began, mut faults_ended) = (0, None);
    for Entry { at, event } in history {
        match event {
            Event::Began { seed, .. } => (figures.seed, began) = (*seed, *at),
            Event::Handler { does: Doing::Misbehaving { how }, .. } => {
                *figures.misbehaved.entry(how.clone()).or_default() += 1;
            }
            Event::Gone { after_ms, .. } => {
                figures.ended += 1;
                figures.longest_gone_ms = figures.longest_gone_ms.max(*after_ms);
            }
            Event::FaultsEnded => {
                faults_ended = Some(*at);
                figures.seconds = (*at - began) / SECOND;
            }
            Event::Drained => figures.lag_0_after = faults_ended.map(|ended| *at - ended),
            _ => {}
        }
    }
    for fault in &index.faults {
        *figures.faults.entry(fault.kind).or_default() += 1;
    }
    let lives = || index.lives.values().flatten();
    figures.messages = index.log.values().map(BTreeMap::len).sum();
    figures.deliveries = lives().map(|life| life.delivered.len()).sum();
    figures.acknowledgements = lives().map(|life| life.acknowledged.len()).sum();
    figures.commits_seen = index.committed.values().map(Vec::len).sum();
    figures.handlers = lives().count();
    figures.owners = lives().map(|life| (life.who.partition, life.who.token)).collect::<BTreeSet<_>>().len();
    figures.python_holds = index.holds.len();
    figures.longest_without_owner = longest_without_owner(index, began, faults_ended.unwrap_or(index.end));
    figures
}

/// The longest time, and the partition, in which no handler gave a sign, no Python member held it, and no supervisor said
/// that it does.
fn longest_without_owner(index: &Index, began: u64, ended: u64) -> (u64, i32) {
    // A supervisor's word is good until its next.
    const WORD: u64 = SECOND;
    let mut longest = (0, 0);
    for partition in index.lives.keys() {
        let lives = index.lives[partition].iter().map(|life| (life.first, life.last));
        let holds =
            index.holds.iter().filter(|hold| hold.partition == *partition).map(|hold| (hold.from, hold.to));
        let words = index.held.iter().filter(|(_, of)| of == partition).map(|(at, _)| (*at, at + WORD));
        let mut spans: Vec<(u64, u64)> = lives.chain(holds).chain(words).collect();
        spans.sort_unstable();
        let mut known = began;
        for (from, to) in spans.into_iter().filter(|(from, _)| *from <= ended) {
            longest = longest.max((from.saturating_sub(known), *partition));
            known = known.max(to);
        }
        longest = longest.max((ended.saturating_sub(known), *partition));
    }
    longest
}

fn seconds(nanos: u64) -> String {
    format!("{}.{:02} s", nanos / SECOND, nanos % SECOND / (SECOND / 100))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "{name:<24}{value}");
        let list = |parts: Vec<String>| parts.join(", ");
        line("seed, time of faults", format!("{}, {} s", self.seed, self.seconds))?;
        line("messages", self.messages.to_string())?;
        line("deliveries", format!("{}, {} acknowledgements", self.deliveries, self.acknowledgements))?;
        let (count, kinds) = (
            self.faults.values().sum::<usize>(),
            list(self.faults.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect()),
        );
        line("faults", format!("{count}: {kinds}"))?;
        let (count, ways) = (
            self.misbehaved.values().sum::<usize>(),
            list(self.misbehaved.iter().map(|(how, count)| format!("{how} {count}")).collect()),
        );
        line("handlers misbehaved", format!("{count}: {ways}"))?;
        line(
            "handlers, owners",
            format!(
                "{} handlers of {} owners, {} holds by Python",
                self.handlers, self.owners, self.python_holds
            ),
        )?;
        line("duplicates", self.duplicates.to_string())?;
        line("graceful handovers", self.duplicates.graceful_handovers.to_string())?;
        line(
            "commits seen",
            format!("{}, {} times going back where they may", self.commits_seen, self.regressions),
        )?;
        let longest = match self.overlaps.longest {
            0 => "none".to_owned(),
            longest => seconds(longest),
        };
        line("longest overlap", longest)?;
        line(
            "overlaps no clock helps",
            format!(
                "{}, longest {}; the fencing token refuses {} acknowledgements",
                self.overlaps.excused,
                seconds(self.overlaps.longest_excused),
                self.overlaps.refused
            ),
        )?;
        let (longest, partition) = self.longest_without_owner;
        line("longest without owner", format!("{}, partition {partition}", seconds(longest)))?;
        line(
            "gone after the end",
            format!("at the latest after {} ms, {} supervisors", self.longest_gone_ms, self.ended),
        )?;
        line("lag 0 after faults", self.lag_0_after.map_or_else(|| "never".to_owned(), seconds))
    }
}
