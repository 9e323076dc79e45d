//! Which letters are meant: those that are named, or those that filters let through.

use std::collections::BTreeSet;

use kafkavisor::ids::{Group, Topic, TopicPartition};
use kafkavisor_kafka::dead_letter::Letter;

use super::reading::Reader;
use super::target::Target;
use crate::cli::{FilterArgs, LettersArgs, Origin, Place};
use crate::exit::Failure;

/// What letters have to be like.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    args: &'a FilterArgs,
    group: Option<&'a Group>,
}

impl<'a> Filter<'a> {
    pub(super) fn of(args: &'a LettersArgs) -> Self {
        Self { args: &args.filter, group: args.dead.group.as_ref() }
    }

    /// Whether it lets the letter through.
    pub(super) fn matches(&self, letter: &Letter) -> bool {
        let FilterArgs { error, key, origin, since, until } = self.args;
        self.group.is_none_or(|group| letter.group == *group)
            && error.as_ref().is_none_or(|text| letter.error.contains(text))
            && key.as_ref().is_none_or(|key| letter.key.as_deref() == Some(key.as_bytes()))
            && origin.as_ref().is_none_or(|origin| came_from(origin, &letter.from))
            && since.is_none_or(|since| letter.timestamp >= since)
            && until.is_none_or(|until| letter.timestamp < until)
    }
}

fn came_from(origin: &Origin, from: &TopicPartition) -> bool {
    origin.topic == from.topic && origin.partition.is_none_or(|partition| partition == from.partition)
}

/// What can't be said beside letters that are named, and letters of another topic.
pub(super) fn check(args: &LettersArgs) -> Result<(), Failure> {
    let FilterArgs { error, key, origin, since, until } = &args.filter;
    let beside = [
        ("--from", args.span.from.is_some()),
        ("--count", args.span.count.is_some()),
        ("--error", error.is_some()),
        ("--key", key.is_some()),
        ("--origin", origin.is_some()),
        ("--since", since.is_some()),
        ("--until", until.is_some()),
    ];
    if args.letters.is_empty() {
        return Ok(());
    }
    if let Some((option, _)) = beside.iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!(
            "{option} makes no sense beside letters that are named: leave one away"
        )));
    }
    of_topic(&args.letters, &args.dead.topic)
}

fn of_topic(letters: &[Place], topic: &Topic) -> Result<(), Failure> {
    let Some(place) = letters.iter().find(|place| place.partition.topic != *topic) else { return Ok(()) };
    Err(Failure::usage(format!(
        "{place} is in another topic than -t {topic}: name letters by their own places in it"
    )))
}

/// The letters that are named, all of them, in the order of their places.
pub(super) fn named(args: &LettersArgs, target: &Target) -> Result<Vec<(Place, Letter)>, Failure> {
    let places: BTreeSet<&Place> = args.letters.iter().collect();
    let (mut letters, mut missing) = (Vec::new(), Vec::new());
    for place in places {
        match at(place, target)? {
            Ok(letter) if args.dead.group.as_ref().is_none_or(|group| letter.group == *group) => {
                letters.push((place.clone(), letter));
            }
            Ok(letter) => missing.push(format!("{place}: it is a letter of group {}", letter.group)),
            Err(why) => missing.push(format!("{place}: {why}")),
        }
    }
    if missing.is_empty() { Ok(letters) } else { Err(Failure::failed(missing.join("\n"))) }
}

/// The letter there, or why there is none.
fn at(place: &Place, target: &Target) -> Result<Result<Letter, String>, Failure> {
    let Some(log) = target.logs.get(&place.partition) else {
        let count = target.logs.len();
        return Ok(Err(format!("there is no such partition: {} has {count}, from 0 on", target.topic)));
    };
    if !(log.start..log.stable_end).contains(&place.offset) {
        let (start, end) = (log.start, log.stable_end);
        return Ok(Err(format!("there is no letter: the log is from {start} to {end}")));
    }
    Ok(match Reader::start(target, &place.partition, place.offset)?.next()? {
        Some((offset, Ok(letter))) if offset == place.offset => Ok(*letter),
        Some((offset, Err(why))) if offset == place.offset => Err(why.to_string()),
        Some(_) | None => Err("there is no letter at this offset".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::print::tests::a_letter;
    use super::*;

    fn letter() -> Letter {
        Letter {
            timestamp: 1000,
            error: "connection timeout".to_owned(),
            key: Some(b"k".to_vec()),
            ..a_letter()
        }
    }

    fn none() -> FilterArgs {
        FilterArgs { error: None, key: None, origin: None, since: None, until: None }
    }

    #[track_caller]
    fn matches(args: &FilterArgs, letter: &Letter, expected: bool) {
        assert_eq!(Filter { args, group: None }.matches(letter), expected, "{args:?}");
    }

    #[test]
    fn each_filter_lets_through_what_it_names() {
        matches(&none(), &letter(), true);
        for (text, expected) in [("timeout", true), ("", true), ("Timeout", false)] {
            matches(&FilterArgs { error: Some(text.to_owned()), ..none() }, &letter(), expected);
        }
        for (key, expected) in [("k", true), ("", false), ("kk", false)] {
            matches(&FilterArgs { key: Some(key.to_owned()), ..none() }, &letter(), expected);
        }
        matches(&FilterArgs { key: Some(String::new()), ..none() }, &Letter { key: None, ..letter() }, false);
        for (origin, expected) in
            [("orders", true), ("orders:3", true), ("orders:4", false), ("order", false)]
        {
            matches(&FilterArgs { origin: Some(origin.parse().unwrap()), ..none() }, &letter(), expected);
        }
        for (since, until, expected) in [(1000, 1001, true), (1001, 2000, false), (0, 1000, false)] {
            matches(&FilterArgs { since: Some(since), until: Some(until), ..none() }, &letter(), expected);
        }
        for (group, expected) in [("billing", true), ("bill", false)] {
            let group = group.parse().unwrap();
            assert_eq!(Filter { args: &none(), group: Some(&group) }.matches(&letter()), expected);
        }
    }

    #[test]
    fn a_letter_is_named_by_its_place_in_the_topic() {
        let topic = Topic::new("orders.dead").unwrap();
        let places = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Place>>();
        assert!(of_topic(&places(&["orders.dead:0:1", "orders.dead:3:0"]), &topic).is_ok());
        let refused = of_topic(&places(&["orders.dead:0:1", "orders:3:42"]), &topic).unwrap_err();
        assert!(refused.message.starts_with("orders:3:42 is in another topic"), "{}", refused.message);
    }
}
