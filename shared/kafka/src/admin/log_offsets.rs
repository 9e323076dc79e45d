//! Where logs begin and end (`rd_kafka_ListOffsets`): one answer a partition.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor_types::ids::{Offset, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};
use rdkafka::types::RDKafka;

use super::request::{Request, text};
use crate::error::KafkaError;
use crate::logs::Answers;
use crate::partition;

/// Which offset of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Of its earliest message.
    Start,
    /// Behind its last message.
    End,
    /// Behind the last message that no open transaction holds back.
    StableEnd,
    /// Of the first message that is not older than this: milliseconds since 1970.
    Time(i64),
}

/// A time behind all messages has no message.
const NO_MESSAGE: i64 = -1;

/// A request on its way: several can be before the first is waited for.
pub(crate) struct LogOffsets(Request);

#[expect(unsafe_code, reason = "librdkafka's C interface")]
impl LogOffsets {
    /// Asks the leaders of `of`, each of which should have one: librdkafka waits for all of them before it asks any.
    ///
    /// `rk` must be a live handle; the caller holds its owner until the answer is there or this is dropped.
    pub(crate) fn ask(
        rk: *mut RDKafka,
        of: &[TopicPartition],
        which: Which,
        within: Duration,
    ) -> Result<Self, KafkaError> {
        // The values of librdkafka's OffsetSpec.
        let (spec, isolation) = match which {
            Which::Start => (
                ListOffset::Beginning,
                rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
            ),
            Which::End => {
                (ListOffset::End, rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED)
            }
            Which::StableEnd => {
                (ListOffset::End, rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED)
            }
            Which::Time(millis) => (
                ListOffset::Offset(millis.max(0)),
                rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
            ),
        };
        let mut list = TopicPartitionList::with_capacity(of.len());
        for key in of {
            let _never_refused = list.add_partition_offset(key.topic.as_str(), key.partition.0, spec);
        }
        let request = Request::new(rk, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, within)?;
        // SAFETY: all arguments are live; the request copies what it needs. Only an isolation level that there is not is refused.
        unsafe {
            rd::rd_kafka_AdminOptions_set_isolation_level(request.options(), isolation);
            rd::rd_kafka_ListOffsets(rk, list.ptr(), request.options(), request.queue());
        }
        Ok(Self(request))
    }

    /// Waits for the answer until `by` at the latest: it can be waited for again then. A partition whose leader did not answer is
    /// left out; none where there is no such message.
    pub(crate) fn answer_by(&self, by: Instant) -> Result<Answers<Option<Offset>>, KafkaError> {
        let event = self.0.answer_by(by)?;
        let mut answers = BTreeMap::new();
        // SAFETY: the event is live until the end, and everything below belongs to it; the count is as librdkafka says.
        unsafe {
            let result = rd::rd_kafka_event_ListOffsets_result(event.get());
            if result.is_null() {
                return Ok(answers);
            }
            let mut count = 0;
            let infos = rd::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            for index in 0..count {
                let element = &*rd::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index));
                let Some(key) = partition(&text(element.topic), element.partition) else { continue };
                match KafkaError::of(element.err) {
                    Some(error) => drop(answers.insert(key, Err(error))),
                    None if element.offset == NO_MESSAGE => drop(answers.insert(key, Ok(None))),
                    // An answer that did not come is none, and no error either.
                    None if element.offset < 0 => {}
                    None => drop(answers.insert(key, Ok(Some(Offset(element.offset))))),
                }
            }
        }
        Ok(answers)
    }
}
