//! How much of a handler's log is passed on: so many lines and bytes in each second, and of what is left out the last lines of a
//! process, a few of them in each second too. Pure.

use std::time::{Duration, Instant};

use kafkavisor_link::message::LogAllowance;

const PERIOD: Duration = Duration::from_secs(1);
/// Bytes that go with a thousand lines.
const BYTES: usize = 4 << 20;
/// Last lines in a period, where there are so many.
pub(super) const LAST: usize = 20;

/// What is left of it in this period.
#[derive(Debug)]
pub(super) struct LogBudget {
    per_second: u32,
    period_began: Option<Instant>,
    lines: u32,
    bytes: usize,
    /// None was passed on in this period.
    fresh: bool,
    last: usize,
}

impl LogBudget {
    pub(super) fn new(allowance: LogAllowance) -> Self {
        let mut budget = Self {
            per_second: allowance.per_second,
            period_began: None,
            lines: 0,
            bytes: 0,
            fresh: true,
            last: 0,
        };
        budget.fill(allowance.at_first);
        budget
    }

    fn fill(&mut self, lines: u32) {
        let per_second = usize::try_from(self.per_second).unwrap_or(usize::MAX);
        (self.lines, self.fresh) = (lines, true);
        self.bytes = BYTES.saturating_mul(usize::try_from(lines).unwrap_or(usize::MAX)) / 1000;
        self.last = LAST.min(per_second.max(1));
    }

    /// Begins the next period where one is over; true if so.
    pub(super) fn renew(&mut self, now: Instant) -> bool {
        let began = *self.period_began.get_or_insert(now);
        let over = now.saturating_duration_since(began) >= PERIOD;
        if over {
            self.period_began = Some(now);
            self.fill(self.per_second);
        }
        over
    }

    /// Takes a line of so many bytes, if there is room; the first of a period is never too long.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        if self.lines == 0 || (!self.fresh && bytes > self.bytes) {
            return false;
        }
        self.fresh = false;
        self.lines -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// How many of so many last lines may be passed on.
    pub(super) fn take_last(&mut self, lines: usize) -> usize {
        let taken = lines.min(self.last);
        self.last -= taken;
        taken
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    fn taken(budget: &mut LogBudget, of: usize) -> usize {
        (0..of).filter(|_| budget.take(1)).count()
    }

    #[test]
    fn each_second_has_its_lines_and_the_first_as_many_as_are_given() {
        let mut budget = LogBudget::new(LogAllowance { at_first: 3, per_second: 50 });
        let time = now();
        assert!(!budget.renew(time));
        assert_eq!(taken(&mut budget, 100), 3);
        assert!(!budget.renew(time + PERIOD / 2) && budget.renew(time + PERIOD));
        assert_eq!(taken(&mut budget, 100), 50);
    }

    #[test]
    fn bytes_go_with_lines_but_one_line_is_never_too_long() {
        let mut budget = LogBudget::new(LogAllowance { at_first: 1000, per_second: 1 });
        let taken = (0..6).filter(|_| budget.take(1 << 20)).count();
        assert_eq!(taken, 4);
        budget.renew(now());
        assert!(budget.renew(now() + PERIOD) && budget.take(1 << 20) && !budget.take(1));
    }

    #[test]
    fn processes_that_die_one_after_the_other_share_the_last_lines_of_a_second() {
        let mut budget = LogBudget::new(LogAllowance { at_first: 0, per_second: 100 });
        let time = now();
        budget.renew(time);
        assert_eq!([15, 15, 15].map(|lines| budget.take_last(lines)), [15, 5, 0]);
        budget.renew(time + PERIOD);
        assert_eq!(budget.take_last(15), 15);
        let mut scarce = LogBudget::new(LogAllowance { at_first: 0, per_second: 10 });
        assert_eq!(scarce.take_last(20), 10);
    }
}
