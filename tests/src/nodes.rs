//! Nodes in ZooKeeper as they are, to compare and to write: what other programs leave there.

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use crate::topic::block_on;
use crate::waiting::WITHIN;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Where it is.
    pub path: String,
    /// What is in it, as text.
    pub data: String,
    /// Whether it goes with a session.
    pub ephemeral: bool,
    /// Who may do what, each `scheme:id:permissions`.
    pub acl: Vec<String>,
}

impl Node {
    /// With `replacements` made in its path and data.
    #[must_use]
    pub fn with(&self, replacements: &[(&str, &str)]) -> Self {
        let replace =
            |text: &str| replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        Self { path: replace(&self.path), data: replace(&self.data), ..self.clone() }
    }
}

/// The node at `path` and all below, parents first; none where there is none.
pub fn tree(servers: &str, path: &str) -> Vec<Node> {
    block_on(async {
        let client = connect(servers).await;
        let (mut found, mut waiting) = (Vec::new(), vec![path.to_owned()]);
        while let Some(path) = waiting.pop() {
            let Some(node) = read(&client, &path).await else { continue };
            found.push(node);
            let mut children = match timeout(WITHIN, client.list_children(&path)).await.expect("in time") {
                Ok(children) => children,
                Err(Error::NoNode) => Vec::new(),
                Err(error) => panic!("{path}: {error}"),
            };
            children.sort_unstable_by(|a, b| b.cmp(a));
            waiting.extend(children.into_iter().map(|child| format!("{path}/{child}")));
        }
        found
    })
}

/// Writes persistent nodes as they are said to be, open to all; those that are there stay.
pub fn write(servers: &str, nodes: &[Node]) {
    block_on(async {
        let client = connect(servers).await;
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        for node in nodes {
            let parent = node.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if !parent.is_empty() {
                timeout(WITHIN, client.mkdir(parent, &options)).await.expect("in time").expect("a folder");
            }
            let created = client.create(&node.path, node.data.as_bytes(), &options);
            match timeout(WITHIN, created).await.expect("in time") {
                Ok(_) | Err(Error::NodeExists) => {}
                Err(error) => panic!("{}: {error}", node.path),
            }
        }
    });
}

async fn connect(servers: &str) -> Client {
    timeout(WITHIN, Client::connect(servers)).await.expect("in time").expect("ZooKeeper answers")
}

async fn read(client: &Client, path: &str) -> Option<Node> {
    let (data, stat) = match timeout(WITHIN, client.get_data(path)).await.expect("in time") {
        Ok(found) => found,
        Err(Error::NoNode) => return None,
        Err(error) => panic!("{path}: {error}"),
    };
    let (acl, _) = timeout(WITHIN, client.get_acl(path)).await.expect("in time").expect("readable");
    let acl = acl.iter().map(|acl| format!("{}:{}:{}", acl.scheme(), acl.id(), acl.permission())).collect();
    let data = String::from_utf8(data).expect("text");
    Some(Node { path: path.to_owned(), data, ephemeral: stat.ephemeral_owner != 0, acl })
}
