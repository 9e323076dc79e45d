//! What a handler was given and what it answered, by what its worker tells: what is open, what is wrong, how long it has said
//! nothing. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor_link::trace::{Sample, Traced};

use super::fault::{Fault, Span};

/// How long a handler may say nothing with messages in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until its first answer.
    pub(super) first: Duration,
    pub(super) later: Duration,
    /// So much longer it is waited for, to tell who is late from who never answers.
    pub(super) grace: Duration,
}

/// A message that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) offset: i64,
    pub(super) at: Boottime,
    pub(super) timestamp: i64,
    pub(super) attempt: u32,
    pub(super) key: Option<Sample>,
    pub(super) value: Option<Sample>,
    /// How often it was said to be at work.
    pub(super) busy: u32,
}

/// What was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    Acknowledged,
    Rejected(String),
}

/// A message that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) message: Delivered,
    pub(super) made: Made,
    pub(super) took: Duration,
}

/// See the module. Of one handler.
#[derive(Debug)]
pub(super) struct Ledger {
    /// None with `exec`, where a worker keeps the time of each process.
    patience: Option<Patience>,
    open: BTreeMap<i64, Delivered>,
    delivered: Option<Span>,
    answered: Option<i64>,
    silent_since: Option<Boottime>,
    flushed: Option<i64>,
    flushes: u32,
    began: bool,
    at_end: bool,
    in_flight: Option<u32>,
    wrong: Option<Fault>,
    late: Option<Fault>,
}

impl Ledger {
    pub(super) fn new(patience: Option<Patience>) -> Self {
        Self {
            patience,
            open: BTreeMap::new(),
            delivered: None,
            answered: None,
            silent_since: None,
            flushed: None,
            flushes: 0,
            began: false,
            at_end: false,
            in_flight: None,
            wrong: None,
            late: None,
        }
    }

    /// What is not answered.
    pub(super) fn open(&self) -> impl Iterator<Item = &Delivered> {
        self.open.values()
    }

    /// The same in short.
    pub(super) fn left(&self) -> Option<Span> {
        span(self.open.keys())
    }

    /// Everything is delivered, and everything answered.
    pub(super) fn is_done(&self) -> bool {
        self.at_end && self.open.is_empty()
    }

    /// It reads.
    pub(super) fn has_begun(&self) -> bool {
        self.began
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// How many messages are in flight while answers wait.
    pub(super) fn in_flight(&self) -> Option<u32> {
        self.in_flight
    }

    /// How often it was asked to finish what it has.
    pub(super) fn flushes(&self) -> u32 {
        self.flushes
    }

    /// Whether it was asked to finish what is open.
    pub(super) fn is_flushed(&self) -> bool {
        self.open.keys().next().is_some_and(|first| self.flushed.is_some_and(|flushed| *first <= flushed))
    }

    /// An answer that its worker does not take.
    pub(super) fn wrong(&self) -> Option<&Fault> {
        self.wrong.as_ref()
    }

    /// An answer that came after its time.
    pub(super) fn late(&self) -> Option<&Fault> {
        self.late.as_ref()
    }

    /// Its worker is led otherwise from here on.
    pub(super) fn led(&mut self) {
        (self.at_end, self.in_flight) = (false, None);
    }

    /// Until now it could not be heard.
    pub(super) fn forgive(&mut self, now: Boottime) {
        self.silent_since = self.silent_since.map(|_| now);
    }

    /// How long it has said nothing, where that is longer than it is waited for.
    pub(super) fn silence(&self, now: Boottime) -> Option<Duration> {
        let silent = now.since(self.silent_since?);
        let patience = self.patience?;
        (silent > self.limit(patience).0 + patience.grace).then_some(silent)
    }

    fn limit(&self, patience: Patience) -> (Duration, &'static str) {
        match self.answered {
            None => (patience.first, "handler.start_timeout"),
            Some(_) => (patience.later, "handler.timeout"),
        }
    }

    /// Takes what its worker tells; what is answered by it goes to `sink`.
    pub(super) fn hear(&mut self, traced: Traced, sink: &mut dyn FnMut(Answered)) {
        match traced {
            Traced::Delivered { at, offset, timestamp, attempt, key, value } => {
                let (offset, at) = (offset.0, Boottime(at));
                self.deliver(Delivered { offset, at, timestamp, attempt, key, value, busy: 0 });
            }
            Traced::Acknowledged { at, offset } => {
                self.answer("acknowledged", offset.0, Boottime(at), Made::Acknowledged, sink);
            }
            Traced::Rejected { at, offset, error } => {
                self.answer("rejected", offset.0, Boottime(at), Made::Rejected(error), sink);
            }
            Traced::Busy { at, offset } => self.busy(offset.0, Boottime(at)),
            Traced::Flushed { .. } => {
                self.flushes += 1;
                self.flushed = self.delivered.map(|span| span.last);
            }
            Traced::Began => self.began = true,
            Traced::AtEnd => self.at_end = true,
            Traced::StandsStill { in_flight } => self.in_flight = Some(in_flight),
        }
    }

    fn deliver(&mut self, message: Delivered) {
        let offset = message.offset;
        if self.open.is_empty() {
            self.silent_since = Some(message.at);
        }
        let span = self.delivered.get_or_insert(Span { first: offset, last: offset, count: 0 });
        (span.last, span.count) = (offset, span.count + 1);
        self.open.insert(offset, message);
    }

    fn busy(&mut self, offset: i64, at: Boottime) {
        if let Some(message) = self.open.get_mut(&offset) {
            message.busy += 1;
        }
        if self.delivered.is_none_or(|span| offset > span.last) {
            self.note(Fault::TooEarly { what: "was busy with", offset, delivered: self.delivered });
        }
        self.silent_since = self.silent_since.map(|_| at);
    }

    fn note(&mut self, wrong: Fault) {
        self.wrong.get_or_insert(wrong);
    }

    fn answer(
        &mut self,
        what: &'static str,
        offset: i64,
        at: Boottime,
        made: Made,
        sink: &mut dyn FnMut(Answered),
    ) {
        if let Err(fault) = self.check(what, offset, made == Made::Acknowledged) {
            return self.note(fault);
        }
        self.judge_time(offset, at);
        let behind = self.open.split_off(&offset.saturating_add(1));
        let answered = std::mem::replace(&mut self.open, behind);
        self.answered = Some(offset);
        self.silent_since = (!self.open.is_empty()).then_some(at);
        for (of, message) in answered {
            let made = if of == offset { made.clone() } else { Made::Acknowledged };
            let took = at.since(message.at);
            sink(Answered { message, made, took });
        }
    }

    /// As its worker judges it.
    fn check(&self, what: &'static str, offset: i64, again: bool) -> Result<(), Fault> {
        if let Some(answered) = self.answered
            && (offset < answered || (offset == answered && !again))
        {
            return Err(Fault::Backwards { what, offset, answered });
        }
        match self.delivered {
            _ if self.open.contains_key(&offset) || self.answered == Some(offset) => Ok(()),
            Some(delivered) if offset < delivered.last => {
                Err(Fault::NeverDelivered { what, offset, delivered })
            }
            delivered => Err(Fault::TooEarly { what, offset, delivered }),
        }
    }

    fn judge_time(&mut self, offset: i64, at: Boottime) {
        let (Some(since), Some(patience)) = (self.silent_since, self.patience) else { return };
        let (took, (limit, key)) = (at.since(since), self.limit(patience));
        if took > limit
            && let Some(span) = span(self.open.range(..=offset).map(|(offset, _)| offset))
        {
            self.late.get_or_insert(Fault::TooLate { span, took, limit, key });
        }
    }
}

fn span<'a>(mut offsets: impl Iterator<Item = &'a i64>) -> Option<Span> {
    let first = *offsets.next()?;
    let (last, count) = offsets.fold((first, 1), |(_, count), offset| (*offset, count + 1));
    Some(Span { first, last, count })
}

#[cfg(test)]
mod tests {
    use kafkavisor::ids::Offset;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ledger() -> Ledger {
        let (first, later, grace) = (Duration::from_secs(4), Duration::from_secs(2), Duration::from_secs(1));
        Ledger::new(Some(Patience { first, later, grace }))
    }

    fn hear(ledger: &mut Ledger, traced: Traced) -> Vec<(i64, Made)> {
        let mut answered = Vec::new();
        ledger.hear(traced, &mut |one| answered.push((one.message.offset, one.made)));
        answered
    }

    fn deliver(ledger: &mut Ledger, at: u64, offsets: &[i64]) {
        for offset in offsets {
            let (offset, at) = (Offset(*offset), at * SECOND);
            let (key, value) = (None, None);
            hear(ledger, Traced::Delivered { at, offset, timestamp: 0, attempt: 1, key, value });
        }
    }

    fn ack(ledger: &mut Ledger, at: u64, offset: i64) -> Vec<(i64, Made)> {
        hear(ledger, Traced::Acknowledged { at: at * SECOND, offset: Offset(offset) })
    }

    #[test]
    fn an_answer_covers_what_came_before_it() {
        let mut ledger = ledger();
        deliver(&mut ledger, 1, &[3, 5, 9]);
        assert_eq!(ack(&mut ledger, 1, 3), [(3, Made::Acknowledged)]);
        let (at, offset, error) = (SECOND, Offset(9), "bad".to_owned());
        let rejected = hear(&mut ledger, Traced::Rejected { at, offset, error });
        assert_eq!(rejected, [(5, Made::Acknowledged), (9, Made::Rejected("bad".to_owned()))]);
        assert!(!ledger.is_done());
        hear(&mut ledger, Traced::AtEnd);
        assert!(ledger.is_done() && ledger.wrong().is_none() && ledger.late().is_none());
    }

    #[test]
    fn too_early_is_told_from_never_and_from_backwards() {
        let wrong = |offset| {
            let mut ledger = ledger();
            deliver(&mut ledger, 1, &[3, 5, 9]);
            ack(&mut ledger, 1, 5);
            ack(&mut ledger, 1, offset);
            ledger.wrong().map(ToString::to_string).unwrap_or_default()
        };
        assert_eq!(wrong(5), "", "once more is no error");
        assert!(wrong(10).contains("too early: it acknowledged offset 10") && wrong(10).contains("3 to 9"));
        assert!(wrong(7).contains("never delivered") && wrong(3).contains("backwards"));
        let mut first = ledger();
        ack(&mut first, 1, 0);
        assert!(first.wrong().unwrap().to_string().contains("before anything was delivered"));
    }

    #[test]
    fn late_is_after_the_time_out_and_silent_is_after_more_than_that() {
        let mut ledger = ledger();
        deliver(&mut ledger, 10, &[0]);
        assert_eq!(ledger.silence(Boottime(15 * SECOND)), None, "it may start, and a little longer");
        ack(&mut ledger, 15, 0);
        assert!(ledger.late().unwrap().to_string().contains("handler.start_timeout is 4.0 s"));
        deliver(&mut ledger, 20, &[1, 2]);
        ack(&mut ledger, 21, 1);
        assert_eq!(ledger.silence(Boottime(24 * SECOND)), None);
        assert_eq!(ledger.silence(Boottime(25 * SECOND)), Some(Duration::from_secs(4)));
        hear(&mut ledger, Traced::Busy { at: 24 * SECOND, offset: Offset(2) });
        assert_eq!(ledger.silence(Boottime(25 * SECOND)), None);
        ledger.forgive(Boottime(27 * SECOND));
        assert_eq!(ledger.silence(Boottime(29 * SECOND)), None);
        assert_eq!(ledger.left(), Some(Span { first: 2, last: 2, count: 1 }));
        ack(&mut ledger, 29, 2);
        assert_eq!(ledger.silence(Boottime(100 * SECOND)), None, "it owes nothing");
    }

    #[test]
    fn a_flush_is_for_what_was_delivered_before_it() {
        let mut ledger = ledger();
        deliver(&mut ledger, 1, &[0, 1]);
        hear(&mut ledger, Traced::Flushed { at: SECOND });
        assert!(ledger.is_flushed());
        ack(&mut ledger, 1, 1);
        deliver(&mut ledger, 1, &[2]);
        assert!(!ledger.is_flushed() && ledger.flushes() == 1);
    }
}
