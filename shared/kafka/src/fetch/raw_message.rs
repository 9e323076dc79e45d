//! One message, error or event of a queue of librdkafka's, which it owns; its slices live as long as it does.

use std::ffi::CStr;
use std::ptr::{self, NonNull};

use kafkavisor_types::message::Header;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

/// One message, error or event of the queue.
#[derive(Debug)]
pub(super) struct RawMessage(NonNull<rd::rd_kafka_message_t>);

// SAFETY: a message belongs to whoever has it, on any thread.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe impl Send for RawMessage {}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl RawMessage {
    /// Owns what a queue of librdkafka's has given.
    pub(super) fn new(message: NonNull<rd::rd_kafka_message_t>) -> Self {
        Self(message)
    }

    /// Of which topic and partition it is, where librdkafka says.
    pub(super) fn topic_and_partition(&self) -> Option<(String, i32)> {
        let topic = self.raw().rkt;
        // SAFETY: a message holds its topic, whose name is a C string, as long as it lives.
        let name = (!topic.is_null()).then(|| unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(topic)) })?;
        Some((name.to_str().ok()?.to_owned(), self.raw().partition))
    }

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
