//! What is in flight: handed to the handler and not acknowledged, in the order of the partition.
//!
//! Acknowledgements are cumulative; a refused message holds the acknowledged offset back until its fate is settled, while the
//! handler may go on with those behind it. Pure; knows offsets and sizes, no bytes.

use std::collections::{BTreeSet, VecDeque};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::page::Latencies;

/// One message in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    pub offset: i64,
    /// Milliseconds since 1970, as Kafka has it.
    pub timestamp: i64,
    /// Key and value.
    pub bytes: u64,
    pub delivered_at: Boottime,
}

/// An answer that can't be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    #[error("{what} {offset}, which was not delivered (in flight: {in_flight})")]
    NotDelivered { what: &'static str, offset: i64, in_flight: String },
    #[error("{what} {offset} after {answered}: acknowledgements never go backwards")]
    Backwards { what: &'static str, offset: i64, answered: i64 },
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    pub messages: u64,
    pub bytes: u64,
}

/// The messages in flight.
#[derive(Debug)]
pub struct Window {
    messages: VecDeque<InFlight>,
    bytes: u64,
    /// Next offset to acknowledge: with something in flight, its head's, so that whoever reads it knows which message that is,
    /// whatever compaction and transaction markers have taken away before it.
    acknowledged: i64,
    /// Last offset handed over + 1.
    delivered: i64,
    first_delivered: Option<i64>,
    /// The handler has answered everything up to and including this.
    answered: Option<i64>,
    /// Refused, and not settled.
    refused: BTreeSet<i64>,
    latencies: Latencies,
}

impl Window {
    pub fn new(start: Offset) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            acknowledged: start.0,
            delivered: start.0,
            first_delivered: None,
            answered: None,
            refused: BTreeSet::new(),
            latencies: Latencies::default(),
        }
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn acknowledged(&self) -> Offset {
        Offset(self.acknowledged)
    }

    pub fn delivered(&self) -> Offset {
        Offset(self.delivered)
    }

    pub fn head(&self) -> Option<&InFlight> {
        self.messages.front()
    }

    /// How long messages took, of all that were settled.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// The last message handed over, while it is in flight.
    pub fn last(&self) -> Option<Offset> {
        self.messages.back().map(|m| Offset(m.offset))
    }

    /// The oldest message that the handler has not answered.
    pub fn unanswered(&self) -> Option<Offset> {
        self.messages.get(self.count_answered()).map(|m| Offset(m.offset))
    }

    /// How many the handler has not answered.
    pub fn count_unanswered(&self) -> u32 {
        u32::try_from(self.messages.len() - self.count_answered()).unwrap_or(u32::MAX)
    }

    fn count_answered(&self) -> usize {
        let answered = self.answered.unwrap_or(i64::MIN);
        self.messages.partition_point(|m| m.offset <= answered)
    }

    /// Whether the handler owes no answer. Asked for each message, so it searches nothing.
    pub fn is_answered(&self) -> bool {
        self.messages.back().is_none_or(|last| self.answered.is_some_and(|answered| last.offset <= answered))
    }

    pub fn deliver(&mut self, message: InFlight) {
        self.first_delivered.get_or_insert(message.offset);
        if self.messages.is_empty() {
            self.begin_at(Offset(message.offset));
        }
        self.delivered = message.offset.saturating_add(1);
        self.bytes = self.bytes.saturating_add(message.bytes);
        self.messages.push_back(message);
    }

    fn in_flight(&self, offset: i64) -> bool {
        self.messages.binary_search_by_key(&offset, |m| m.offset).is_ok()
    }

    fn check(&self, what: &'static str, offset: i64) -> Result<(), BadAnswer> {
        if let Some(answered) = self.answered.filter(|answered| offset < *answered) {
            return Err(BadAnswer::Backwards { what, offset, answered });
        }
        if self.answered == Some(offset) || self.in_flight(offset) {
            return Ok(());
        }
        Err(self.not_delivered(what, offset))
    }

    fn not_delivered(&self, what: &'static str, offset: i64) -> BadAnswer {
        let in_flight = match (self.messages.front(), self.messages.back()) {
            (Some(first), Some(last)) => format!("{} to {}", first.offset, last.offset),
            _ => "nothing".to_owned(),
        };
        BadAnswer::NotDelivered { what, offset, in_flight }
    }

    /// Everything up to and including `offset` is done.
    pub fn acknowledge(&mut self, at: Boottime, offset: Offset) -> Result<Settled, BadAnswer> {
        self.check("acknowledged", offset.0)?;
        self.answered = Some(offset.0);
        Ok(self.settle(at))
    }

    /// `offset` can never succeed; what came before it is done.
    pub fn refuse(&mut self, at: Boottime, offset: Offset) -> Result<Settled, BadAnswer> {
        if let Some(answered) = self.answered.filter(|answered| offset.0 <= *answered) {
            return Err(BadAnswer::Backwards { what: "rejected", offset: offset.0, answered });
        }
        self.check("rejected", offset.0)?;
        self.answered = Some(offset.0);
        self.refused.insert(offset.0);
        Ok(self.settle(at))
    }

    /// Still at work on `offset`; a late one is no error.
    pub fn busy(&self, offset: Offset) -> Result<(), BadAnswer> {
        let known = self.first_delivered.is_some_and(|first| offset.0 >= first) && offset.0 < self.delivered;
        if known { Ok(()) } else { Err(self.not_delivered("busy with", offset.0)) }
    }

    /// The fate of a message that its handler refused or died of is settled: it counts as done.
    pub fn resolve(&mut self, at: Boottime, offset: Offset) -> Settled {
        self.refused.remove(&offset.0);
        self.answered = self.answered.max(Some(offset.0));
        self.settle(at)
    }

    fn settle(&mut self, at: Boottime) -> Settled {
        let mut settled = Settled::default();
        let Some(answered) = self.answered else { return settled };
        let until = self.refused.first().copied().unwrap_or(i64::MAX);
        while let Some(front) = self.messages.front().copied() {
            if front.offset > answered || front.offset >= until {
                break;
            }
            self.messages.pop_front();
            self.acknowledged = front.offset.saturating_add(1);
            self.bytes = self.bytes.saturating_sub(front.bytes);
            settled.messages += 1;
            settled.bytes += front.bytes;
            self.latencies.note(at.since(front.delivered_at));
        }
        if let Some(head) = self.messages.front() {
            self.begin_at(Offset(head.offset));
        }
        settled
    }

    /// Everything below `offset` is done: there is no message between what was acknowledged last and it. So the
    /// acknowledged offset is the head's own while anything is in flight.
    pub fn begin_at(&mut self, offset: Offset) {
        self.acknowledged = self.acknowledged.max(offset.0);
        self.delivered = self.delivered.max(offset.0);
    }

    /// The log ends at `end` and everything before it has been seen: with nothing in flight there is nothing left to
    /// acknowledge, whatever markers and compaction took away.
    pub fn follow_end(&mut self, end: Offset) -> bool {
        if !self.messages.is_empty() || end.0 <= self.acknowledged {
            return false;
        }
        self.begin_at(end);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Boottime = Boottime(5_000_001);

    fn message(offset: i64) -> InFlight {
        InFlight { offset, timestamp: offset * 10, bytes: 10, delivered_at: Boottime(1) }
    }

    fn window(offsets: &[i64]) -> Window {
        let mut window = Window::new(Offset(*offsets.first().unwrap_or(&0)));
        offsets.iter().for_each(|o| window.deliver(message(*o)));
        window
    }

    #[test]
    fn acknowledgements_are_cumulative() {
        let mut w = window(&[10, 11, 15, 16]);
        assert_eq!(w.acknowledge(AT, Offset(15)), Ok(Settled { messages: 3, bytes: 30 }));
        assert_eq!((w.acknowledged(), w.len(), w.bytes()), (Offset(16), 1, 10));
        assert_eq!((w.latencies().counts[2], w.latencies().sum_micros), (3, 15_000));
        assert_eq!(w.acknowledge(AT, Offset(15)), Ok(Settled::default()));
        assert!(matches!(w.acknowledge(AT, Offset(11)), Err(BadAnswer::Backwards { .. })));
        assert!(matches!(w.acknowledge(AT, Offset(17)), Err(BadAnswer::NotDelivered { .. })));
    }

    #[test]
    fn acknowledged_is_the_head_whatever_is_missing_before_it() {
        let mut w = Window::new(Offset(3));
        w.deliver(message(10));
        assert_eq!(w.acknowledged(), Offset(10));
        w.deliver(message(15));
        w.acknowledge(AT, Offset(10)).unwrap();
        assert_eq!(w.acknowledged(), Offset(15));
        w.acknowledge(AT, Offset(15)).unwrap();
        assert_eq!(w.acknowledged(), Offset(16));
    }

    #[test]
    fn an_offset_in_a_gap_was_not_delivered() {
        let mut w = window(&[10, 15]);
        assert!(matches!(w.acknowledge(AT, Offset(12)), Err(BadAnswer::NotDelivered { .. })));
        assert!(matches!(w.acknowledge(AT, Offset(9)), Err(BadAnswer::NotDelivered { .. })));
    }

    #[test]
    fn a_refused_message_holds_the_acknowledged_offset_back() {
        let mut w = window(&[1, 2, 3, 4]);
        assert_eq!(w.refuse(AT, Offset(2)).unwrap().messages, 1);
        assert_eq!(w.acknowledge(AT, Offset(4)).unwrap().messages, 0);
        assert_eq!((w.acknowledged(), w.unanswered()), (Offset(2), None));
        assert_eq!(w.resolve(AT, Offset(2)).messages, 3);
        assert_eq!(w.acknowledged(), Offset(5));
    }

    #[test]
    fn busy_may_be_late_but_not_early() {
        let mut w = window(&[1, 2]);
        w.acknowledge(AT, Offset(2)).unwrap();
        assert_eq!(w.busy(Offset(1)), Ok(()));
        assert!(w.busy(Offset(3)).is_err());
        assert!(w.busy(Offset(0)).is_err());
    }

    #[test]
    fn the_end_is_followed_only_with_nothing_in_flight() {
        let mut w = window(&[1, 2]);
        assert!(!w.follow_end(Offset(9)));
        w.acknowledge(AT, Offset(2)).unwrap();
        assert!(w.follow_end(Offset(9)));
        assert_eq!((w.acknowledged(), w.delivered()), (Offset(9), Offset(9)));
        assert!(!w.follow_end(Offset(5)));
    }

    proptest! {
        /// Against a model that keeps every message with a flag.
        #[test]
        fn like_the_model(steps in proptest::collection::vec((0u8..4, 0i64..40), 1..200)) {
            let mut window = Window::new(Offset(0));
            let mut model: Vec<(i64, bool)> = Vec::new();
            let (mut next, mut answered) = (0i64, -1i64);
            let mut refused: std::collections::BTreeSet<i64> = std::collections::BTreeSet::new();
            for (kind, number) in steps {
                match kind {
                    0 => {
                        next += 1 + number % 3;
                        window.deliver(message(next));
                        model.push((next, false));
                    }
                    1 => {
                        let known = model.iter().any(|(o, _)| *o == number) && number >= answered;
                        prop_assert_eq!(window.acknowledge(AT, Offset(number)).is_ok(), known);
                        if known { answered = number; }
                    }
                    2 => {
                        let known = model.iter().any(|(o, _)| *o == number) && number > answered;
                        prop_assert_eq!(window.refuse(AT, Offset(number)).is_ok(), known);
                        if known { answered = number; refused.insert(number); }
                    }
                    _ => {
                        let head = model.iter().find(|(_, done)| !done).map(|(o, _)| *o);
                        if refused.contains(&number) || head == Some(number) {
                            window.resolve(AT, Offset(number));
                            refused.remove(&number);
                            answered = answered.max(number);
                        }
                    }
                }
                let hold = refused.iter().next().copied().unwrap_or(i64::MAX);
                for (offset, done) in &mut model {
                    *done |= *offset <= answered && *offset < hold;
                }
                let last = model.last().map_or(0, |(o, _)| o + 1);
                let expected = model.iter().find(|(_, done)| !done).map_or(last, |(o, _)| *o);
                prop_assert_eq!(window.acknowledged().0, expected);
                prop_assert_eq!(window.is_answered(), window.unanswered().is_none());
                prop_assert_eq!(window.len() as usize, model.iter().filter(|(_, done)| !done).count());
            }
        }
    }
}
