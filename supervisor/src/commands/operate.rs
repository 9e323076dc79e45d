//! `kafkavisor pause`, `resume`, `restart`, `skip`, `seek`: asks a running instance, and says what it does about each partition.

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::control::{Outcome, Request, Selector};

use super::find;
use crate::cli::{SeekArgs, SelectArgs, SkipArgs, WhichArgs};
use crate::exit::{Exit, Failure};

pub(super) fn all(args: &SelectArgs, request: fn(Vec<Selector>) -> Request) -> Result<Exit, Failure> {
    operate(&args.which, args.json, &request(args.partitions.clone()))
}

pub(super) fn skip(args: &SkipArgs) -> Result<Exit, Failure> {
    operate(&args.which, args.json, &Request::Skip { partition: one(&args.partition) })
}

pub(super) fn seek(args: &SeekArgs) -> Result<Exit, Failure> {
    let (partition, offset) = (one(&args.partition), Offset(args.offset));
    operate(&args.which, args.json, &Request::Seek { partition, offset })
}

fn one(partition: &TopicPartition) -> Selector {
    Selector { topic: partition.topic.clone(), partition: Some(partition.partition) }
}

fn operate(which: &WhichArgs, json: bool, request: &Request) -> Result<Exit, Failure> {
    let socket = find::socket(which)?;
    let answer = find::asked(&socket, request)?;
    let outcomes: Vec<Outcome> =
        serde_json::from_value(answer.clone()).map_err(|error| find::nobody(&socket, &error))?;
    if json {
        super::print(&format!("{answer}\n"))?;
    } else {
        let done = outcomes.iter().filter_map(|o| Some(format!("{}: {}\n", o.partition, o.done.as_ref()?)));
        super::print(&done.collect::<String>())?;
    }
    let lines = |why: fn(&Outcome) -> Option<&String>| {
        let line = |outcome: &Outcome| Some(format!("{}: {}", outcome.partition, why(outcome)?));
        outcomes.iter().filter_map(line).collect::<Vec<_>>()
    };
    let (refused, failed) = (lines(|o| o.refused.as_ref()), lines(|o| o.failed.as_ref()));
    match (refused.is_empty(), failed.is_empty()) {
        (true, true) => Ok(Exit::Clean),
        (_, false) => Err(Failure::failed([failed, refused].concat().join("\n"))),
        (false, true) => Err(Failure::usage(refused.join("\n"))),
    }
}
