//! The elements of librdkafka's lists of partitions, as they are: the safe crate panics at a note that is no UTF-8, and anybody
//! may have written that.

use kafkavisor_types::ids::{Offset, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::request::text;
use crate::error::KafkaError;
use crate::partition;

/// One element.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) key: TopicPartition,
    /// None where there is none.
    pub(crate) offset: Option<Offset>,
    pub(crate) note: String,
    pub(crate) error: Option<KafkaError>,
}

/// All elements of a list.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(crate) fn elements(list: &TopicPartitionList) -> Vec<Element> {
    // SAFETY: the list owns what it points to, and is borrowed meanwhile.
    unsafe { elements_of(list.ptr()) }
}

/// # Safety
/// `list` is null or live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) unsafe fn elements_of(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<Element> {
    // SAFETY: as the caller says; there are `cnt` elements.
    let all = unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        let count = usize::try_from(list.cnt).unwrap_or(0);
        if list.elems.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts(list.elems, count)
    };
    all.iter().filter_map(element).collect()
}

/// All elements of a result's groups.
///
/// # Safety
/// `groups` has `count` groups, all of a result that is live.
#[expect(unsafe_code, reason = "librdkafka's C interface")]
pub(super) unsafe fn elements_of_groups(
    groups: *mut *const rd::rd_kafka_group_result_t,
    count: usize,
) -> Result<Vec<Element>, KafkaError> {
    let mut found = Vec::new();
    for index in 0..count {
        // SAFETY: as the caller says; errors and lists belong to the groups.
        unsafe {
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

#[expect(unsafe_code, reason = "librdkafka's C interface")]
fn element(raw: &rd::rd_kafka_topic_partition_t) -> Option<Element> {
    let note = if raw.metadata.is_null() {
        String::new()
    } else {
        // SAFETY: not null, and librdkafka says how long it is; it belongs to the element.
        let bytes = unsafe { std::slice::from_raw_parts(raw.metadata.cast::<u8>(), raw.metadata_size) };
        String::from_utf8_lossy(bytes).into_owned()
    };
    Some(Element {
        key: partition(&text(raw.topic), raw.partition)?,
        offset: (raw.offset >= 0).then_some(Offset(raw.offset)),
        note,
        error: KafkaError::of(raw.err),
    })
}

#[cfg(test)]
mod tests {
    use rdkafka::topic_partition_list::Offset as ListOffset;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "a note that is no UTF-8 can't be made otherwise")]
    fn a_note_that_is_no_text_is_read_all_the_same() {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 3, ListOffset::Offset(7)).unwrap();
        list.add_partition("t", 4).set_metadata("x\0y");
        // SAFETY: the list has two elements; the second one's note is ours to change.
        unsafe { *(*(*list.ptr()).elems.add(1)).metadata.cast::<u8>() = 0xff };
        let found = elements(&list);
        assert_eq!(found[0].offset, Some(Offset(7)));
        assert_eq!((found[1].offset, found[1].note.as_str()), (None, "\u{fffd}\0y"));
    }
}
