//! Nodes in ZooKeeper as they are, to compare and to write: what other programs leave there.

use serde::{Deserialize, Serialize};
use zookeeper_client::Client;

use crate::zookeeper::{children, data, with_client, write_node};

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
    with_client(servers, async |client| {
        let (mut found, mut waiting) = (Vec::new(), vec![path.to_owned()]);
        while let Some(path) = waiting.pop() {
            let Some(node) = read(client, &path).await else { continue };
            found.push(node);
            let mut children = children(client, &path).await;
            children.sort_unstable_by(|a, b| b.cmp(a));
            waiting.extend(children.into_iter().map(|child| format!("{path}/{child}")));
        }
        found
    })
}

/// Writes persistent nodes as they are said to be, open to all.
pub fn write(servers: &str, nodes: &[Node]) {
    nodes.iter().for_each(|node| write_node(servers, &node.path, &node.data));
}

async fn read(client: &Client, path: &str) -> Option<Node> {
    let (data, session) = data(client, path).await?;
    let (acl, _) = client.get_acl(path).await.expect("readable");
    let acl = acl.iter().map(|acl| format!("{}:{}:{}", acl.scheme(), acl.id(), acl.permission())).collect();
    let data = String::from_utf8(data).expect("text");
    Some(Node { path: path.to_owned(), data, ephemeral: session != 0, acl })
}
