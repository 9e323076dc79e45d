//! Names of what runs, asked for in a moment: who waits for a completion wants none rather than a late one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use crossbeam_channel::bounded;
use kafkavisor::clock::now;

use crate::cli::WhichArgs;
use crate::commands::find;
use crate::commands::listing::row::Row;
use crate::observe::status::Status;
use crate::shell::runtime_directory::{candidates, socket_in};

/// Longest that all of them together may take.
const WITHIN: Duration = Duration::from_millis(150);

/// Partitions, as TOPIC:PARTITION.
pub(crate) fn partition_names(current: &OsStr) -> Vec<CompletionCandidate> {
    of_partitions(current, false)
}

/// The same, and topics.
pub(crate) fn partition_or_topic_names(current: &OsStr) -> Vec<CompletionCandidate> {
    of_partitions(current, true)
}

/// Groups of which an instance runs here.
pub(crate) fn group_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let statuses = statuses(&everywhere());
    named(current, statuses.into_iter().map(|status| (status.group, status.name)))
}

/// Names of the instances that run here.
pub(crate) fn instance_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let statuses = statuses(&everywhere());
    named(current, statuses.into_iter().map(|status| (status.name, format!("group {}", status.group))))
}

fn of_partitions(current: &OsStr, topics: bool) -> Vec<CompletionCandidate> {
    let which = which();
    let sockets = which.socket.clone().map_or_else(everywhere, |socket| vec![socket]);
    let fits = |status: &Status| {
        which.group.as_ref().is_none_or(|group| status.group == *group)
            && which.name.as_ref().is_none_or(|name| status.name == *name)
    };
    let statuses: Vec<_> = statuses(&sockets).into_iter().filter(fits).collect();
    let all = statuses.iter().flat_map(|status| &status.partitions);
    let partitions = all.clone().map(|partition| {
        let row = Row { partition, rate: None };
        (row.name(), row.kind().to_owned())
    });
    let topics: BTreeSet<_> = all.filter(|_| topics).map(|partition| &partition.topic).collect();
    let topics = topics.into_iter().map(|topic| (topic.clone(), "all its partitions".to_owned()));
    named(current, topics.chain(partitions))
}

fn named(current: &OsStr, names: impl Iterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fitting = names.filter(|(name, _)| name.starts_with(&*current));
    fitting.map(|(name, what)| CompletionCandidate::new(name).help(Some(what.into()))).collect()
}

/// Which instance the line means, as far as it is typed.
fn which() -> WhichArgs {
    // What is no text names nobody.
    let words = std::env::args_os().map(|word| word.into_string().unwrap_or_default());
    let words: Vec<String> = words.skip_while(|word| word != "--").collect();
    let value = |flags: &[&str]| flags.iter().find_map(|flag| after(&words, flag));
    WhichArgs {
        group: value(&["-g", "--group"]),
        name: value(&["--name"]),
        socket: value(&["--socket"]).map(PathBuf::from),
    }
}

/// What is given to a flag: in the next word, or behind `=`.
fn after(words: &[String], flag: &str) -> Option<String> {
    let next =
        words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == flag).map(|(_, next)| next.clone());
    let same = || words.iter().find_map(|word| word.strip_prefix(flag)?.strip_prefix('='));
    next.or_else(|| same().map(str::to_owned))
}

fn everywhere() -> Vec<PathBuf> {
    candidates().iter().map(|folder| socket_in(folder)).collect()
}

/// Of those that answer in time, in the order of their sockets.
fn statuses(sockets: &[PathBuf]) -> Vec<Status> {
    let deadline = now() + WITHIN;
    let (send, answers) = bounded(sockets.len());
    for (at, socket) in sockets.iter().cloned().enumerate() {
        let send = send.clone();
        let ask = move || {
            let _nobody_waits = send.send((at, find::status(&socket).ok()));
        };
        let _no_thread_no_answer = thread::Builder::new().spawn(ask);
    }
    drop(send);
    let mut found = Vec::new();
    while let Ok((at, status)) = answers.recv_deadline(deadline) {
        found.extend(status.map(|status| (at, status)));
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, status)| status).collect()
}
