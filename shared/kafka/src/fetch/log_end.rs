//! Where the log ended when fetching began. A fetch at the end of the log is answered when there is something to tell or
//! `fetch.wait.max.ms` is over, and a broker answers a connection's requests one after the other: so this is asked first.

use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

/// A question under way. Dropped before the handle it was asked with.
#[derive(Debug)]
pub(super) struct LogEnd {
    queue: NonNull<rd::rd_kafka_queue_t>,
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl LogEnd {
    /// Asks, for no longer than `within_ms`; a byte is written to `wake` when there is an answer. None where librdkafka can't even ask.
    pub(super) fn ask(
        rk: NonNull<rd::rd_kafka_t>,
        topic: &CStr,
        partition: i32,
        within_ms: i32,
        wake: BorrowedFd<'_>,
    ) -> Option<Self> {
        // SAFETY: `rk` is live; the queue is freed by `drop`; the list and the options are freed here, and are copied by the
        // call; `topic` is a C string; the payload is copied; `wake` outlives us, whose owner has both and drops us first.
        unsafe {
            let asked = Self { queue: NonNull::new(rd::rd_kafka_queue_new(rk.as_ptr()))? };
            let queue = asked.queue.as_ptr();
            rd::rd_kafka_queue_io_event_enable(queue, wake.as_raw_fd(), b"x".as_ptr().cast(), 1);
            let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
            let options = rd::rd_kafka_AdminOptions_new(rk.as_ptr(), operation);
            let mut error = [0 as c_char; 1];
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options,
                within_ms,
                error.as_mut_ptr(),
                error.len(),
            );
            let list = rd::rd_kafka_topic_partition_list_new(1);
            let entry = rd::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
            (*entry).offset = rd::RD_KAFKA_OFFSET_END.into();
            rd::rd_kafka_ListOffsets(rk.as_ptr(), list, options, queue);
            rd::rd_kafka_topic_partition_list_destroy(list);
            rd::rd_kafka_AdminOptions_destroy(options);
            Some(asked)
        }
    }

    /// The answer if it has come: the end, below every offset where it could not be had.
    pub(super) fn answer(&self) -> Option<i64> {
        // SAFETY: the queue is live and the call does not wait.
        let event = NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), 0) })?;
        // SAFETY: the event is live until it is destroyed once, and what is read of it is copied before that.
        unsafe {
            let end = Self::end(event);
            rd::rd_kafka_event_destroy(event.as_ptr());
            Some(end.unwrap_or(-1))
        }
    }

    /// # Safety
    /// `event` is live.
    unsafe fn end(event: NonNull<rd::rd_kafka_event_t>) -> Option<i64> {
        // SAFETY: `event` is live by contract, and everything that is read belongs to it; the count says how many there are.
        unsafe {
            let result = rd::rd_kafka_event_ListOffsets_result(event.as_ptr());
            let (mut count, none) = (0usize, ptr::null());
            let infos = if result.is_null() {
                return None;
            } else {
                rd::rd_kafka_ListOffsets_result_infos(result, &raw mut count)
            };
            let info = if count == 0 { none } else { *infos };
            let entry =
                rd::rd_kafka_ListOffsetsResultInfo_topic_partition(NonNull::new(info.cast_mut())?.as_ptr());
            ((*entry).err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some((*entry).offset)
        }
    }
}

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl Drop for LogEnd {
    fn drop(&mut self) {
        // SAFETY: the queue is live and freed once; an answer under way keeps what it needs.
        unsafe { rd::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}
