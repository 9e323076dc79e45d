//! Who is subscribed under a group id, and what each was given (`rd_kafka_DescribeConsumerGroups`): members of both of Kafka's
//! protocols for groups.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::time::Duration;

use kafkavisor_types::ids::{Group, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafka;

use super::coordinator::{Asked, through};
use super::elements::elements_of;
use super::request::{Operation, Request, may, text};
use crate::error::KafkaError;
use crate::live::Live;

/// A member as the group's coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupMember {
    /// The id that the coordinator knows it by.
    pub id: String,
    /// As the member calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// What it was given.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A group as its coordinator describes it.
#[derive(Debug)]
pub(crate) struct DescribedGroup {
    /// None where it knows no such group.
    pub(crate) members: Option<Vec<GroupMember>>,
    /// It may be looked at, and not used.
    pub(crate) unreadable: bool,
}

/// Asks the group's coordinator.
pub(crate) fn describe_group(live: Live, group: &Group, within: Duration) -> Asked<DescribedGroup> {
    through(live, |rk| describe(rk, group, within))
}

/// `rk` must be a live handle; the caller holds its owner.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
fn describe(rk: *mut RDKafka, group: &Group, within: Duration) -> Result<DescribedGroup, KafkaError> {
    let name = CString::new(group.as_str()).map_err(|error| KafkaError::Client(error.to_string()))?;
    let request = Request::to_coordinator(
        rk,
        rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
        within,
    )?;
    let mut names = [name.as_ptr()];
    request.include_rights();
    // SAFETY: all arguments are live; the request copies what it needs.
    unsafe {
        rd::rd_kafka_DescribeConsumerGroups(
            rk,
            names.as_mut_ptr(),
            names.len(),
            request.options(),
            request.queue(),
        );
    }
    let event = request.answer()?;
    // SAFETY: the event is live until the end; what is described belongs to it; the count is as librdkafka says.
    unsafe {
        let result = rd::rd_kafka_event_DescribeConsumerGroups_result(event.get());
        if result.is_null() {
            return Err(KafkaError::TimedOut);
        }
        let mut count = 0;
        let groups = rd::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Err(KafkaError::TimedOut);
        }
        let operations = rd::rd_kafka_ConsumerGroupDescription_authorized_operations(*groups, &raw mut count);
        let unreadable = !may(Operation::Read, operations, count);
        Ok(DescribedGroup { members: described(*groups)?, unreadable })
    }
}

/// # Safety
/// `group` belongs to a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe fn described(
    group: *const rd::rd_kafka_ConsumerGroupDescription_t,
) -> Result<Option<Vec<GroupMember>>, KafkaError> {
    // SAFETY: as the caller says; what is below belongs to the group; the count is as librdkafka says.
    unsafe {
        let error = rd::rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() {
            return match KafkaError::of(rd::rd_kafka_error_code(error)) {
                Some(KafkaError::Other(Code::GroupIdNotFound)) => Ok(None),
                Some(error) => Err(error),
                None => Ok(None),
            };
        }
        let state = rd::rd_kafka_ConsumerGroupDescription_state(group);
        let count = rd::rd_kafka_ConsumerGroupDescription_member_count(group);
        if count == 0 && state == rd::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_DEAD {
            return Ok(None);
        }
        let member = |index| member(rd::rd_kafka_ConsumerGroupDescription_member(group, index));
        Ok(Some((0..count).map(member).collect()))
    }
}

/// # Safety
/// `member` belongs to a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
unsafe fn member(member: *const rd::rd_kafka_MemberDescription_t) -> GroupMember {
    // SAFETY: as the caller says; its strings and its assignment, which may be null, belong to it.
    unsafe {
        let assignment = rd::rd_kafka_MemberDescription_assignment(member);
        let given = if assignment.is_null() {
            Vec::new()
        } else {
            elements_of(rd::rd_kafka_MemberAssignment_partitions(assignment))
        };
        GroupMember {
            id: text(rd::rd_kafka_MemberDescription_consumer_id(member)),
            client_id: text(rd::rd_kafka_MemberDescription_client_id(member)),
            host: text(rd::rd_kafka_MemberDescription_host(member)),
            partitions: given.into_iter().map(|element| element.key).collect(),
        }
    }
}
