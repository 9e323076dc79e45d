//! A question about many partitions, in parts where somebody watches, so that they see how far it is.

use std::collections::{BTreeMap, BTreeSet};

use kafkavisor::ids::TopicPartition;

use super::super::bar::{Line, bar};

/// Asks about so many partitions at once, where somebody watches.
const PART: usize = 500;

/// Asks about all of them, with a bar for whoever waits.
pub(super) fn in_parts<T>(
    all: &BTreeSet<TopicPartition>,
    what: &str,
    ask: impl Fn(&BTreeSet<TopicPartition>) -> BTreeMap<TopicPartition, T>,
) -> BTreeMap<TopicPartition, T> {
    let mut line = Line::new(all.len() > PART);
    if !line.is_shown() {
        return ask(all);
    }
    let (keys, mut answers) = (all.iter().cloned().collect::<Vec<_>>(), BTreeMap::new());
    let whole = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    for part in keys.chunks(PART) {
        let done = i64::try_from(answers.len()).unwrap_or(i64::MAX);
        line.say(|| format!("{}{done} of {whole} {what}", bar(done, whole)));
        answers.extend(ask(&part.iter().cloned().collect()));
    }
    answers
}
