//! What may be looked at, from wherever: by the control socket and over HTTP alike.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::message::Description;

use super::board::{Board, Hangs};
use super::detail::Detail;
use super::events::Events;

/// A worker that has not described itself by then is shown without.
const DESCRIBES_WITHIN: Duration = Duration::from_millis(700);

/// Somebody wants to know what the worker of a partition knows. Where there is none, the sender is dropped.
#[derive(Debug)]
pub(crate) struct Describe {
    pub(crate) partition: TopicPartition,
    pub(crate) answer: Sender<Description>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    pub(crate) board: Arc<Board>,
    pub(crate) events: Arc<Events>,
    describe: Sender<Describe>,
}

impl Looks {
    pub(crate) fn new(board: Arc<Board>, events: Arc<Events>, describe: Sender<Describe>) -> Self {
        Self { board, events, describe }
    }

    /// One partition in detail; none where it is not ours. It waits for the worker, for a moment.
    pub(crate) fn detail(&self, partition: &TopicPartition) -> Result<Option<Detail>, Hangs> {
        if self.board.look()?.partition(partition).is_none() {
            return Ok(None);
        }
        let (answer, answered) = bounded(1);
        let asked = self.describe.send(Describe { partition: partition.clone(), answer });
        let said = asked.ok().and_then(|()| answered.recv_timeout(DESCRIBES_WITHIN).ok());
        let snapshot = self.board.look()?;
        let owner = snapshot.instance.assignment.member.clone();
        Ok(snapshot.partition(partition).map(|seen| Detail::of(seen, &snapshot.moment, owner, said)))
    }
}
