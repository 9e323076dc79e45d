//! `kafkavisor pause`, `resume`, `restart`, `skip`, `seek`: asks a running instance, and says what it does about each partition.

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::control::{Outcome, Request, Selector};

use super::find;
use crate::cli::{LogLevelArgs, SeekArgs, SelectArgs, SkipArgs, WhichArgs};
use crate::exit::{Exit, Failure};

const UNKNOWN: &str =
    "the supervisor, of another version, says something that this one does not know: see what --json prints";

pub(super) fn all(args: &SelectArgs, request: fn(Vec<Selector>) -> Request) -> Result<Exit, Failure> {
    let named = args.partitions.iter().filter(|one| one.partition.is_some());
    operate(&args.which, args.json, &request(args.partitions.clone()), &named.cloned().collect::<Vec<_>>())
}

pub(super) fn skip(args: &SkipArgs) -> Result<Exit, Failure> {
    let partition = one(&args.partition);
    operate(&args.which, args.json, &Request::Skip { partition: partition.clone() }, &[partition])
}

pub(super) fn seek(args: &SeekArgs) -> Result<Exit, Failure> {
    let (partition, offset) = (one(&args.partition), Offset(args.offset));
    operate(&args.which, args.json, &Request::Seek { partition: partition.clone(), offset }, &[partition])
}

pub(super) fn log_level(args: &LogLevelArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    find::asked(&socket, &Request::LogLevel { level: args.level })?;
    Ok(Exit::Clean)
}

fn one(partition: &TopicPartition) -> Selector {
    Selector { topic: partition.topic.clone(), partition: Some(partition.partition) }
}

/// `named` are those that are meant one by one.
fn operate(which: &WhichArgs, json: bool, request: &Request, named: &[Selector]) -> Result<Exit, Failure> {
    let socket = find::socket(which)?;
    let answer = find::asked(&socket, request)?;
    let outcomes: Vec<Outcome> = find::read(&socket, answer.clone())?;
    if json {
        super::print(&format!("{answer}\n"))?;
    } else {
        let done = outcomes.iter().filter_map(|o| Some(format!("{}: {}\n", o.partition, o.done.as_ref()?)));
        super::print(&done.collect::<String>())?;
    }
    let any_done = outcomes.iter().any(|outcome| outcome.done.is_some());
    let is_named = |outcome: &Outcome| named.iter().any(|one| one.to_string() == outcome.partition);
    // Of several that are meant together, those that need it.
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .filter(|outcome| !any_done || outcome.refused.is_none() || is_named(outcome))
        .collect();
    let lines = |why: fn(&Outcome) -> Option<&str>| {
        let line = |outcome: &Outcome| Some(format!("{}: {}", outcome.partition, why(outcome)?));
        outcomes.iter().filter_map(line).collect::<Vec<_>>()
    };
    let (refused, failed) = (lines(|o| o.refused.as_deref()), lines(why_failed));
    match (refused.is_empty(), failed.is_empty()) {
        (true, true) => Ok(Exit::Clean),
        (_, false) => Err(Failure::failed([failed, refused].concat().join("\n"))),
        (false, true) => Err(Failure::usage(refused.join("\n"))),
    }
}

/// Why it is not done, as far as this version can tell; silence is no success.
fn why_failed(outcome: &Outcome) -> Option<&str> {
    let Outcome { done, refused, failed, .. } = outcome;
    let told = failed.as_deref();
    told.or_else(|| (done.is_none() && refused.is_none()).then_some(UNKNOWN))
}
