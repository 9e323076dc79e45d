//! All offsets that a group has, whatever their topics (`rd_kafka_ListConsumerGroupOffsets` without partitions).

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use kafkavisor_types::ids::Group;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafka;

use super::elements::{Element, elements_of};
use super::request::{Owned, Request};
use crate::error::KafkaError;

/// Asks the group's coordinator for all offsets of `group`; none where Kafka knows no such group.
///
/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(crate) fn list_offsets(
    rk: *mut RDKafka,
    group: &Group,
    within: Duration,
) -> Result<Vec<Element>, KafkaError> {
    let group = CString::new(group.as_str()).map_err(|error| KafkaError::Client(error.to_string()))?;
    let request =
        Request::new(rk, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, within)?;
    // SAFETY: the name is live, and copied; no list means all partitions.
    let wanted = Owned::new(
        unsafe { rd::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null()) },
        rd::rd_kafka_ListConsumerGroupOffsets_destroy,
    )?;
    let mut one = [wanted.get()];
    // SAFETY: all arguments are live; the request copies what it needs.
    unsafe {
        rd::rd_kafka_ListConsumerGroupOffsets(
            rk,
            one.as_mut_ptr(),
            one.len(),
            request.options(),
            request.queue(),
        );
    }
    let event = request.answer()?;
    let mut found = Vec::new();
    // SAFETY: the event is live until the end; groups, errors and lists belong to it; the count is as librdkafka says.
    unsafe {
        let result = rd::rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
        if result.is_null() {
            return Ok(found);
        }
        let mut count = 0;
        let groups = rd::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        for index in 0..count {
            let group = *groups.add(index);
            let error = rd::rd_kafka_group_result_error(group);
            if !error.is_null()
                && let Some(error) = KafkaError::of(rd::rd_kafka_error_code(error))
            {
                return Err(error);
            }
            found.extend(elements_of(rd::rd_kafka_group_result_partitions(group)));
        }
    }
    Ok(found)
}
