//! S8, S9 and L1: what was killed is gone, what was asked to end has ended, nothing has ended by itself, and lag returned to 0.

use super::index::{Index, SECOND};
use super::verdict::Violation;
use crate::history::{Doing, Entry, Event};

/// S9 says a second; a machine that is busy with eight JVMs gets more. The figure is printed.
const GONE_WITHIN_MS: u64 = 10_000;
/// A supervisor that does not reach its servers at its start may end with this code.
const UNREACHABLE: i32 = 69;
/// ... but not before its `connect_timeout`, and not once it runs.
const CONNECT_TIMEOUT: u64 = 30 * SECOND;
/// Ended by TERM itself.
const TERMINATED: i32 = 128 + 15;
const AT_START: u64 = 70 * SECOND;

pub(super) fn check(history: &[Entry], index: &Index) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut violated =
        |invariant: &'static str, at: u64, what: String| violations.push(Violation { invariant, at, what });
    let mut drained = false;
    for Entry { at, event } in history {
        match event {
            Event::Gone { instance, after_ms, left } if *after_ms > GONE_WITHIN_MS || !left.is_empty() => {
                violated(
                    "S9 nobody outlives",
                    *at,
                    format!("{after_ms} ms after the end of {instance}: {left:?}"),
                );
            }
            Event::Ended { instance, code, asked: true }
                if !matches!(code, 0 | 75 | 137)
                    && !before_it_could_listen(history, instance, *code, *at) =>
            {
                violated("S8 stop", *at, format!("{instance} ended with {code} when it was asked to"));
            }
            Event::Ended { instance, code: 75, asked: true }
                if !index.harmed(at.saturating_sub(20 * SECOND), *at) && !hung(history, instance, *at) =>
            {
                violated("S8 stop", *at, format!("{instance} cut its drain short without a reason"));
            }
            Event::Ended { instance, code, asked: false }
                if !is_unreachable(history, instance, *code, *at) =>
            {
                violated("S8 stop", *at, format!("{instance} ended by itself with {code}"));
            }
            Event::Drained => drained = true,
            Event::NotDrained { behind } => {
                drained = true;
                violated("L1 lag 0", *at, format!("partition, committed, end: {behind:?}"));
            }
            _ => {}
        }
    }
    if !drained {
        violated("L1 lag 0", index.end, "the history ends before that".to_owned());
    }
    violations
}

/// A handler of that supervisor that hung meanwhile is a reason to cut a drain short: `stop.timeout` is over.
fn hung(history: &[Entry], life: &str, at: u64) -> bool {
    history.iter().filter(|entry| entry.at <= at && entry.at >= at.saturating_sub(20 * SECOND)).any(|entry| {
        matches!(&entry.event, Event::Handler { who, does: Doing::Misbehaving { how } }
            if who.instance == life && how == "hang")
    })
}

fn is_unreachable(history: &[Entry], life: &str, code: i32, at: u64) -> bool {
    code == UNREACHABLE
        && age(history, life, at).is_some_and(|age| (CONNECT_TIMEOUT..AT_START).contains(&age))
}

/// TERM within milliseconds of its start meets a program that is still being loaded.
fn before_it_could_listen(history: &[Entry], life: &str, code: i32, at: u64) -> bool {
    code == TERMINATED && age(history, life, at).is_some_and(|age| age < SECOND / 2)
}

fn age(history: &[Entry], life: &str, at: u64) -> Option<u64> {
    let started =
        |entry: &&Entry| matches!(&entry.event, Event::Started { instance, .. } if instance == life);
    history.iter().find(started).map(|entry| at.saturating_sub(entry.at))
}
