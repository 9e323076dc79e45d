//! Writes offsets of a group (`rd_kafka_AlterConsumerGroupOffsets`): one answer a partition.
//!
//! Not `rd_kafka_commit`: that one holds a commit back while the group's coordinator is away, for `session.timeout.ms`, and sends
//! it when nobody knows any more whether it still may. This one is forgotten when its time is up, wherever it waits, because its
//! client ends then, and is not sent again by librdkafka; what is left is a request in a socket's buffer.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::Duration;

use kafkavisor_types::ids::TopicPartition;
use rdkafka::bindings as rd;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafka;

use super::coordinator::{Asked, through};
use super::elements::elements_of_groups;
use super::request::{Owned, Request};
use crate::error::KafkaError;
use crate::live::Live;

/// One answer a partition.
pub(crate) type Written = BTreeMap<TopicPartition, Result<(), KafkaError>>;

/// Writes `offsets`, with what stands beside them, as the group's.
pub(crate) fn write_offsets(
    live: Live,
    group: &str,
    offsets: &TopicPartitionList,
    within: Duration,
) -> Asked<Written> {
    through(live, |rk| write(rk, group, offsets, within))
}

/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
fn write(
    rk: *mut RDKafka,
    group: &str,
    offsets: &TopicPartitionList,
    within: Duration,
) -> Result<Written, KafkaError> {
    let group = CString::new(group).map_err(|error| KafkaError::Client(error.to_string()))?;
    let request = Request::to_coordinator(
        rk,
        rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
        within,
    )?;
    // SAFETY: the list and the name are live, and copied.
    let written = Owned::new(
        unsafe { rd::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), offsets.ptr()) },
        rd::rd_kafka_AlterConsumerGroupOffsets_destroy,
    )?;
    let mut one = [written.get()];
    // SAFETY: all arguments are live; the request copies what it needs.
    unsafe {
        rd::rd_kafka_AlterConsumerGroupOffsets(
            rk,
            one.as_mut_ptr(),
            one.len(),
            request.options(),
            request.queue(),
        );
    }
    let event = request.answer()?;
    // SAFETY: the event is live until the end; its groups belong to it; the count is as librdkafka says.
    let written = unsafe {
        let result = rd::rd_kafka_event_AlterConsumerGroupOffsets_result(event.get());
        if result.is_null() {
            return Ok(BTreeMap::new());
        }
        let mut count = 0;
        let groups = rd::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
        elements_of_groups(groups, count)?
    };
    Ok(written.into_iter().map(|element| (element.key, element.error.map_or(Ok(()), Err))).collect())
}
