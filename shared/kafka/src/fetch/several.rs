//! Some partitions in one client, each begun and ended by itself, with a queue of its own: librdkafka's batch call on each in turn, so
//! that one with much to fetch keeps no other waiting.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Formatter};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use kafkavisor_types::ids::{Offset, Topic, TopicPartition};
use kafkavisor_types::message::Header;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::handle::{FetchError, Statistics, Told, c_string, handle};
use super::properties::several_properties;
use super::raw_message::RawMessage;
use crate::error::KafkaError;
use crate::tokens::{Attached, attach, board_in};

/// Messages taken from a partition before it is another one's turn.
const BATCH: usize = 50;

/// What was fetched of a partition.
#[derive(Debug)]
pub enum Taken {
    /// A message.
    Message {
        /// Where in its partition.
        offset: Offset,
        /// Milliseconds since 1970, where there is one.
        timestamp: Option<i64>,
        /// Its key.
        key: Option<Vec<u8>>,
        /// Its value.
        value: Option<Vec<u8>>,
        /// Its headers, in order.
        headers: Vec<(String, Option<Vec<u8>>)>,
    },
    /// Everything below this has been seen, and there is nothing more for now.
    End(Offset),
    /// The place to read from is not in the log, or the topic is gone.
    StartLost(String),
    /// A right on the topic is missing.
    Denied(KafkaError),
}

/// A partition that is fetched.
struct Fetched {
    // Dropped first: messages before the queue that they came from.
    taken: VecDeque<RawMessage>,
    topic: NonNull<rd::rd_kafka_topic_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    /// Which time it is that it is fetched.
    turn: u64,
}

/// Fetches them.
pub struct Several {
    attached: Option<Attached>,
    rk: NonNull<rd::rd_kafka_t>,
    fetched: BTreeMap<TopicPartition, Fetched>,
    /// Whose turn it is.
    turn_of: Option<TopicPartition>,
    batch: Vec<*mut rd::rd_kafka_message_t>,
    /// The handle points to it.
    _told: Box<Told>,
    wake: Arc<Wake>,
}

/// Wakes whoever waits for messages; for another reason too.
#[derive(Debug)]
pub struct Wake {
    read: UnixStream,
    write: UnixStream,
}

impl Wake {
    fn new() -> std::io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Self { read, write })
    }

    /// Waits until there is something new, or the time is over; whoever has waited looks.
    pub fn wait(&self, time: Duration) {
        // Less than a millisecond must not be none at all.
        let milliseconds = u16::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut descriptors = [PollFd::new(self.read.as_fd(), PollFlags::POLLIN)];
        // Whatever ended it, there is another look.
        let _woken = poll(&mut descriptors, PollTimeout::from(milliseconds));
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        // A full socket is readable already.
        let _written = (&self.write).write(b"x");
    }

    /// From here on what comes wakes.
    pub fn settle(&self) {
        let mut sink = [0u8; 256];
        while (&self.read).read(&mut sink).is_ok_and(|count| count == sink.len()) {}
    }
}

// SAFETY: librdkafka's handles may be used from any thread; nothing here is bound to the one that made it.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe impl Send for Several {}

impl Debug for Several {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Several").field("partitions", &self.fetched.keys()).finish_non_exhaustive()
    }
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Several {
    /// A client that fetches nothing yet. `statistics` is given librdkafka's, a JSON object, every `statistics.interval.ms`, by whoever
    /// takes messages.
    pub fn new(
        properties: &BTreeMap<String, String>,
        statistics: Option<Statistics>,
    ) -> Result<Self, FetchError> {
        let io = |error: std::io::Error| FetchError::Start(error.to_string());
        let wake = Arc::new(Wake::new().map_err(io)?);
        let properties = several_properties(properties);
        let told = Box::new(Told { statistics, ..Told::default() });
        let rk = handle(&properties, &told)?;
        let attached = attach(board_in(&properties), rk.as_ptr());
        let batch = vec![ptr::null_mut(); BATCH];
        Ok(Self { attached, rk, fetched: BTreeMap::new(), turn_of: None, batch, _told: told, wake })
    }

    /// What wakes whoever waits for its messages.
    pub fn wake(&self) -> Arc<Wake> {
        Arc::clone(&self.wake)
    }

    /// Fetches the partition from `offset` on; `turn` is told with whatever comes of it.
    pub fn begin(&mut self, partition: &TopicPartition, offset: Offset, turn: u64) -> Result<(), FetchError> {
        self.end(partition);
        let name = c_string(partition.topic.as_str());
        // SAFETY: `rk` is a live handle and `name` a C string; a null configuration means the handle's defaults.
        let topic = unsafe { rd::rd_kafka_topic_new(self.rk.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        let topic =
            NonNull::new(topic).ok_or_else(|| FetchError::Start("no memory for a topic".to_owned()))?;
        // SAFETY: `rk` is a live handle.
        let queue = unsafe { rd::rd_kafka_queue_new(self.rk.as_ptr()) };
        let Some(queue) = NonNull::new(queue) else {
            // SAFETY: the topic is live; its handle is given back once.
            unsafe { rd::rd_kafka_topic_destroy(topic.as_ptr()) };
            return Err(FetchError::Start("no memory for a queue".to_owned()));
        };
        self.fetched.insert(partition.clone(), Fetched { taken: VecDeque::new(), topic, queue, turn });
        let number = partition.partition.0;
        // SAFETY: topic and queue are live and of the same handle; `payload` is copied during the call; the descriptor lives in
        // `wake`, which is dropped after the client.
        let failed = unsafe {
            let descriptor = self.wake.write.as_raw_fd();
            rd::rd_kafka_queue_io_event_enable(queue.as_ptr(), descriptor, b"x".as_ptr().cast(), 1);
            rd::rd_kafka_consume_start_queue(topic.as_ptr(), number, offset.0, queue.as_ptr())
        };
        if failed == 0 { Ok(()) } else { Err(FetchError::Start(std::io::Error::last_os_error().to_string())) }
    }

    /// Fetches it no more.
    pub fn end(&mut self, partition: &TopicPartition) {
        let Some(Fetched { taken, topic, queue, turn: _ }) = self.fetched.remove(partition) else { return };
        drop(taken);
        // SAFETY: topic and queue are live, and their handles given back once; no message of theirs is left.
        unsafe {
            rd::rd_kafka_consume_stop(topic.as_ptr(), partition.partition.0);
            rd::rd_kafka_topic_destroy(topic.as_ptr());
            rd::rd_kafka_queue_destroy(queue.as_ptr());
        }
    }

    /// Takes what librdkafka wants to tell beside messages, which would pile up while nobody takes any.
    pub fn serve(&mut self) {
        // SAFETY: `rk` is live.
        unsafe { rd::rd_kafka_poll(self.rk.as_ptr(), 0) };
    }

    /// What came next, of which partition and turn; nothing waits here. Partitions take turns.
    pub fn take(&mut self) -> Option<(TopicPartition, u64, Taken)> {
        loop {
            let (turn, message) = self.next_of_the_turn().or_else(|| self.turn_over())?;
            let told = message.partition().zip(taken(&message));
            if let Some((partition, taken)) = told {
                return Some((partition, turn, taken));
            }
        }
    }

    fn next_of_the_turn(&mut self) -> Option<(u64, RawMessage)> {
        let fetched = self.fetched.get_mut(self.turn_of.as_ref()?)?;
        Some((fetched.turn, fetched.taken.pop_front()?))
    }

    /// The first one behind that whose turn it was that has something.
    fn turn_over(&mut self) -> Option<(u64, RawMessage)> {
        self.serve();
        let last = self.turn_of.take();
        let (before, after): (Vec<_>, Vec<_>) = self
            .fetched
            .iter_mut()
            .partition(|(partition, _)| last.as_ref().is_some_and(|last| *partition <= last));
        for (partition, fetched) in after.into_iter().chain(before) {
            let (room, batch) = (self.batch.len(), self.batch.as_mut_ptr());
            // SAFETY: the queue is live and `batch` has room for so many pointers.
            let count = unsafe { rd::rd_kafka_consume_batch_queue(fetched.queue.as_ptr(), 0, batch, room) };
            let raw = self.batch.iter().take(usize::try_from(count).unwrap_or(0));
            fetched.taken.extend(raw.filter_map(|raw| NonNull::new(*raw)).map(RawMessage::new));
            if let Some(message) = fetched.taken.pop_front() {
                self.turn_of = Some(partition.clone());
                return Some((fetched.turn, message));
            }
        }
        None
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has some two hundred errors")]
fn taken(raw: &RawMessage) -> Option<Taken> {
    match raw.error() {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
            let mut headers: Vec<Header<'_>> = Vec::new();
            raw.headers(&mut headers);
            let owned = |header: &Header<'_>| {
                let name = String::from_utf8_lossy(header.name).into_owned();
                (name, header.value.map(<[u8]>::to_vec))
            };
            Some(Taken::Message {
                offset: Offset(raw.offset()),
                timestamp: Some(raw.timestamp()).filter(|time| *time >= 0),
                key: raw.key().map(<[u8]>::to_vec),
                value: raw.value().map(<[u8]>::to_vec),
                headers: headers.iter().map(owned).collect(),
            })
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Some(Taken::End(Offset(raw.offset()))),
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => {
            Some(Taken::Denied(KafkaError::TopicDenied))
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => Some(Taken::StartLost(raw.error_text())),
        // librdkafka gets over it by itself.
        _ => {
            log::warn!("Kafka: {}", raw.error_text());
            None
        }
    }
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Drop for Several {
    fn drop(&mut self) {
        let partitions: Vec<_> = self.fetched.keys().cloned().collect();
        partitions.iter().for_each(|partition| self.end(partition));
        self.attached = None;
        // SAFETY: it is live and freed once; nothing of it is left.
        unsafe { rd::rd_kafka_destroy(self.rk.as_ptr()) };
    }
}

impl RawMessage {
    /// Of which partition it is.
    fn partition(&self) -> Option<TopicPartition> {
        let (topic, number) = self.topic_and_partition()?;
        Some(TopicPartition::new(Topic::new(&topic).ok()?, number))
    }
}
