//! All offsets that a group has, whatever their topics (`rd_kafka_ListConsumerGroupOffsets` without partitions).

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use kafkavisor_types::ids::Group;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafka;

use super::coordinator::{Asked, through};
use super::elements::{Element, elements_of_groups};
use super::request::{Owned, Request};
use crate::error::KafkaError;
use crate::live::Live;

/// Asks the group's coordinator for all offsets of `group`; none where Kafka knows no such group.
pub(crate) fn list_offsets(live: Live, group: &Group, within: Duration) -> Asked<Vec<Element>> {
    through(live, |rk| list(rk, group, within))
}

/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
fn list(rk: *mut RDKafka, group: &Group, within: Duration) -> Result<Vec<Element>, KafkaError> {
    let group = CString::new(group.as_str()).map_err(|error| KafkaError::Client(error.to_string()))?;
    let request = Request::to_coordinator(
        rk,
        rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
        within,
    )?;
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
    // SAFETY: the event is live until the end; its groups belong to it; the count is as librdkafka says.
    unsafe {
        let result = rd::rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
        if result.is_null() {
            return Ok(Vec::new());
        }
        let mut count = 0;
        let groups = rd::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        elements_of_groups(groups, count)
    }
}
