//! Names of nodes as anybody may have made them in ZooKeeper, one a line, and other text that leads there: partitions, paths,
//! addresses.

use std::collections::BTreeSet;

use kafkavisor::config::ZookeeperAddress;
use kafkavisor::ids::TopicPartition;
use kafkavisor::partitioner::allocation::{allocate, kazoo_name, member_id, parse_kazoo_name};
use kafkavisor::partitioner::group_path::GroupFolder;
use kafkavisor::partitioner::node_names::{checks_siblings, contenders, holder, predecessor};

/// More names make it only slower.
const MOST: usize = 64;

/// A folder's children.
pub(super) fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let children: Vec<String> = text.lines().take(MOST).map(str::to_owned).collect();
    line_before_a_lock(&children);
    shares(&children);
    for name in &children {
        partition(name);
        path(name);
        address(name);
        if checks_siblings(name) {
            assert!(name.contains("__lock__"), "{name:?}");
        }
    }
}

/// From wherever one stands in the line, going from predecessor to predecessor leads to the front, and never in a circle.
fn line_before_a_lock(children: &[String]) {
    let contenders: BTreeSet<&str> = contenders(children).collect();
    let front = holder(children);
    assert_eq!(front.is_some(), !contenders.is_empty());
    for name in children {
        let mut here = name.as_str();
        let mut seen = BTreeSet::new();
        while let Some(ahead) = predecessor(children, here) {
            assert!(contenders.contains(ahead) && seen.insert(ahead), "{name:?} in {children:?}");
            here = ahead;
        }
        if contenders.contains(name.as_str()) {
            let sequence = |name: &str| name.rsplit_once("__lock__").map(|(_, sequence)| sequence.to_owned());
            assert_eq!(sequence(here), front.and_then(sequence), "{name:?} in {children:?}");
        } else {
            assert!(seen.is_empty(), "{name:?} is no contender and waits for {seen:?}");
        }
    }
}

/// Whoever is in the party: every partition belongs to exactly one of them.
fn shares(party: &[String]) {
    let mut ids: Vec<&str> = party.iter().map(|node| member_id(node)).collect();
    for (node, id) in party.iter().zip(&ids) {
        assert!(node.ends_with(id), "{node:?} {id:?}");
    }
    let partitions: BTreeSet<TopicPartition> =
        party.iter().filter_map(|name| parse_kazoo_name(name).ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut all = Vec::new();
    for id in &ids {
        let share = allocate(&partitions, &ids, id);
        assert!(
            share.len() <= partitions.len().div_ceil(ids.len()),
            "an unfair share: {share:?} of {partitions:?}"
        );
        all.extend(share);
    }
    assert_eq!(all.len(), partitions.len(), "{all:?} {partitions:?}");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), partitions);
    assert!(allocate(&partitions, &ids, "nobody's id\n").is_empty());
}

fn partition(name: &str) {
    if let Ok(partition) = parse_kazoo_name(name) {
        assert_eq!(parse_kazoo_name(&kazoo_name(&partition)).as_ref(), Ok(&partition));
        assert!(partition.partition.0 >= 0);
    }
    if let Ok(partition) = name.parse::<TopicPartition>() {
        assert_eq!(partition.to_string().parse::<TopicPartition>().as_ref(), Ok(&partition));
    }
}

fn path(name: &str) {
    if let Ok(folder) = GroupFolder::at(name) {
        assert_eq!((folder.path(), folder.parent()), (name, None));
        assert!(
            name.starts_with('/') && !name.ends_with('/') && !name.contains("//") && !name.contains('\0')
        );
        assert!(name.split('/').all(|part| part != "." && part != ".."));
    }
}

fn address(name: &str) {
    if let Ok(address) = name.parse::<ZookeeperAddress>() {
        assert_eq!(address.to_string().parse::<ZookeeperAddress>().as_ref(), Ok(&address));
        assert!(!address.servers.is_empty());
    }
}
