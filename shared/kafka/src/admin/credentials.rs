//! The unsafe part of giving a client that runs another password (`rd_kafka_sasl_set_credentials`).

use std::ffi::CString;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafka;

/// Logs in with these from the next connection on, with PLAIN and SCRAM; other mechanisms have neither.
pub(crate) fn set_credentials(client: *mut RDKafka, username: &str, password: &str) {
    // Neither holds a NUL: librdkafka's own properties could not either.
    let (Ok(username), Ok(password)) = (CString::new(username), CString::new(password)) else { return };
    #[expect(unsafe_code, reason = "librdkafka's C interface")]
    // SAFETY: the caller holds the client; librdkafka copies both texts before it returns; its error is ours to free.
    unsafe {
        let error = rd::rd_kafka_sasl_set_credentials(client, username.as_ptr(), password.as_ptr());
        if !error.is_null() {
            rd::rd_kafka_error_destroy(error);
        }
    }
}
