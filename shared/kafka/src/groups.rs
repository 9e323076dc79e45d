//! Groups from outside, whoever asks: who is subscribed, and which offsets there are.

use std::time::Instant;

use kafkavisor_types::ids::{Group, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::admin::{Element, GroupMember, list_members, list_offsets};
use crate::clients::Clients;
use crate::error::KafkaError;
use crate::offsets::{Answers, OffsetError, Stored};
use crate::patience::patiently;

impl Clients {
    /// Who is subscribed under the group's id, in the order of their ids; `None` where Kafka knows no such group.
    pub fn group_members(
        &self,
        group: &Group,
        until: Instant,
    ) -> Result<Option<Vec<GroupMember>>, KafkaError> {
        let native = self.client.client().native_ptr();
        let members = match patiently(until, |left| list_members(native, group, left)) {
            // A broker that knows no groups (the demo's) has nobody in them.
            Err(KafkaError::Other(Code::UnsupportedFeature)) => return Ok(None),
            members => members?,
        };
        Ok(members.map(|mut members| {
            members.sort();
            members
        }))
    }

    /// All offsets of the group, whatever their topics: also those of topics that are gone. None where Kafka knows no such group.
    pub fn group_offsets(&self, group: &Group, until: Instant) -> Result<Answers<Stored>, KafkaError> {
        let found = patiently(until, |left| list_offsets(self.client.client().native_ptr(), group, left))?;
        Ok(found.into_iter().filter_map(answer).collect())
    }
}

fn answer(element: Element) -> Option<(TopicPartition, Result<Stored, OffsetError>)> {
    let Element { key, offset, note, error } = element;
    match (error, offset) {
        (Some(error), _) => Some((key, Err(error.into()))),
        (None, Some(offset)) => Some((key, Ok(Stored { offset, note }))),
        (None, None) => None,
    }
}
