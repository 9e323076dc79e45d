//! Who is in the group: whoever is commits over what is set.

use std::collections::BTreeSet;

use super::super::members::in_zookeeper;
use super::super::note;
use super::target::{Target, failure};
use crate::exit::Failure;

/// Refuses while the group has members, naming them. Without ZooKeeper only Kafka's are seen, and that is said.
pub(super) fn refuse_while_live(target: &Target) -> Result<(), Failure> {
    if target.zookeeper.is_none() {
        note("only members in Kafka were looked for: with -z ZOOKEEPER those in ZooKeeper are seen, too");
    }
    let members = live(target)?;
    if members.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "group {} has members, who would commit over it: {}. Stop them, or say --force",
        target.group,
        members.join(", ")
    )))
}

/// Every member, by name and place; those in ZooKeeper where that is named.
pub(super) fn live(target: &Target) -> Result<Vec<String>, Failure> {
    let kafka = target.client.group_members(&target.group).map_err(failure)?.unwrap_or_default();
    let mut members: Vec<_> =
        kafka.iter().map(|m| format!("{} at {} (in Kafka)", m.client_id, m.host)).collect();
    let Some(address) = &target.zookeeper else { return Ok(members) };
    for folder in in_zookeeper(address, &target.group, &target.who)? {
        members.extend(folder.seen.members.iter().map(|m| format!("{} (in {})", m.id, folder.path)));
        // On their way out, or just gone: they may still commit.
        let sessions: BTreeSet<_> = folder.seen.orphans.values().collect();
        members.extend(sessions.into_iter().map(|session| format!("session {session} (in {})", folder.path)));
    }
    Ok(members)
}
