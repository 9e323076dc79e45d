//! The unsafe part of asking Kafka: topics with their ids, which the safe crate does not tell (`rd_kafka_DescribeTopics`).

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Duration;

use kafkavisor_types::ids::Topic;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

use super::request::{Operation, Owned, Request, may, text};
use crate::error::KafkaError;

/// One topic as Kafka has it now; no partitions: there is none of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// How many there are.
    pub partitions: i32,
    /// New with each making of the topic; none from brokers that have no ids.
    pub id: Option<String>,
    /// It may be looked at, and not read.
    pub unreadable: bool,
    /// ... and not written to.
    pub unwritable: bool,
}

impl Described {
    /// It, if it may be read.
    pub fn readable(self) -> Result<Self, KafkaError> {
        if self.unreadable { Err(KafkaError::TopicDenied) } else { Ok(self) }
    }

    /// It, if it may be written to.
    pub fn writable(self) -> Result<Self, KafkaError> {
        if self.unwritable { Err(KafkaError::WriteDenied) } else { Ok(self) }
    }
}

/// What `rd_kafka_Uuid_base64str` gives for "no id".
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Asks `broker`, or the controller where it is negative, for `topics`: one answer each. A topic that does not exist has no partitions.
///
/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(crate) fn describe(
    rk: *mut RDKafka,
    broker: i32,
    topics: &[Topic],
    within: Duration,
) -> Result<BTreeMap<Topic, Result<Described, KafkaError>>, KafkaError> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let request = Request::new(rk, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, within)?;
    // SAFETY: the names are live C strings, and copied.
    let collection = Owned::new(
        unsafe { rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) },
        rd::rd_kafka_TopicCollection_destroy,
    )?;
    request.include_rights();
    // SAFETY: all arguments are live; the request copies what it needs. Any broker can answer; the controller, which librdkafka
    // would ask, may be the one that is away.
    unsafe {
        rd::rd_kafka_AdminOptions_set_broker(request.options(), broker, ptr::null_mut(), 0);
        rd::rd_kafka_DescribeTopics(rk, collection.get(), request.options(), request.queue());
    }
    let event = request.answer()?;
    // SAFETY: the event is live; its strings and results live as long as it does.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.get());
        if result.is_null() {
            return Ok(BTreeMap::new());
        }
        let mut count = 0;
        let described = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        Ok((0..count).filter_map(|index| one(*described.add(index))).collect())
    }
}

/// # Safety
/// `topic` belongs to a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe fn one(
    topic: *const rd::rd_kafka_TopicDescription_t,
) -> Option<(Topic, Result<Described, KafkaError>)> {
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
    match KafkaError::of(code) {
        Some(KafkaError::Unknown) => return Some((name, Ok(Described::default()))),
        Some(error) => return Some((name, Err(error))),
        None => {}
    }
    let mut partitions = 0usize;
    // SAFETY: the topic belongs to a live result, and so do its partitions and its id.
    let id = unsafe {
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() { String::new() } else { text(rd::rd_kafka_Uuid_base64str(id)) }
    };
    let id = (!id.is_empty() && id != NO_ID).then_some(id);
    let mut count = 0usize;
    // SAFETY: as above; the operations belong to the topic, and are as many as is said.
    let [unreadable, unwritable] = unsafe {
        let operations = rd::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
        [Operation::Read, Operation::Write].map(|operation| !may(operation, operations, count))
    };
    let partitions = i32::try_from(partitions).ok()?;
    Some((name, Ok(Described { partitions, id, unreadable, unwritable })))
}
