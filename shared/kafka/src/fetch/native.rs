//! The unsafe part of fetching: the calls of librdkafka that the safe crate does not have, each behind a safe function.
//!
//! A [`Client`] owns the handle, one topic and one queue, and frees them in this order's reverse. A [`RawMessage`] owns one
//! message; its slices live as long as it does.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafkavisor_types::clock::Boottime;
use kafkavisor_types::message::Header;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};

use super::log_end::LogEnd;
use crate::tokens::{Attached, attach, board_in};
use crate::trouble::{Signs, Trouble};

/// Fetching begins at the latest then, whoever does not answer where the log ends.
const LOG_END_WITHIN_MS: i32 = 500;
/// Whether the leader answers at all is known after this: it may hold a fetch back for a while, and what is asked behind it.
const DOUBT_WITHIN_MS: i32 = 7_000;
/// ... where it has never answered, and nothing is held back.
const FIRST_DOUBT_WITHIN_MS: i32 = 1_500;

/// Messages taken from librdkafka at once.
const BATCH: usize = 1000;

/// Why messages can't be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A property is refused.
    #[error("librdkafka refuses the configuration: {0}")]
    Property(String),
    /// The client can't be made.
    #[error("librdkafka can't be started: {0}")]
    Start(String),
    /// The broker that leads the partition does not let us in, or we don't trust it.
    #[error(transparent)]
    Refused(Box<Trouble>),
}

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
    signs: Box<Signs>,
    doubt: Option<LogEnd>,
    properties: BTreeMap<String, String>,
    waker: OwnedFd,
    /// The answer, good until a fetch tells.
    first_end: Option<i64>,
    /// Where librdkafka puts what is taken.
    batch: Vec<*mut rd::rd_kafka_message_t>,
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

fn text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer.iter().take_while(|c| **c != 0).map(|c| c.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A broker that is down is worth a line, and not ten a second.
fn now_and_then() -> bool {
    const EVERY: Duration = Duration::from_secs(10);
    static LAST: AtomicU64 = AtomicU64::new(0);
    let (time, last) = (Boottime::now(), Boottime(LAST.load(Ordering::Relaxed)));
    let due = last == Boottime(0) || time.since(last) >= EVERY;
    due && LAST.compare_exchange(last.0, time.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// librdkafka's own log lines, through ours.
#[expect(unsafe_code, reason = "called by librdkafka with C strings")]
unsafe extern "C" fn log_line(
    _: *const rd::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: librdkafka passes two valid C strings that live as long as this call.
    let (facility, line) = unsafe { (CStr::from_ptr(facility), CStr::from_ptr(line)) };
    let (facility, line) = (facility.to_string_lossy(), line.to_string_lossy());
    if level > 4 {
        log::debug!("librdkafka {facility}: {line}");
    } else if now_and_then() {
        log::warn!("librdkafka {facility}: {line}");
    }
}

/// librdkafka's errors that are no message's.
#[expect(unsafe_code, reason = "called by librdkafka with a C string")]
unsafe extern "C" fn note_error(
    _: *mut rd::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    signs: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid C string that lives as long as this call, and the signs that the handle was made with.
    let (reason, signs) = unsafe { (CStr::from_ptr(reason), &*signs.cast::<Signs>()) };
    let reason = reason.to_string_lossy();
    if now_and_then() {
        log::warn!("librdkafka: {reason}");
    }
    signs.note_code(code, &reason);
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
        let signs = Box::new(Signs::default());
        let rk = Self::handle(properties, &signs)?;
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
            signs,
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

    fn handle(
        properties: &BTreeMap<String, String>,
        signs: &Signs,
    ) -> Result<NonNull<rd::rd_kafka_t>, FetchError> {
        let mut error = [0 as c_char; 512];
        // SAFETY: makes a new configuration, ours to free until rd_kafka_new takes it.
        let conf = unsafe { rd::rd_kafka_conf_new() };
        for (key, value) in properties {
            let (key, value) = (c_string(key), c_string(value));
            // SAFETY: `conf` is live, the strings are C strings, `error` is as long as is said.
            let result = unsafe {
                rd::rd_kafka_conf_set(conf, key.as_ptr(), value.as_ptr(), error.as_mut_ptr(), error.len())
            };
            if result != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                // SAFETY: `conf` is live and not used again.
                unsafe { rd::rd_kafka_conf_destroy(conf) };
                return Err(FetchError::Property(text(&error)));
            }
        }
        // SAFETY: `conf` is live; the callbacks are functions of the right types that live for ever; `signs` stands in a box that
        // outlives the handle, and is shared.
        unsafe {
            rd::rd_kafka_conf_set_log_cb(conf, Some(log_line));
            rd::rd_kafka_conf_set_error_cb(conf, Some(note_error));
            rd::rd_kafka_conf_set_opaque(conf, ptr::from_ref(signs).cast_mut().cast());
        }
        // SAFETY: `conf` is live and taken over on success; `error` is as long as is said.
        let rk = unsafe {
            rd::rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, conf, error.as_mut_ptr(), error.len())
        };
        NonNull::new(rk).ok_or_else(|| {
            // SAFETY: on failure `conf` is still ours and is not used again.
            unsafe { rd::rd_kafka_conf_destroy(conf) };
            FetchError::Start(text(&error))
        })
    }

    /// Takes what is there, at most a batch, without waiting.
    pub(super) fn take(&mut self) -> impl Iterator<Item = RawMessage> {
        let (room, batch) = (self.batch.len(), self.batch.as_mut_ptr());
        // SAFETY: the queue is live and `batch` has room for so many pointers.
        let count = unsafe { rd::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, batch, room) };
        let count = usize::try_from(count).unwrap_or(0);
        self.batch.iter().take(count).filter_map(|message| NonNull::new(*message)).map(RawMessage)
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
        let Some(trouble) = self.signs.last().and_then(|sign| sign.trouble(&self.properties)) else {
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
            self.signs.forget();
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

/// One message, error or event of the queue.
#[derive(Debug)]
pub(super) struct RawMessage(NonNull<rd::rd_kafka_message_t>);

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl RawMessage {
    fn raw(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: the pointer came from the queue and is freed by `drop` only.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn error(&self) -> RDKafkaRespErr {
        self.raw().err
    }

    pub(super) fn error_text(&self) -> String {
        // SAFETY: the message is live; the text lives as long as it does, and is copied.
        let text = unsafe { rd::rd_kafka_message_errstr(self.0.as_ptr()) };
        if text.is_null() {
            return format!("{:?}", self.error());
        }
        // SAFETY: not null, so a C string.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    pub(super) fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// Milliseconds since 1970, -1 without one.
    pub(super) fn timestamp(&self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is live and `kind` is ours.
        unsafe { rd::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.slice(self.raw().key.cast(), self.raw().key_len)
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        self.slice(self.raw().payload.cast(), self.raw().len)
    }

    /// What librdkafka says of a part of this message: null, or where and how long it is.
    #[expect(clippy::unused_self, reason = "the bytes live as long as the message that owns them")]
    fn slice(&self, data: *const u8, length: usize) -> Option<&[u8]> {
        // SAFETY: librdkafka gives null for no data, else `length` bytes that live as long as the message, which `self` owns.
        (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, length) })
    }

    /// The headers, in order.
    pub(super) fn headers<'a>(&'a self, into: &mut Vec<Header<'a>>) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is live and the result is ours; the headers belong to the message.
        let error = unsafe { rd::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) };
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0usize);
            // SAFETY: `headers` is live; the results are ours and point into the message.
            let error = unsafe {
                rd::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size)
            };
            if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: header names are C strings that live as long as the message.
            let name = unsafe { CStr::from_ptr(name) }.to_bytes();
            into.push(Header { name, value: self.slice(value.cast(), size) });
        }
    }
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Drop for RawMessage {
    fn drop(&mut self) {
        // SAFETY: the message is live and freed once.
        unsafe { rd::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}
