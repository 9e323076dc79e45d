//! The unsafe part of asking Kafka: topics with their ids, which the safe crate does not tell (`rd_kafka_DescribeTopics`).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use kafkavisor::ids::Topic;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

/// One topic as Kafka has it now; no partitions: there is none of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// How many there are.
    pub partitions: i32,
    /// New with each making of the topic; none from brokers that have no ids.
    pub id: Option<String>,
}

/// What `rd_kafka_Uuid_base64str` gives for "no id".
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    #[expect(unsafe_code, reason = "librdkafka's strings")]
    // SAFETY: not null, and librdkafka's strings end in NUL and live as long as the result they came from, which the caller
    // holds.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

/// Frees what librdkafka made when it goes out of scope.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self, String> {
        NonNull::new(pointer).map(|pointer| Self(pointer, free)).ok_or_else(|| "out of memory".to_owned())
    }

    fn get(&self) -> *mut T {
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

/// The broker that is the controller, which alone describes topics; the demo's cluster names one that is not there.
///
/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) fn controller(rk: *mut RDKafka) -> i32 {
    // SAFETY: `rk` is live.
    unsafe { rd::rd_kafka_controllerid(rk, 200) }
}

/// Asks for `topics`. A topic that does not exist has no partitions; one whose description failed otherwise is left out.
///
/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) fn describe(
    rk: *mut RDKafka,
    topics: &[Topic],
    timeout: Duration,
) -> Result<BTreeMap<Topic, Described>, String> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `rk` is live; each result is owned by a guard below, and freed before `rk` is.
    let (queue, options, collection) = unsafe {
        (
            Owned::new(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy)?,
            Owned::new(
                rd::rd_kafka_AdminOptions_new(rk, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
                rd::rd_kafka_AdminOptions_destroy,
            )?,
            Owned::new(
                rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
                rd::rd_kafka_TopicCollection_destroy,
            )?,
        )
    };
    // SAFETY: all arguments are live; the request copies what it needs. Polling waits a little longer than the request may take.
    let event = unsafe {
        rd::rd_kafka_AdminOptions_set_request_timeout(options.get(), millis, ptr::null_mut(), 0);
        rd::rd_kafka_DescribeTopics(rk, collection.get(), options.get(), queue.get());
        rd::rd_kafka_queue_poll(queue.get(), millis.saturating_add(500))
    };
    let event =
        Owned::new(event, rd::rd_kafka_event_destroy).map_err(|_| "no answer from Kafka".to_owned())?;
    // SAFETY: the event is live; its strings and results live as long as it does.
    unsafe {
        if rd::rd_kafka_event_error(event.get()) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(rd::rd_kafka_event_error_string(event.get())));
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event.get());
        if result.is_null() {
            return Err("Kafka answered something else".to_owned());
        }
        let mut count = 0;
        let described = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        Ok((0..count).filter_map(|index| one(*described.add(index))).collect())
    }
}

/// # Safety
/// `topic` belongs to a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe fn one(topic: *const rd::rd_kafka_TopicDescription_t) -> Option<(Topic, Described)> {
    // SAFETY: as the caller says; the pointers below live as long as the result.
    let (name, error) = unsafe {
        (text(rd::rd_kafka_TopicDescription_name(topic)), rd::rd_kafka_TopicDescription_error(topic))
    };
    let name = Topic::new(&name).ok()?;
    let code = if error.is_null() {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    } else {
        // SAFETY: `error` belongs to the live result.
        unsafe { rd::rd_kafka_error_code(error) }
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART {
        return Some((name, Described::default()));
    }
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    let mut partitions = 0usize;
    // SAFETY: the topic belongs to a live result, and so do its partitions and its id.
    let id = unsafe {
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() { String::new() } else { text(rd::rd_kafka_Uuid_base64str(id)) }
    };
    let id = (!id.is_empty() && id != NO_ID).then_some(id);
    Some((name, Described { partitions: i32::try_from(partitions).ok()?, id }))
}
