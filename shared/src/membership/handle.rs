//! The supervisor's end of a membership. Nothing here blocks; notices come through the sink, in order.

use std::collections::BTreeSet;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::event_loop::EventLoop;
use super::input::Input;
use super::options::Options;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::messages::{Event, Notice};

/// A member of a group. Dropped before [`Notice::Left`], it closes its session at once, whatever is held.
#[derive(Debug)]
pub struct Membership {
    inputs: mpsc::UnboundedSender<Input>,
}

impl Membership {
    /// Joins the group with these partitions. `sink` is called from the runtime's threads and must not block.
    pub fn start(
        runtime: &Handle,
        connection: Connection,
        options: Options,
        partitions: BTreeSet<TopicPartition>,
        sink: impl Fn(Notice) + Send + 'static,
    ) -> Self {
        let (inputs, received) = mpsc::unbounded_channel();
        let event_loop = EventLoop::new(options, partitions, sink, inputs.clone());
        runtime.spawn(event_loop.run(connection.client, received));
        Self { inputs }
    }

    /// Kafka has these partitions now.
    pub fn partitions_changed(&self, partitions: BTreeSet<TopicPartition>) {
        self.tell(Input::Event(Event::PartitionsChanged { partitions }));
    }

    /// A revoked partition's worker is reaped and its last acknowledgement committed: its lock may go. `token` is the one of
    /// [`Notice::Revoked`].
    pub fn released(&self, partition: TopicPartition, token: FencingToken) {
        self.tell(Input::Event(Event::Released { partition, token }));
    }

    /// Leaves the group: everything is revoked, and [`Notice::Left`] follows the last release.
    pub fn leave(&self) {
        self.tell(Input::Event(Event::LeaveRequested));
    }

    fn tell(&self, input: Input) {
        // After the member has left, nobody listens and nothing is to be done.
        self.inputs.send(input).unwrap_or_default();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.tell(Input::Abandoned);
    }
}
