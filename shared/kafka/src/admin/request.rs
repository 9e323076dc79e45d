//! The unsafe frame of every administrative request: options and a queue of its own, one event as the answer.

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafka;

use crate::error::KafkaError;

/// An answer that is due is waited for a little longer than librdkafka may take.
const GRACE: Duration = Duration::from_millis(250);
/// The longest that librdkafka takes.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Frees what librdkafka made when it goes out of scope.
pub(super) struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    pub(super) fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self, KafkaError> {
        NonNull::new(pointer)
            .map(|pointer| Self(pointer, free))
            .ok_or_else(|| KafkaError::Client("librdkafka is out of memory".to_owned()))
    }

    pub(super) fn get(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    #[expect(unsafe_code, reason = "frees what librdkafka made")]
    fn drop(&mut self) {
        // SAFETY: the pointer was made by librdkafka, is freed once, by the function that belongs to its type.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// A string of librdkafka's; empty for null.
pub(super) fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    #[expect(unsafe_code, reason = "librdkafka's strings")]
    // SAFETY: not null, and librdkafka's strings end in NUL and live as long as the result they came from, which the caller
    // holds.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

/// What may be done with a topic or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
}

/// Whether it is among what the broker says is allowed.
///
/// # Safety
/// `operations` is null or has `count` operations, of a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) unsafe fn may(
    operation: Operation,
    operations: *const rd::rd_kafka_AclOperation_t,
    count: usize,
) -> bool {
    // A broker that does not say names none, and one that lets a thing be seen names at least that.
    if operations.is_null() || count == 0 {
        return true;
    }
    // SAFETY: as the caller says.
    let operations = unsafe { std::slice::from_raw_parts(operations, count) };
    operations.contains(&match operation {
        Operation::Read => rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ,
        Operation::Write => rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE,
    })
}

/// A request on its way.
pub(super) struct Request {
    options: Owned<rd::rd_kafka_AdminOptions_t>,
    queue: Owned<rd::rd_kafka_queue_t>,
    until: Instant,
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Request {
    /// Makes a request that is given up after `within`, whatever it waits for: a broker, a coordinator, an answer.
    ///
    /// `rk` must be a live handle; the caller holds its owner until the answer is there or the request is dropped.
    pub(super) fn new(
        rk: *mut RDKafka,
        operation: rd::rd_kafka_admin_op_t,
        within: Duration,
    ) -> Result<Self, KafkaError> {
        Self::timed(rk, operation, within, now() + within + GRACE)
    }

    /// ... to a group's coordinator: given up by us alone, whose client ends then (see `coordinator`), and well before librdkafka would.
    pub(super) fn to_coordinator(
        rk: *mut RDKafka,
        operation: rd::rd_kafka_admin_op_t,
        within: Duration,
    ) -> Result<Self, KafkaError> {
        Self::timed(rk, operation, LONGEST, now() + within.min(LONGEST / 2))
    }

    fn timed(
        rk: *mut RDKafka,
        operation: rd::rd_kafka_admin_op_t,
        within: Duration,
        until: Instant,
    ) -> Result<Self, KafkaError> {
        let millis = i32::try_from(within.as_millis()).unwrap_or(i32::MAX).max(1);
        // SAFETY: `rk` is live; both are owned by guards from here on.
        let (options, queue) = unsafe {
            (
                Owned::new(rd::rd_kafka_AdminOptions_new(rk, operation), rd::rd_kafka_AdminOptions_destroy)?,
                Owned::new(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy)?,
            )
        };
        // SAFETY: the options are live; it refuses only what is out of its range of an hour.
        unsafe {
            rd::rd_kafka_AdminOptions_set_request_timeout(options.get(), millis, ptr::null_mut(), 0);
        }
        Ok(Self { options, queue, until })
    }

    /// Asks too what may be done with what is described.
    pub(super) fn include_rights(&self) {
        // SAFETY: the options are live; an error, which brokers that can't tell are not, is ours to free.
        unsafe {
            let error = rd::rd_kafka_AdminOptions_set_include_authorized_operations(self.options.get(), 1);
            if !error.is_null() {
                rd::rd_kafka_error_destroy(error);
            }
        }
    }

    pub(super) fn options(&self) -> *mut rd::rd_kafka_AdminOptions_t {
        self.options.get()
    }

    pub(super) fn queue(&self) -> *mut rd::rd_kafka_queue_t {
        self.queue.get()
    }

    /// Waits for the answer.
    pub(super) fn answer(&self) -> Result<Owned<rd::rd_kafka_event_t>, KafkaError> {
        self.answer_by(self.until)
    }

    /// ... until `by` at the latest; it can be waited for again.
    pub(super) fn answer_by(&self, by: Instant) -> Result<Owned<rd::rd_kafka_event_t>, KafkaError> {
        let left = self.until.min(by).saturating_duration_since(now());
        // SAFETY: the queue is live.
        let event = unsafe {
            rd::rd_kafka_queue_poll(self.queue.get(), i32::try_from(left.as_millis()).unwrap_or(i32::MAX))
        };
        let event = Owned::new(event, rd::rd_kafka_event_destroy).map_err(|_| KafkaError::TimedOut)?;
        // SAFETY: the event is live.
        match KafkaError::of(unsafe { rd::rd_kafka_event_error(event.get()) }) {
            Some(error) => Err(error),
            None => Ok(event),
        }
    }
}
