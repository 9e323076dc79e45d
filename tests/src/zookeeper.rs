//! ZooKeeper as it is, without the library's own membership code.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::timeout;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Error, Permission};

use crate::topic::block_on;
use crate::waiting::WITHIN;

/// Who is in a group and who holds what, by its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The members' identifiers.
    pub members: BTreeSet<String>,
    /// Partition to the identifier of the member whose session holds its lock.
    pub holders: BTreeMap<String, String>,
    /// Lock nodes of sessions that have no member: none in a settled group.
    pub orphans: Vec<String>,
}

/// Reads the group at `path`.
pub fn read_group(servers: &str, path: &str) -> Group {
    with_client(servers, async |client| read(client, path).await)
}

async fn read(client: &Client, path: &str) -> Group {
    let mut group = Group::default();
    let mut sessions = BTreeMap::new();
    for node in children(client, &format!("{path}/party")).await {
        let Some((_, stat)) = data(client, &format!("{path}/party/{node}")).await else { continue };
        let id = node.split_once('-').expect("UUID and identifier").1.to_owned();
        sessions.insert(stat, id.clone());
        group.members.insert(id);
    }
    for partition in children(client, &format!("{path}/locks")).await {
        let mut contenders = children(client, &format!("{path}/locks/{partition}")).await;
        contenders.sort_by_key(|node| node.rsplit("__lock__").next().map(str::to_owned));
        let Some(first) = contenders.first() else { continue };
        let lock = format!("{path}/locks/{partition}/{first}");
        let Some((_, session)) = data(client, &lock).await else { continue };
        match sessions.get(&session) {
            Some(id) => drop(group.holders.insert(partition, id.clone())),
            None => group.orphans.push(lock),
        }
    }
    group
}

pub(crate) async fn children(client: &Client, path: &str) -> Vec<String> {
    match client.list_children(path).await {
        Ok(children) => children,
        Err(Error::NoNode) => Vec::new(),
        Err(error) => panic!("can't list {path}: {error}"),
    }
}

/// A node's data and the session that owns it, unless it is gone.
pub(crate) async fn data(client: &Client, path: &str) -> Option<(Vec<u8>, i64)> {
    match client.get_data(path).await {
        Ok((data, stat)) => Some((data, stat.ephemeral_owner)),
        Err(Error::NoNode) => None,
        Err(error) => panic!("can't read {path}: {error}"),
    }
}

/// Where an offset is in the classic layout.
pub fn classic_path(group: &str, topic: &str, partition: i32) -> String {
    format!("/consumers/{group}/offsets/{topic}/{partition}")
}

/// The text of an offset's node in the classic layout, where there is one.
pub fn classic_offset(servers: &str, group: &str, topic: &str, partition: i32) -> Option<String> {
    let node = node(servers, &classic_path(group, topic, partition));
    node.map(|(text, _)| String::from_utf8_lossy(&text).into_owned())
}

/// Writes an offset as consumers of old did: `/consumers/GROUP/offsets/TOPIC/PARTITION`.
pub fn write_classic_offset(servers: &str, group: &str, topic: &str, partition: i32, offset: i64) {
    write_node(servers, &classic_path(group, topic, partition), &offset.to_string());
}

/// What a node holds and the session that owns it, where there is such a node.
pub fn node(servers: &str, path: &str) -> Option<(Vec<u8>, i64)> {
    with_client(servers, async |client| data(client, path).await)
}

/// Sets a node, having made it and its parents where they are missing.
pub fn write_node(servers: &str, path: &str, text: &str) {
    with_client(servers, async |client| {
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let folder = path.rsplit_once('/').expect("a path").0;
        client.mkdir(folder, &options).await.expect("the folder is made");
        match client.create(path, text.as_bytes(), &options).await {
            Ok(_) => {}
            Err(Error::NodeExists) => {
                client.set_data(path, text.as_bytes(), None).await.expect("the node is written");
            }
            Err(error) => panic!("can't write {path}: {error}"),
        }
    });
}

/// Lets everybody do this with a node, and nothing else.
pub fn set_rights(servers: &str, path: &str, rights: Permission) {
    with_client(servers, async |client| {
        let acl = [Acl::new(rights | Permission::ADMIN, AuthId::anyone())];
        client.set_acl(path, &acl, None).await.expect("its access list is set");
    });
}

/// Whether a node can be read by nobody in particular.
pub fn is_open(servers: &str, path: &str) -> bool {
    with_client(servers, async |client| match client.get_data(path).await {
        Ok(_) => true,
        Err(Error::NoAuth) => false,
        Err(error) => panic!("can't read {path}: {error}"),
    })
}

/// Removes a node.
pub fn remove_node(servers: &str, path: &str) {
    with_client(servers, async |client| client.delete(path, None).await.expect("the node is removed"));
}

pub(crate) fn with_client<T>(servers: &str, work: impl AsyncFnOnce(&Client) -> T) -> T {
    block_on(async {
        let client =
            timeout(WITHIN, Client::connect(servers)).await.expect("in time").expect("ZooKeeper answers");
        let done = timeout(WITHIN, work(&client)).await.expect("ZooKeeper answers in time");
        drop(client);
        tokio::task::yield_now().await;
        done
    })
}
