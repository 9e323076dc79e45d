//! One partition as it really is: its log, what became of each message, what the group has committed, and who works on it.
//!
//! This is the truth that the invariants are checked against. Nobody inside the simulated group sees more of it than Kafka
//! would show.

use std::collections::BTreeSet;

use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor_group::start::{Committed, Log};

use crate::machine::Time;
use crate::violation::{Invariant, Violation};

/// How a handler fares with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    Calm,
    /// Every handler that works on it dies.
    Poison,
    /// Handlers refuse it.
    Refused,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    /// A handler has acknowledged it.
    Done,
    /// Passed over by verdict.
    Skipped,
    /// Before the offset at which the group began to read.
    Before,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) offset: i64,
    pub(crate) bytes: u64,
    pub(crate) temper: Temper,
    pub(crate) fate: Fate,
    /// Deaths of a handler, a worker or a supervisor that had it unacknowledged.
    pub(crate) deaths: u32,
    /// One of them with nothing else in flight.
    pub(crate) died_alone: bool,
    pub(crate) refused: bool,
    /// An operator wants it passed over.
    pub(crate) ordered_away: bool,
}

/// Why messages may come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// A handler or worker ended otherwise than drained.
    Crash,
    /// The supervisor ended, or lost its session, before a drain was over.
    TakenOver,
    /// A drain ran out of time, or Kafka did not confirm the last commit.
    CutShort,
    /// A request of a former owner set the offset back.
    LateCommit,
    /// Two were at work at once where no clock could help.
    Overlap,
    /// An operator has set the offset back.
    Ordered,
}

impl Excuse {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "after a crash",
            Self::TakenOver => "taken over without a drain",
            Self::CutShort => "a drain cut short",
            Self::LateCommit => "a former owner's late commit",
            Self::Overlap => "frozen with its supervisor",
            Self::Ordered => "an operator's word",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) partition: TopicPartition,
    /// Counts the makings of the topic.
    pub(crate) topic: u64,
    pub(crate) log: Vec<Message>,
    /// Behind the last message, markers included.
    pub(crate) end: i64,
    /// Every message before this index is settled.
    settled: usize,
    pub(crate) committed: Option<Committed>,
    /// Whoever was last given the partition, and whether he has let go of it.
    pub(crate) owner: Option<FencingToken>,
    pub(crate) let_go: bool,
    /// How far he himself has committed.
    owners_commit: i64,
    /// The last token under which a worker began.
    pub(crate) begun: Option<FencingToken>,
    /// Every process that could still deliver: workers by pid.
    pub(crate) live: BTreeSet<i32>,
    pub(crate) excuses: BTreeSet<Excuse>,
    /// What was in flight when a handler died is delivered one by one up to here, by this owner.
    pub(crate) suspects: Option<(FencingToken, i64)>,
    /// Where an operator has said that reading begins.
    pub(crate) ordered: Option<i64>,
    /// Since when nobody works on it.
    pub(crate) unowned_since: Option<Time>,
}

impl Partition {
    pub(crate) fn new(partition: TopicPartition, topic: u64) -> Self {
        Self {
            partition,
            topic,
            log: Vec::new(),
            end: 0,
            settled: 0,
            committed: None,
            owner: None,
            let_go: true,
            owners_commit: 0,
            begun: None,
            live: BTreeSet::new(),
            excuses: BTreeSet::new(),
            suspects: None,
            ordered: None,
            unowned_since: Some(0),
        }
    }

    pub(crate) fn append(&mut self, gap: i64, bytes: u64, temper: Temper) {
        let offset = self.end + gap;
        self.end = offset + 1;
        let fate = Fate::Waiting;
        self.log.push(Message {
            offset,
            bytes,
            temper,
            fate,
            deaths: 0,
            died_alone: false,
            refused: false,
            ordered_away: false,
        });
    }

    /// What ListOffsets says.
    pub(crate) fn offsets(&self) -> Log {
        Log { start: Offset(0), end: Offset(self.end), stable_end: Offset(self.end) }
    }

    /// The first message at `offset` or behind it.
    pub(crate) fn index_from(&self, offset: i64) -> usize {
        self.log.partition_point(|message| message.offset < offset)
    }

    pub(crate) fn message_at(&mut self, offset: i64) -> Option<&mut Message> {
        let index = self.index_from(offset);
        self.log.get_mut(index).filter(|message| message.offset == offset)
    }

    /// The offset of the first message that nobody has settled.
    pub(crate) fn unsettled(&mut self) -> i64 {
        while self.log.get(self.settled).is_some_and(|message| message.fate != Fate::Waiting) {
            self.settled += 1;
        }
        self.log.get(self.settled).map_or(self.end, |message| message.offset)
    }

    /// Everything from `offset` on is to be handled again: an operator has said so.
    pub(crate) fn rewind(&mut self, offset: i64) {
        // Where the topic is another one by now, what came before is not asked for.
        self.before(Offset(offset));
        let index = self.index_from(offset);
        for message in self.log.iter_mut().skip(index) {
            message.fate = Fate::Waiting;
            message.deaths = 0;
            message.refused = false;
        }
        self.settled = self.settled.min(index);
        self.excuses.clear();
        self.ordered = Some(offset);
    }

    /// A message was passed over: only one that a handler refused or that was the death of enough of them.
    pub(crate) fn skip(&mut self, offset: i64, attempts: u32) -> Result<(), Violation> {
        let partition = self.partition.clone();
        let Some(message) = self.message_at(offset) else {
            return Err(Violation::new(
                Invariant::Isolation,
                format!("{partition}: {offset} is no message, and was skipped"),
            ));
        };
        if message.ordered_away || message.refused || message.deaths >= attempts && message.died_alone {
            message.fate = Fate::Skipped;
            self.suspects = None;
            return Ok(());
        }
        let detail = format!(
            "{partition}: {offset} was skipped after {} deaths of {attempts}, never refused",
            message.deaths
        );
        Err(Violation::new(Invariant::Isolation, detail))
    }

    /// Where the group begins: nobody asks for what came before.
    pub(crate) fn before(&mut self, offset: Offset) {
        for message in self.log.iter_mut().filter(|message| message.offset < offset.0) {
            if message.fate == Fate::Waiting {
                message.fate = Fate::Before;
            }
        }
    }

    /// An operator wants it so, backwards too. True where it was wanted of a former owner, which has said by now that it could not
    /// be done.
    pub(crate) fn commit_ordered(&mut self, committed: Committed, by: Option<FencingToken>) -> bool {
        let late = by != self.owner;
        if !late {
            self.owners_commit = committed.offset.0;
        }
        self.committed = Some(committed);
        self.excuses.insert(if late { Excuse::LateCommit } else { Excuse::Ordered });
        late
    }

    /// An operator's word is taken back, which Kafka may have had: what held before is committed again.
    pub(crate) fn taken_back(&mut self) {
        self.owners_commit = 0;
        self.excuses.insert(Excuse::Ordered);
    }

    /// The topic is another one: it begins anew.
    pub(crate) fn make_again(&mut self, topic: u64, keeps_offsets: bool) {
        self.topic = topic;
        self.log.clear();
        (self.end, self.settled, self.owners_commit) = (0, 0, 0);
        // An offset that says nothing of its topic would park the partition, rightly, until somebody seeks.
        self.committed.take_if(|committed| !keeps_offsets || committed.metadata.is_empty());
        (self.suspects, self.ordered) = (None, None);
    }

    /// The group's offset becomes this. True where it went back.
    pub(crate) fn commit(
        &mut self,
        committed: Committed,
        by: Option<FencingToken>,
    ) -> Result<bool, Violation> {
        let offset = committed.offset.0;
        let passed_over = |message: &&mut Message| message.ordered_away && message.fate == Fate::Waiting;
        if let Some(message) = self.message_at(offset - 1).filter(passed_over) {
            message.fate = Fate::Skipped;
        }
        let unsettled = self.unsettled();
        if offset > unsettled {
            let detail = format!(
                "{}: offset {offset} was committed by {by:?}, but {unsettled} was never acknowledged",
                self.partition
            );
            return Err(Violation::new(Invariant::NothingLost, detail));
        }
        let before = self.committed.replace(committed).map_or(0, |before| before.offset.0);
        if by == self.owner && offset < self.owners_commit {
            let detail = format!(
                "{}: its owner {by:?} went back from {} to {offset}",
                self.partition, self.owners_commit
            );
            return Err(Violation::new(Invariant::NoRegress, detail));
        }
        if by == self.owner {
            self.owners_commit = offset;
        }
        if offset >= before {
            return Ok(false);
        }
        // Kafka does not fence: what a former owner had in a socket may come late, and be ahead or behind.
        self.excuses.insert(Excuse::LateCommit);
        Ok(by != self.owner)
    }

    /// A worker begins to read at `start`.
    pub(crate) fn begin(&mut self, start: i64) -> Result<(), Violation> {
        let unsettled = self.unsettled();
        if start > unsettled {
            let detail = format!(
                "{}: reading begins at {start}, but {unsettled} was never acknowledged",
                self.partition
            );
            return Err(Violation::new(Invariant::NothingLost, detail));
        }
        let again = self.log.iter().skip(self.index_from(start)).any(|m| m.fate == Fate::Done);
        if !again {
            // Whoever is still at it may yet acknowledge what comes again here.
            let overlap = !self.live.is_empty();
            self.excuses.retain(|excuse| overlap && *excuse == Excuse::Overlap);
        } else if self.excuses.is_empty() {
            let detail = format!(
                "{}: reading begins at {start}, everything up to {unsettled} was acknowledged, and nothing has failed",
                self.partition
            );
            return Err(Violation::new(Invariant::Duplicates, detail));
        }
        Ok(())
    }
}

impl Partition {
    /// Its lock is somebody's now. What is late of one who has lost it already means nothing.
    pub(crate) fn acquired(&mut self, token: FencingToken) {
        if self.owner.is_some_and(|owner| owner >= token) {
            return;
        }
        self.owner = Some(token);
        self.owners_commit = 0;
        if !std::mem::take(&mut self.let_go) {
            self.excuses.insert(Excuse::TakenOver);
        }
    }

    /// Its owner says that he is done with it.
    pub(crate) fn released(&mut self, token: FencingToken) {
        self.let_go |= self.owner == Some(token);
    }

    /// A worker, or a Python member, is at it.
    pub(crate) fn enter(&mut self, pid: i32, now: Time) -> Time {
        self.live.insert(pid);
        self.unowned_since.take().map_or(0, |since| now - since)
    }

    /// It is not any more.
    pub(crate) fn leave(&mut self, pid: i32, now: Time) {
        if self.live.remove(&pid) && self.live.is_empty() {
            self.unowned_since = Some(now);
        }
    }

    /// Behind the last message.
    pub(crate) fn last(&self) -> i64 {
        self.log.last().map_or(0, |message| message.offset + 1)
    }
}
