//! Members in Kafka's own membership, as the group's coordinator knows them.

use std::collections::BTreeSet;

use kafkavisor::ids::{Group, Topic, TopicPartition};
use kafkavisor::offsets::OffsetStorage;

use super::super::note;
use super::super::offsets::target::{all, connect, failure};
use super::print::Members;
use crate::exit::Failure;

/// Asks the coordinator. Without topics those that members were given are meant, and those with offsets.
pub(super) fn members(brokers: &[String], group: &Group, topics: &[Topic]) -> Result<Members, Failure> {
    let client = connect(brokers, None)?;
    let Some(members) = client.group_members(group).map_err(failure)? else {
        return Err(Failure::failed(format!("Kafka at {} knows no group {group}", client.brokers())));
    };
    let given = members.iter().flat_map(|m| m.partitions.iter().map(|key| (key.clone(), m.id.clone())));
    let held: BTreeSet<(TopicPartition, String)> =
        given.filter(|(key, _)| topics.is_empty() || topics.contains(&key.topic)).collect();
    let wanted: BTreeSet<Topic> = if topics.is_empty() {
        let with_offsets =
            client.partitions_with_offsets(group, OffsetStorage::Kafka).map_err(failure)?.into_iter();
        with_offsets.chain(held.iter().map(|(key, _)| key.clone())).map(|key| key.topic).collect()
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
    let ids = members.iter().map(|member| member.id.clone());
    Ok(Members::new(group, None, ids, held, all(&counts)))
}
