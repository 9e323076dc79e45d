//! Which messages a process gets under protocol `exec`: batches, halved when they fail until the message that fails is
//! alone. Pure.
//!
//! | a batch | then |
//! |---|---|
//! | exits 0 | it is acknowledged, the next one follows |
//! | exits 75 (try later) | it is repeated after a pause; no attempt |
//! | fails, several messages | no attempt; halved at once, in order, until what failed is past |
//! | fails, one message | an attempt; repeated after the restart backoff; from the last on, its fate is asked for each time |
//! | exits 65 (bad data), one message | refused: its fate is settled before anything else runs |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafkavisor::config::{Batch, Restart};
use kafkavisor::ids::Offset;
use kafkavisor_link::process::Exit;

use super::exec_backoff::{Backoff, Run};

/// Exit status of a message that can never succeed.
const BAD_DATA: i32 = 65;
/// Exit status of a process that could not work now.
const TRY_LATER: i32 = 75;

/// A message waiting for a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) offset: i64,
    pub(super) payload: Vec<u8>,
    pub(super) attempt: u32,
    pub(super) queued_at: Instant,
}

/// What a finished process means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledged(Offset),
    /// To be run again, though nothing has failed.
    Later,
    /// To be run again.
    Failed {
        offset: Offset,
    },
    Refused {
        offset: Offset,
    },
    /// Alone, and often enough.
    Poison {
        offset: Offset,
        attempts: u32,
    },
}

/// The queue and how much of it the next process gets.
#[derive(Debug)]
pub(super) struct Batches {
    queue: VecDeque<Queued>,
    size: usize,
    wait: Duration,
    max_attempts: u32,
    limit: usize,
    /// Batches stay small below this.
    limited_until: i64,
    backoff: Backoff,
    not_before: Option<Instant>,
    /// Waits for the fate of its first message.
    held: bool,
    urgent: bool,
}

impl Batches {
    pub(super) fn new(batch: Batch, restart: Restart, max_attempts: u32) -> Self {
        let size = usize::try_from(batch.messages).unwrap_or(usize::MAX).max(1);
        Self {
            queue: VecDeque::new(),
            size,
            wait: batch.wait,
            max_attempts,
            limit: size,
            limited_until: i64::MIN,
            backoff: Backoff::new(restart),
            not_before: None,
            held: false,
            urgent: false,
        }
    }

    pub(super) fn push(&mut self, message: Queued) {
        self.queue.push_back(message);
    }

    /// The oldest message.
    pub(super) fn first(&self) -> Option<i64> {
        self.queue.front().map(|message| message.offset)
    }

    /// Does not wait for a batch to fill.
    pub(super) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Forgets all but the first `count`, which a process has.
    pub(super) fn clear_behind(&mut self, count: usize) {
        self.queue.truncate(count);
    }

    /// When the next process may start; none while there is nothing to run.
    pub(super) fn next_start(&self, now: Instant) -> Option<Instant> {
        let first = self.queue.front().filter(|_| !self.held)?;
        let at_once = self.urgent || self.queue.len() >= self.limit || first.attempt > 1;
        let at = if at_once { now } else { first.queued_at + self.wait };
        Some(self.not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// The messages of the process that starts now.
    pub(super) fn batch(&mut self) -> Vec<&Queued> {
        if self.queue.front().is_some_and(|first| first.offset >= self.limited_until) {
            self.limit = self.size;
        }
        self.urgent = false;
        self.queue.iter().take(self.limit).collect()
    }

    /// The process with the first `count` messages has ended.
    pub(super) fn ended(&mut self, now: Instant, count: usize, run: Run) -> Outcome {
        let Some((first, last)) = self.ends(count) else { return Outcome::Later };
        let offset = Offset(first);
        match run.exit {
            Exit::Status(0) => {
                self.queue.drain(..count);
                self.backoff.acknowledged();
                self.not_before = None;
                Outcome::Acknowledged(Offset(last))
            }
            Exit::Status(TRY_LATER) => {
                self.not_before = Some(now + self.backoff.pause(run.chance));
                Outcome::Later
            }
            Exit::Status(BAD_DATA) if count == 1 => {
                self.held = true;
                Outcome::Refused { offset }
            }
            Exit::Status(_) | Exit::Signal(_) => {
                self.limited_until = self.limited_until.max(last.saturating_add(1));
                self.limit = count.div_ceil(2).min(count - 1).max(1);
                if count > 1 { Outcome::Failed { offset } } else { self.failed_alone(now, offset, run) }
            }
        }
    }

    fn ends(&self, count: usize) -> Option<(i64, i64)> {
        let first = self.queue.front()?.offset;
        let last = self.queue.get(count.checked_sub(1)?)?.offset;
        Some((first, last))
    }

    fn failed_alone(&mut self, now: Instant, offset: Offset, run: Run) -> Outcome {
        self.not_before = Some(now + self.backoff.failed(now, run));
        let Some(message) = self.queue.front_mut() else { return Outcome::Later };
        let attempts = message.attempt;
        message.attempt = attempts.saturating_add(1);
        if attempts < self.max_attempts {
            return Outcome::Failed { offset };
        }
        self.held = true;
        Outcome::Poison { offset, attempts }
    }

    /// The first message is settled and gone.
    pub(super) fn settled(&mut self) {
        self.queue.pop_front();
        self.held = false;
        self.backoff.acknowledged();
        self.not_before = None;
    }

    /// The first message is to be tried once more, when its time has come.
    pub(super) fn try_again(&mut self) {
        self.held = false;
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::clock::now;

    use super::*;

    fn batches(size: u32, attempts: u32, messages: i64) -> (Batches, Instant) {
        let restart = Restart {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
        };
        let batch = Batch { messages: size, wait: Duration::from_millis(100) };
        let mut batches = Batches::new(batch, restart, attempts);
        let time = now();
        for offset in 0..messages {
            batches.push(Queued { offset, payload: Vec::new(), attempt: 1, queued_at: time });
        }
        (batches, time)
    }

    /// Runs everything with a handler that fails on `poison`; returns the batches run, and the outcome that ended it.
    fn run(batches: &mut Batches, mut time: Instant, poison: i64) -> (Vec<(i64, usize)>, Option<Outcome>) {
        let mut ran = Vec::new();
        while let Some(at) = batches.next_start(time) {
            time = time.max(at);
            let batch: Vec<i64> = batches.batch().iter().map(|m| m.offset).collect();
            ran.push((batch[0], batch.len()));
            let exit = if batch.contains(&poison) { Exit::Status(1) } else { Exit::Status(0) };
            match batches.ended(time, batch.len(), ran_for_a_moment(exit)) {
                Outcome::Acknowledged(_) | Outcome::Later | Outcome::Failed { .. } => {}
                outcome @ (Outcome::Refused { .. } | Outcome::Poison { .. }) => return (ran, Some(outcome)),
            }
        }
        (ran, None)
    }

    fn ran_for_a_moment(exit: Exit) -> Run {
        Run { exit, lasted: Duration::from_millis(1), chance: 0.5 }
    }

    #[test]
    fn halved_in_order_until_the_message_that_fails_is_alone_and_only_then_it_is_an_attempt() {
        let (mut batches, time) = batches(8, 3, 16);
        let (ran, outcome) = run(&mut batches, time, 5);
        assert_eq!(ran, [(0, 8), (0, 4), (4, 4), (4, 2), (4, 1), (5, 1), (5, 1), (5, 1)]);
        assert_eq!(outcome, Some(Outcome::Poison { offset: Offset(5), attempts: 3 }));
    }

    #[test]
    fn after_a_poison_that_is_withheld_each_failure_asks_again() {
        let (mut batches, time) = batches(1, 2, 1);
        run(&mut batches, time, 0);
        for attempts in 3..6 {
            assert_eq!(batches.next_start(time), None, "its fate is open");
            batches.try_again();
            let (ran, outcome) = run(&mut batches, time, 0);
            assert_eq!((ran.len(), outcome), (1, Some(Outcome::Poison { offset: Offset(0), attempts })));
        }
    }

    #[test]
    fn what_comes_after_the_failure_goes_in_whole_batches_again() {
        let (mut batches, time) = batches(4, 1, 12);
        let (_, outcome) = run(&mut batches, time, 1);
        assert_eq!(outcome, Some(Outcome::Poison { offset: Offset(1), attempts: 1 }));
        batches.settled();
        let (ran, _) = run(&mut batches, time, -1);
        assert_eq!(ran.last(), Some(&(8, 4)));
    }

    #[test]
    fn later_is_no_attempt_and_waits() {
        let (mut batches, time) = batches(4, 5, 4);
        batches.batch();
        let later = ran_for_a_moment(Exit::Status(75));
        assert_eq!(batches.ended(time, 4, later), Outcome::Later);
        assert_eq!(batches.next_start(time), Some(time + Duration::from_millis(500)));
        assert_eq!(batches.batch()[0].attempt, 1);
        batches.ended(time, 4, later);
        assert_eq!(batches.next_start(time), Some(time + Duration::from_secs(1)));
    }

    #[test]
    fn bad_data_is_refused_only_alone() {
        let (mut batches, time) = batches(2, 5, 2);
        batches.batch();
        let bad = ran_for_a_moment(Exit::Status(65));
        assert_eq!(batches.ended(time, 2, bad), Outcome::Failed { offset: Offset(0) });
        batches.batch();
        assert_eq!(batches.ended(time, 1, bad), Outcome::Refused { offset: Offset(0) });
        assert_eq!(batches.next_start(time), None);
    }

    #[test]
    fn a_batch_waits_to_fill() {
        let (mut batches, time) = batches(10, 5, 3);
        assert_eq!(batches.next_start(time), Some(time + Duration::from_millis(100)));
        batches.hurry();
        assert_eq!(batches.next_start(time), Some(time));
    }
}
