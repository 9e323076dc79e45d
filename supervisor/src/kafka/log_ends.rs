//! How far the logs go that nobody fetches, and how old the oldest message is that waits there: asked every few seconds, on a
//! thread that delays neither starts nor commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use kafkavisor::clock::now;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::heads::{Head, Reader};

/// Looked at this often.
const EVERY: Duration = Duration::from_secs(3);
/// What is new is looked at sooner, but not more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Partitions that nobody fetches, each with what is acknowledged of it.
pub(crate) type Unfetched = BTreeMap<TopicPartition, Option<Offset>>;

/// How far a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// Behind its last message.
    pub(crate) end: Offset,
    /// The oldest message that is not acknowledged, where there is one and it has been seen.
    pub(crate) head: Option<Waiting>,
}

/// The oldest message that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// What is acknowledged.
    pub(crate) acknowledged: Offset,
    /// Of the message, in milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// The thread's end.
pub(super) struct LogEnds {
    asks: Sender<Unfetched>,
}

impl LogEnds {
    pub(super) fn start(
        clients: Arc<Clients>,
        reader: Reader,
        answer: impl Fn(BTreeMap<TopicPartition, LogEnd>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (asks, received) = unbounded();
        let watch = Watch { clients, reader, unfetched: Unfetched::new(), seen: BTreeMap::new() };
        thread::Builder::new().name("log-ends".to_owned()).spawn(move || watch.run(&received, answer))?;
        Ok(Self { asks })
    }

    pub(super) fn ask(&self, unfetched: Unfetched) {
        // The thread ends only with the process.
        let _always_heard = self.asks.send(unfetched);
    }
}

/// What was seen from an offset on: a message, or none up to an end.
#[derive(Debug, Clone, Copy)]
struct Seen {
    from: Offset,
    head: Head,
}

struct Watch {
    clients: Arc<Clients>,
    reader: Reader,
    unfetched: Unfetched,
    seen: BTreeMap<TopicPartition, Seen>,
}

impl Watch {
    fn run(mut self, asks: &Receiver<Unfetched>, answer: impl Fn(BTreeMap<TopicPartition, LogEnd>)) {
        let mut last = now();
        let mut due = last + EVERY;
        loop {
            match asks.recv_deadline(due) {
                Ok(unfetched) => {
                    if self.take(asks.try_iter().last().unwrap_or(unfetched)) {
                        due = due.min(last + AT_MOST_EVERY);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let time: Instant = now();
            if time < due {
                continue;
            }
            (last, due) = (time, time + EVERY);
            let ends = self.look();
            if !ends.is_empty() {
                answer(ends);
            }
        }
    }

    /// Takes in what is asked about now; whether there is anything new in it.
    fn take(&mut self, unfetched: Unfetched) -> bool {
        let new = unfetched.iter().any(|(key, offset)| self.unfetched.get(key) != Some(offset));
        self.seen.retain(|key, seen| unfetched.get(key) == Some(&Some(seen.from)));
        self.unfetched = unfetched;
        new
    }

    fn look(&mut self) -> BTreeMap<TopicPartition, LogEnd> {
        let keys: BTreeSet<_> = self.unfetched.keys().cloned().collect();
        if keys.is_empty() {
            return BTreeMap::new();
        }
        // Those that can't be told are left as they were.
        let ends = self.clients.ends(&keys).into_iter().filter_map(|(key, end)| Some((key, end.ok()?)));
        let ends: BTreeMap<_, _> = ends.collect();
        self.read_heads(&ends);
        let waiting = |key: &TopicPartition| {
            let Seen { from, head } = *self.seen.get(key)?;
            match head {
                Head::Message { timestamp } if timestamp >= 0 => {
                    Some(Waiting { acknowledged: from, timestamp })
                }
                Head::Message { .. } | Head::NoneBelow(_) => None,
            }
        };
        ends.into_iter().map(|(key, end)| (key.clone(), LogEnd { end, head: waiting(&key) })).collect()
    }

    /// Reads the heads that are not known: of logs that go on behind what is acknowledged.
    fn read_heads(&mut self, ends: &BTreeMap<TopicPartition, Offset>) {
        let mut wanted = BTreeMap::new();
        for (key, end) in ends {
            let Some(Some(from)) = self.unfetched.get(key).copied() else { continue };
            let known = self.seen.get(key).is_some_and(|seen| match seen.head {
                Head::Message { .. } => true,
                Head::NoneBelow(seen_up_to) => seen_up_to >= *end,
            });
            if *end > from && !known {
                wanted.insert(key.clone(), (from, *end));
            }
        }
        for (key, head) in self.reader.read(&wanted) {
            if let Some((from, _)) = wanted.get(&key) {
                self.seen.insert(key, Seen { from: *from, head });
            }
        }
    }
}
