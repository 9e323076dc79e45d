//! Watches the group from outside: its offsets in Kafka, and what supervisors say of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor_tests::waiting::pause;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::world::{PARTITIONS, World};
use crate::history::{Event, Writer};

const OFFSETS_EVERY: Duration = Duration::from_millis(200);
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The watching threads.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// From now on.
    pub(super) fn start(world: &Arc<World>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut threads = Vec::new();
        let mut every = |time: Duration, mut look: Box<dyn FnMut() + Send>| {
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    look();
                    pause(time);
                }
            }));
        };
        let mut offsets = Offsets::of(world);
        every(
            OFFSETS_EVERY,
            Box::new(move || {
                // Where Kafka does not answer, it will the next time.
                let _ = offsets.look();
            }),
        );
        for number in 0..world.supervisors.len() {
            let (world, history) = (Arc::clone(world), world.history());
            every(STATUS_EVERY, Box::new(move || look_at_supervisor(&world, number, &history)));
        }
        Self { stop, threads }
    }

    /// Ends it.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("the watch went on"));
    }
}

/// Looks after the group's offsets.
pub(super) struct Offsets {
    client: BaseConsumer,
    wanted: TopicPartitionList,
    known: BTreeMap<i32, i64>,
    history: Writer,
}

impl Offsets {
    /// Of this run.
    pub(super) fn of(world: &World) -> Self {
        let client = ClientConfig::new()
            .set("bootstrap.servers", world.brokers())
            .set("group.id", &world.group)
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer can be made");
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(&world.topic, 0, PARTITIONS - 1);
        Self { client, wanted, known: BTreeMap::new(), history: world.history() }
    }

    /// Writes what has changed; gives what is known, where Kafka answers.
    pub(super) fn look(&mut self) -> Option<&BTreeMap<i32, i64>> {
        let found = self.client.committed_offsets(self.wanted.clone(), Duration::from_secs(3)).ok()?;
        for element in found.elements() {
            let Offset::Offset(offset) = element.offset() else { continue };
            let partition = element.partition();
            if self.known.insert(partition, offset) != Some(offset) {
                self.history.write(Event::Committed { partition, offset });
            }
        }
        Some(&self.known)
    }
}

fn look_at_supervisor(world: &World, number: usize, history: &Writer) {
    let supervisor = &world.supervisors[number];
    let instance = supervisor.instance();
    let Some(status) = supervisor.status() else { return };
    for partition in status.partitions {
        history.write(Event::Status {
            instance: instance.clone(),
            partition: partition.partition,
            state: partition.state,
            token: partition.fencing_token,
            acknowledged: partition.acknowledged,
            committed: partition.committed,
        });
    }
}
