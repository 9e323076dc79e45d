//! Members by their nodes in ZooKeeper, Python's among them: a lock node is its owner's whose party node is of the same session.

use std::collections::BTreeSet;

use kafkavisor::config::{Finding, ZookeeperAddress};
use kafkavisor::ensemble::ensemble;
use kafkavisor::ids::{Group, Topic, TopicPartition};
use kafkavisor::membership::ConnectError;
use kafkavisor::membership::zookeeper::NodeError;
use kafkavisor::membership::zookeeper::observer::{GroupSeen, MemberSeen, Observer};
use kafkavisor::partitioner::group_path::{GroupFolder, TopicsRepr};
use tokio::runtime::Builder;

use super::super::identity::WITHIN;
use super::print::{Member, Members};
use crate::exit::Failure;

/// One folder of the group.
#[derive(Debug)]
pub(in crate::commands) struct Folder {
    pub(in crate::commands) path: String,
    pub(in crate::commands) seen: GroupSeen,
}

impl Folder {
    /// Whether anybody is in it, or has just been.
    fn is_live(&self) -> bool {
        !self.seen.members.is_empty() || !self.seen.orphans.is_empty()
    }
}

/// All folders of the group, with who is in them.
pub(in crate::commands) fn in_zookeeper(
    address: &ZookeeperAddress,
    group: &Group,
    who: &Finding,
) -> Result<Vec<Folder>, Failure> {
    let ensemble = ensemble(address, who.zookeeper_auth.as_ref(), who.zookeeper_tls.as_ref());
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::bug(format!("failed to start the async runtime: {error}")))?;
    runtime.block_on(async {
        let observer =
            Observer::connect(&ensemble, &address.chroot, WITHIN).await.map_err(|error| match error {
                ConnectError::Trouble(trouble) if trouble.is_ours() => {
                    Failure::configuration(trouble.to_string())
                }
                error @ (ConnectError::Trouble(_)
                | ConnectError::Servers { .. }
                | ConnectError::Unreachable { .. }
                | ConnectError::Node(_)) => Failure::unreachable(error.to_string()),
            })?;
        if !observer.has_chroot().await.map_err(failure)? {
            let chroot = &address.chroot;
            return Err(Failure::failed(format!(
                "there is no {chroot} in ZooKeeper at {}: look at what follows the servers in -z",
                address.servers.join(",")
            )));
        }
        let mut folders = Vec::new();
        for path in observer.folders(group).await.map_err(failure)? {
            let seen = observer.read_members(&path).await.map_err(failure)?;
            folders.push(Folder { path, seen });
        }
        Ok(folders)
    })
}

fn failure(error: NodeError) -> Failure {
    Failure::failed(error.to_string())
}

/// The group as ZooKeeper knows it. Topics pick the folder of members with just these topics, where there is one.
pub(super) fn members(
    address: &ZookeeperAddress,
    group: &Group,
    topics: &[Topic],
    who: &Finding,
) -> Result<Members, Failure> {
    let folders = meant(in_zookeeper(address, group, who)?, group, topics);
    let path = match folders.as_slice() {
        [] => return Err(Failure::failed(format!("ZooKeeper at {address} knows no group {group}"))),
        [folder] => folder.path.clone(),
        // Several hold members: what they have in common.
        _ => GroupFolder::plain(group).path().to_owned(),
    };
    let of_them = |key: &TopicPartition| topics.is_empty() || topics.contains(&key.topic);
    let (mut members, mut others, mut all) = (Vec::new(), Vec::new(), BTreeSet::new());
    for Folder { seen, .. } in folders {
        members.extend(seen.members.into_iter().map(|MemberSeen { id, mut partitions, .. }| {
            partitions.retain(of_them);
            Member { id, partitions }
        }));
        others.extend(seen.orphans.into_iter().map(|(key, session)| (key, format!("session {session}"))));
        all.extend(seen.free);
    }
    others.retain(|(key, _)| of_them(key));
    all.retain(of_them);
    Ok(Members::new(group, Some(path), members, others, all))
}

/// The folder of these topics if it is there; else those with anybody in them; else all.
fn meant(mut folders: Vec<Folder>, group: &Group, topics: &[Topic]) -> Vec<Folder> {
    let own = [TopicsRepr::Python3, TopicsRepr::Python2Unicode]
        .map(|repr| GroupFolder::hashed(group, topics, repr).path().to_owned());
    if !topics.is_empty() && folders.iter().any(|folder| own.contains(&folder.path)) {
        folders.retain(|folder| own.contains(&folder.path));
    }
    if folders.iter().any(Folder::is_live) {
        folders.retain(Folder::is_live);
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str, live: bool) -> Folder {
        let member =
            MemberSeen { id: "m".to_owned(), session: "0x1".to_owned(), partitions: BTreeSet::new() };
        let members = if live { vec![member] } else { Vec::new() };
        Folder { path: path.to_owned(), seen: GroupSeen { members, ..GroupSeen::default() } }
    }

    fn paths(folders: Vec<Folder>, topics: &[&str]) -> Vec<String> {
        let topics: Vec<_> = topics.iter().map(|topic| Topic::new(topic).unwrap()).collect();
        let found = meant(folders, &Group::new("g").unwrap(), &topics);
        found.into_iter().map(|folder| folder.path).collect()
    }

    #[test]
    fn folders_with_members_are_meant_else_all() {
        let old_and_new = || vec![folder("/yelp-kafka/g/old", false), folder("/yelp-kafka/g/new", true)];
        assert_eq!(paths(old_and_new(), &[]), ["/yelp-kafka/g/new"]);
        let both = vec![folder("/yelp-kafka/g", true), folder("/yelp-kafka/g/new", true)];
        assert_eq!(paths(both, &[]), ["/yelp-kafka/g", "/yelp-kafka/g/new"]);
        let none = vec![folder("/yelp-kafka/g/a", false), folder("/yelp-kafka/g/b", false)];
        assert_eq!(paths(none, &["t"]).len(), 2);
        assert_eq!(paths(Vec::new(), &[]), [""; 0]);
    }

    #[test]
    fn topics_pick_their_folder() {
        // As group_path.rs has measured it for topic a, with both Pythons.
        let python3 = "/yelp-kafka/g/2a978d99494e3a8b635237389cb9e9af56612ddf";
        let python2 = "/yelp-kafka/g/0111d6ba796cc286baec6f8faecd93261c72f9da";
        for own in [python3, python2] {
            let folders = || vec![folder("/yelp-kafka/g/other", true), folder(own, false)];
            assert_eq!(paths(folders(), &["a"]), [own]);
            assert_eq!(paths(folders(), &["b"]), ["/yelp-kafka/g/other"]);
        }
    }
}
