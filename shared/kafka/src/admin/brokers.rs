//! The unsafe part of telling a client of more brokers to begin with (`rd_kafka_brokers_add`).

use std::ffi::CString;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafka;

/// Adds brokers, `host:port,...`, to those that the client knows; one that it knows already is not added twice.
pub(crate) fn add_brokers(client: *mut RDKafka, brokers: &str) {
    // Addresses hold no NUL: nothing is added for one that does.
    let Ok(brokers) = CString::new(brokers) else { return };
    #[expect(unsafe_code, reason = "librdkafka's C interface")]
    // SAFETY: the caller holds the client; librdkafka copies the text before it returns.
    let _how_many = unsafe { rd::rd_kafka_brokers_add(client, brokers.as_ptr()) };
}
