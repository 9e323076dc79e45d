//! A Python member: kazoo's `SetPartitioner` with a consumer in one process. It takes part in the same locks and knows no
//! lease, so that a frozen one may wake up with a partition that is somebody else's by then.

use std::collections::BTreeMap;

use kafkavisor::config::Reset;
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::partitioner::messages::{Event, Notice};

use crate::machine::millis;
use crate::partition::{Excuse, Fate};
use crate::process::Role;
use crate::world::{Checked, Due, World};

/// What it has of one partition.
#[derive(Debug, Clone, Copy)]
struct Holding {
    token: FencingToken,
    position: Option<i64>,
    uncommitted: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Python {
    holds: BTreeMap<TopicPartition, Holding>,
    suspended: bool,
    left: bool,
}

fn pid(process: usize) -> i32 {
    -i32::try_from(process).unwrap_or(0) - 1
}

impl World {
    pub(crate) fn start_python(&mut self, process: usize) {
        self.processes[process].life += 1;
        self.processes[process].role = Some(Role::Python(Box::default()));
        let life = self.processes[process].life;
        self.join(process);
        self.schedule(millis(5), Due::Python { process, life });
    }

    fn python(&mut self, process: usize) -> Option<&mut Python> {
        self.processes[process].python()
    }

    pub(crate) fn python_token(&mut self, process: usize, at: usize) -> Option<FencingToken> {
        let partition = self.partitions[at].partition.clone();
        self.python(process)?.holds.get(&partition).map(|holding| holding.token)
    }

    pub(crate) fn python_notice(&mut self, process: usize, notice: Notice) -> Checked {
        let Some(python) = self.python(process) else { return Ok(()) };
        match notice {
            Notice::Assigned { partition, token: Some(token) } => {
                let at = Self::partition_of(&partition);
                python.holds.insert(partition, Holding { token, position: None, uncommitted: 0 });
                // Of one that was frozen meanwhile it may be old news.
                if self.zookeeper.has_lock(token) {
                    self.alone(at, Some(token))?;
                } else {
                    self.figures.count("overlaps with a Python member");
                    self.partitions[at].excuses.insert(Excuse::Overlap);
                }
                self.partitions[at].ordered = None;
                self.partitions[at].enter(pid(process), self.now);
            }
            Notice::Revoked { partition, token: Some(token) } => {
                self.python_lets_go(process, &partition)?;
                self.tell_member(process, Event::Released { partition, token })?;
            }
            Notice::Lost { partition, .. } => {
                python.holds.remove(&partition);
                self.partitions[Self::partition_of(&partition)].leave(pid(process), self.now);
            }
            Notice::Suspended => python.suspended = true,
            Notice::Reconnected | Notice::SessionLost => python.suspended = false,
            Notice::Left => python.left = true,
            Notice::Joined { .. }
            | Notice::Settled { .. }
            | Notice::Unsettled
            | Notice::Listed { .. }
            | Notice::Waiting { .. }
            | Notice::NoLongerWaiting { .. }
            | Notice::Blocked { .. }
            | Notice::Contended { .. }
            | Notice::Troubled { .. }
            | Notice::Untroubled { .. }
            | Notice::Evidence { .. } => {}
            // In ZooKeeper each has a lock, and so a token.
            Notice::Assigned { token: None, .. } | Notice::Revoked { token: None, .. } => {}
        }
        Ok(())
    }

    /// Commits what it has done, where Kafka lets it, and forgets the partition.
    fn python_lets_go(&mut self, process: usize, partition: &TopicPartition) -> Checked {
        let at = Self::partition_of(partition);
        let Some(holding) = self.python(process).and_then(|python| python.holds.remove(partition)) else {
            return Ok(());
        };
        if let Some(position) = holding.position
            && holding.uncommitted > 0
        {
            if self.kafka.away {
                self.partitions[at].excuses.insert(Excuse::CutShort);
            }
            self.python_commits(process, partition, Offset(position), holding.token)?;
        }
        self.partitions[at].released(holding.token);
        self.partitions[at].leave(pid(process), self.now);
        Ok(())
    }

    pub(crate) fn python_turns(&mut self, process: usize, life: u64) -> Checked {
        if self.processes[process].life != life {
            return Ok(());
        }
        let work = self.plan.work;
        let next = self.between(millis(2), millis(2) + work);
        self.schedule(next, Due::Python { process, life });
        if self.processes[process].paused || self.kafka.away {
            return Ok(());
        }
        self.python_works(process)
    }

    /// One message of each partition it believes to hold.
    pub(crate) fn python_works(&mut self, process: usize) -> Checked {
        self.figures.event("python");
        let away = self.kafka.away;
        let Some(python) = self.python(process) else { return Ok(()) };
        if python.left {
            self.processes[process].role = None;
            self.processes[process].membership = None;
            self.figures.count("Python members left");
            return Ok(());
        }
        if python.suspended || away {
            return Ok(());
        }
        let partitions: Vec<_> = python.holds.keys().cloned().collect();
        for partition in partitions {
            self.python_works_on(process, &partition)?;
        }
        Ok(())
    }

    fn python_works_on(&mut self, process: usize, partition: &TopicPartition) -> Checked {
        let at = Self::partition_of(partition);
        let Some(mut holding) = self.python(process).and_then(|python| python.holds.get(partition).copied())
        else {
            return Ok(());
        };
        let position = match holding.position {
            Some(position) => position,
            None => self.python_begins(process, at, holding.token)?,
        };
        let index = self.partitions[at].index_from(position);
        holding.position = Some(position);
        if let Some(message) = self.partitions[at].log.get(index) {
            let offset = message.offset;
            self.figures.count("deliveries of Python members");
            self.note_duplicate(at, index)?;
            let message = &mut self.partitions[at].log[index];
            if message.fate == Fate::Waiting {
                message.fate = Fate::Done;
            }
            holding.position = Some(offset + 1);
            holding.uncommitted += 1;
        }
        if holding.uncommitted > 4 || (holding.uncommitted > 0 || self.healing) && self.random.percent(20) {
            holding.uncommitted = 0;
            let offset = Offset(holding.position.unwrap_or(position));
            self.python_commits(process, partition, offset, holding.token)?;
        }
        if let Some(held) = self.python(process).and_then(|python| python.holds.get_mut(partition)) {
            *held = holding;
        }
        Ok(())
    }

    fn python_begins(
        &mut self,
        process: usize,
        at: usize,
        token: FencingToken,
    ) -> Result<i64, crate::violation::Violation> {
        if let Some(committed) = self.partitions[at].committed.clone() {
            self.partitions[at].begin(committed.offset.0)?;
            return Ok(committed.offset.0);
        }
        let start = if self.plan.reset == Reset::Latest { self.partitions[at].end } else { 0 };
        for message in self.partitions[at].log.iter_mut().filter(|message| message.offset < start) {
            message.fate = Fate::Before;
        }
        let partition = self.partitions[at].partition.clone();
        self.python_commits(process, &partition, Offset(start), token)?;
        Ok(start)
    }

    /// The process is killed.
    pub(crate) fn python_dies(&mut self, process: usize) {
        let partitions = self.python(process).map(|python| python.holds.keys().cloned().collect::<Vec<_>>());
        for partition in partitions.unwrap_or_default() {
            let partition = &mut self.partitions[Self::partition_of(&partition)];
            partition.excuses.insert(Excuse::TakenOver);
            partition.leave(pid(process), self.now);
        }
    }
}
