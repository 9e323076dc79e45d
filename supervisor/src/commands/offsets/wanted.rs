//! Where offsets go: what `set`, `rewind` and `advance` ask for, as one offset a partition.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor::offsets::{KafkaError, Log, OffsetStorage};

use super::change::change;
use super::parts::in_parts;
use super::target::Target;
use crate::cli::{ChangeArgs, GroupArgs, SetArgs, To, WholeTopicsArgs};
use crate::exit::{Exit, Failure};

/// The next offset to read of each partition.
pub(super) type Wanted = BTreeMap<TopicPartition, Offset>;

/// `offsets set`.
pub(super) fn set(args: &SetArgs) -> Result<Exit, Failure> {
    if let Some(to) = args.to {
        return set_topics(&args.group, &args.topics, to, &args.change);
    }
    let mut wanted = Wanted::new();
    for one in &args.offsets {
        if wanted.insert(one.partition.clone(), one.offset).is_some() {
            return Err(Failure::usage(format!("{} is given twice: give it one offset", one.partition)));
        }
    }
    change(&Target::reach(&args.group, OffsetStorage::Kafka)?, wanted, &args.change)
}

/// `offsets rewind`.
pub(super) fn rewind(args: &WholeTopicsArgs) -> Result<Exit, Failure> {
    set_topics(&args.group, &args.topics, To::Earliest, &args.change)
}

/// `offsets advance`.
pub(super) fn advance(args: &WholeTopicsArgs) -> Result<Exit, Failure> {
    set_topics(&args.group, &args.topics, To::Latest, &args.change)
}

fn set_topics(group: &GroupArgs, topics: &[Topic], to: To, how: &ChangeArgs) -> Result<Exit, Failure> {
    let target = Target::reach(group, OffsetStorage::Kafka)?;
    let partitions = target.partitions(topics)?;
    let wanted = match to {
        To::Earliest => each(target.logs(&partitions), |log: Log| log.start),
        To::Latest => each(target.logs(&partitions), |log: Log| log.end),
        To::Time(millis) => at(&target, millis, &partitions),
    };
    change(&target, wanted?, how)
}

/// The first messages that are not older; the log's end where all are.
fn at(target: &Target, millis: i64, partitions: &BTreeSet<TopicPartition>) -> Result<Wanted, Failure> {
    let mut found = each(
        in_parts(partitions, "logs searched", |part| target.client.offsets_at(millis, part)),
        |offset| offset,
    )?;
    let past: BTreeSet<_> =
        found.iter().filter(|(_, offset)| offset.is_none()).map(|(key, _)| key.clone()).collect();
    let ends = each(target.logs(&past), |log| log.end)?;
    found.extend(ends.into_iter().map(|(key, end)| (key, Some(end))));
    Ok(found.into_iter().filter_map(|(key, offset)| Some((key, offset?))).collect())
}

/// All answers, or a failure that names what could not be told.
pub(in crate::commands) fn each<T, U>(
    answers: BTreeMap<TopicPartition, Result<T, KafkaError>>,
    one: impl Fn(T) -> U,
) -> Result<BTreeMap<TopicPartition, U>, Failure> {
    let (mut told, mut trouble) = (BTreeMap::new(), Vec::new());
    for (key, answer) in answers {
        match answer {
            Ok(answer) => drop(told.insert(key, one(answer))),
            Err(error) => trouble.push(format!("{key}: {error}")),
        }
    }
    if trouble.is_empty() { Ok(told) } else { Err(Failure::failed(trouble.join("\n"))) }
}
