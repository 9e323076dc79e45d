//! Checks of what handlers recorded against what was produced: the promises of delivery, as assertions.
//!
//! A *life* is one handler process on one partition. Promises hold for each partition by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::message::{Content, Produced};
use crate::records::{Event, Record, Records};
use crate::topic::Topic;

/// What one handler process did.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Its process.
    pub pid: u32,
    /// Its supervisor's folder.
    pub instance: String,
    /// The offsets it was given, in order.
    pub delivered: Vec<i64>,
    /// The attempts said with them.
    pub attempts: Vec<Option<u64>>,
    /// What was in the messages.
    pub contents: Vec<Content>,
    /// Up to which offset it was about to acknowledge.
    pub acknowledging: Option<i64>,
    /// Up to which offset it has acknowledged for certain.
    pub acknowledged: Option<i64>,
    /// The reason of the stop it was told.
    pub stopped: Option<String>,
    /// Whether it ended by itself.
    pub ended: bool,
}

/// The records of one topic, by partition and life.
#[derive(Debug)]
pub struct History {
    produced: BTreeMap<i32, Vec<Produced>>,
    lives: BTreeMap<i32, Vec<Life>>,
}

impl History {
    /// Reads the records; asserts on the way that no two handlers of a partition ever worked at the same time.
    #[track_caller]
    pub fn of(records: &Records, topic: &Topic) -> Self {
        Self::from(topic.produced(), records.read().into_iter().filter(|record| record.topic == topic.name))
    }

    #[track_caller]
    fn from(produced: BTreeMap<i32, Vec<Produced>>, records: impl Iterator<Item = Record>) -> Self {
        let mut lives: BTreeMap<i32, Vec<Life>> = BTreeMap::new();
        for record in records {
            add(lives.entry(record.partition).or_default(), record);
        }
        Self { produced, lives }
    }

    /// The handlers of a partition, one after the other.
    pub fn lives(&self, partition: i32) -> &[Life] {
        self.lives.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Every message was delivered as it was produced, and nothing else was.
    #[track_caller]
    pub fn assert_exact(&self) {
        for (partition, lives) in &self.lives {
            let known: HashMap<i64, &Content> = self
                .of_partition(*partition)
                .iter()
                .map(|message| (message.offset, &message.content))
                .collect();
            for life in lives {
                for (offset, content) in life.delivered.iter().zip(&life.contents) {
                    let expected = known.get(offset);
                    assert_eq!(Some(&content), expected, "partition {partition}, offset {offset}");
                }
            }
        }
        for (partition, messages) in &self.produced {
            let seen: BTreeSet<i64> =
                self.lives(*partition).iter().flat_map(|life| life.delivered.iter().copied()).collect();
            let lost: Vec<i64> =
                messages.iter().map(|m| m.offset).filter(|offset| !seen.contains(offset)).collect();
            assert!(lost.is_empty(), "never delivered in partition {partition}: {}", some(&lost));
        }
    }

    /// Every message was acknowledged by a handler that was given it.
    #[track_caller]
    pub fn assert_acknowledged(&self) {
        for (partition, messages) in &self.produced {
            let lives = self.lives(*partition);
            let mut done = BTreeSet::new();
            for life in lives {
                let Some(last) = life.acknowledging else { continue };
                done.extend(life.delivered.iter().copied().filter(|offset| *offset <= last));
            }
            let open: Vec<i64> =
                messages.iter().map(|m| m.offset).filter(|offset| !done.contains(offset)).collect();
            assert!(open.is_empty(), "never acknowledged in partition {partition}: {}", some(&open));
        }
    }

    /// Each handler was given consecutive messages, and each successor went on without leaving one out.
    #[track_caller]
    pub fn assert_gapless(&self) {
        for (partition, lives) in &self.lives {
            let place: HashMap<i64, usize> =
                self.of_partition(*partition).iter().enumerate().map(|(at, m)| (m.offset, at)).collect();
            let at = |offset: i64| {
                *place
                    .get(&offset)
                    .unwrap_or_else(|| panic!("partition {partition}: offset {offset} was invented"))
            };
            let mut furthest = None;
            for life in lives {
                for (previous, next) in life.delivered.iter().zip(life.delivered.iter().skip(1)) {
                    assert_eq!(
                        at(*previous) + 1,
                        at(*next),
                        "partition {partition}, handler {}: {next} came after {previous}",
                        life.pid
                    );
                }
                let (Some(first), Some(last)) = (life.delivered.first(), life.delivered.last()) else {
                    continue;
                };
                let gap = furthest.map_or(at(*first) > 0, |furthest| at(*first) > furthest + 1);
                assert!(
                    !gap,
                    "partition {partition}: handler {} began at {first}, and left something out",
                    life.pid
                );
                furthest = furthest.max(Some(at(*last)));
            }
        }
    }

    /// No message came twice.
    #[track_caller]
    pub fn assert_no_duplicates(&self) {
        let twice = self.duplicates();
        assert!(twice.is_empty(), "delivered more than once: {}", some(&twice));
    }

    /// The messages that came more than once, (partition, offset), once for each repeat.
    pub fn duplicates(&self) -> Vec<(i32, i64)> {
        let mut twice = Vec::new();
        for (partition, lives) in &self.lives {
            let mut seen = BTreeSet::new();
            for offset in lives.iter().flat_map(|life| &life.delivered) {
                if !seen.insert(*offset) {
                    twice.push((*partition, *offset));
                }
            }
        }
        twice
    }

    /// Each life repeats at most `window` messages of those before it: what was in flight when they ended. Where a life is
    /// the first of another instance than the one before (a takeover without a drain), it may go back to `committed`.
    #[track_caller]
    pub fn assert_repeats_within(&self, window: usize, committed: &BTreeMap<i32, i64>) {
        for (partition, lives) in &self.lives {
            let place: HashMap<i64, usize> =
                self.of_partition(*partition).iter().enumerate().map(|(at, m)| (m.offset, at)).collect();
            let mut furthest: Option<(i64, &str)> = None;
            for life in lives {
                let (Some(first), Some(last)) = (life.delivered.first(), life.delivered.last()) else {
                    continue;
                };
                if let Some((before, instance)) = furthest {
                    let repeats = (place[&before] + 1).saturating_sub(place[first]);
                    let taken_over = instance != life.instance;
                    let allowed = repeats <= window
                        || (taken_over
                            && committed.get(partition).is_some_and(|committed| first >= committed));
                    assert!(
                        allowed,
                        "partition {partition}: handler {} repeats {repeats} messages from {first} on, more than {window} \
                         (taken over: {taken_over}, committed: {committed:?})",
                        life.pid
                    );
                }
                let reached = furthest.map_or(*last, |(before, _)| before.max(*last));
                furthest = Some((reached, &life.instance));
            }
        }
    }

    /// What must hold after any fault: all delivered, all acknowledged, in order.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        self.assert_exact();
        self.assert_acknowledged();
        self.assert_gapless();
    }

    /// What must hold where nothing was killed: all that, and nothing twice.
    #[track_caller]
    pub fn assert_exactly_once(&self) {
        self.assert_nothing_lost();
        self.assert_no_duplicates();
    }

    fn of_partition(&self, partition: i32) -> &[Produced] {
        self.produced.get(&partition).map_or(&[], Vec::as_slice)
    }
}

#[track_caller]
fn add(lives: &mut Vec<Life>, record: Record) {
    // Pids come around again; a handler's first record tells it from an earlier one with the same.
    let begins = matches!(record.event, Event::Started { .. });
    if begins || lives.last().is_none_or(|last| last.pid != record.pid) {
        let earlier = lives.iter().any(|life| life.pid == record.pid);
        assert!(
            begins || !earlier,
            "partition {}: handler {} still worked ({:?}) after its successor had begun",
            record.partition,
            record.pid,
            record.event
        );
        lives.push(Life { pid: record.pid, instance: record.instance, ..Life::default() });
    }
    let Some(life) = lives.last_mut() else { return };
    match record.event {
        Event::Message { offset, attempt, content, .. } => {
            life.delivered.push(offset);
            life.attempts.push(attempt);
            life.contents.push(content);
        }
        Event::Acknowledging(offset) => life.acknowledging = Some(offset),
        Event::Acknowledged(offset) => life.acknowledged = Some(offset),
        Event::Stop(reason) => life.stopped = Some(reason),
        Event::Ended => life.ended = true,
        Event::Started { .. } | Event::Init(_) | Event::Rejected(_) | Event::Flush => {}
    }
}

/// The first few, and how many there are.
fn some<T: std::fmt::Debug>(all: &[T]) -> String {
    format!("{} in all, first {:?}", all.len(), &all[..all.len().min(10)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    /// Offsets 0 to 5, but for 3, which is a marker.
    fn produced() -> BTreeMap<i32, Vec<Produced>> {
        let content = Content::from(&Message::to(0, "value"));
        let at = |offset| Produced { partition: 0, offset, content: content.clone() };
        [(0, [0, 1, 2, 4, 5].map(at).to_vec())].into()
    }

    fn record(pid: u32, event: Event) -> Record {
        Record { pid, instance: format!("{}", pid / 10), topic: "t".to_owned(), partition: 0, event }
    }

    fn message(pid: u32, offset: i64) -> Record {
        let content = Content::from(&Message::to(0, "value"));
        record(pid, Event::Message { offset, timestamp: 0, attempt: None, content })
    }

    /// Handlers, each with the offsets it was given and acknowledged one by one.
    fn history(lives: &[(u32, &[i64])]) -> History {
        let events = lives.iter().flat_map(|(pid, offsets)| {
            let done = |offset: &i64| [message(*pid, *offset), record(*pid, Event::Acknowledging(*offset))];
            offsets.iter().flat_map(done).collect::<Vec<_>>()
        });
        History::from(produced(), events)
    }

    #[track_caller]
    fn fails(check: impl FnOnce() + std::panic::UnwindSafe) {
        assert!(std::panic::catch_unwind(check).is_err(), "the check should have failed");
    }

    #[test]
    fn what_is_right_passes() {
        let right = history(&[(1, &[0, 1, 2]), (2, &[4, 5])]);
        right.assert_exactly_once();
        right.assert_repeats_within(0, &BTreeMap::new());
        assert_eq!(right.lives(0).len(), 2);
    }

    #[test]
    fn what_is_lost_is_noticed() {
        fails(|| history(&[(1, &[0, 1, 2, 4])]).assert_exact());
        fails(|| history(&[(1, &[1, 2, 4, 5])]).assert_gapless());
        fails(|| history(&[(1, &[0, 1]), (2, &[4, 5])]).assert_gapless());
        fails(|| history(&[]).assert_exact());
        fails(|| History::from(produced(), [message(1, 0)].into_iter()).assert_acknowledged());
    }

    #[test]
    fn what_is_invented_or_changed_is_noticed() {
        fails(|| history(&[(1, &[0, 1, 2, 3, 4, 5])]).assert_exact());
        fails(|| history(&[(1, &[0, 1, 2, 4, 5, 6])]).assert_exact());
        let other = Content::from(&Message::to(0, "another value"));
        let changed = record(1, Event::Message { offset: 0, timestamp: 0, attempt: None, content: other });
        fails(|| History::from(produced(), [changed].into_iter()).assert_exact());
    }

    #[test]
    fn order_and_repeats_are_noticed() {
        fails(|| history(&[(1, &[0, 2, 1, 4, 5])]).assert_gapless());
        fails(|| history(&[(1, &[0, 1, 1, 2, 4, 5])]).assert_gapless());
        let repeated = history(&[(1, &[0, 1, 2]), (2, &[1, 2, 4, 5])]);
        repeated.assert_nothing_lost();
        assert_eq!(repeated.duplicates(), [(0, 1), (0, 2)]);
        repeated.assert_repeats_within(2, &BTreeMap::new());
        fails(|| history(&[(1, &[0, 1, 2]), (2, &[1, 2, 4, 5])]).assert_repeats_within(1, &BTreeMap::new()));
        fails(|| history(&[(1, &[0, 1, 2]), (2, &[1, 2, 4, 5])]).assert_no_duplicates());
    }

    #[test]
    fn only_another_instance_may_go_back_to_what_is_committed() {
        let committed: BTreeMap<i32, i64> = [(0, 1)].into();
        history(&[(1, &[0, 1, 2]), (11, &[1, 2, 4, 5])]).assert_repeats_within(0, &committed);
        fails(|| history(&[(1, &[0, 1, 2]), (2, &[1, 2, 4, 5])]).assert_repeats_within(0, &[(0, 1)].into()));
        fails(|| history(&[(1, &[0, 1, 2]), (11, &[0, 1, 2, 4])]).assert_repeats_within(0, &[(0, 1)].into()));
    }

    #[test]
    fn two_at_a_time_are_noticed() {
        fails(|| {
            let _ = history(&[(1, &[0]), (2, &[1]), (1, &[2])]);
        });
    }
}
