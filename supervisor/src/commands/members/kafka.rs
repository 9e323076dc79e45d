//! Members in Kafka's own membership, as the group's coordinator knows them.

use std::collections::BTreeSet;

use kafkavisor::config::Finding;
use kafkavisor::ids::{Group, Topic, TopicPartition};
use kafkavisor::offsets::{GroupMember, OffsetStorage};

use super::super::note;
use super::super::offsets::target::{all, connect, failure};
use super::print::{Member, Members};
use crate::exit::Failure;

/// Asks the coordinator. Without topics those that members were given are meant, and those with offsets.
pub(super) fn members(
    brokers: &[String],
    group: &Group,
    topics: &[Topic],
    who: &Finding,
) -> Result<Members, Failure> {
    let client = connect(brokers, None, who)?;
    let Some(members) = client.group_members(group).map_err(failure)? else {
        return Err(Failure::failed(format!("Kafka at {} knows no group {group}", client.brokers())));
    };
    let of_them = |key: &&TopicPartition| topics.is_empty() || topics.contains(&key.topic);
    let one = |member: GroupMember| Member {
        id: member.id,
        partitions: member.partitions.iter().filter(of_them).cloned().collect(),
    };
    let members: Vec<_> = members.into_iter().map(one).collect();
    let wanted: BTreeSet<Topic> = if topics.is_empty() {
        let with_offsets =
            client.partitions_with_offsets(group, OffsetStorage::Kafka).map_err(failure)?.into_iter();
        let held = members.iter().flat_map(|member| member.partitions.iter().cloned());
        with_offsets.chain(held).map(|key| key.topic).collect()
    } else {
        topics.iter().cloned().collect()
    };
    let counts = client.partition_counts(&wanted.iter().cloned().collect::<Vec<_>>()).map_err(failure)?;
    if let Some(missing) = topics.iter().find(|topic| !counts.contains_key(*topic)) {
        return Err(Failure::failed(format!("there is no topic {missing} in Kafka at {}", client.brokers())));
    }
    if members.is_empty() {
        note("nobody is subscribed under this group in Kafka: members in ZooKeeper are shown with -z");
    }
    Ok(Members::new(group, None, members, Vec::new(), all(&counts)))
}
