//! The committing thread: one request at a time, the lease checked at sending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_kafka::clients::Clients;

use kafkavisor_supervisor_core::CommitAnswer;

/// Offsets and what stands beside each.
pub(crate) type CommitRequest = BTreeMap<TopicPartition, (Offset, String)>;

/// Until when the partitions are ours, shared with the threads that write to Kafka.
#[derive(Debug, Default, Clone)]
pub(crate) struct SharedLease(Arc<AtomicU64>);

impl SharedLease {
    pub(crate) fn set(&self, until: Boottime) {
        self.0.store(until.0, Ordering::Release);
    }

    pub(crate) fn holds(&self) -> bool {
        Boottime::now() < Boottime(self.0.load(Ordering::Acquire))
    }
}

/// The thread's end for the event loop.
pub(crate) struct Commits {
    requests: Sender<CommitRequest>,
}

impl Commits {
    pub(crate) fn start(
        clients: Arc<Clients>,
        lease: SharedLease,
        answer: impl Fn(Vec<CommitAnswer>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (requests, received) = bounded(1);
        let work = move || commit_all(&received, &clients, &lease, answer);
        thread::Builder::new().name("commits".to_owned()).spawn(work)?;
        Ok(Self { requests })
    }

    /// Asks for a commit; the core never asks for a second one before the first is answered.
    pub(crate) fn request(&self, offsets: CommitRequest) {
        if self.requests.try_send(offsets).is_err() {
            log::error!("a commit was asked for while another is under way; this is a bug");
        }
    }
}

fn commit_all(
    requests: &Receiver<CommitRequest>,
    clients: &Clients,
    lease: &SharedLease,
    answer: impl Fn(Vec<CommitAnswer>),
) {
    while let Ok(offsets) = requests.recv() {
        let results = if lease.holds() {
            clients.commit(&offsets)
        } else {
            let lapsed = || Err("no evidence that the partition is still ours".to_owned());
            offsets.keys().map(|item| (item.clone(), lapsed())).collect()
        };
        let answers = results.into_iter().filter_map(|(item, result)| {
            let offset = offsets.get(&item)?.0;
            Some(CommitAnswer { item, offset, error: result.err() })
        });
        answer(answers.collect());
    }
}
