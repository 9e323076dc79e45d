//! One partition's fetching: the calls of librdkafka that the safe crate does not have, each behind a safe function.
//!
//! A [`Client`] owns the handle, one topic and one queue, and frees them in this order's reverse.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::handle::{FetchError, Told, c_string, handle};
use super::log_end::LogEnd;
use super::raw_message::RawMessage;
use crate::tokens::{Attached, attach, board_in};

/// Fetching begins at the latest then, whoever does not answer where the log ends.
const LOG_END_WITHIN_MS: i32 = 500;
/// Whether the leader answers at all is known after this: it may hold a fetch back for a while, and what is asked behind it.
const DOUBT_WITHIN_MS: i32 = 7_000;
/// ... where it has never answered, and nothing is held back.
const FIRST_DOUBT_WITHIN_MS: i32 = 1_500;

/// Messages taken from librdkafka at once.
const BATCH: usize = 1000;

/// A started consumer of one partition.
#[derive(Debug)]
pub(super) struct Client {
    /// None once it is being dropped.
    attached: Option<Attached>,
    rk: NonNull<rd::rd_kafka_t>,
    topic: NonNull<rd::rd_kafka_topic_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    name: CString,
    partition: i32,
    offset: i64,
    /// Fetching begins when this is answered.
    log_end: Option<LogEnd>,
    /// What librdkafka said of brokers that it can't talk to, and whether the one that matters is among them. It knows where they are.
    told: Box<Told>,
    doubt: Option<LogEnd>,
    properties: BTreeMap<String, String>,
    waker: OwnedFd,
    /// The answer, good until a fetch tells.
    first_end: Option<i64>,
    /// Where librdkafka puts what is taken.
    batch: Vec<*mut rd::rd_kafka_message_t>,
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Client {
    /// Starts fetching `partition` of `topic` at `offset`; a byte is written to `wake` when the empty queue fills.
    pub(super) fn start(
        properties: &BTreeMap<String, String>,
        topic: &str,
        partition: i32,
        offset: i64,
        wake: BorrowedFd<'_>,
    ) -> Result<Self, FetchError> {
        let told = Box::new(Told::default());
        let rk = handle(properties, &told)?;
        let waker = wake.try_clone_to_owned().map_err(|error| FetchError::Start(error.to_string()))?;
        let attached = attach(board_in(properties), rk.as_ptr());
        let name = c_string(topic);
        // SAFETY: `rk` is a live handle and `name` a C string; a null configuration means the handle's defaults.
        let topic = unsafe { rd::rd_kafka_topic_new(rk.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        // SAFETY: `rk` is a live handle.
        let queue = unsafe { rd::rd_kafka_queue_new(rk.as_ptr()) };
        let (Some(topic), Some(queue)) = (NonNull::new(topic), NonNull::new(queue)) else {
            return Err(FetchError::Start("no memory for a topic and a queue".to_owned()));
        };
        let log_end = LogEnd::ask(rk, &name, partition, LOG_END_WITHIN_MS, wake);
        let batch = vec![ptr::null_mut(); BATCH];
        let mut client = Self {
            attached,
            rk,
            topic,
            queue,
            name,
            partition,
            offset,
            log_end,
            told,
            doubt: None,
            properties: properties.clone(),
            waker,
            first_end: None,
            batch,
        };
        // SAFETY: the queue is live; `payload` is copied during the call; the descriptor outlives the client, whose owner has
        // both and drops the client first.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(queue.as_ptr(), wake.as_raw_fd(), b"x".as_ptr().cast(), 1);
            // What librdkafka wants to tell beside messages is worth waking up for, too.
            let main = rd::rd_kafka_queue_get_main(rk.as_ptr());
            rd::rd_kafka_queue_io_event_enable(main, wake.as_raw_fd(), b"x".as_ptr().cast(), 1);
            rd::rd_kafka_queue_destroy(main);
        }
        if client.log_end.is_none() {
            client.begin()?;
        }
        Ok(client)
    }

    fn begin(&mut self) -> Result<(), FetchError> {
        let (topic, queue) = (self.topic.as_ptr(), self.queue.as_ptr());
        // SAFETY: topic and queue are live and of the same handle.
        let failed = unsafe { rd::rd_kafka_consume_start_queue(topic, self.partition, self.offset, queue) };
        if failed == 0 { Ok(()) } else { Err(FetchError::Start(std::io::Error::last_os_error().to_string())) }
    }

    /// Takes what is there, at most a batch, without waiting.
    pub(super) fn take(&mut self) -> impl Iterator<Item = RawMessage> {
        let (room, batch) = (self.batch.len(), self.batch.as_mut_ptr());
        // SAFETY: the queue is live and `batch` has room for so many pointers.
        let count = unsafe { rd::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, batch, room) };
        let count = usize::try_from(count).unwrap_or(0);
        self.batch.iter().take(count).filter_map(|message| NonNull::new(*message)).map(RawMessage::new)
    }

    /// Serves what librdkafka wants to tell (errors, which it logs too), and begins to fetch once the log's end is known.
    pub(super) fn serve(&mut self) -> Result<(), FetchError> {
        // SAFETY: `rk` is live.
        unsafe { rd::rd_kafka_poll(self.rk.as_ptr(), 0) };
        if self.log_end.is_none() {
            self.look_whether_refused()?;
        }
        let Some(end) = self.log_end.as_ref().and_then(LogEnd::answer) else { return Ok(()) };
        self.log_end = None;
        // A start beyond the end is the fetch's to refuse.
        self.first_end = Some(end).filter(|end| *end >= self.offset);
        self.begin()
    }

    /// A broker that does not let us in need not be the one that leads the partition: that one is asked, and if it answers all is
    /// well.
    fn look_whether_refused(&mut self) -> Result<(), FetchError> {
        let Some(trouble) = self.told.signs.last().and_then(|sign| sign.trouble(&self.properties)) else {
            return Ok(());
        };
        let Some(doubt) = &self.doubt else {
            let heard = self.high_watermark().is_some();
            let within = if heard { DOUBT_WITHIN_MS } else { FIRST_DOUBT_WITHIN_MS };
            self.doubt = LogEnd::ask(self.rk, &self.name, self.partition, within, self.waker.as_fd());
            return Ok(());
        };
        let Some(end) = doubt.answer() else { return Ok(()) };
        self.doubt = None;
        if end >= 0 {
            self.told.signs.forget();
            return Ok(());
        }
        Err(FetchError::Refused(Box::new(trouble)))
    }

    /// The end of the partition as the last fetch had it; none before the first.
    pub(super) fn high_watermark(&self) -> Option<i64> {
        let (mut low, mut high) = (-1i64, -1i64);
        // SAFETY: `rk` is live, `name` a C string, and both results are ours.
        let error = unsafe {
            rd::rd_kafka_get_watermark_offsets(
                self.rk.as_ptr(),
                self.name.as_ptr(),
                self.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        let told = (error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high);
        told.or(self.first_end)
    }
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Drop for Client {
    fn drop(&mut self) {
        self.log_end = None;
        self.doubt = None;
        self.attached = None;
        // SAFETY: each is live and freed once, dependents first; no message of this queue is left, for its owner drops them
        // before the client.
        unsafe {
            rd::rd_kafka_consume_stop(self.topic.as_ptr(), self.partition);
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
            rd::rd_kafka_topic_destroy(self.topic.as_ptr());
            rd::rd_kafka_destroy(self.rk.as_ptr());
        }
    }
}
