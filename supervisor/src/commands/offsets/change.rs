//! A change of offsets: everything is looked at before anything is written, and looked at again afterwards.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor::offsets::client::Before;
use kafkavisor::offsets::{Log, OffsetError, OffsetStorage};
use serde::Serialize;

use super::super::{note, print};
use super::live::refuse_while_live;
use super::target::{Target, failure};
use super::wanted::{Wanted, each};
use crate::cli::ChangeArgs;
use crate::exit::{Exit, Failure};

/// One partition, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    topic: String,
    partition: i32,
    /// None where there was no offset.
    before: Option<i64>,
    after: i64,
}

/// Makes the change, or says what is in its way: then nothing of it is done.
pub(super) fn change(target: &Target, wanted: Wanted, how: &ChangeArgs) -> Result<Exit, Failure> {
    check(target, &wanted)?;
    if !how.force {
        refuse_while_live(target)?;
    }
    let keys = wanted.keys().cloned().collect();
    let looked = target.client.look(&target.group, target.storage, &keys).map_err(failure)?;
    let before = known(&looked, how.force)?;
    if how.dry_run {
        show(&before, &wanted, how.json)?;
        note("nothing was changed (--dry-run)");
        return Ok(Exit::Clean);
    }
    let answers = target.client.exchange(&target.group, target.storage, &looked, &wanted).map_err(failure)?;
    let refused = answers.into_iter().filter_map(|(key, answer)| Some((key, answer.err()?)));
    let refused: BTreeMap<TopicPartition, OffsetError> = refused.collect();
    let done: Wanted = wanted.into_iter().filter(|(key, _)| !refused.contains_key(key)).collect();
    let mut said: Vec<_> = refused.iter().map(|(key, error)| format!("{key}: not set: {error}")).collect();
    let half = |error: &OffsetError| !matches!(error, OffsetError::Kafka(_) | OffsetError::Gone);
    if target.storage == OffsetStorage::Dual && refused.values().any(half) {
        said.push("what ZooKeeper has not taken stands in Kafka all the same: set it again".to_owned());
    }
    said.extend(overwritten(target, &done));
    if let Err(Failure { exit, message }) = show(&before, &done, how.json) {
        let keys: Vec<_> = done.keys().map(ToString::to_string).collect();
        said.push(format!("set all the same: {}", keys.join(", ")));
        said.push(message);
        return Err(Failure { exit, message: said.join("\n") });
    }
    if said.is_empty() { Ok(Exit::Clean) } else { Err(Failure::failed(said.join("\n"))) }
}

/// Whether there are such partitions, and the offsets are in their logs.
fn check(target: &Target, wanted: &Wanted) -> Result<(), Failure> {
    let topics: BTreeSet<Topic> = wanted.keys().map(|key| key.topic.clone()).collect();
    let counts = target.counts(&topics.iter().cloned().collect::<Vec<_>>())?;
    let mut wrong: Vec<_> = topics
        .iter()
        .filter(|topic| !counts.contains_key(*topic))
        .map(|topic| target.no_topic(topic))
        .collect();
    let mut there = BTreeSet::new();
    for key in wanted.keys() {
        match counts.get(&key.topic) {
            Some(count) if key.partition.0 >= *count => {
                wrong
                    .push(format!("{key}: there is no such partition: {} has {count}, from 0 on", key.topic));
            }
            Some(_) => drop(there.insert(key.clone())),
            None => {}
        }
    }
    let logs = each(target.logs(&there), |log| log)?;
    wrong.extend(logs.iter().filter_map(|(key, log)| outside(key, *wanted.get(key)?, log)));
    if wrong.is_empty() { Ok(()) } else { Err(Failure::failed(wrong.join("\n"))) }
}

/// What to say of an offset that is not in the log; both ends are.
fn outside(key: &TopicPartition, offset: Offset, log: &Log) -> Option<String> {
    let inside = (log.start..=log.end).contains(&offset);
    (!inside)
        .then(|| format!("{key}: {offset} is not in the log, which is from {} to {}", log.start, log.end))
}

/// What is there. A node that is no number counts as nothing where that is to be overwritten.
fn known(looked: &Before, force: bool) -> Result<BTreeMap<TopicPartition, Offset>, Failure> {
    let (mut before, mut trouble) = (BTreeMap::new(), Vec::new());
    for (key, answer) in &looked.offsets {
        match answer {
            Ok(Some(offset)) => drop(before.insert(key.clone(), *offset)),
            Ok(None) => {}
            Err(error @ OffsetError::NotANumber { .. }) if force => note(&format!("{key}: {error}")),
            Err(error @ OffsetError::NotANumber { .. }) => {
                trouble.push(format!("{key}: {error}; --force overwrites it"));
            }
            Err(error) => trouble.push(format!("{key}: {error}")),
        }
    }
    if trouble.is_empty() { Ok(before) } else { Err(Failure::failed(trouble.join("\n"))) }
}

/// What somebody else has written over it meanwhile, as far as a second look shows.
fn overwritten(target: &Target, done: &Wanted) -> Vec<String> {
    if done.is_empty() {
        return Vec::new();
    }
    let keys = done.keys().cloned().collect();
    let read = match target.client.committed(&target.group, target.storage, &keys) {
        Ok(read) => read,
        Err(error) => return vec![format!("all was set, and can't be read again: {error}")],
    };
    let one = |(key, offset): (&TopicPartition, &Offset)| {
        let found = read.get(key).unwrap_or(&Ok(None));
        Some(format!("{key}: was set to {offset} and {}", unlike(*offset, found)?))
    };
    done.iter().filter_map(one).collect()
}

/// What is odd about what is found where `offset` was set.
fn unlike(offset: Offset, found: &Result<Option<Offset>, OffsetError>) -> Option<String> {
    match found {
        Ok(Some(found)) if *found == offset => None,
        Ok(Some(found)) => Some(format!("is {found} now: somebody else sets offsets of this group")),
        Ok(None) => Some("is gone again: somebody else removes offsets of this group".to_owned()),
        Err(error) => Some(format!("can't be read again: {error}")),
    }
}

fn show(before: &BTreeMap<TopicPartition, Offset>, after: &Wanted, json: bool) -> Result<(), Failure> {
    let changes: Vec<_> = after
        .iter()
        .map(|(key, offset)| Change {
            topic: key.topic.to_string(),
            partition: key.partition.0,
            before: before.get(key).map(|offset| offset.0),
            after: offset.0,
        })
        .collect();
    if json {
        let text = serde_json::to_string_pretty(&changes).map_err(|error| Failure::bug(error.to_string()))?;
        return print(&format!("{text}\n"));
    }
    print(&changes.iter().map(line).collect::<String>())
}

fn line(change: &Change) -> String {
    let before = change.before.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
    format!("{}:{}: {before} -> {}\n", change.topic, change.partition, change.after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in_the_log() {
        let key = "t:0".parse().unwrap();
        let log = Log { start: Offset(10), end: Offset(20), stable_end: Offset(15) };
        for (offset, inside) in
            [(9, false), (10, true), (15, true), (20, true), (21, false), (i64::MAX, false)]
        {
            assert_eq!(outside(&key, Offset(offset), &log).is_none(), inside, "{offset}");
        }
        let empty = Log { start: Offset(0), end: Offset(0), stable_end: Offset(0) };
        assert_eq!(outside(&key, Offset(0), &empty), None);
        assert_eq!(
            outside(&key, Offset(5), &empty).unwrap(),
            "t:0: 5 is not in the log, which is from 0 to 0"
        );
    }

    #[test]
    fn what_is_not_as_it_was_set_is_noticed() {
        assert_eq!(unlike(Offset(5), &Ok(Some(Offset(5)))), None);
        assert!(unlike(Offset(5), &Ok(Some(Offset(6)))).unwrap().starts_with("is 6 now: somebody else"));
        assert!(unlike(Offset(5), &Ok(None)).unwrap().starts_with("is gone again"));
        assert!(unlike(Offset(5), &Err(OffsetError::Gone)).unwrap().starts_with("can't be read again"));
    }

    #[test]
    fn a_change_is_a_line() {
        let change = Change { topic: "t".to_owned(), partition: 3, before: None, after: 7 };
        assert_eq!(line(&change), "t:3: none -> 7\n");
        assert_eq!(line(&Change { before: Some(9), ..change }), "t:3: 9 -> 7\n");
    }
}
