//! Groups from outside, whoever asks: who is subscribed, and which offsets there are.

use std::time::Instant;

use kafkavisor_types::ids::{Group, TopicPartition};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::admin::{DescribedGroup, Element, GroupMember, describe_group, list_offsets};
use crate::clients::Clients;
use crate::error::KafkaError;
use crate::offsets::{Answers, OffsetError, Stored};

impl Clients {
    /// Who is subscribed under the group's id, in the order of their ids; `None` where Kafka knows no such group.
    pub fn group_members(
        &self,
        group: &Group,
        until: Instant,
    ) -> Result<Option<Vec<GroupMember>>, KafkaError> {
        Ok(self.described_group(group, until)?.members)
    }

    /// ... of a group that is ours to commit under: an error where that is not allowed.
    pub fn members_of_ours(
        &self,
        group: &Group,
        until: Instant,
    ) -> Result<Option<Vec<GroupMember>>, KafkaError> {
        let described = self.described_group(group, until)?;
        if described.unreadable { Err(KafkaError::GroupDenied) } else { Ok(described.members) }
    }

    fn described_group(&self, group: &Group, until: Instant) -> Result<DescribedGroup, KafkaError> {
        let mut described = match self.ask_coordinator(until, |live, left| describe_group(live, group, left))
        {
            // A broker that knows no groups (the demo's) has nobody in them.
            Err(KafkaError::Other(Code::UnsupportedFeature)) => {
                DescribedGroup { members: None, unreadable: false }
            }
            described => described?,
        };
        described.members.iter_mut().for_each(|members| members.sort());
        Ok(described)
    }

    /// All offsets of the group, whatever their topics: also those of topics that are gone. None where Kafka knows no such group.
    pub fn group_offsets(&self, group: &Group, until: Instant) -> Result<Answers<Stored>, KafkaError> {
        let found = self.ask_coordinator(until, |live, left| list_offsets(live, group, left))?;
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
