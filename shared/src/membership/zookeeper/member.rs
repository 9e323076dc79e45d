//! The supervisor's end of a member in ZooKeeper. Nothing here blocks; notices come through the sink, in order.

use std::collections::BTreeSet;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::event_loop::EventLoop;
use super::input::Input;
use super::options::Options;
use crate::ids::{FencingToken, TopicPartition};
use crate::membership::{Member, Notice};
use crate::partitioner::messages::Event;

/// A member of a group in ZooKeeper. Dropped before [`Notice::Left`], it closes its session at once, whatever is held.
#[derive(Debug)]
pub struct ZookeeperMember {
    inputs: mpsc::UnboundedSender<Input>,
}

impl ZookeeperMember {
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

    fn tell(&self, input: Input) {
        // After the member has left, nobody listens and nothing is to be done.
        self.inputs.send(input).unwrap_or_default();
    }
}

impl Member for ZookeeperMember {
    fn partitions_changed(&self, partitions: BTreeSet<TopicPartition>) {
        self.tell(Input::Event(Event::PartitionsChanged { partitions }));
    }

    fn released(&self, partition: TopicPartition, token: Option<FencingToken>) {
        // Its lock goes; what has no token has no lock.
        if let Some(token) = token {
            self.tell(Input::Event(Event::Released { partition, token }));
        }
    }

    fn leave(&self) {
        self.tell(Input::Event(Event::LeaveRequested));
    }
}

impl Drop for ZookeeperMember {
    fn drop(&mut self) {
        self.tell(Input::Abandoned);
    }
}
