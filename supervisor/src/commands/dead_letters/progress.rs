//! How far a command is, on a line of its own that is written over; only where stderr is a terminal, and a person reads the results.

use std::collections::BTreeMap;

use kafkavisor::ids::{Offset, TopicPartition};

use super::super::bar::{Line, bar};
use super::target::{Offsets, Target};
use crate::cli::Place;
use crate::exit::Failure;

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    line: Line,
    way: Way,
}

/// From where to where it goes in each partition, and how far it is.
#[derive(Debug, Default)]
struct Way(BTreeMap<TopicPartition, (Offset, Offset, Offset)>);

impl Way {
    fn of(target: &Target, begins: &Offsets) -> Self {
        let one = |(key, begin): (&TopicPartition, &Offset)| {
            let end = target.logs.get(key)?.stable_end;
            Some((key.clone(), (*begin, *begin, end)))
        };
        Self(begins.iter().filter_map(one).collect())
    }

    /// A bar and the hundredths, where it is known how far it is in all.
    fn to(&mut self, place: &Place) -> String {
        if let Some((begin, at, end)) = self.0.get_mut(&place.partition) {
            *at = place.offset.next().clamp(*begin, (*end).max(*begin));
        }
        let sum = |length: fn(&(Offset, Offset, Offset)) -> i64| -> i64 {
            self.0.values().map(length).map(|l| l.max(0)).sum()
        };
        let (done, all) = (sum(|(begin, at, _)| at.0 - begin.0), sum(|(begin, _, end)| end.0 - begin.0));
        bar(done, all)
    }
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        Self { line: Line::new(!json), way: Way::default() }
    }

    /// It is known how far it goes.
    pub(super) fn goes(&mut self, target: &Target, begins: &Offsets) {
        self.way = Way::of(target, begins);
    }

    /// Prints a result, and the line below it: what has been done up to `place`.
    pub(super) fn print(&mut self, result: &str, done: &str, place: &Place) -> Result<(), Failure> {
        self.line.clear();
        super::super::print(result)?;
        let bar = self.way.to(place);
        self.line.say(|| format!("{bar}{done}, at {place}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_over_all_partitions() {
        let key = |number: i32| -> TopicPartition { format!("orders.dead:{number}").parse().unwrap() };
        let place = |number, offset| Place { partition: key(number), offset: Offset(offset) };
        let way = |number: i32| (key(number), (Offset(10), Offset(10), Offset(30)));
        let mut all = Way([way(0), way(1)].into());
        assert_eq!(all.to(&place(0, 19)), "[#####---------------]  25 %  ");
        assert_eq!(
            all.to(&place(0, 99)),
            "[##########----------]  50 %  ",
            "what has come since does not count"
        );
        assert_eq!(all.to(&place(1, 29)), "[####################] 100 %  ");
        assert_eq!(Way::default().to(&place(0, 1)), "", "where nobody knows");
    }
}
