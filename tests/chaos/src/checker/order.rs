//! S4: within one handler's life each message is followed by the next, acknowledgements are of what was delivered, and no
//! life begins behind a message that nobody has acknowledged.

use std::collections::BTreeMap;

use super::index::Index;
use super::verdict::Violation;

pub(super) fn check(index: &Index) -> Vec<Violation> {
    index.lives.keys().flat_map(|partition| check_partition(index, *partition)).collect()
}

fn check_partition(index: &Index, partition: i32) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut violated = |at: u64, what: String| violations.push(Violation { invariant: "S4 order", at, what });
    let lives = &index.lives[&partition];
    for life in lives {
        for pair in life.delivered.windows(2) {
            let ((_, before, _), (at, after, _)) = (pair[0], pair[1]);
            if after != before + 1 {
                violated(at, format!("{partition}: {after} after {before} in one life of {:?}", life.who));
            }
        }
    }
    // Where lives begin and what was acknowledged, in the order of time.
    let begins = lives
        .iter()
        .filter_map(|life| life.delivered.first())
        .map(|(at, offset, _)| (*at, Event::Begins(*offset)));
    let acknowledgements = lives.iter().flat_map(|life| {
        let first = life.delivered.first().map_or(i64::MAX, |(_, offset, _)| *offset);
        life.acknowledged.iter().map(move |(at, up_to)| (*at, Event::Acknowledges(first, *up_to)))
    });
    let mut events: Vec<(u64, Event)> = begins.chain(acknowledgements).collect();
    events.sort_by_key(|(at, _)| *at);
    let mut frontier = Frontier::default();
    for (at, event) in events {
        match event {
            Event::Acknowledges(first, up_to) => frontier.acknowledge(first, up_to),
            Event::Begins(begin) if begin > frontier.next => violated(
                at,
                format!("{partition}: a life begins at {begin}, but {} is not acknowledged", frontier.next),
            ),
            Event::Begins(_) => {}
        }
    }
    violations
}

/// What happens to a partition.
enum Event {
    /// A life, at this offset.
    Begins(i64),
    /// From here to there.
    Acknowledges(i64, i64),
}

/// Up to where everything is acknowledged.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// The first message that is not.
    pub(super) next: i64,
    /// What is acknowledged beyond: begin to end, both included.
    beyond: BTreeMap<i64, i64>,
}

impl Frontier {
    /// Everything from `first` to `up_to` is acknowledged.
    pub(super) fn acknowledge(&mut self, first: i64, up_to: i64) {
        if first > self.next {
            let end = self.beyond.entry(first).or_insert(up_to);
            *end = up_to.max(*end);
            return;
        }
        self.next = self.next.max(up_to + 1);
        while let Some((first, up_to)) = self.beyond.first_key_value().map(|(first, up_to)| (*first, *up_to))
            && first <= self.next
        {
            self.beyond.remove(&first);
            self.next = self.next.max(up_to + 1);
        }
    }
}
