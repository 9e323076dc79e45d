//! A handle of librdkafka's for fetching, and what it says beside messages.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt::{Debug, Formatter};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafkavisor_types::clock::Boottime;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaType;

use crate::trouble::{Signs, Trouble};

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

pub(super) fn c_string(text: &str) -> CString {
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

/// Takes librdkafka's statistics, a JSON object.
pub type Statistics = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What a handle tells beside messages. It must outlive the handle.
#[derive(Default)]
pub(super) struct Told {
    /// What librdkafka said of brokers that it can't talk to.
    pub(super) signs: Signs,
    /// Given librdkafka's statistics as it writes them, a JSON object, where they are wanted.
    pub(super) statistics: Option<Statistics>,
}

impl Debug for Told {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("signs", &self.signs).finish_non_exhaustive()
    }
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
    told: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid C string that lives as long as this call, and what the handle was made with.
    let (reason, told) = unsafe { (CStr::from_ptr(reason), &*told.cast::<Told>()) };
    let reason = reason.to_string_lossy();
    if now_and_then() {
        log::warn!("librdkafka: {reason}");
    }
    told.signs.note_code(code, &reason);
}

/// librdkafka's statistics.
#[expect(unsafe_code, reason = "called by librdkafka with a text of a certain length")]
unsafe extern "C" fn note_statistics(
    _: *mut rd::rd_kafka_t,
    json: *mut c_char,
    length: usize,
    told: *mut c_void,
) -> c_int {
    // SAFETY: librdkafka passes so many bytes that live as long as this call, and what the handle was made with.
    let (json, told) =
        unsafe { (std::slice::from_raw_parts(json.cast::<u8>(), length), &*told.cast::<Told>()) };
    if let Some(take) = &told.statistics {
        take(json);
    }
    // librdkafka frees the text.
    0
}

/// A consumer with these properties, which tells `told` what it has to say.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) fn handle(
    properties: &BTreeMap<String, String>,
    told: &Told,
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
    // SAFETY: `conf` is live; the callbacks are functions of the right types that live for ever; `told` stands in a box that
    // outlives the handle, and is shared.
    unsafe {
        rd::rd_kafka_conf_set_log_cb(conf, Some(log_line));
        rd::rd_kafka_conf_set_error_cb(conf, Some(note_error));
        rd::rd_kafka_conf_set_stats_cb(conf, Some(note_statistics));
        rd::rd_kafka_conf_set_opaque(conf, ptr::from_ref(told).cast_mut().cast());
    }
    // SAFETY: `conf` is live and taken over on success; `error` is as long as is said.
    let rk =
        unsafe { rd::rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, conf, error.as_mut_ptr(), error.len()) };
    NonNull::new(rk).ok_or_else(|| {
        // SAFETY: on failure `conf` is still ours and is not used again.
        unsafe { rd::rd_kafka_conf_destroy(conf) };
        FetchError::Start(text(&error))
    })
}
